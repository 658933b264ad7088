"""The tools of an agent, called by the SDK's client: in this process, over HTTP, over standard input and output."""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from integrations.server.runs import log
from integrations.server.upstream import listening
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult

from diffumask_core import Compressor, InputError
from diffumask_core.tokens import get_counter
from diffumask_integrations.mcp import create_mcp_server
from diffumask_integrations.mcp.command import RequireToken

Value = TypeVar("Value")

COUNT = get_counter("gpt-4o").count
TEXT = log("crane")
PROGRAM = "from diffumask_core.cli import app; app()"


def asked(compressor: Compressor, ask: Callable[[Client], Awaitable[Value]], root: Path | None = None) -> Value:
    """What a client gets from a server in this process."""

    async def run() -> Value:
        async with Client(create_mcp_server(compressor, root)) as client:
            return await ask(client)

    return asyncio.run(run())


def text_of(result: CallToolResult) -> str:
    assert not result.is_error, result
    return error_of(result)


def error_of(result: CallToolResult) -> str:
    [block] = result.content
    assert block.type == "text"
    return block.text


def called(compressor: Compressor, tool: str, root: Path | None = None, **arguments: Any) -> CallToolResult:
    return asked(compressor, lambda client: client.call_tool(tool, arguments), root)


@pytest.mark.parametrize("budget", [{}, {"keep_rate": 0.3}, {"target_tokens": 200}, {"query": "what stood still?"}])
def test_a_text_comes_back_shorter_and_can_be_had_back(compressor: Compressor, budget: dict[str, Any]) -> None:
    async def ask(client: Client) -> tuple[str, str, str, Any]:
        left = text_of(await client.call_tool("compress_text", {"text": TEXT, **budget}))
        mark = left.splitlines()[-1]
        whole = text_of(await client.call_tool("read_left_out", {"mark": mark}))
        name = mark.removeprefix("[… shortened, hash=").removesuffix("]")
        again = text_of(await client.call_tool("read_left_out", {"mark": name}))
        return left, whole, again, (await client.call_tool("statistics", {})).structured_content

    left, whole, again, statistics = asked(compressor, ask)
    assert whole == again == TEXT
    assert COUNT(left) < COUNT(TEXT)
    assert COUNT(left) <= budget.get("target_tokens", COUNT(left))
    assert statistics == {"texts": 1, "tokens_before": COUNT(TEXT), "tokens_after": COUNT(left), "read_again": 2}


QUOTES: list[Callable[[str, str], str]] = [
    lambda left, mark: f"`{mark}`",
    lambda left, mark: mark.strip("[]… "),
    lambda left, mark: mark.replace("…", "..."),
    lambda left, mark: left,
]


@pytest.mark.parametrize("quote", QUOTES)
def test_a_mark_is_found_however_an_agent_quotes_it(compressor: Compressor, quote: Callable[[str, str], str]) -> None:
    async def ask(client: Client) -> str:
        left = text_of(await client.call_tool("compress_text", {"text": TEXT}))
        return text_of(await client.call_tool("read_left_out", {"mark": quote(left, left.splitlines()[-1])}))

    assert asked(compressor, ask) == TEXT


def test_the_tokens_that_an_error_names_are_enough(compressor: Compressor) -> None:
    for text in (TEXT, json.dumps([{"machine": "crane", "turns": number} for number in range(40)])):
        told = error_of(called(compressor, "compress_text", text=text, target_tokens=1))
        [enough] = re.findall(r"has (\d+)\.", told)
        left = text_of(called(compressor, "compress_text", text=text, target_tokens=int(enough)))
        assert COUNT(left) <= int(enough) < COUNT(text)


def test_what_fits_comes_back_as_it_is(compressor: Compressor) -> None:
    assert text_of(called(compressor, "compress_text", text=TEXT, target_tokens=COUNT(TEXT))) == TEXT
    assert text_of(called(compressor, "compress_text", text="All is well.")) == "All is well."


