"""Marks that open material: ``Context:``, ``Document [1]``, ``<article>``.

Instructions end where material begins, so the parser, the search for a task and the search for fences share the marks.
"""

import re
from collections.abc import Iterator

from diffumask_core.prompt.spans import Span

_SURE = (
    "context|text|passage|document|article|transcript|kontext|dokument|artikel|texte|contexte|texto|contexto|documento|"
    "artículo|artigo|testo|contesto|articolo|текст|контекст|документ|статья|النص|السياق|الوثيقة|संदर्भ|पाठ|"
    "上下文|文本|文章|文档|资料|背景|内容|原文|テキスト|文脈|本文|記事|資料"
)
_LIKELY = (
    "doc|source|content|background|excerpt|snippet|chunk|paragraph|reference|email|report|abstract|story|data|"
    "information|knowledge|evidence|search result|tool output|conversation|chat history|history|log|web page|file|"
    "notes|quelle|auszug|extrait|pasaje|отрывок"
)
_WHICH = r"(?:(?:the|retrieved|relevant|given|provided|input|source)[ ])?"
_NUMBER = r"(?:[ ]?\#?\d{1,4}|[ ]?\[\d{1,4}\])?"

# A word alone names material as a heading of markdown; in a line of text ("Text is cheap") the colon is needed.
_MARK = re.compile(
    rf"""^\ufeff?+[ \t]*+(?P<mark>
        \#{{1,6}}[ \t]{{1,4}}{_WHICH}(?:{_SURE})s?{_NUMBER}(?=[ \t]*+\r?$)
      | (?:\#{{1,6}}[ \t]{{1,4}})?(?:\*\*)?{_WHICH}(?:{_SURE}|{_LIKELY})s?{_NUMBER}(?:\*\*)?[ ]?[:\uff1a](?!//)(?:\*\*)?
      | (?:document|passage|source|doc|chunk|article)[ ]\[\d{{1,4}}\]
      | \[\d{{1,4}}\](?=[ ]\S)
      | <(?P<closing>/)?(?:[a-z]{{1,20}}[_-])?(?:{_SURE}|{_LIKELY}|result)s?
            (?:[_-][a-z\d]{{1,20}}|[ ][^<>\n]{{1,200}})?>
    )""",
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
_WORD = re.compile(r"\w")


def material_marks(text: str, start: int, end: int) -> Iterator[tuple[Span, bool]]:
    """Finds the marks at line starts in ``text[start:end]``, in order.

    Yields:
        Where a mark stands, and whether the mark is a closing tag.
    """
    for match in _MARK.finditer(text, start, end):
        yield match.span("mark"), match["closing"] is not None


def find_material(text: str, start: int, end: int) -> Span | None:
    """The first mark in ``text[start:end]`` that opens material; None where no word follows the mark."""
    mark = next((span for span, closing in material_marks(text, start, end) if not closing), None)
    return mark if mark and _WORD.search(text, mark[1], end) else None
