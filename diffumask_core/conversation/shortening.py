"""Shortens some texts of a conversation, given all that stands around them: one call of the pipeline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from diffumask_core import pipeline
from diffumask_core.conversation.left_out import lost_words, with_tail
from diffumask_core.model.pruner import Pruner
from diffumask_core.options import Options
from diffumask_core.prompt.messages import MessagesLayout, TextPlace, messages_layout, rebuild
from diffumask_core.prompt.spans import Span, clip_spans, shift_span
from diffumask_core.rendering.marks import Mark
from diffumask_core.result import CompressionResult
from diffumask_core.tokens import get_counter


@dataclass(frozen=True)
class Wanted:
    """A text that is to be shortened.

    Attributes:
        place: Where it is.
        stays: What of it comes out unchanged; an empty stretch for nothing.
        tail: The mark that is put at its end where words of it go without a mark, if any.
        is_whole: Whether the tail stands for all that goes, since no other mark has a name.
    """

    place: TextPlace
    stays: Span = (0, 0)
    tail: Mark | None = None
    is_whole: bool = False


@dataclass(frozen=True)
class Shortened:
    """What is left of a text.

    Attributes:
        text: The text.
        spans: The kept stretches of the text that it was.
        marks: Its marks, with stretches of the text that it was.
    """

    text: str
    spans: tuple[Span, ...]
    marks: tuple[Mark, ...]


def shorten_within(
    history: Sequence[Mapping[str, Any]], wanted: Sequence[Wanted], query: str, options: Options, pruner: Pruner
) -> list[Shortened]:
    """Shortens texts of a history in which all else stays.

    Args:
        history: Messages, in their order.
        wanted: The texts to shorten.
        query: What they are read for.
        options: How. A keep rate is that of such texts on average; a number of tokens is the most that these may have
            together.
        pruner: The model.

    Returns:
        What is left of each text.
    """
    messages = {each.place.message for each in wanted}
    keep = [index for index in range(len(history)) if index not in messages]
    laid_out = messages_layout(history, keep, options.compress_instructions, options.compress_query)
    chosen = _around(laid_out, wanted, replace(options, query=query))
    result = pipeline.compress(laid_out.layout, chosen, pruner, partial(rebuild, laid_out, history), on_average=True)
    if not any(each.tail for each in wanted):
        return [_left_of(each, laid_out, result) for each in wanted]
    return _with_tails(wanted, laid_out, result, get_counter(options.tokenizer).count)


def _around(laid_out: MessagesLayout, wanted: Sequence[Wanted], options: Options) -> Options:
    """The options with which all other texts of a layout stay, and cost none of the tokens."""
    layout = laid_out.layout
    at = {each.place: each for each in wanted}
    segments = list(zip(laid_out.places, layout.segments, strict=True))
    others = [segment for place, segment in segments if place not in at]
    pinned = [shift_span(at[place].stays, start) for place, (start, _) in segments if place in at]
    protect = [*options.protect, *others, *(span for span in pinned if span[0] < span[1])]
    if options.target_tokens is None:
        return replace(options, protect=protect)
    count = get_counter(options.tokenizer).count
    around = sum(count(layout.text[slice(*segment)]) for segment in others)
    return replace(options, protect=protect, target_tokens=around + options.target_tokens)


def _with_tails(
    wanted: Sequence[Wanted], laid_out: MessagesLayout, result: CompressionResult, count: Callable[[str], int]
) -> list[Shortened]:
    """What is left of texts, with the marks at the ends of those that lost words, within the same budget."""
    budget = limit = result.budget
    spent: dict[TextPlace, int] = {}
    while True:
        found = [_left_of(each, laid_out, result) for each in wanted]
        for number, (each, left) in enumerate(zip(wanted, found, strict=True)):
            text = laid_out.layout.text[slice(*_segment(each, laid_out))]
            if each.tail and left.text != text and (each.is_whole or lost_words(text, left.spans, left.marks)):
                told = with_tail(left.text, each.tail)
                spent.setdefault(each.place, count(told) - count(left.text) + 1)
                found[number] = replace(left, text=told, marks=(*left.marks, each.tail))
        # A text that lost words keeps its tokens for a mark, so the target falls as often as there are texts at most.
        target = max(budget - sum(spent.values()), result.protected_tokens, 1)
        if target >= limit:
            return found
        limit = target
        result = result.at(target_tokens=target)


def _left_of(wanted: Wanted, laid_out: MessagesLayout, result: CompressionResult) -> Shortened:
    start, end = _segment(wanted, laid_out)
    assert result.messages is not None
    text: Any = result.messages[wanted.place.message]
    for key in wanted.place.keys:
        text = text[key]
    return Shortened(
        text,
        tuple(shift_span(span, -start) for span in clip_spans(result.spans, (start, end))),
        tuple(_shifted(mark, -start) for mark in result.marks if start <= mark.span[0] < end),
    )


def _segment(wanted: Wanted, laid_out: MessagesLayout) -> Span:
    return laid_out.layout.segments[laid_out.places.index(wanted.place)]


def _shifted(mark: Mark, by: int) -> Mark:
    return replace(mark, span=shift_span(mark.span, by))
