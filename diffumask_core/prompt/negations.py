"""Words that turn a sentence (``not``, ``only``, ``unless``, ``at most``), and the words that each governs.

A sentence that loses such a word says something else, so the word stays as long as a word that it governs stays.
"""

import re
from collections.abc import Iterator

import regex

from diffumask_core.prompt.negation_words import ELSEWHERE, LANGUAGES, words_of
from diffumask_core.prompt.spans import Span

_BEFORE, _EITHER, _AFTER = (set(words_of(kind)) for kind in ("before", "either", "after"))
_STEMS = tuple(word[:-1] for word in sorted(_BEFORE | _AFTER) if word.endswith("*"))
# "don't", "can’t"; "n'est", "n'a" of French.
_CONTRACTION = r"[^\W\d_]{1,12}n['’]t|n['’][^\W\d_]{1,20}"
_TURN = regex.compile(
    rf"(?<![\w'’-])(?=[^\W\d_])(?:\L<words>|(?:{'|'.join(_STEMS)})[\w\u200c]*+|{_CONTRACTION})(?![\w'’-])",
    regex.IGNORECASE,
    words=sorted(word for word in _AFTER | _BEFORE | _EITHER if not word.endswith("*")),
)
_STEMS_BEFORE = tuple(word[:-1] for word in sorted(_BEFORE) if word.endswith("*"))
# Words in the midst of a run: of each language a pattern for each side, and how many characters are governed.
_IN_RUN = [
    (name, regex.compile(pattern), words.reach, step)
    for name, words in LANGUAGES.items()
    for pattern, step in ((words.after, 1), (words.before, -1))
    if words.reach and pattern
]
_RUN_AFTER = regex.compile(r"[\p{L}\p{M}\p{N}\u200b]*+")
_RUN_BEFORE = regex.compile(r"(?r)[\p{L}\p{M}\p{N}\u200b]*+")
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_NEAR = 40

_COMMON = {name: frozenset(words.common.split("|")) for name, words in LANGUAGES.items() if words.common}
_LATIN = regex.compile(r"(?<!\w)[^\W\d_]{1,8}+(?!\w)")
# A language is told within so many characters, from as many of its frequent words.
_STRETCH = 400
_LEAST_COMMON = 2
_WORD = re.compile(r"\S+")
# A clause ends with a mark that white space follows, a mark of Chinese, or a word that begins another clause.
_CLAUSE_END = re.compile(
    r"[.,;:!?)\]}…\"”»](?=\s|\Z)|\s[-–—(\[{]|[。\uff0c\uff1b\uff1a\uff01\uff1f、\uff08\uff09।؟،؛]|\n[ \t\r]*+\n"
    r"|(?<!\S)(?:but|and|because|while|although|though|whereas|however|so|when|aber|und|weil|sondern|mais|et|pero|y|"
    r"sino|porque|mas|e|ma|но|\u0430|и|لكن|و|लेकिन|और|maar|omdat|ale|"
    r"lecz|oraz|але|אבל|اما|ولی|ama|fakat|çünkü|nhưng|và|tetapi|tapi|karena|하지만|그러나|그리고)(?!\S)",
    re.IGNORECASE,
)
_GOVERNED = 6
_REACH = 160


def turning_words(text: str, start: int = 0, end: int | None = None) -> list[tuple[Span, Span]]:
    """Finds the words of ``text[start:end]`` that turn a sentence.

    Most words govern the words after them, up to the end of the clause, and six at most: a far word says too little.
    Where the clause ends at once ("it does not."), the words before are governed. Some languages have words that always
    govern the words before ("iyi değil"), or those on both sides ("hilft nicht gegen Husten"): these come up twice.

    Returns:
        For each, in order, where the word is and where the words are that it governs.
    """
    end = len(text) if end is None else end
    found = [*_between_spaces(text, start, end), *_in_runs(text, start, end)]
    return _chained(sorted(found))


