"""Who may reach a server: where it listens, and what it asks for."""

import hmac
import re
from ipaddress import ip_address

from diffumask_core import InputError

_IN_HEADER = re.compile(r"[!-~]+")


def check_binding(host: str, token: str | None, open_to_all: bool) -> None:
    """Checks that a server which other machines can reach asks for a token.

    Args:
        host: Where it is to listen.
        token: What it asks for.
        open_to_all: Whether the user said that it need not ask.

    Raises:
        InputError: Anyone could use the server, and nobody said so; or the token fits into no header.
    """
    if token is not None and not _IN_HEADER.fullmatch(token):
        raise InputError("The token is empty or holds more than letters, digits and signs: pass a long random one.")
    if token is None and not open_to_all and not _is_loopback(host):
        raise InputError(
            f"host={host!r} lets other machines in, and there is no token: set DIFFUMASK_TOKEN, listen on 127.0.0.1, "
            "or pass --open-to-all where a firewall or a proxy in front checks who comes."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_token(given: str, token: str) -> bool:
    """Whether a token is the right one, found out in a time that tells nothing about the right one."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode("utf-8", "surrogatepass"))


def bearer_of(header: str) -> str:
    """The token in an ``Authorization`` header; empty where there is none."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
