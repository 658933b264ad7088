"""``diffumask bench``: the plan, the report, the table and the picture."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from diffumask_core.bench import command
from diffumask_core.bench.contestants import Contestant, Prepare
from diffumask_core.bench.prompts import Case
from diffumask_core.cli import app
from diffumask_core.errors import InputError


@dataclass(frozen=True)
class Stub:
    name: str

    def load(self) -> Prepare:
        if self.name == "missing":
            raise InputError('it is not installed: pip install "diffumask[bench]".')
        return lambda prompts: lambda: {"calls": 12 * len(prompts), "outside_encoder": 0.25}


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Case, Sequence[Contestant]]]:
    plan: list[tuple[Case, Sequence[Contestant]]] = [
        (Case("short prompt", shots=2), [Stub("ours"), Stub("peer"), Stub("missing")]),
        (Case("three prompts", shots=2, prompts=3), [Stub("ours")]),
    ]
    monkeypatch.setattr(command, "default_plan", lambda model, quick: plan[:1] if quick else plan)
    return plan


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


def test_the_plan_compares_others_with_ours() -> None:
    plan, quick = command.default_plan(None, quick=False), command.default_plan(None, quick=True)
    assert {case for case, _ in quick} < {case for case, _ in plan}
    assert all(set(contestants) <= set(dict(plan)[case]) for case, contestants in quick)
    names = {contestant.name for _, contestants in plan for contestant in contestants}
    assert {"DiffuMask, 64 steps", "LLMLingua-2, mBERT", "LLMLingua-2, XLM-R large", "one at a time"} < names
    assert "LLMLingua-2, XLM-R large" not in {one.name for _, contestants in quick for one in contestants}
    assert all(case.prompts >= 1 and len({one.name for one in some}) == len(some) > 1 for case, some in plan)
    assert all(len({hash(one), hash(two)}) == 2 for _, (one, two, *_) in plan)


@pytest.mark.usefixtures("plan")
def test_json() -> None:
    result = invoke("--json", "--repeats", 2)
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report.keys() == {"machine", "keep_rate", "counter", "cases", "left_out"}
    assert report["machine"].keys() > {"date", "processor", "cores", "python", "diffumask"}
    assert report["left_out"] == {"missing": 'it is not installed: pip install "diffumask[bench]".'}
    short, three = report["cases"]
    assert [short["name"], short["prompts"], three["prompts"]] == ["short prompt", 1, 3]
    assert 2.9 < three["tokens"] / short["tokens"] < 3.1
    ours, peer = short["rows"]
    assert [ours["name"], peer["name"]] == ["ours", "peer"]
    assert ours["runs"] == 2
    assert peer["times"] * ours["seconds"] == pytest.approx(peer["seconds"])
    assert three["rows"][0]["calls"] == 36


@pytest.mark.usefixtures("plan")
def test_table_and_picture(tmp_path: Path) -> None:
    file = tmp_path / "bench.svg"
    result = invoke("--quick", "--plot", file)
    assert result.exit_code == 0
    assert "short prompt" in result.stdout
    assert "three prompts" not in result.stdout
    [row] = [line for line in result.stdout.splitlines() if " ours " in line]
    assert "25%" in row
    assert " 12 " in row
    assert 'Left out: missing: it is not installed: pip install "diffumask[bench]".' in " ".join(result.stdout.split())
    assert "<svg" in file.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--plot", "bench.xyz"], "bench.xyz has no ending of a picture"),
        (["--plot", "no such folder/bench.svg"], "There is no folder no such folder"),
        (["--repeats", 0], "Invalid value"),
    ],
)
def test_bad_options_are_told_before_anything_runs(
    arguments: list[object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "measure", None)
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_a_picture_needs_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.backend_bases", None)
    result = invoke("--plot", "bench.svg")
    assert result.exit_code == 2
    assert "diffumask[plot]" in result.stderr
