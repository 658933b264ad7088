"""The next call of an agent, for a reader by hand: cut runs on customer data, and a grader of the answers.

    python scripts/next_action.py write RUNS --out FOLDER --keep-rate 0.3
    python scripts/next_action.py grade FOLDER/answers.jsonl REPLIES

RUNS has conversations in the OpenAI chat format whose tools give JSON. A run is cut before a call with values that only
old results have. Ids, names, dates and addresses are others in each case, always the same one for the same one, so that
a reader can remember nothing. The old results are shortened together to a share of their tokens (`--keep-rate 1` leaves
them whole), and all else is as it was. FOLDER gets a text a case and, apart, the answers. REPLIES has a line a case,
such as {"id": "case-01", "name": "cancel_order", "arguments": {"order": "A17"}}; right is what is the same value for
value.
"""

import argparse
import calendar
import datetime
import json
import random
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffumask_core import Compressor
from diffumask_core.datasets import RunRow, read_runs
from diffumask_core.evaluation.agent import at_rates, case_of
from diffumask_core.evaluation.runs import Message, Messages
from diffumask_core.labeling.hindsight import Cut, cut_run, exact_values, stands_in
from diffumask_core.prompt.formats import read_messages
from diffumask_core.tokens import get_counter

COUNTER = get_counter()
FIRST = re.findall(
    r"\w+", "Tomke Aurel Ilvy Bastian Soraya Jannik Miro Tilda Kasimir Leocadia Ruben Selma Odin Enno Zelda"
)
LAST = re.findall(
    r"\w+", "Harkness Oyelaran Dubrowski Lindqvist Achterberg Tamboura Eskildsen Morvane Quillon Bexley Ravndal"
)
MONTHS = [month for month in calendar.month_name if month]
DATE = re.compile(
    rf"(?P<iso>\b\d{{4}}-\d\d-\d\d)|\b(?P<month>{'|'.join(MONTHS)}) (?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b"
    r"(?:,? (?P<year>\d{4})\b)?"
)
ID = re.compile(r"[A-Za-z]+(?:_[A-Za-z]+)*_\d{3,}|(?=[A-Z]*\d)(?=\d*[A-Z])[A-Z\d]{5,}|\d{4,}")
EMAIL = re.compile(r"[\w.+-]+@[\w.-]+\w")
NAME_KEY = re.compile(r"(?:first|last|full|user|customer)_?name|name")
ID_KEY = re.compile(r"(?:.*_)?(?:ids?|numbers?|codes?|zip|last_four|reservations|orders)")
# Words of ids that say of what kind a thing is.
KIND = re.compile(
    r"(?:(?:gift|credit|debit)_)?card|certificate|paypal|order|item|user|payment|account|booking|reservation"
)
QUESTION = (
    "What is the next call of a tool, exactly? Reply with one line of JSON, without anything else:\n"
    '{{"id": "{id}", "name": "the tool", "arguments": {{...}}}}'
)


@dataclass(frozen=True)
class Task:
    """A run that was cut before a call."""

    cut: Cut
    answer: Message


def tasks_of(runs: Sequence[RunRow], wanted: int) -> list[Task]:
    """Of each run the cut before the call with the most values that only old results have; good runs come first."""
    tasks: list[Task] = []
    for run in sorted(runs, key=lambda run: -(run.reward or 0.0)):
        cuts = [(needed, number) for number in range(len(run.messages)) if (needed := needed_at(run, number))]
        if cuts and len(tasks) < wanted:
            _, number = max(cuts)
            tasks.append(Task(cut_at(run, number), run.messages[number]["tool_calls"][0]["function"]))
    return tasks


def cut_at(run: RunRow, number: int) -> Cut:
    """The run before a message of the assistant."""
    return cut_run(run.id, run.messages, (number + 0.5) / len(run.messages), {})


def needed_at(run: RunRow, number: int) -> int:
    """How many values of the one call in a message only old results have."""
    if len(run.messages[number].get("tool_calls") or ()) != 1:
        return 0
    cut = cut_at(run, number)
    case = case_of(cut, COUNTER)
    old = "\n".join(result.text for result in case.history.results)
    [message] = read_messages([run.messages[number]])
    values = set(exact_values(message))
    return sum(stands_in(value, old) and not stands_in(value, case.history.elsewhere) for value in values)


