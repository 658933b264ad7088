"""How contestants are measured, with contestants that cost nothing; each runs in a real process of its own."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffumask_core.bench import measure as measuring
from diffumask_core.bench.contestants import Contestant, Prepare, Run
from diffumask_core.bench.measure import measure, summary
from diffumask_core.bench.prompts import Case
from diffumask_core.errors import InputError

SHORT = Case("short", shots=1)
TWO = Case("two", shots=1, prompts=2)


@dataclass(frozen=True)
class Fake:
    """Tells its process, how often it was loaded and called there, and how many prompts it was given."""

    name: str
    megabytes: int = 0

    def load(self) -> Prepare:
        calls: list[int] = []
        ballast = bytearray(self.megabytes << 20)

        def prepare(prompts: Sequence[str]) -> Run:
            def run() -> Mapping[str, float]:
                calls.append(len(ballast))
                return {"pid": os.getpid(), "calls": len(calls), "prompts": len(prompts)}

            return run

        return prepare


@dataclass(frozen=True)
class Missing:
    name: str

    def load(self) -> Prepare:
        raise InputError("nowhere is not installed")


@dataclass(frozen=True)
class Dying:
    name: str

    def load(self) -> Prepare:
        os._exit(1)


def ignore(_: str) -> None:
    pass


def test_each_contestant_runs_in_a_process_of_its_own() -> None:
    told: list[str] = []
    plan: list[tuple[Case, Sequence[Contestant]]] = [
        (SHORT, [Fake("ours"), Fake("large", megabytes=300), Missing("missing"), Dying("dying")]),
        (TWO, [Fake("ours"), Missing("missing")]),
    ]
    (short, two), left_out = measure(plan, 3, told.append)

    assert [row["name"] for row in short] == ["ours", "large"]
    assert [row["name"] for row in two] == ["ours"]
    assert {row["pid"] for row in short}.isdisjoint({os.getpid()})
    assert short[0]["pid"] == two[0]["pid"] != short[1]["pid"]
    assert [row["runs"] for row in short] == [3, 3]
    # Calls 2 to 4 count in the first case, 6 to 8 in the second: it is loaded once.
    assert [short[0]["calls"], two[0]["calls"]] == [3, 7]
    assert [short[0]["prompts"], two[0]["prompts"]] == [1, 2]
    if sys.platform == "linux":
        assert 200 < short[1]["megabytes"] - short[0]["megabytes"] < 400

    assert left_out.keys() == {"missing", "dying"}
    assert left_out["missing"] == "nowhere is not installed"
    assert "died" in left_out["dying"]
    # In turns, and what was left out is not tried again.
    assert told[:6] == [f"short: {name}" for name in ("ours", "large", "missing", "dying", "ours", "large")]
    assert told.count("short: missing") == 1
    assert "two: missing" not in told


def test_without_ours_there_is_nothing_to_compare() -> None:
    with pytest.raises(InputError, match="nowhere is not installed"):
        measure([(SHORT, [Missing("ours"), Fake("other")])], 1, ignore)


def test_a_slow_call_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "SLOW", 0.0)
    [[row]], _ = measure([(SHORT, [Fake("ours")])], 3, ignore)
    assert row["runs"] == row["calls"] == 1


seconds = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=9)


@given(st.lists(seconds, min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_summary(measured: list[list[float]]) -> None:
    calls = {str(number): [{"seconds": s, "megabytes": 7} for s in some] for number, some in enumerate(measured)}
    rows = summary(calls)
    assert [row["name"] for row in rows] == list(calls)
    assert rows[0]["times"] == 1
    for row, some in zip(rows, measured, strict=True):
        assert row["runs"] == len(some)
        assert min(some) <= row["low"] <= row["seconds"] <= row["high"] <= max(some)
        assert sum(s <= row["seconds"] for s in some) >= len(some) / 2
        assert row["times"] * rows[0]["seconds"] == pytest.approx(row["seconds"])
        assert row["megabytes"] == 7
