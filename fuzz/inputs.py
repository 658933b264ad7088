"""What several targets read out of bytes, and the tiny random model that they compress with."""

from collections.abc import Iterable
from typing import Any

from generated_texts import Conversation, Step, Turn
from promises import TOKENIZERS, Options
from tiny import tiny_pruner, tiny_tokenizer

from diffumask_core import Compressor
from fuzz.reader import Reader

COMPRESSOR = Compressor(tiny_pruner(tiny_tokenizer()))
_QUERIES = ["", "who sold the apples?", "the", "日本", "\ud83d"]


def read_options(reader: Reader) -> Options:
    """Options of a compression, with units that are the least that makes sense."""
    options: Options = {"tokenizer": reader.choice(TOKENIZERS)}
    if reader.flag():
        options["target_tokens"] = reader.integer(1, 400)
    else:
        options["keep_rate"] = reader.integer(1, 100) / 100
    switches = ["compress_instructions", "compress_query", "compress_rationales", "marks", "shot_level", "token_level"]
    defaults = {"marks": True, "shot_level": True, "token_level": True}
    options |= {name: reader.flag() != defaults.get(name, False) for name in switches}
    return options | {
        "min_shots": reader.integer(0, 3),
        "min_relevance": reader.choice([0.0, 0.5, 1.0]),
        "query": reader.choice(_QUERIES),
        "steps": reader.choice([None, 1, 3]),
    }


def read_conversation(reader: Reader) -> Conversation:
    """A conversation whose last turn may wait for the assistant."""
    turns = []
    for number in range(reader.integer(1, 3)):
        steps = [_read_step(reader, f"call-{number}-{each}") for each in range(reader.integer(0, 2))]
        turns.append(Turn(_filled(reader), [*steps, Step(_filled(reader))]))
    last = turns[-1]
    turns[-1] = Turn(last.asked, last.steps[: reader.integer(0, len(last.steps) - 1)])
    return Conversation(reader.text() if reader.flag() else "", turns)


def _read_step(reader: Reader, call: str) -> Step:
    result = _filled(reader)
    said = reader.choice(["", "I will look.", "Let me see what the log of the crane says."])
    return Step(said, call, {"of": reader.choice(["crane", "a.py", ""])}, result, failed=reader.flag())


def _filled(reader: Reader) -> str:
    """The next text, or a word where there is none: providers refuse blank texts."""
    text = reader.text()
    return text if text.strip() else "Well?"


def strings_of(value: Any) -> Iterable[str]:
    """All texts in messages."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings_of(inner)
