"""What the line model is told of lines: each feature says what its name says, whatever the format of the messages."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import FORMATS, Message, drawn_run, step

from diffumask_core.lines.evidence import FEATURES, Evidence, read_evidence
from diffumask_core.options import Options
from diffumask_core.pipeline import read_prompt
from diffumask_core.prompt.messages import messages_layout
from diffumask_core.scoring.reading import Reading

BOATS = ("albatross", "bittern", "cormorant", "dunlin", "egret", "fulmar", "gannet", "heron", "ibis", "jackdaw")
# A paragraph in one line, as a page has.
PROSE = " ".join(
    f"The boats of quay {number} lie still, and nobody is there at this time of the day. Few of the captains who used "
    "to come here have been seen again, and those who have say that the tide is to blame."
    for number in range(6)
)


def hits(*words: str) -> str:
    """Lines as a search prints them, a word in each."""
    return "\n".join(f"harbour/{word}.py:{number}: moor({word})" for number, word in enumerate(words, 1))


def reading_of(messages: Sequence[Message]) -> Reading:
    return read_prompt(messages_layout(messages).layout, Options(keep_rate=0.3))


def evidence_of(messages: Sequence[Message]) -> Evidence:
    evidence = read_evidence(reading_of(messages))
    assert evidence is not None
    return evidence


def column(evidence: Evidence, name: str) -> list[float]:
    """A feature of each line as it was counted, before its logarithm was taken."""
    values = evidence.features[:, FEATURES.index(name)]
    return [round(float(value), 4) for value in np.sign(values) * np.expm1(np.abs(values))]


def conversation(*results: str, task: str = "Mend it.", says: Sequence[str] = (), end: str = "So.") -> list[Message]:
    """A task, a step for each result with what the agent says at its call, and what it says at the end."""
    said = [*says, *[""] * len(results)]
    steps = [each for n, text in enumerate(results) for each in step(n, said[n], {"command": "ls"}, text)]
    return [{"role": "user", "content": task}, *steps, {"role": "assistant", "content": end}]


def above(values: Sequence[float]) -> list[int]:
    return [number for number, value in enumerate(values) if value > 0]


@pytest.mark.parametrize(
    ("feature", "messages"),
    [
        ("said in the task", conversation(hits(*BOATS), task="Where is the cormorant?")),
        ("said in the call", conversation(hits(*BOATS), says=["I look for the cormorant."])),
        ("said at once", conversation(hits(*BOATS), end="It is the cormorant.")),
        ("said since", conversation(hits(*BOATS), end="It is the cormorant.")),
        ("said before", conversation("Nothing.", hits(*BOATS), says=["Is it the cormorant?", ""])),
        (
            "asked since",
            [*conversation(hits(*BOATS)), {"role": "user", "content": "And the cormorant?"}],
        ),
    ],
)
def test_a_line_that_shares_a_rare_word_scores_and_no_other(feature: str, messages: list[Message]) -> None:
    if feature == "said in the call":
        messages[1]["tool_calls"][0]["function"]["arguments"] = json.dumps({"pattern": "cormorant"})
    evidence = evidence_of(messages)
    # Where another result is before, its one line is the first.
    assert above(column(evidence, feature)) == [len(evidence.unit) - len(BOATS) + BOATS.index("cormorant")]
    others = {"said in the task", "said in the call", "said at once", "said since", "said before", "asked since"}
    plain = evidence_of(conversation(hits(*BOATS)))
    assert all(not above(column(plain, name)) for name in others)


def test_a_rare_word_scores_more_than_a_common_one() -> None:
    evidence = evidence_of(conversation(hits("heron", *["egret"] * 8), end="The heron and the egret."))
    first, *others = column(evidence, "said at once")
    assert all(first > other > 0 for other in others)


def test_what_is_said_late_was_not_said_at_once() -> None:
    steps = ["Nothing.", "Nothing more.", "And nothing.", "Nothing at all."]
    evidence = evidence_of(conversation(hits(*BOATS), *steps, end="It was the heron."))
    assert above(column(evidence, "said at once")) == []
    assert above(column(evidence, "said since")) == [BOATS.index("heron")]


def test_arguments_are_read_as_they_are_meant() -> None:
    messages = conversation(hits("über", *BOATS))
    messages[1]["tool_calls"][0]["function"]["arguments"] = '{"p": "\\u00fcber\\nheron"}'
    assert above(column(evidence_of(messages), "said in the call")) == [0, 1 + BOATS.index("heron")]


def test_places_and_counts() -> None:
    evidence = evidence_of(conversation(hits(*BOATS[:4]), hits(*BOATS[4:10])))
    assert column(evidence, "place") == [0, 1, 2, 3, 0, 1, 2, 3, 4, 5]
    assert column(evidence, "lines") == [4] * 4 + [6] * 6
    assert column(evidence, "share of lines before")[4:] == pytest.approx([n / 6 for n in range(6)], abs=1e-4)
    since = column(evidence, "messages since")
    assert since == [4] * 4 + [2] * 6
    assert column(evidence, "slashes") == [1] * 10
    assert column(evidence, "length")[0] == len("harbour/albatross.py:1: moor(albatross)")
    assert np.all(evidence.costs >= 1)


def test_strings_that_other_results_hold() -> None:
    evidence = evidence_of(conversation(hits("heron", "egret", "ibis"), hits("heron", "dunlin", "gannet")))
    assert column(evidence, "results that hold") == [2, 1, 1, 2, 1, 1]
    assert above(column(evidence, "strings of earlier results")) == [3]


def test_strings_that_are_said_elsewhere_are_known() -> None:
    evidence = evidence_of(conversation(hits(*BOATS), end="I open harbour/heron.py now."))
    assert above(column(evidence, "known strings")) == [BOATS.index("heron")]
    assert "harbour/heron.py" not in evidence.terms.numbers
    assert "harbour/egret.py" in evidence.terms.numbers


@pytest.mark.parametrize(
    ("line", "look"),
    [
        ("def moor(boat):", "definition"),
        ("import harbour", "import"),
        ("# the tide is low", "comment"),
        ("harbour/quay.py:12: moor(boat)", "hit"),
        ("harbour/quay.py", "file"),
        ("TideError: too low", "failure"),
        ("    self.depth = depth", "attribute"),
        ("    return depth", "return"),
    ],
)
def test_looks(line: str, look: str) -> None:
    code = "class Quay:\n    depth = 4\n\n    def open(self):\n        pass\n\n\ndef close():\n    pass"
    result = (
        f"{line}\n\n\n{code}" if look != "failure" else f"2031-05-01 10:00:01 INFO a\n2031-05-01 10:00:02 INFO {line}"
    )
    messages = conversation(result)
    reading = reading_of(messages)
    evidence = evidence_of(messages)
    texts = [reading.text((start, end)) for start, end in reading.units.spans[evidence.unit].tolist()]
    [number] = [number for number, text in enumerate(texts) if line.strip() in text]
    assert column(evidence, f"looks like a {look}")[number] == 1


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("grep -rn moor .", "searches"),
        ("cat quay.py", "reads"),
        ("ls harbour", "lists"),
        ("pytest -q", "runs"),
        ("git diff", "compares"),
        ("get_berth", "looks up"),
    ],
)
def test_calls(command: str, what: str) -> None:
    messages = conversation(hits(*BOATS), hits(*BOATS))
    messages[1]["tool_calls"][0]["function"]["arguments"] = json.dumps({"command": command})
    messages[3]["tool_calls"][0]["function"]["arguments"] = json.dumps({"command": "nothing"})
    assert column(evidence_of(messages), f"call {what}") == [1] * 10 + [0] * 10


def test_one_region_kind_is_told_of_each_line() -> None:
    record = json.dumps([{"berth": n, "boat": boat} for n, boat in enumerate(BOATS)], indent=1)
    evidence = evidence_of(conversation(record, hits(*BOATS)))
    kinds = [name for name in FEATURES if name.startswith("kind ")]
    told = np.array([column(evidence, name) for name in kinds])
    assert told.sum(0).max() == 1
    assert told[kinds.index("kind json")].sum() > 0


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": hits(*BOATS)}],
        [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": hits(*BOATS)}],
        conversation(PROSE),
        conversation(""),
        conversation("   \n\n "),
        conversation(),
    ],
)
def test_nothing_is_told_without_lines_of_results(messages: list[Message]) -> None:
    assert read_evidence(reading_of(messages)) is None


def test_a_plain_text_has_no_lines_of_results() -> None:
    from diffumask_core.prompt.parse import parse_layout

    assert read_evidence(read_prompt(parse_layout(hits(*BOATS)), Options(keep_rate=0.3))) is None


def test_words_of_prose_in_results_are_no_lines() -> None:
    messages = conversation(f"{PROSE}\n\n{hits(*BOATS)}")
    reading, evidence = reading_of(messages), evidence_of(messages)
    texts = [reading.text((start, end)) for start, end in reading.units.spans[evidence.unit].tolist()]
    assert [text.strip() for text in texts] == hits(*BOATS).splitlines()


def test_results_that_are_kept_or_failed_are_not_decided() -> None:
    messages = conversation(hits(*BOATS), hits(*BOATS[:5]))
    messages[2]["is_error"] = True
    assert len(evidence_of(messages).unit) == 5
    kept = read_prompt(messages_layout(conversation(hits(*BOATS)), [2]).layout, Options(keep_rate=0.3))
    assert read_evidence(kept) is None


def test_evidence_depends_on_no_hash() -> None:
    program = (
        "import hashlib, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from made_runs import drawn_run\n"
        "from diffumask_core.lines.evidence import read_evidence\n"
        "from diffumask_core.options import Options\n"
        "from diffumask_core.pipeline import read_prompt\n"
        "from diffumask_core.prompt.messages import messages_layout\n"
        "found = read_evidence(read_prompt(messages_layout(drawn_run(1)).layout, Options(keep_rate=0.3)))\n"
        "print(hashlib.sha256(found.features.tobytes() + str(found.terms.numbers).encode()).hexdigest())"
    )
    shown = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(shown) == 1


def parallel_run() -> list[Message]:
    """Two calls at once, an empty result, and an id that comes again."""
    first = step(1, "I look twice.", {"pattern": "heron"}, hits(*BOATS))
    second = step(2, "", {"pattern": "egret"}, hits(*reversed(BOATS)))
    first[0]["tool_calls"] += second[0]["tool_calls"]
    again = step(1, "", {"pattern": "dunlin"}, hits(*BOATS[:6]))
    return [
        {"role": "user", "content": "Where does the ibis sleep?"},
        *first,
        second[1],
        *step(3, "I list.", {"path": "none"}, ""),
        *again,
        {"role": "assistant", "content": "The gannet it is."},
    ]


def spoken_twice() -> list[Message]:
    return [*drawn_run(3), {"role": "user", "content": "And why does it jam?"}, *drawn_run(4)[1:9]]


@pytest.mark.parametrize("form", ["anthropic", "responses"])
@pytest.mark.parametrize("run", [parallel_run, spoken_twice, lambda: drawn_run(5)])
def test_formats_give_the_same_evidence(form: str, run: Callable[[], list[Message]]) -> None:
    chat, other = evidence_of(run()), evidence_of(FORMATS[form](run()))
    for number, name in enumerate(FEATURES):
        assert np.allclose(chat.features[:, number], other.features[:, number]), name
    assert np.array_equal(chat.costs, other.costs)
    assert chat.terms.numbers == other.terms.numbers


@pytest.mark.parametrize("form", FORMATS)
def test_each_result_of_parallel_calls_has_its_own_call(form: str) -> None:
    told = column(evidence_of(FORMATS[form](parallel_run())), "said in the call")
    assert above(told) == [BOATS.index("heron"), 10 + BOATS[::-1].index("egret"), 20 + BOATS.index("dunlin")]


def test_what_a_user_says_after_results_is_asked() -> None:
    messages = FORMATS["anthropic"](conversation(hits(*BOATS), hits(*BOATS[:5])))
    messages[4]["content"].append({"type": "text", "text": "Think of the heron."})
    said = {"said in the task": [BOATS.index("heron")], "asked since": [BOATS.index("heron")]}
    evidence = evidence_of(messages)
    assert {name: above(column(evidence, name)) for name in said} == said


def test_a_result_without_a_call_has_none_of_another() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": "lost", "content": hits(*BOATS)},
        {"role": "assistant", "content": "It is the heron."},
    ]
    assert above(column(evidence_of(messages), "said in the call")) == []