def _chained(found: list[tuple[Span, Span]]) -> list[tuple[Span, Span]]:
    """A word right before another such word ("never without") governs what the other one governs, however far."""
    chained: list[tuple[Span, Span]] = []
    following, reach = -1, -1
    for word, governed in reversed(found):
        if governed[0] < word[1]:
            chained.append((word, governed))
            continue
        if governed[0] == following:
            governed = (governed[0], max(governed[1], reach))
        if word[0] != following:
            following, reach = word[0], governed[1]
        chained.append((word, governed))
    return chained[::-1]


def _between_spaces(text: str, start: int, end: int) -> Iterator[tuple[Span, Span]]:
    languages: dict[int, str] = {}
    for match in _TURN.finditer(text, start, end):
        word = match[0].lower()
        if word in ELSEWHERE and language_at(text, match.start(), start, end, languages) in ELSEWHERE[word].split():
            continue
        both = word in _EITHER
        leftward = word in _BEFORE or (word not in _AFTER and word.startswith(_STEMS_BEFORE))
        ahead = _ahead(text, start, match.start()) if both or leftward else None
        after = _after(text, match.end(), end) if both or not ahead else None
        if not (ahead or after):
            ahead = _ahead(text, start, match.start())
        sides = (ahead, after)
        yield from ((match.span(), governed) for governed in sides if governed)


def language_at(text: str, at: int, start: int, end: int, known: dict[int, str]) -> str:
    """The language in Latin script of the stretch around a position, by its frequent words; empty where none is sure.

    Args:
        text: The text.
        at: The position.
        start: Where to begin.
        end: Where to stop.
        known: The languages of stretches, by number, which is added to.
    """
    number = at // _STRETCH
    if number not in known:
        first, last = max(start, (number - 1) * _STRETCH), min(end, (number + 2) * _STRETCH)
        near = _LATIN.findall(text[first:last].lower())
        counts = {name: sum(word in common for word in near) for name, common in _COMMON.items()}
        most, second, *_ = sorted(counts.values(), reverse=True)
        known[number] = max(counts, key=counts.__getitem__) if most > second and most >= _LEAST_COMMON else ""
    return known[number]


def _in_runs(text: str, start: int, end: int) -> Iterator[tuple[Span, Span]]:
    for name, pattern, reach, step in [] if text.isascii() else _IN_RUN:
        for match in pattern.finditer(text, start, end):
            # In Japanese the characters of Chinese negations are parts of words (不動産, 無料).
            if name == "zh" and _KANA.search(text, max(start, match.start() - _NEAR), min(end, match.end() + _NEAR)):
                continue
            before, after = _run_before(text, match.start(), start, reach), _run_after(text, match.end(), end, reach)
            if governed := (after or before) if step > 0 else (before or after):
                yield match.span(), governed


def _after(text: str, start: int, end: int) -> Span | None:
    """The words that follow in the clause; a clause in commas that follows at once is passed over."""
    end = min(end, start + _REACH)
    stop = _CLAUSE_END.search(text, start, end)
    if stop and stop[0] == "," and stop.start() == start and (second := text.find(",", stop.end(), end)) > 0:
        stop = _CLAUSE_END.search(text, second + 1, end)
        start = second + 1
    words = list(_WORD.finditer(text, start, stop.start() if stop else end))[:_GOVERNED]
    return (words[0].start(), words[-1].end()) if words else None


def _ahead(text: str, start: int, end: int) -> Span | None:
    """The words of the clause that stand before."""
    start = max(start, end - _REACH)
    ends = [match.end() for match in _CLAUSE_END.finditer(text, start, end)]
    words = list(_WORD.finditer(text, ends[-1] if ends else start, end))[-_GOVERNED:]
    return (words[0].start(), words[-1].end()) if words else None


def _run_after(text: str, start: int, end: int, reach: int) -> Span | None:
    """The letters that follow in a text without spaces, up to the end of the clause."""
    run = _RUN_AFTER.match(text, start, min(end, start + reach))
    return run.span() if run and run[0] else None


def _run_before(text: str, end: int, start: int, reach: int) -> Span | None:
    """The letters that stand before."""
    run = _RUN_BEFORE.match(text, max(start, end - reach), end)
    return run.span() if run and run[0] else None
