"""What the page on the server says is so: options, their defaults, outcomes, types of errors."""

import re
from pathlib import Path
from typing import get_args

import typer
from click import Command

from diffumask_core.cli import app
from diffumask_integrations.server.service import Outcome

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "server.md").read_text("utf-8")


def options_of(name: str) -> dict[str, object]:
    """The options of a command with their defaults."""
    group = typer.main.get_command(app)
    command: Command = group.commands[name]  # type: ignore[attr-defined]
    return {flag: each.default for each in command.params for flag in each.opts}


def test_options_exist() -> None:
    known = {*options_of("serve"), *options_of("mcp")}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= known


def test_all_options_of_the_server_are_there_with_their_defaults() -> None:
    told = dict(re.findall(r"^\| `(--[a-z-]+)`[^|]*\| ([^|]+?) \|", PAGE, re.M))
    for flag, default in options_of("serve").items():
        if flag in told and default not in (None, False) and told[flag].replace(".", "").isdigit():
            assert float(told[flag]) == float(str(default))
    hidden = {"--open-to-all", "--tokenizer", "--model"}
    assert {flag for flag in options_of("serve") if f"`{flag}`" not in PAGE} <= hidden


def test_outcomes_and_types_of_errors_are_those_of_the_code() -> None:
    [listed] = re.findall(r"`x-diffumask-outcome`\s+\(([^)]*)\)", PAGE)
    assert set(re.findall(r"\w+", listed)) == {*get_args(Outcome)} - {"read", "missing"}
    written = "\n".join(file.read_text("utf-8") for file in (ROOT / "diffumask_integrations" / "server").glob("*.py"))
    rows = re.findall(r"^\| [0-9, ]+ \| ([^|]+) \|", PAGE, re.M)
    assert rows
    for kind in re.findall(r"\w+", " ".join(rows)):
        assert f'"{kind}"' in written
