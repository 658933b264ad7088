"""Who may reach a server: where it listens, and what it asks for."""

import asyncio
import errno
import hmac
import re
from ipaddress import ip_address

from diffumask_core import InputError

_IN_HEADER = re.compile(r"[!-~]+")
_LEAST_PORT, _MOST_PORT = 0, 65535


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


def check_port(host: str, port: int) -> None:
    """Checks that a server can listen on a port, before the time that it takes to load a model.

    Args:
        host: Where it is to listen.
        port: The port; 0 for any that is free.

    Raises:
        InputError: There is no such port or address, another program listens there, or the system does not allow it.
    """
    if not _LEAST_PORT <= port <= _MOST_PORT:
        raise InputError(f"port={port!r} is not possible: pass a number from {_LEAST_PORT} to {_MOST_PORT}.")
    try:
        asyncio.run(_listen_once(host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"Port {port} of {host} is in use: pass another --port.") from error
        raise InputError(f"Nothing can listen on port {port} of {host}: {error.strerror or error}.") from error


async def _listen_once(host: str, port: int) -> None:
    """Takes a port in the way in which the server is going to take it, and gives it back."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port, start_serving=False)
    server.close()


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
