"""How the server shortens, whom it lets in and how much it takes on."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from diffumask_core import InputError
from diffumask_core.conversation.aging import Amount
from diffumask_integrations.binding import check_binding, check_port
from diffumask_integrations.left_out import DEFAULT_CHARACTERS


@dataclass(frozen=True, kw_only=True)
class Shortening:
    """How old messages are shortened; see `Compressor.conversation`.

    Attributes:
        keep: How much of the end of a conversation stays.
        trigger: From when on messages are shortened.
        exclude_tools: Names and patterns of tools whose results stay.
        restore: Whether what was left out of results of tools can be had back.
        keep_rate: The share of the tokens of old texts that may stay.
        target_tokens: The most tokens of each old message, in place of a share.
        protect: Strings that come out unchanged.
        tokenizer: What counts the tokens.
    """

    keep: Amount = ("messages", 2)
    trigger: Amount | None = None
    exclude_tools: tuple[str, ...] = ()
    restore: bool = False
    keep_rate: float | None = None
    target_tokens: int | None = None
    protect: tuple[str, ...] = ()
    tokenizer: str = "gpt-4o"


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Settings of a server.

    Attributes:
        upstream: The provider that requests are passed on to; None for a server that shortens and passes nothing on.
        shortening: How old messages are shortened.
        audit: Whether savings are only measured, and nothing is changed.
        token: What clients must know.
        max_body_bytes: The most bytes of a body that is read.
        timeout: Seconds that the upstream may take to connect, to answer, and between two pieces of an answer.
        running: How many compressions run at once.
        waiting: How many more may wait.
        left_out_characters: The most characters that are kept of what was left out.
    """

    upstream: str | None = None
    shortening: Shortening = field(default_factory=Shortening)
    audit: bool = False
    token: str | None = None
    max_body_bytes: int = 64 * 2**20
    timeout: float = 600.0
    running: int = os.cpu_count() or 1
    waiting: int = 64
    left_out_characters: int = DEFAULT_CHARACTERS

    def __post_init__(self) -> None:
        for name, least in (("max_body_bytes", 1), ("running", 1), ("waiting", 0), ("left_out_characters", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name}={getattr(self, name)!r} is not possible: pass at least {least}.")
        if not self.timeout > 0:
            raise InputError(f"timeout={self.timeout!r} is not possible: pass seconds above 0.")
        if self.upstream is not None:
            object.__setattr__(self, "upstream", _checked_url(self.upstream))


@dataclass(frozen=True, kw_only=True)
class Binding:
    """Where a server listens.

    Attributes:
        host: The address.
        port: The port; 0 for any that is free.
        open_to_all: Whether other machines may come without a token.
    """

    host: str = "127.0.0.1"
    port: int = 8787
    open_to_all: bool = False

    def check(self, token: str | None) -> None:
        """Checks that it is free, and safe with a token or without.

        Raises:
            InputError: It is not.
        """
        check_binding(self.host, token, self.open_to_all)
        check_port(self.host, self.port)


def _checked_url(url: str) -> str:
    """The address to which the paths of requests are added: SDKs name it with the /v1 that is in these paths too."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise InputError(f"upstream={url!r} is no address: pass such as https://api.openai.com.")
    return url.rstrip("/").removesuffix("/v1")
