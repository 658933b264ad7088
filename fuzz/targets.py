"""What is fuzzed: from bytes to an input, and from its result to the guarantees that must hold.

A target raises where a guarantee does not hold, and where anything but a typed error comes out. The checks are those of
the property tests (`tests/promises.py`); docs/guarantees.md says what they mean. The model is the tiny random one.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from generated_texts import FORMATS
from integrations.wire_formats import FORMATS as WIRE
from integrations.wire_formats import damages, numbered
from promises import (
    Message,
    Options,
    assert_extractive,
    assert_messages_hold,
    assert_true,
    comes_out,
    lines_of,
    touched,
    within_budget,
    without_marks,
)

from diffumask_core import CompressionResult, Prompt, Shot
from diffumask_core.prompt.parse import parse_layout
from diffumask_core.prompt.spans import Span
from diffumask_core.regions.detect import find_regions
from diffumask_core.regions.region import Region
from diffumask_core.tokens import get_counter
from fuzz.inputs import COMPRESSOR, read_conversation, read_options, strings_of
from fuzz.reader import Reader
from fuzz.server import server

# Texts.


def parse(reader: Reader) -> None:
    """A plain text: its structure lies in it, and 1, 2, 5 and 6 hold."""
    text, options = reader.text(), read_options(reader)
    options["grain"] = reader.choice(["auto", "words"])
    if not text:
        return
    layout = parse_layout(text)
    _assert_in_order([shot.span for shot in layout.shots], (0, len(text)))
    for shot in layout.shots:
        for span in (*shot.kept, *shot.output, *([shot.answer] if shot.answer else [])):
            _assert_in_order([span], shot.span)
    result = _checked(text, options)
    counter = get_counter(options["tokenizer"])
    assert result.source == text
    assert result.compressed_tokens == (counter.count(result.text) if result.text else 0)
    assert result.text.strip() or not text.strip(), "Nothing is left."
    fitting = {**options, "keep_rate": None, "target_tokens": result.original_tokens or 1, "min_relevance": 0.0}
    assert COMPRESSOR.compress(text, **fitting).text == text, "What fits does not come back as it is."
    again = result.at(target_tokens=result.original_tokens or 1)
    again = again.at(keep_rate=options.get("keep_rate"), target_tokens=options.get("target_tokens"))
    assert again == result, "Decided again, another text comes out."
    result.to_html().encode()
    json.dumps(result.to_dict())


def prompt(reader: Reader) -> None:
    """A `Prompt`: 1, 2 and 3 hold."""
    options, count = read_options(reader), reader.integer(0, 6)
    instructions, query = reader.text(), reader.text()
    shots = [shot for shot in (_read_shot(reader) for _ in range(count)) if shot]
    given = Prompt(instructions, shots, query)
    if not given.text:
        return
    result = _checked(given, options)
    assert len(result.shots) == len(shots)
    assert sum(shot.fate != "dropped" for shot in result.shots) >= min(options["min_shots"], len(shots))
    layout = given.layout
    if layout.query and not options["compress_query"]:
        assert comes_out(result, layout.query), "The query does not come out."
    if not options["compress_instructions"]:
        assert all(comes_out(result, span) for span in layout.instructions), "The instructions do not come out."
    for shot, described in zip(result.shots, layout.shots, strict=True):
        if shot.fate == "dropped":
            assert not touched(result, shot.span)
        else:
            assert not described.answer or comes_out(result, described.answer), "An answer is broken."
            assert options["compress_rationales"] or all(comes_out(result, span) for span in described.output)


def _read_shot(reader: Reader) -> Shot | None:
    if reader.flag():
        text = reader.text()
        return Shot(text) if text.strip() else None
    question, rationale, answer = reader.text(), reader.text(), reader.text()
    return Shot(question=question, rationale=rationale, answer=answer) if (question + answer).strip() else None


def regions(reader: Reader) -> None:
    """The regions of a text: each lies in what is around it, and 1 and 2 hold with whole lines."""
    text, options = reader.text(), read_options(reader)
    if not text:
        return
    for is_output in (False, True):
        _assert_nested(find_regions(text, is_output=is_output), (0, len(text)))
    result = _checked(text, options)
    inner = [region for outer in result.regions for region in outer.walk() if not region.escaped]
    in_lines = [region for region in inner if region.kind not in ("json lines", "markup")]
    items = {item for region in in_lines for series in region.series if series.form == "line" for item in series.items}
    for item in items & set(lines_of(text)):
        assert comes_out(result, item) or not touched(result, item), f"{text[slice(*item)]!r} is broken."


def _assert_nested(found: Iterable[Region], around: Span) -> None:
    found = list(found)
    _assert_in_order([region.span for region in found], around)
    for region in found:
        _assert_in_order(region.units, region.span)
        for series in region.series:
            _assert_in_order(series.items, region.span)
        _assert_nested(region.inner, region.span)


# Messages.


def messages(reader: Reader, form: str) -> None:
    """A conversation in a format: 1, 2 and 4 hold."""
    options = read_options(reader)
    given = FORMATS[form](read_conversation(reader))
    keep = {reader.integer(0, len(given) - 1)} if reader.flag() else set()
    assert_messages_hold(COMPRESSOR, given, keep, options)
    before, violations = numbered(given), WIRE[{"chat": "openai"}.get(form, form)].violations
    after = COMPRESSOR.compress_messages(before, **options, on_overflow="best_effort").messages
    assert after is not None
    assert violations(before) or not violations(after), violations(after)
    if not options["compress_instructions"]:
        assert not [*damages(before, after)], [*damages(before, after)]


def conversation(reader: Reader) -> None:
    """A conversation that grows: 8 holds, and what was left out can be had back."""
    form = reader.choice(list(FORMATS))
    options: dict[str, Any] = {
        "keep": ("messages", reader.integer(0, 3)),
        "restore": reader.flag(),
        "keep_rate": reader.choice([0.1, 0.4, 0.8]),
        "tokenizer": len,
    }
    given = FORMATS[form](read_conversation(reader))
    growing = COMPRESSOR.conversation(**options)
    before: list[Message] = []
    for length in range(1, len(given) + 1):
        shorter = growing.shorten(given[:length])
        assert len(shorter) == length
        for index, (old, new) in enumerate(zip(before, shorter, strict=False)):
            assert old in (new, given[index]), f"messages[{index}] was decided twice."
        before = shorter
    assert COMPRESSOR.conversation(**options).shorten(given) == before, "A fresh conversation gives something else."
    told = "\0".join(strings_of(given))
    for left_out in growing.marks:
        back = growing.restore(left_out.mark)
        assert back in told, f"{back!r} is nowhere in the messages."


# JSON.


def json_text(reader: Reader) -> None:
    """JSON, alone and in a text: 1, 2 and 3 hold, so it stays valid and true."""
    text, options = reader.text(), read_options(reader)
    value = _parsed(text)
    if not isinstance(value, dict | list):
        return
    result = _checked(text, options)
    left = json.loads(result.text, object_pairs_hook=_without_twins)
    assert_true(left, value, result)
    around = _checked(f"The harbour wrote:\n{text}\nNothing else is known.", options)
    opening, closing = "[]" if isinstance(value, list) else "{}"
    rest = without_marks(around, but='"')
    if opening in rest:
        assert_true(json.loads(rest[rest.index(opening) : rest.rindex(closing) + 1]), value, around)


class TwinsError(ValueError):
    """An object that has a key twice: what it means is not said."""


def _without_twins(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise TwinsError
    return found


def _parsed(text: str) -> Any:
    """The value of a JSON text, None for any other text."""
    try:
        return json.loads(text, object_pairs_hook=_without_twins, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


# What all of them check.


def _checked(source: str | Prompt, options: Options) -> CompressionResult:
    result = within_budget(COMPRESSOR.compress, source, options)
    assert_extractive(result)
    assert options["marks"] or not result.marks
    return result


def _assert_in_order(spans: Iterable[Span], around: Span) -> None:
    spans = list(spans)
    assert all(around[0] <= start <= end <= around[1] for start, end in spans), (spans, around)
    assert all(before[1] <= after[0] for before, after in pairwise(spans)), spans


def _messages(form: str) -> Callable[[Reader], None]:
    return lambda reader: messages(reader, form)


TARGETS: dict[str, Callable[[Reader], None]] = {
    "parse": parse,
    "prompt": prompt,
    "regions": regions,
    "messages-chat": _messages("chat"),
    "messages-responses": _messages("responses"),
    "messages-anthropic": _messages("anthropic"),
    "conversation": conversation,
    "json": json_text,
    "server": server,
}
"""The targets by their names."""


def run(name: str, data: bytes) -> None:
    """Runs a target on the bytes that a fuzzer made."""
    TARGETS[name](Reader(data))
