"""Which words of prose hang together: a negation with what it denies, a condition with what holds under it.

A sentence that loses one half of such a pair says the opposite, or says of all what holds of some. So a pair is one
unit, whole or gone, where it is short; a long condition stays as long as something stays that depends on it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import regex

from diffumask_core.prompt.negation_words import ELSEWHERE, LIMITS, words_of
from diffumask_core.prompt.negations import language_at
from diffumask_core.prompt.spans import Span, chain_spans, trim_span
from diffumask_core.regions.region import Scaffold

# Two clauses of at most so many characters are one unit; a character of Chinese counts as three.
_SHORT = 150
# Where such stretches overlap they are one, up to so many characters.
_LONGEST = 300
_WIDE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")


_KINDS = ("conditions", "others", "contrasts")
_SPACED = regex.compile(
    r"(?<![\w'’-])(?=[^\W\d_])(?:"
    r"(?P<conditions>\L<conditions>)|(?P<others>\L<others>)|(?P<contrasts>\L<contrasts>))(?![\w-])",
    regex.IGNORECASE,
    conditions=words_of("conditions"),
    others=words_of("others"),
    contrasts=words_of("contrasts"),
)
_IN_RUN = regex.compile("|".join(f"(?P<{kind}>{'|'.join(words_of(kind, has_spaces=False))})" for kind in _KINDS))
_SENTENCE_END = regex.compile(
    r"""[.!?…](?:["'”’»)\]}]++[,;]?+)?+(?=\s++[^\s\p{Ll}]|\s*+\Z) | ;(?=\s) | [。！？।؟；]
    | \n[ \t\r]*+\n | \n(?=[ \t]*+(?:[-*•+]|\d{1,3}[.)])[ \t])""",
    regex.VERBOSE,
)
_ASKING = frozenset("?？؟")
_CLAUSE_END = regex.compile(r"[,:](?=\s)|(?<=\s)[-–—](?=\s)|[()（）]|[，：、،]")
_IS_LIMIT = regex.compile(LIMITS, regex.IGNORECASE)
_WORD = regex.compile(r"\w[\w'’-]*+")
# With a preposition before it, or none.
_RELATIVE = regex.compile(
    r"(?:[^\W\d_]{1,5}\s)?\L<relatives>(?![\w'’-])", regex.IGNORECASE, relatives=words_of("relatives")
)


@dataclass(frozen=True)
class Bonds:
    """What hangs together.

    Attributes:
        units: Stretches that are one unit each, in order; none overlap.
        rules: Words and clauses that stay as long as others stay.
    """

    units: list[Span]
    rules: list[Scaffold]


@dataclass(frozen=True)
class _Clause:
    """A clause and its sentence.

    Attributes:
        span: Where it is.
        sentence: The first and the last clause of its sentence, by number.
        asks: Whether the sentence is a question, which says of nothing that it holds.
    """

    span: Span
    sentence: tuple[int, int]
    asks: bool


def bonds(text: str, start: int, end: int, turns: Sequence[tuple[Span, Span]]) -> Bonds:
    """Finds what hangs together in ``text[start:end]``.

    Args:
        text: The text.
        start: Where to begin.
        end: Where to stop.
        turns: What `turning_words` finds there.
    """
    found = _connectives(text, start, end)
    if not (found or turns):
        return Bonds([], [])
    clauses = list(_clauses(text, start, end))
    # What a limit or a condition governs is an amount, which is one unit anyway, or a clause, of which more below.
    tied = {word for _, word in found}
    denying = [turn for turn in turns if turn[0] not in tied and not _IS_LIMIT.fullmatch(text, *turn[0])]
    denied = _denied(text, clauses, denying)
    starts = [clause.span[0] for clause in clauses]
    units, rules = denied, []
    for kind, word in found:
        at = max(bisect_right(starts, word[0]) - 1, 0)
        if clauses[at].asks:
            continue
        if kind == "contrasts":
            unit, rule = _contrast(text, clauses, at, word, turns)
        else:
            unit, rule = _condition(text, clauses, at, word, kind == "others")
        units += unit
        rules += rule
    bound = [span for each in chain_spans(sorted(units), _LONGEST) if (span := trim_span(text, *each))]
    return Bonds(bound, rules + list(_ends(text, start, end, bound)))


def _connectives(text: str, start: int, end: int) -> list[tuple[str, Span]]:
    languages: dict[int, str] = {}
    found = []
    for match in _SPACED.finditer(text, start, end):
        word = match[0].lower()
        if word in ELSEWHERE and language_at(text, match.start(), start, end, languages) in ELSEWHERE[word].split():
            continue
        found.append((match.lastgroup or "", match.span()))
    if not text.isascii():
        found += [(match.lastgroup or "", match.span()) for match in _IN_RUN.finditer(text, start, end)]
    return found


def _ends(text: str, start: int, end: int, bound: Sequence[Span]) -> Iterator[Scaffold]:
    """The marks that end a sentence, which stay between what stays of the sentence and what stays after it in the line.

    Without the mark, what hangs together would seem to say something of the words of another sentence.

    Args:
        text: The text.
        start: Where to begin.
        end: Where to stop.
        bound: What hangs together, in order.
    """
    ends = [last for _, last in bound]

    def is_bound(span: Span) -> bool:
        number = bisect_right(ends, span[0])
        return number < len(bound) and bound[number][0] < span[1]

    first, line = start, -1
    for mark in _SENTENCE_END.finditer(text, start, end):
        if line < mark.end():
            line = text.find("\n", mark.end(), end)
            line = end if line < 0 else line
        behind = mark.end(), line
        is_mark = not mark[0].isspace() and first < mark.start() and not is_bound(mark.span())
        if is_mark and behind[0] < behind[1] and is_bound((first, behind[1])):
            yield Scaffold((mark.start(), mark.start() + 1), (first, mark.start()), behind, alone=True)
        first = mark.end()


def _clauses(text: str, start: int, end: int) -> Iterator[_Clause]:
    """The clauses that hold a word, in order, without the marks that part them."""
    edges = [match.span() for match in _SENTENCE_END.finditer(text, start, end)]
    number = 0
    for first, last in _between(edges, start, end):
        marks = [match.span() for match in _CLAUSE_END.finditer(text, first, last)]
        spans = [trimmed for span in _between(marks, first, last) if (trimmed := trim_span(text, *span))]
        spans = [span for span in spans if _WORD.search(text, *span)]
        sentence = number, number + len(spans) - 1
        asks = text[last : last + 1] in _ASKING
        yield from (_Clause(span, sentence, asks) for span in spans)
        number += len(spans)


def _between(edges: Sequence[Span], start: int, end: int) -> Iterator[Span]:
    at = start
    for left, right in edges:
        yield at, left
        at = right
    yield at, end


def _denied(text: str, clauses: Sequence[_Clause], turns: Sequence[tuple[Span, Span]]) -> list[Span]:
    """A negation and what it governs, a short clause to its end.

    The word before goes with them ("may not"), since alone it says the opposite.

    A clause that begins with the negation ("not to her brother") hangs on the clause before. What is denied hangs on a
    short relative clause behind a comma ("nur an Gäste, deren Name auf der Liste steht"), which says of whom it holds.
    """
    sides: dict[Span, Span] = {}
    for word, governed in turns:
        if word not in sides or governed[0] >= word[1]:
            sides[word] = governed
    starts = [clause.span[0] for clause in clauses]
    units = []
    for word, governed in sides.items():
        first, last = min(word[0], governed[0]), max(word[1], governed[1])
        at = max(bisect_right(starts, word[0]) - 1, 0)
        if governed[0] >= word[1] and _is_short(text, (word[0], clauses[at].span[1]), 2):
            last = max(last, clauses[at].span[1])
        if last == clauses[at].span[1] and at < clauses[at].sentence[1]:
            following = clauses[at + 1].span
            if _RELATIVE.match(text, *following) and _is_short(text, (first, following[1]), 1):
                last = following[1]
        before = _words_ahead(text, clauses[at], first)
        if before and not text[first - 1].isspace():
            # In a script without spaces the words before are not known.
            whole = clauses[at].span[0], last
            first = whole[0] if _is_short(text, whole, 2) else first
        elif len(before) > 1 or (before and not at):
            # Of a subject of one word alone nothing is said.
            first = before[-1 if len(before) > 2 else 0].start()
        elif at > clauses[at].sentence[0]:
            whole = clauses[at - 1].span[0], last
            first = whole[0] if _is_short(text, whole, 2) else first
        units.append((first, last))
    return units


def _condition(
    text: str, clauses: Sequence[_Clause], at: int, word: Span, is_other: bool
) -> tuple[list[Span], list[Scaffold]]:
    """The unit or the rule of a word that begins a condition, or what holds where a condition does not."""
    clause = clauses[at]
    ahead = len(_words_ahead(text, clause, word[0]))
    is_bare = not _WORD.search(text, word[1], clause.span[1])
    has_before, has_after = clause.sentence[0] < at, at < clause.sentence[1]
    first = last = at
    if is_other:
        if ahead > 1:
            return [], []
        first = clauses[at - 1].sentence[0] if at and not has_before else clause.sentence[0]
    elif ahead <= 1 or is_bare:
        if ahead <= 1 and is_bare and has_after:
            last = at + 1
        if has_before and (ahead == 0 or not has_after or is_bare):
            first = at - 1
        elif has_after and last == at:
            last = at + 1
    whole = clauses[first].span[0], clauses[last].span[1]
    # A calculation says the same without the words around it.
    if "=" in text[slice(*whole)]:
        return [], []
    rest = clauses[clause.sentence[1]].span[1]
    if _is_short(text, whole, 1):
        follows = [Scaffold(whole, after=(whole[1], rest), alone=True)] if first == at and rest > whole[1] else []
        return [whole], follows
    # Too long for one unit: the condition goes with what depends on it.
    part = (word[0] if ahead > 1 else clause.span[0]), clauses[max(at, last if is_bare else at)].span[1]
    if not _is_short(text, part, 2):
        return [], []
    if whole[0] < part[0]:
        return [part], [Scaffold(part, before=(whole[0], part[0]), alone=True)]
    return [part], [Scaffold(part, after=(part[1], rest), alone=True)] if rest > part[1] else []


def _contrast(
    text: str, clauses: Sequence[_Clause], at: int, word: Span, turns: Sequence[tuple[Span, Span]]
) -> tuple[list[Span], list[Scaffold]]:
    """The unit or the rule of a word that parts a clause from one that says the contrary."""
    clause = clauses[at]
    before = clause.span[0]
    if not _WORD.search(text, before, word[0]) and clause.sentence[0] < at:
        before = clauses[at - 1].span[0]
    last = at
    if not _WORD.search(text, word[1], clause.span[1]) and at + 1 < len(clauses):
        last = at + 1
    end = clauses[last].span[1]
    denied = bisect_left(turns, ((before, 0), (0, 0)))
    if denied < len(turns) and turns[denied][0][0] < word[0] and _is_short(text, (turns[denied][0][0], end), 1):
        return [(turns[denied][0][0], end)], []
    if _is_short(text, (word[0], end), 2):
        return [(word[0], end)], []
    if before < word[0] and word[1] < end:
        return [], [Scaffold(word, before=(before, word[0]), after=(word[1], end), alone=True)]
    return [], []


def _words_ahead(text: str, clause: _Clause, end: int) -> list[regex.Match[str]]:
    """The words of a clause before a position; of a long clause the last ones."""
    return list(_WORD.finditer(text, max(clause.span[0], end - _SHORT), end))


def _is_short(text: str, span: Span, times: int) -> bool:
    length = span[1] - span[0]
    if length * times > _SHORT:
        return False
    return (length + 2 * len(_WIDE.findall(text, *span))) * times <= _SHORT
