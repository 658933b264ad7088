"""How many requests a second `diffumask serve` takes, and how long they wait: agents side by side, a fake provider.

    python scripts/server_load.py --agents 1,2,4,8

Each agent sends a conversation that grows by a log at each step, through the proxy, as fast as answers come. Its first
requests decide little and its later ones one message each, as with a real agent whose provider answers at once. Beside
it stands the same with the header that asks for a bypass, which is what the way through the proxy costs.
"""

import argparse
import asyncio
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import quantiles
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from diffumask_core import Compressor
from diffumask_integrations.server import ServerSettings, create_app


async def answer(request: Request) -> JSONResponse:
    """The provider's answer, which comes at once."""
    await request.body()
    return JSONResponse({"choices": []})


@contextmanager
def listening(app: ASGIApp) -> Iterator[str]:
    """Runs an application on a free port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def step(drawn: random.Random, number: int, lines: int) -> list[dict[str, Any]]:
    """A call of a tool with a log as its result."""
    machines = [drawn.choice(("crane", "winch", "lathe", "drill", "press")) for _ in range(lines)]
    told = [
        f"2026-03-02 10:{n % 60:02}:00 INFO {name} turned {drawn.randrange(900)} times"
        for n, name in enumerate(machines)
    ]
    call = {"id": f"c{number}", "type": "function", "function": {"name": "log", "arguments": "{}"}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"c{number}", "content": "\n".join(told)},
    ]


async def agent(
    client: httpx.AsyncClient, seed: int, options: argparse.Namespace, headers: dict[str, str]
) -> list[float]:
    """The seconds of each request of an agent."""
    drawn, seconds = random.Random(seed), []
    messages: list[dict[str, Any]] = [{"role": "user", "content": f"Which machines stood still in run {seed}?"}]
    for number in range(options.steps):
        messages += step(drawn, number, options.lines)
        body = json.dumps({"model": "made", "messages": messages})
        began = time.perf_counter()
        reply = await client.post("/v1/chat/completions", content=body, headers=headers)
        reply.raise_for_status()
        seconds.append(time.perf_counter() - began)
    return seconds


async def crowd(url: str, agents: int, seed: int, options: argparse.Namespace, headers: dict[str, str]) -> str:
    """A row of the table: so many agents at once."""
    async with httpx.AsyncClient(base_url=url, timeout=600, trust_env=False) as client:
        began = time.perf_counter()
        each = await asyncio.gather(*(agent(client, seed + number, options, headers) for number in range(agents)))
        took = time.perf_counter() - began
    seconds = sorted(second for one in each for second in one)
    cuts = quantiles(seconds, n=100, method="inclusive")
    return f"{len(seconds) / took:.1f} | {1000 * cuts[49]:.0f} | {1000 * cuts[98]:.0f}"


def main() -> None:
    """Prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", default="1,2,4,8", help="how many at once")
    parser.add_argument("--steps", type=int, default=12, help="requests of each")
    parser.add_argument("--lines", type=int, default=80, help="lines of each log")
    parser.add_argument("--running", type=int, default=ServerSettings().running, help="compressions at once")
    options = parser.parse_args()
    provider = Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])])
    compressor = Compressor.from_pretrained(threads=1)
    print("| agents | shortened: requests a second | P50 ms | P99 ms | bypass: requests a second | P50 ms | P99 ms |")
    print("|---|---|---|---|---|---|---|")
    with listening(provider) as upstream:
        app = create_app(compressor, ServerSettings(upstream=upstream, running=options.running, waiting=10_000))
        with listening(app) as url:
            asyncio.run(crowd(url, 1, 1_000_000, options, {}))
            for agents in map(int, options.agents.split(",")):
                rows = [
                    asyncio.run(crowd(url, agents, 1_000 * agents, options, headers))
                    for headers in ({}, {"x-diffumask-bypass": "true"})
                ]
                print(f"| {agents} | {rows[0]} | {rows[1]} |", flush=True)


if __name__ == "__main__":
    main()
