"""``diffumask serve``: what it refuses, what it says, what it never says, and how it ends."""

import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from core.test_extras import run_without
from integrations.server.runs import conversation
from integrations.server.upstream import Upstream, listening
from typer.testing import CliRunner

from diffumask_core import InputError
from diffumask_core.cli import app
from diffumask_integrations.binding import check_binding, check_port
from diffumask_integrations.server import Binding, ServerSettings

PROGRAM = "from diffumask_core.cli import app; app()"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_this_machine_needs_no_token(host: str) -> None:
    check_binding(host, None, False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.3", "harbour.example", ""])
def test_other_machines_need_one(host: str) -> None:
    with pytest.raises(InputError, match="there is no token"):
        check_binding(host, None, False)
    check_binding(host, "long-and-random", False)
    check_binding(host, None, True)


@pytest.mark.parametrize("token", ["", " ", "two words", "Schlüssel", "a\nb"])
def test_a_token_must_fit_into_a_header(token: str) -> None:
    with pytest.raises(InputError, match="token"):
        check_binding("127.0.0.1", token, False)


@pytest.mark.parametrize(
    "options",
    [
        {"upstream": "api.openai.com"},
        {"upstream": "ftp://a.example"},
        {"upstream": "https://a.example?key=1"},
        {"upstream": "https://"},
        {"timeout": 0},
        {"running": 0},
        {"waiting": -1},
        {"max_body_bytes": 0},
    ],
)
def test_settings_that_are_not_possible(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        ServerSettings(**options)


def test_ports_that_are_not_possible() -> None:
    with pytest.raises(InputError, match="port"):
        Binding(port=70_000).check(None)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["serve", "--host", "0.0.0.0"], "there is no token"),
        (["serve", "--upstream", "openai"], "is no address"),
        (["serve", "--keep-rate", "2"], "is not a share"),
        (["mcp", "--transport", "http", "--host", "0.0.0.0"], "there is no token"),
        (["mcp", "--transport", "http", "--port", "70000"], "is not possible"),
        (["mcp", "--root", "no/such/folder"], "There is no folder"),
    ],
)
def test_the_command_line_tells_what_is_wrong(arguments: list[str], told: str) -> None:
    done = CliRunner().invoke(app, arguments, env={"DIFFUMASK_TOKEN": None})
    assert done.exit_code == 2
    assert told in done.stderr


@pytest.mark.parametrize("command", [["serve"], ["mcp", "--transport", "http"]])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_in_use_is_told_before_a_model_is_loaded(command: list[str], host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        arguments = [*command, "--port", str(port), "--host", host, "--open-to-all", "--model", "no/such/model"]
        done = CliRunner().invoke(app, arguments, env={"DIFFUMASK_TOKEN": None})
    assert done.exit_code == 2
    assert done.stderr == f"Error: Port {port} of {host} is in use: pass another --port.\n"


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7"])
def test_where_nothing_can_listen(host: str) -> None:
    with pytest.raises(InputError, match=f"Nothing can listen on port 0 of {host}: "):
        check_port(host, 0)


def test_a_port_is_free_again_once_it_was_checked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    for _ in range(2):
        check_port("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)):
        pass


@pytest.mark.parametrize(
    ("package", "command", "extra"),
    [("starlette", "serve", "server"), ("httpx", "serve", "server"), ("mcp", "mcp", "mcp")],
)
def test_a_missing_extra_is_named(package: str, command: str, extra: str) -> None:
    done = run_without(package, PROGRAM, command)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith(f"Error: {package}")
    assert line.endswith(f'pip install "diffumask[{extra}]".')


def test_it_serves_says_no_secret_and_ends_in_order() -> None:
    upstream = Upstream()
    secrets = ("sk-of-header", "sk-of-query", "token-of-ours", "machine-0")
    command = [sys.executable, "-c", PROGRAM, "serve", "--port", "0", "--restore", "--token", "token-of-ours"]
    keys = {"authorization": "Bearer sk-of-header", "x-diffumask-token": "token-of-ours"}
    with (
        listening(upstream.app) as provider,
        subprocess.Popen([*command, "--upstream", provider], stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stderr
        told = []
        address = None
        while not address:
            told.append(process.stderr.readline())
            assert told[-1], told
            address = re.search(r"http://127\.0\.0\.1:\d+", told[-1])
        with httpx.Client(base_url=address[0], trust_env=False, headers=keys, timeout=60) as client:
            body = {"model": "made", "messages": conversation(3)}
            for path in ("/v1/chat/completions?key=sk-of-query", "/v1/compress", "/v1/models?key=sk-of-query"):
                client.post(path, json=body)
        process.send_signal(signal.SIGTERM)
        told.append(process.stderr.read())
    # Uvicorn ends in order, and then by the signal.
    assert process.returncode in (0, -signal.SIGTERM)
    said = "".join(told)
    assert "chat: shortened, " in said
    assert "Application shutdown complete" in said
    assert upstream.seen[0].target == "/v1/chat/completions?key=sk-of-query"
    assert [secret for secret in secrets if secret in said] == []
