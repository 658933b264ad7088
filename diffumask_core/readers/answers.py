"""From a reader's reply to its answer, and whether that is right."""

import re
from collections.abc import Sequence

from diffumask_core.prompt.parse import describe_shot
from diffumask_core.readers.protocol import Question

_BLANK = " \t\r\n.,:;!?*`'\"“”’()[]{}<>$€£%"
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")


def full_text(question: Question) -> str:
    """What a language model reads: the prompt, a blank line, the query."""
    return f"{question.prompt.rstrip()}\n\n{question.query}" if question.prompt.strip() else question.query


def final_answer(reply: str, labels: Sequence[str] = ()) -> str:
    """What a reply gives as its answer.

    Args:
        reply: Free text: ``"The answer is 36."``, ``"Answer: Sports"``, or nothing but the answer.
        labels: The answers to choose among; none where any text may be one.

    Returns:
        The words of the answer; one of the labels where there are some. Empty where the reply gives none: a refusal,
        or a text that names no label or several.
    """
    stated = _stated(reply)
    if not labels:
        return (stated or reply).strip(_BLANK)
    first_line = reply.strip().partition("\n")[0]
    return next(filter(None, (_label_in(part, labels) for part in (stated, first_line, reply))), "")


def _stated(reply: str) -> str:
    """What stands where a reply says that it is the answer; empty where it does not say so."""
    for part in (reply, *reversed(reply.splitlines())):
        answer = describe_shot(part).answer
        if answer:
            return part[slice(*answer)]
    return ""


def _label_in(text: str, labels: Sequence[str]) -> str:
    """The label that a text is, or else the only one that it names; empty where there is none."""
    said = normalise(text)
    named = {label: words for label in labels if (words := normalise(label)) and _has_words(said, words)}
    exact = [label for label, words in named.items() if words == said]
    # "Business" is in "Business & Finance".
    widest = [
        label
        for label, words in named.items()
        if not any(words != other and _has_words(other, words) for other in named.values())
    ]
    return next((found[0] for found in (exact, widest) if len(found) == 1), "")


def normalise(answer: str) -> str:
    """The form in which answers are compared: without case, marks around it and commas in numbers."""
    return _THOUSANDS.sub("", " ".join(answer.casefold().split())).strip(_BLANK)


def is_right(answer: str, question: Question) -> bool:
    """Whether an answer is the question's: the same text, or the same number where that is one."""
    given, right = normalise(answer), normalise(question.answer)
    if not _NUMBER.fullmatch(right):
        return given == right
    numbers = _NUMBER.findall(given)
    return bool(numbers) and float(numbers[-1]) == float(right)


def _has_words(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None
