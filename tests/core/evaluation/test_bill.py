"""What runs would have cost: the cache of a provider, prices, and what shortens."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from core.evaluation.agent_runs import FORMATS, coding_run, desk_run, write_runs
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from diffumask_core import Compressor, DataError, InputError
from diffumask_core.cli import app
from diffumask_core.evaluation.bill import (
    PRICES,
    WHOLE,
    WITHOUT_A_MODEL,
    Prices,
    Sent,
    at_best,
    bill,
    evaluate_bill,
    prices_of,
    whole,
)
from diffumask_core.evaluation.runs import Messages, calls_of
from diffumask_core.tokens import get_counter

WORDS = get_counter(lambda text: len(text.split()))
PLAIN = Prices(1e6, 1e5, 2e6, 1e7, least=0)


def talk(*texts: str) -> list[dict[str, Any]]:
    """The user and the assistant in turn."""
    return [{"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(texts)]


class TestCharges:
    def test_each_call_reads_the_one_before_from_the_cache(self) -> None:
        first, second = bill(talk("a b c", "d e", "f", "g"), whole(), PLAIN, WORDS)
        assert (first.prompt, first.cached, first.output) == (3, 0, 2)
        assert first.dollars == pytest.approx(3 * 2 + 2 * 10)
        assert (second.prompt, second.cached, second.output) == (6, 3, 1)
        assert second.dollars == pytest.approx(3 * 0.1 + 3 * 2 + 1 * 10)

    def test_a_short_request_is_not_cached(self) -> None:
        prices = Prices(1e6, 1e5, 2e6, 1e7, least=5)
        first, second, third = bill(talk("a b c", "d e", "f", "g", "h", "i"), whole(), prices, WORDS)
        assert first.dollars == pytest.approx(3 * 1 + 2 * 10)
        assert second.cached == 0
        assert second.dollars == pytest.approx(6 * 2 + 1 * 10)
        assert third.cached == 6

    def test_what_changes_is_read_anew(self) -> None:
        def shorten(messages: Messages) -> Messages:
            return [{**messages[0], "content": "a b" if len(messages) == 1 else "a c"}, *messages[1:]]

        messages = talk("a b", "d", "e", "f")
        assert [charge.cached for charge in bill(messages, at_best(shorten), PLAIN, WORDS)] == [0, 0]
        in_tokens = Prices(1e6, 1e5, 2e6, 1e7, step=1, least=0)
        assert [charge.cached for charge in bill(messages, at_best(shorten), in_tokens, WORDS)] == [0, 1]

    def test_what_stands_after_the_breakpoint_is_not_written(self) -> None:
        def send(messages: Messages) -> Sent:
            return Sent(messages, max(len(messages) - 2, 0))

        first, second, third = bill(talk("a b c", "d e", "f", "g", "h", "i"), send, PLAIN, WORDS)
        assert first.dollars == pytest.approx(3 * 1 + 2 * 10)
        assert (second.cached, second.dollars) == (0, pytest.approx(3 * 2 + 3 * 1 + 1 * 10))
        assert (third.cached, third.dollars) == (3, pytest.approx(3 * 0.1 + 3 * 2 + 2 * 1 + 1 * 10))

    def test_the_best_place_is_where_the_next_request_differs(self) -> None:
        def shorten(messages: Messages) -> Messages:
            return [*({**message, "content": "x"} for message in messages[:-2]), *messages[-2:]]

        first, second, third = bill(talk("a b", "x", "c d", "x", "e", "f"), at_best(shorten), PLAIN, WORDS)
        assert [charge.cached for charge in (first, second, third)] == [0, 0, 2]
        assert second.dollars == pytest.approx(2 * 2 + 2 * 1 + 1 * 10)

    def test_steps_are_whole(self) -> None:
        messages = talk(" ".join("word" for _ in range(150)), "d", "e", "f")
        prices = Prices(1e6, 1e5, 1e6, 1e7, step=128, least=0)
        assert [charge.cached for charge in bill(messages, whole(), prices, WORDS)] == [0, 128]

    @pytest.mark.parametrize("convert", FORMATS.values(), ids=FORMATS)
    @pytest.mark.parametrize("run", [coding_run, desk_run])
    def test_all_formats_are_billed(self, convert: Callable[..., Any], run: Callable[[], Any]) -> None:
        messages = convert(run())
        charges = bill(messages, whole(), PLAIN, WORDS)
        assert len(charges) == len(calls_of(messages))
        assert [charge.cached for charge in charges[1:]] == [charge.prompt for charge in charges[:-1]]

    @given(st.lists(st.text("ab ", min_size=1), min_size=2, max_size=8), st.sampled_from([None, 1, 4]))
    @settings(deadline=None)
    def test_no_more_is_cached_than_was_sent(self, texts: list[str], step: int | None) -> None:
        for begin in WITHOUT_A_MODEL.values():
            before = 0
            for charge in bill(talk(*texts), begin(), Prices(3, 1, 4, 15, step, least=0), WORDS):
                assert 0 <= charge.cached <= min(before, charge.prompt)
                assert charge.dollars >= 0
                before = charge.prompt

    @pytest.mark.parametrize("convert", FORMATS.values(), ids=FORMATS)
    def test_cleared_results_leave_the_run_as_it_is(self, convert: Callable[..., Any]) -> None:
        messages = convert(coding_run())
        before = json.dumps(messages)
        left = json.dumps(WITHOUT_A_MODEL["results cleared"]()(messages).messages)
        assert json.dumps(messages) == before
        assert "row 0" not in left
        assert "row 7" in left


class TestPrices:
    @pytest.mark.parametrize("name", PRICES)
    def test_providers(self, name: str) -> None:
        assert prices_of(name) == PRICES[name]

    def test_own_numbers(self) -> None:
        assert prices_of("3, 0.3,3.75,15") == Prices(3, 0.3, 3.75, 15)

    @pytest.mark.parametrize(
        "listed", ["", "acme", "1,2,3", "1,2,3,4,5", "1,2,3,x", "1,2,3,-4", "1,2,3,nan", "1,2,3,inf"]
    )
    def test_no_prices(self, listed: str) -> None:
        with pytest.raises(InputError, match="are no prices"):
            prices_of(listed)


class TestReport:
    def test_of_two_runs(self, tmp_path: Path, compressor: Compressor) -> None:
        runs = write_runs(tmp_path / "runs.jsonl", coding_run(), desk_run())
        report = evaluate_bill(runs, compressor, PRICES["openai"], None, get_counter("gpt-4o"))
        assert (report["task"], report["rows"], report["prices"]["cached"]) == ("bill", 2, 0.125)
        assert report["results"].keys() == {"diffumask"}
        assert report["baselines"].keys() == WITHOUT_A_MODEL.keys()
        assert report["baselines"][WHOLE]["share of the bill"] == 1.0
        assert report["results"]["diffumask"]["tokens a call"] < report["baselines"][WHOLE]["tokens a call"]
        for spent in report["median_run"]["dollars"].values():
            assert spent == sorted(spent)

    @pytest.mark.parametrize("messages", [[], [{"role": "user", "content": "Hello."}]])
    def test_runs_without_calls(self, tmp_path: Path, compressor: Compressor, messages: Any) -> None:
        file = write_runs(tmp_path / "runs.jsonl", messages)
        with pytest.raises(DataError, match="there is nothing to bill"):
            evaluate_bill(file, compressor, PRICES["openai"], None, get_counter("gpt-4o"))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["agent"], "pass --runs FILE"),
            (["agent", "--runs", "x", "--prices", "acme"], "--prices acme are no prices"),
            (["nq", "--prices", "openai"], "go with the task agent"),
        ],
    )
    def test_options_that_do_not_go_together(self, arguments: list[str], message: str) -> None:
        told = CliRunner().invoke(app, ["evaluate", *arguments])
        assert told.exit_code == 2
        assert message in " ".join(told.stderr.split())
