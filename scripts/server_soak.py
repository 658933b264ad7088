"""Clients side by side at `diffumask serve` for a long time, a provider that fails, and a server that is killed midway.

    python scripts/server_soak.py --minutes 30

Each client is an agent whose conversation grows, one after the other, through the proxy. The provider tells what it
was sent. Now and then it stalls for longer than the server waits, breaks an answer off, or answers with an error of its
own. Midway the server is killed and started again. An answer is wrong if a message that was old before came in another
form, if one of the newest was changed, or if a failure did not come out as that failure; a request is lost if it ends
in neither an answer nor an error.
"""

import argparse
import asyncio
import hashlib
import json
import logging
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

TIMEOUT, STALL = 3.0, 6.0
NEW = 2  # messages that stay as they are
WORDS = ("crane", "winch", "lathe", "drill", "press", "turned", "stopped", "oiled", "warm", "north", "bolt")


def digest(message: Any) -> str:
    """A short name of a message."""
    return hashlib.sha256(json.dumps(message, sort_keys=True).encode()).hexdigest()[:12]


async def provider(request: Request) -> Response:
    """Answers with the names of the messages that came in, or fails as the request says."""
    body = await request.json()
    seen = [digest(message) for message in body["messages"]]
    match body["fate"]:
        case "stall":
            await asyncio.sleep(STALL)
        case "error":
            return JSONResponse({"error": "made"}, 529)
        case "break":

            async def broken() -> Any:
                yield b'{"seen": ['
                raise ConnectionResetError

            return StreamingResponse(broken())
    return JSONResponse({"seen": seen})


def result(drawn: random.Random) -> str:
    """A log, a listing, a table of JSON, or prose."""
    rows = [[drawn.choice(WORDS) for _ in range(6)] for _ in range(drawn.randrange(5, 120))]
    match drawn.randrange(4):
        case 0:
            return "\n".join(f"2026-03-02 10:{n % 60:02}:00 INFO {' '.join(row)} {n}" for n, row in enumerate(rows))
        case 1:
            return "\n".join(f"./{row[0]}/{row[1]}_{n}.txt" for n, row in enumerate(rows))
        case 2:
            return json.dumps([{"id": n, "name": row[0], "state": row[1]} for n, row in enumerate(rows)])
    return ". ".join(" ".join(row).capitalize() for row in rows) + "."


async def client(url: str, seed: int, until: float, counts: Counter[str], seconds: list[float]) -> None:
    """One agent after the other, until the time is over."""
    drawn = random.Random(seed)
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
        while time.monotonic() < until:
            messages: list[dict[str, Any]] = [{"role": "user", "content": f"What became of {drawn.choice(WORDS)}?"}]
            before: list[str] = []
            for number in range(drawn.randrange(3, 25)):
                call = {"id": f"c{number}", "type": "function", "function": {"name": "look", "arguments": "{}"}}
                messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
                messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": result(drawn)})
                fate = drawn.choices(("ok", "error", "break", "stall"), (94, 2, 2, 2))[0]
                began = time.perf_counter()
                seen = await ask(http, messages, fate, counts)
                seconds.append(time.perf_counter() - began)
                if seen is None:
                    continue
                old = before[:-NEW]
                right = seen[: len(old)] == old and seen[-NEW:] == [digest(message) for message in messages[-NEW:]]
                counts["right" if right and len(seen) == len(messages) else "WRONG"] += 1
                before = seen


async def ask(
    http: httpx.AsyncClient, messages: list[dict[str, Any]], fate: str, counts: Counter[str]
) -> list[str] | None:
    """The names of the messages that the provider was sent; None where the request was to fail, or met no server."""
    try:
        answer = await http.post("/v1/chat/completions", json={"model": "made", "fate": fate, "messages": messages})
    except httpx.ConnectError:
        counts["no server"] += 1
        await asyncio.sleep(0.5)
        return None
    except httpx.HTTPError as error:
        counts[f"{fate}: {type(error).__name__}"] += 1
        return None
    expected = {"ok": 200, "error": 529, "stall": 504}.get(fate)
    if answer.status_code != expected:
        counts[f"WRONG: {fate} came as {answer.status_code}"] += 1
        return None
    if fate == "ok":
        seen: list[str] = answer.json()["seen"]
        return seen
    counts[f"{fate}: {answer.status_code}"] += 1
    return None


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def start(port: int, upstream: int) -> subprocess.Popen[bytes]:
    """Starts the server and waits until it answers."""
    command = [sys.executable, "-c", "from diffumask_core.cli import app; app()", "serve", "--port", str(port)]
    command += ["--upstream", f"http://127.0.0.1:{upstream}", "--timeout", str(TIMEOUT)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return process


def megabytes(process: subprocess.Popen[bytes]) -> float:
    """The memory of a process (Linux)."""
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * 4096 / 1e6


async def soak(minutes: float, clients: int, port: int, upstream: int) -> None:
    """Runs the clients and prints what came of them."""
    server = start(port, upstream)
    began = time.monotonic()
    until, killed = began + 60 * minutes, False
    counts, seconds, memory = Counter[str](), list[float](), list[tuple[float, float]]()
    tasks = [
        asyncio.create_task(client(f"http://127.0.0.1:{port}", seed, until, counts, seconds)) for seed in range(clients)
    ]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(5)
        memory.append((round((time.monotonic() - began) / 60, 1), round(megabytes(server))))
        if not killed and time.monotonic() > began + 30 * minutes:
            server.kill()
            server.wait()
            server, killed = await asyncio.to_thread(start, port, upstream), True
    await asyncio.gather(*tasks)
    server.terminate()
    cuts = quantiles(seconds, n=100, method="inclusive")
    print(f"{len(seconds)} requests, P50 {1000 * cuts[49]:.0f} ms, P99 {1000 * cuts[98]:.0f} ms")
    print(dict(sorted(counts.items())))
    print("minutes and megabytes:", memory[:: max(len(memory) // 12, 1)])


def main() -> None:
    """Starts a provider and soaks a server in front of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    # Answers that break off are meant.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    upstream = free_port()
    app = Starlette(routes=[Route("/{path:path}", provider, methods=["POST"])])
    running = uvicorn.Server(uvicorn.Config(app, port=upstream, log_config=None, access_log=False))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    asyncio.run(soak(options.minutes, options.clients, free_port(), upstream))
    running.should_exit = True


if __name__ == "__main__":
    main()
