"""The likeliest label, from the alternatives to the tokens of a reply."""

import math

import pytest

from diffumask_core.readers.likelihood import Token, label_shares

LABELS = ("Sports", "Sci/Tech", "Society & Culture")


def token(text: str, share: float, **others: float) -> Token:
    """A token with alternatives; an underscore stands for a blank, a bar for a slash."""
    alternatives = [{"token": name.replace("_", " "), "logprob": math.log(value)} for name, value in others.items()]
    return Token.model_validate({"token": text, "logprob": math.log(share), "top_logprobs": alternatives})


def test_all_spellings_of_a_label_count() -> None:
    first = token("Sports", 0.3, sports=0.15, _Sports=0.1, Society=0.4)
    assert label_shares(LABELS, [first]) == pytest.approx({"Sports": 0.55, "Sci/Tech": 0, "Society & Culture": 0.4})


def test_a_token_that_its_own_list_repeats_counts_once() -> None:
    assert label_shares(LABELS, [token("Sports", 0.3, Sports=0.3)])["Sports"] == pytest.approx(0.3)


@pytest.mark.parametrize("opening", ['"', " ", "**", "\n\n"])
def test_marks_may_stand_before_a_label(opening: str) -> None:
    reply = [token(opening, 0.9, Sports=0.1), token("sports", 0.8, Society=0.1), token('"', 0.9)]
    assert label_shares(LABELS, reply) == pytest.approx({"Sports": 0.82, "Sci/Tech": 0, "Society & Culture": 0.09})


def test_a_sentence_around_a_label_is_passed_over() -> None:
    reply = [token("The", 0.9, Sports=0.01), token(" answer", 1), token(" is", 1), token(" Soc", 0.7, _Sports=0.2)]
    shares = label_shares(LABELS, [*reply, token("iety", 0.9), token(" &", 1), token(" Culture", 1)])
    assert shares == pytest.approx({"Sports": 0.2, "Sci/Tech": 0, "Society & Culture": 0.63})


def test_where_no_label_is_written_the_first_token_counts() -> None:
    reply = [token("The", 0.5, Sports=0.2, Society=0.1), token(" text", 0.9)]
    assert label_shares(LABELS, reply) == pytest.approx({"Sports": 0.2, "Sci/Tech": 0, "Society & Culture": 0.1})


def test_labels_that_begin_alike_are_told_apart_along_the_reply() -> None:
    reply = [token("S", 0.8, Soc=0.1), token("ports", 0.6, ci=0.3, un=0.1)]
    assert label_shares(LABELS, reply) == pytest.approx({"Sports": 0.48, "Sci/Tech": 0.24, "Society & Culture": 0.1})


def test_what_the_reply_does_not_take_is_divided() -> None:
    shares = label_shares(LABELS, [token("Society", 0.4, S=0.3)])
    assert shares == pytest.approx({"Sports": 0.1, "Sci/Tech": 0.1, "Society & Culture": 0.5})


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ([], {"good": 0.9, "good enough": 0.0}),
        ([("", 0.7, {"_enough": 0.3})], {"good": 0.63, "good enough": 0.27}),
        ([(".", 0.6, {"_enough": 0.3, "_and": 0.1})], {"good": 0.63, "good enough": 0.27}),
        ([(" enough", 0.8, {".": 0.2})], {"good": 0.18, "good enough": 0.72}),
    ],
)
def test_a_label_that_another_begins_with(
    rest: list[tuple[str, float, dict[str, float]]], expected: dict[str, float]
) -> None:
    reply = [token("good", 0.9), *(token(text, share, **others) for text, share, others in rest)]
    assert label_shares(["good", "good enough"], reply) == pytest.approx(expected)


@pytest.mark.parametrize("reply", [[], [token("@@", 0.9, The=0.1)], [token("", 1.0)], [token('"', 1.0)]])
def test_a_reply_that_begins_no_label_tells_nothing(reply: list[Token]) -> None:
    assert label_shares(LABELS, reply) == {}
    assert label_shares((), reply) == {}