class Others:
    """Other ids, names, dates and addresses for those of a run."""

    def __init__(self, messages: Messages, seed: int) -> None:
        """Finds what is to be replaced, in the JSON of results and calls and by its form."""
        self._random = random.Random(seed)
        self._days = datetime.timedelta(days=self._random.randrange(21, 63))
        texts = [text.text for message in read_messages(messages) for text in message.texts]
        found: dict[str, None] = {}
        self._names: dict[str, str] = {}
        for key, value in scalars(texts):
            if NAME_KEY.fullmatch(key) and re.fullmatch(r"[A-Z][\w'-]+(?: [A-Z][\w'-]+)*", value):
                for word in value.split():
                    self._name(word, LAST if key.startswith("last") else FIRST)
            elif (ID_KEY.fullmatch(key) and re.fullmatch(r"(?=.*[\dA-Z])[\w-]{4,}", value)) or EMAIL.fullmatch(value):
                found[value] = None
        text = "\n".join(texts)
        for match in (*EMAIL.finditer(text), *re.finditer(rf"(?<![\w.-])(?:{ID.pattern})(?![\w-])", text)):
            if not (match[0].isdigit() and match[0] not in found) and not is_date(match[0]):
                found[match[0]] = None
        self._ids = {each: self._like(each) for each in found}
        words = sorted((*self._ids, *self._names), key=len, reverse=True)
        self._words = (
            re.compile(rf"(?<![^\W_]){'(?:' + '|'.join(map(re.escape, words)) + ')'}(?![^\W_])") if words else None
        )

    def _name(self, word: str, pool: Sequence[str]) -> None:
        free = [name for name in pool if name not in self._names.values()] or [self._letters(word)]
        if word not in self._names:
            self._names[word] = self._random.choice(free)

    def _like(self, given: str) -> str:
        """An id of the same form: names in it are the other names, and words that say its kind stay."""
        kind = KIND.match(given)
        head = kind[0] if kind else ""
        names = {old.lower(): new.lower() for old, new in self._names.items()}
        parts = re.split(r"(@.*|[\W_]+|\d+)", given[len(head) :])
        return head + "".join(
            part if part.startswith("@") else names.get(part.lower(), self._letters(part)) for part in parts if part
        )

    def _letters(self, text: str) -> str:
        """Other letters and digits in the same places."""
        pools = (string.digits, string.ascii_uppercase, string.ascii_lowercase)
        pool_of = {char: pool for pool in pools for char in pool}
        return "".join(self._random.choice(pool_of.get(char, char)) for char in text)

    def text(self, text: str) -> str:
        """A text with the others in it."""
        text = DATE.sub(self._date, text)
        return (
            self._words.sub(lambda word: self._ids.get(word[0]) or self._names[word[0]], text) if self._words else text
        )

    def _date(self, found: re.Match[str]) -> str:
        try:
            if found["iso"]:
                return (datetime.date.fromisoformat(found["iso"]) + self._days).isoformat()
            month = MONTHS.index(found["month"]) + 1
            date = datetime.date(int(found["year"] or 2024), month, int(found["day"])) + self._days
        except ValueError:
            return found[0]
        return f"{MONTHS[date.month - 1]} {date.day}" + (f", {date.year}" if found["year"] else "")

    def message(self, message: Message) -> dict[str, Any]:
        """A message with the others in it."""
        return {key: self._any(value) for key, value in message.items()}

    def _any(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._any(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._any(each) for each in value]
        return self.text(value) if isinstance(value, str) else value

    def left_in(self, text: str) -> list[str]:
        """What should have been replaced and stands there still."""
        other = {*self._ids.values(), *self._names.values()}
        return [word for word in self._words.findall(text) if word not in other] if self._words else []


def is_date(text: str) -> bool:
    """Whether a text is a year."""
    return re.fullmatch(r"(?:19|20)\d\d", text) is not None


def scalars(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The strings in those texts that are JSON, with their keys; keys that look like ids are such strings too."""

    def walk(value: Any, key: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            for name, each in value.items():
                if ID.fullmatch(name):
                    yield "id", name
                yield from walk(each, name)
        elif isinstance(value, list):
            for each in value:
                yield from walk(each, key)
        elif isinstance(value, str):
            yield key, value

    for text in texts:
        try:
            yield from walk(json.loads(text), "")
        except ValueError:
            continue


def shapes_of(runs: Sequence[RunRow]) -> str:
    """The tools that the runs call, with the names and types of their arguments."""
    tools: dict[str, dict[str, str]] = {}
    for run in runs:
        for message in run.messages:
            for call in message.get("tool_calls") or ():
                given = json.loads(call["function"]["arguments"])
                tools.setdefault(call["function"]["name"], {}).update(
                    {key: shape(value) for key, value in given.items()}
                )
    return "\n".join(
        f"{name}({', '.join(f'{key}: {kind}' for key, kind in own.items())})" for name, own in sorted(tools.items())
    )


def shape(value: Any) -> str:
    """The type of an argument."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shape(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{shape(value[0])}, ...]" if value else "[...]"
    return {str: "string", bool: "boolean", int: "number", float: "number"}.get(type(value), "null")


def shown(messages: Messages) -> str:
    """A history to read."""
    parts = []
    for message in messages:
        if message.get("content"):
            parts.append(f"## {message['role']}\n{message['content']}")
        for call in message.get("tool_calls") or ():
            parts.append(f"## call\n{call['function']['name']} {call['function']['arguments']}")
    return "\n\n".join(parts)


def write(file: Path, out: Path, keep_rate: float, wanted: int, seed: int) -> None:
    """Writes the cases and, apart, their answers."""
    runs = read_runs(file)
    compressor, shapes = Compressor.from_pretrained(), shapes_of(runs)
    out.mkdir(parents=True, exist_ok=True)
    answers = []
    for number, task in enumerate(tasks_of(runs, wanted), 1):
        name = f"case-{number:02}"
        others = Others(
            [*task.cut.messages, {"role": "assistant", "tool_calls": [{"function": task.answer}]}], seed + number
        )
        cut = Cut(name, [others.message(message) for message in task.cut.messages], task.cut.old, (), ())
        [result] = at_rates(compressor, case_of(cut, COUNTER), [keep_rate], 1)
        history = shown(result.messages or [])
        text = f"# Tools\n{shapes}\n\n# History\n{history}\n\n# Question\n{QUESTION.format(id=name)}\n"
        if left := others.left_in(text):
            raise SystemExit(
                f"{name} of {task.cut.id} still holds {left[0]!r}: another form of ids than this program knows."
            )
        (out / f"{name}.txt").write_text(text, "utf-8")
        arguments = json.loads(others.text(task.answer["arguments"]))
        answers.append({"id": name, "name": task.answer["name"], "arguments": arguments})
    (out / "answers.jsonl").write_text("".join(json.dumps(answer) + "\n" for answer in answers), "utf-8")
    print(f"{len(answers)} cases in {out}")


def grade(answers: Path, replies: Path) -> None:
    """Prints how many calls are right, and what is wrong with the others."""
    given = {
        reply["id"]: reply for reply in map(json.loads, filter(str.strip, replies.read_text("utf-8").splitlines()))
    }
    rows = [json.loads(line) for line in answers.read_text("utf-8").splitlines()]
    right = 0
    for answer in rows:
        reply = given.get(answer["id"], {})
        wrong = [key for key in ("name", "arguments") if reply.get(key) != answer[key]]
        right += not wrong
        if wrong:
            print(f"{answer['id']}: {wrong[0]} is {reply.get(wrong[0])}, not {answer[wrong[0]]}")
    print(f"{right} of {len(rows)} calls are right: {right / len(rows):.2f}")


def main() -> None:
    """Writes cases or grades answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("write")
    writing.add_argument("runs", type=Path)
    writing.add_argument("--out", type=Path, required=True)
    writing.add_argument("--keep-rate", type=float, default=0.3)
    writing.add_argument("--cases", type=int, default=24)
    writing.add_argument("--seed", type=int, default=0)
    grading = commands.add_parser("grade")
    grading.add_argument("answers", type=Path)
    grading.add_argument("replies", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "write":
        write(arguments.runs, arguments.out, arguments.keep_rate, arguments.cases, arguments.seed)
    else:
        grade(arguments.answers, arguments.replies)


if __name__ == "__main__":
    main()
