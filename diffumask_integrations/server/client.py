"""Clients that go: what is done for one is dropped, since nobody reads the answer any more."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from diffumask_core.extras import needs_extra

with needs_extra("server", "the server"):
    from starlette.requests import ClientDisconnect, Request

Value = TypeVar("Value")


async def while_there(request: Request, doing: Coroutine[Any, Any, Value]) -> Value:
    """Does something for a client for as long as the client is there.

    Args:
        request: The request of the client, whose body was read already.
        doing: What is done.

    Raises:
        ClientDisconnect: The client has gone.
    """
    done = asyncio.ensure_future(doing)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((done, gone), return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            raise ClientDisconnect
        return done.result()
    finally:
        gone.cancel()
        done.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
