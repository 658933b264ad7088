"""Checks that LiteLLM's guardrail shortens requests with `diffumask serve`: all of it real but the provider.

    python -m venv litellm && litellm/bin/pip install "litellm[proxy]"
    python scripts/litellm_guardrail.py --litellm litellm/bin/litellm

LiteLLM's proxy has a server of ours as its guardrail and a fake provider behind it, all on loopback. An agent's
conversation grows through it; each request must reach the provider shorter than it was sent, and begin as the one
before.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

TOKEN = "only-for-this-check"
MASTER_KEY = f"sk-{secrets.token_hex(32)}"
STEPS = 5
CONFIG = """
model_list:
  - model_name: made
    litellm_params: {{model: openai/made, api_base: "{provider}/v1", api_key: none}}
guardrails:
  - guardrail_name: diffumask
    litellm_params:
      guardrail: headroom
      mode: pre_call
      default_on: true
      api_base: "{server}"
      api_key: {token}
"""


class Provider(BaseHTTPRequestHandler):
    """Answers, after the first request with a hash in it by asking for what was left out."""

    requests: list[dict[str, Any]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        """Records a request."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append(body)
        message: dict[str, Any] = {"role": "assistant", "content": "All is well."}
        hashes = json.dumps(body["messages"]).split("hash=")[1:]
        if hashes and body["messages"][-1].get("content") == "Read it.":
            arguments = json.dumps({"hash": hashes[0][:24]})
            call = {"id": "r1", "type": "function", "function": {"name": "headroom_retrieve", "arguments": arguments}}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        reply = {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "made",
            "choices": [choice],
            "usage": usage,
        }
        sent = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""


def log(machine: int) -> str:
    """The result of a tool."""
    lines = [f"2026-03-02 10:{minute:02}:00 INFO machine {machine} turned {minute * 7} times" for minute in range(60)]
    return "\n".join([*lines, f"2026-03-02 11:00:00 ERROR machine {machine} stood still"])


def step(number: int) -> list[dict[str, Any]]:
    """A call with its result."""
    call = {"id": f"c{number}", "type": "function", "function": {"name": "log", "arguments": "{}"}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"c{number}", "content": log(number)},
    ]


@contextmanager
def running(command: Sequence[str], url: str, told: Path) -> Iterator[None]:
    """Runs a program until its address answers, and ends it afterwards."""
    environment = {**os.environ, "DIFFUMASK_TOKEN": TOKEN, "LITELLM_MASTER_KEY": MASTER_KEY}
    with told.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        try:
            for _ in range(1200):
                if process.poll() is not None:
                    break
                try:
                    httpx.get(url, trust_env=False, timeout=5)
                    break
                except httpx.TransportError:
                    time.sleep(0.5)
            if process.poll() is not None:
                raise SystemExit(f"{command[0]} ended:\n{told.read_text('utf-8', 'replace')[-3000:]}")
            yield
        finally:
            process.terminate()
            process.wait()


def check(url: str) -> None:
    """Sends a conversation that grows, and looks at what reaches the provider."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Which machines stood still?"}]
    sent: list[list[dict[str, Any]]] = []
    headers = {"authorization": f"Bearer {MASTER_KEY}"}
    with httpx.Client(base_url=url, trust_env=False, timeout=600, headers=headers) as client:
        for number in range(STEPS):
            messages += step(number)
            client.post("/v1/chat/completions", json={"model": "made", "messages": messages}).raise_for_status()
            sent.append(Provider.requests[-1]["messages"])
            before, after = len(json.dumps(messages)), len(json.dumps(sent[-1]))
            shared = sum(one == other for one, other in zip(sent[-1], sent[-2], strict=False)) if number else 0
            print(f"request {number + 1}: {before} -> {after} characters, {shared} messages as in the one before")
            assert len(sent[-1]) == len(messages)
            assert after < before or number == 0
            assert number < 2 or shared >= len(sent[-2]) - 2
        asked = [*messages, {"role": "assistant", "content": "Done."}, {"role": "user", "content": "Read it."}]
        seen = len(Provider.requests)
        client.post("/v1/chat/completions", json={"model": "made", "messages": asked}).raise_for_status()
        names = [tool["function"]["name"] for tool in Provider.requests[seen].get("tools", [])]
        found = [message.get("content") for message in Provider.requests[-1]["messages"]]
        print(f"tools that the model was offered: {names}; what was left out came back: {log(0) in found}")
        assert names == ["headroom_retrieve"]
        assert log(0) in found


def main() -> None:
    """Starts all of it, and checks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--litellm", default="litellm", help="the program of LiteLLM")
    parser.add_argument("--port", type=int, default=18787, help="of ours; LiteLLM has the next one")
    options = parser.parse_args()
    provider = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    server, gateway = (f"http://127.0.0.1:{port}" for port in (options.port, options.port + 1))
    program = "from diffumask_core.cli import app; app()"
    ours = [sys.executable, "-c", program, "serve", "--restore", "--port", str(options.port)]
    with tempfile.TemporaryDirectory() as name, running(ours, f"{server}/health", Path(name) / "ours.log"):
        config = Path(name) / "config.yaml"
        config.write_text(
            CONFIG.format(provider=f"http://127.0.0.1:{provider.server_port}", server=server, token=TOKEN), "utf-8"
        )
        theirs = [options.litellm, "--config", str(config), "--host", "127.0.0.1", "--port", str(options.port + 1)]
        with running(theirs, f"{gateway}/health/liveliness", Path(name) / "theirs.log"):
            check(gateway)
        print((Path(name) / "ours.log").read_text("utf-8"))
    provider.shutdown()


if __name__ == "__main__":
    main()
