"""Words that turn a sentence (``not``, ``only``, ``unless``, ``at most``), and the words that each governs.

A sentence that loses such a word says something else, so the word stays as long as a word that it governs stays.
"""

import re
from collections.abc import Iterator

from diffumask_core.prompt.spans import Span

_PHRASES = (
    "no longer|no more than|not more than|no less than|no fewer than|no later than|other than|rather than|instead of|"
    "apart from|except for|at most|at least|up to|more than|less than|fewer than|as long as|provided that|not only|"
    "anything but|all but|es sei denn|nicht mehr|höchstens|mindestens|à moins que|au plus|au moins|a menos que|"
    "a no ser que|como máximo|al menos|por lo menos|no máximo|pelo menos|a meno che|al massimo|almeno|"
    "не более|не менее|до тех пор"
)
_WORDS = (
    # English
    "not|no|never|cannot|without|unless|only|except|excluding|hardly|barely|scarcely|rarely|seldom|neither|nor|none|"
    "nobody|nothing|nowhere|until|if|cant|dont|wont|"
    # German, French
    "nicht|kein|keine|keinen|keinem|keiner|keines|nie|niemals|nirgends|nichts|niemand|ohne|nur|außer|ausser|weder|kaum|"
    "falls|sofern|ne|pas|jamais|aucun|aucune|sans|sauf|ni|rien|seulement|sinon|"
    # Spanish, Italian, Portuguese
    "nunca|jamás|sin|salvo|excepto|solo|sólo|solamente|únicamente|ningún|ninguna|ninguno|nada|nadie|tampoco|non|mai|"
    "senza|soltanto|tranne|eccetto|nessun|nessuno|nessuna|né|não|sem|nem|apenas|somente|exceto|nenhum|nenhuma|ninguém|"
    # Russian, Arabic
    "не|нет|ни|никогда|без|только|кроме|нельзя|никто|ничего|если|لا|لم|لن|ليس|ليست|ليسوا|غير|بدون|دون|إلا|فقط|"
    # Hindi, in which a word governs the words before it
    "नहीं|मत|न|बिना|केवल|सिर्फ|सिर्फ़"
)
_LEFTWARD = ("नहीं", "मत", "न")
# "don't", "can’t"; "n'est", "n'a" of French.
_CONTRACTION = r"[^\W\d_]{1,12}n['’]t|n['’][^\W\d_]{1,20}"
_TURN = re.compile(
    rf"(?<![\w'’-])(?=[^\W\d_])(?:{_PHRASES.replace(' ', '[ ]')}|{_WORDS}|{_CONTRACTION})(?![\w'’\u0900-\u0963-])",
    re.IGNORECASE,
)
# Chinese and Japanese words in the midst of a run, without words such as 特别 and 非常 that only look alike.
_TURN_IN_RUN = re.compile(
    r"不(?![同过過仅僅断斷])|没有?|沒有?|未|无|無|(?<![特区區类類级級性个個分])[别別](?![人的])|非(?![常洲])|勿|只有?|仅|僅|除非|除了|如果|"
    r"(?:ありません|ではない|ない|ません|だけ|以外)"
)
_AFTER_VERB = ("ありません", "ではない", "ない", "ません", "だけ", "以外")
_WORD = re.compile(r"\S+")
# A clause ends with a mark that white space follows, a mark of Chinese, or a word that begins another clause.
_CLAUSE_END = re.compile(
    r"[.,;:!?)\]}…\"”»](?=\s|\Z)|\s[-–—(\[{]|[。\uff0c\uff1b\uff1a\uff01\uff1f、\uff08\uff09।؟،؛]|\n[ \t\r]*+\n"
    r"|(?<!\S)(?:but|and|because|while|although|though|whereas|however|so|when|aber|und|weil|sondern|mais|et|car|pero|y|"
    r"sino|porque|mas|e|ma|но|\u0430|и|لكن|و|लेकिन|और)(?!\S)",
    re.IGNORECASE,
)
_GOVERNED = 6
_REACH = 160


def turning_words(text: str, start: int = 0, end: int | None = None) -> list[tuple[Span, Span]]:
    """Finds the words of ``text[start:end]`` that turn a sentence.

    Most words govern the words after them, up to the end of the clause, and six at most: a far word says too little.
    Where the clause ends at once ("it does not."), the words before are governed, as always in Hindi.

    Returns:
        For each, in order, where the word is and where the words are that it governs.
    """
    end = len(text) if end is None else end
    found = list(_governing(text, start, end))
    for match in _TURN_IN_RUN.finditer(text, start, end):
        leftward = match[0] in _AFTER_VERB
        governed = _in_run(text, match.start(), start, -1) if leftward else _in_run(text, match.end(), end, 1)
        if governed:
            found.append((match.span(), governed))
    return sorted(found)


def _governing(text: str, start: int, end: int) -> Iterator[tuple[Span, Span]]:
    for match in _TURN.finditer(text, start, end):
        after, ahead = _after(text, match.end(), end), _ahead(text, start, match.start())
        governed = ahead or after if match[0] in _LEFTWARD else after or ahead
        if governed:
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


def _in_run(text: str, position: int, limit: int, step: int) -> Span | None:
    """The characters beside a word of Chinese or Japanese, up to the end of the clause."""
    stop = position
    while stop != limit and abs(stop - position) < 2 * _GOVERNED:
        if not text[stop if step > 0 else stop - 1].isalnum():
            break
        stop += step
    return (min(stop, position), max(stop, position)) if stop != position else None