def test_json_stays_json(compressor: Compressor) -> None:
    text = json.dumps([{"machine": name, "turns": number} for number in range(20) for name in ("crane", "winch")])
    left = json.loads(text_of(called(compressor, "compress_text", text=text, keep_rate=0.3)))
    assert left[-1].startswith("[… shortened, hash=")


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("compress_text", {"text": ""}, "empty"),
        ("compress_text", {"text": TEXT, "keep_rate": 2}, "keep_rate"),
        ("compress_text", {"text": TEXT, "keep_rate": 0.5, "target_tokens": 5}, "both"),
        ("read_left_out", {"mark": "#3fa9c2"}, "Nothing is kept"),
        ("read_left_out", {"mark": "0" * 24}, "Nothing is kept"),
        ("read_left_out", {"mark": "[… 24 similar lines left out]"}, "pass the last mark"),
        ("compress_file", {"path": "../secret.txt"}, "leads out"),
        ("compress_file", {"path": "link.txt"}, "leads out"),
        ("compress_file", {"path": "/etc/passwd"}, "leads out"),
        ("compress_file", {"path": "nothing.txt"}, "no file"),
        ("compress_file", {"path": "."}, "a folder"),
        ("compress_file", {"path": "bytes.bin"}, "cannot be read as text"),
        ("compress_file", {"path": "a\0b"}, "cannot be read"),
        ("compress_file", {"path": "nul.txt"}, "binary"),
        ("compress_file", {"path": "long.txt"}, "more than 200000"),
        ("compress_file", {"path": "longer.txt"}, "more than 800000"),
        ("compress_text", {"text": "a" * 200_001}, "in parts"),
        ("compress_text", {"text": TEXT, "target_tokens": 1}, "too few"),
    ],
)
def test_an_agent_is_told_what_is_wrong(
    compressor: Compressor, tmp_path: Path, tool: str, arguments: dict[str, Any], told: str
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "secret.txt").write_text("a secret", "utf-8")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "bytes.bin").write_bytes(b"\xff\xfe")
    (root / "nul.txt").write_bytes(b"All is\0well.")
    (root / "long.txt").write_text("a" * 200_001, "utf-8")
    (root / "longer.txt").write_text("a" * 800_001, "utf-8")
    result = called(compressor, tool, root, **arguments)
    assert result.is_error
    assert told in error_of(result)
    assert "a secret" not in error_of(result)


def test_files_below_the_root_are_read(compressor: Compressor, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "crane.log").write_text(TEXT, "utf-8")
    left = text_of(called(compressor, "compress_file", tmp_path, path="logs/crane.log", query="what stood still?"))
    assert left == text_of(called(compressor, "compress_text", text=TEXT, query="what stood still?"))


def test_without_a_root_there_is_no_tool_for_files(compressor: Compressor, tmp_path: Path) -> None:
    async def names(client: Client) -> list[str]:
        return sorted(tool.name for tool in (await client.list_tools()).tools)

    assert asked(compressor, names) == ["compress_text", "read_left_out", "statistics"]
    assert "compress_file" in asked(compressor, names, tmp_path)
    with pytest.raises(InputError, match="no folder"):
        create_mcp_server(compressor, tmp_path / "nothing")


def test_over_http(compressor: Compressor) -> None:
    async def ask(url: str) -> str:
        async with Client(f"{url}/mcp") as client:
            return text_of(await client.call_tool("compress_text", {"text": TEXT}))

    with listening(create_mcp_server(compressor).streamable_http_app()) as url:
        assert asyncio.run(ask(url)) == text_of(called(compressor, "compress_text", text=TEXT))


def test_over_http_a_token_is_asked_for(compressor: Compressor) -> None:
    app = RequireToken(create_mcp_server(compressor).streamable_http_app(), "right")
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    with listening(app) as url:
        for header, expected in (({}, 401), ({"authorization": "Bearer wrong"}, 401)):
            answer = httpx.post(f"{url}/mcp", json=body, headers=header, trust_env=False)
            assert answer.status_code == expected
        right = httpx.post(f"{url}/mcp", json=body, headers={"authorization": "Bearer right"}, trust_env=False)
        assert right.status_code != 401


def test_over_standard_input_and_output() -> None:
    async def ask() -> list[str]:
        async with Client(StdioServerParameters(command=sys.executable, args=["-c", PROGRAM, "mcp"])) as client:
            return [
                text_of(await client.call_tool("compress_text", {"text": TEXT})),
                text_of(await client.call_tool("statistics", {})),
            ]

    left, statistics = asyncio.run(ask())
    assert json.loads(statistics)["tokens_after"] == COUNT(left)
