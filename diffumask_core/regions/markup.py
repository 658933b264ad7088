"""HTML, XML and SVG: what is left of a document has the opening and the closing tag of each element.

A prompt may have tags around its parts. They are not markup: the text between them is prose.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diffumask_core.prompt.spans import Span, disjoint_spans
from diffumask_core.regions.blocks import Block, Tail, region_of_blocks
from diffumask_core.regions.region import Head, Lines, Region, Scaffold

_TAG = re.compile(
    # A comment or a section of text ends before another one begins: what is never closed is read once.
    r"<!--(?:[^\-<]|-(?!->)|<(?!!--))*+-->|<!\[CDATA\[(?:[^\]<]|\](?!\]>)|<(?!!\[CDATA))*+\]\]>|<[!?][^<>]{0,1000}>"
    r"|<(?P<end>/?)(?P<name>[A-Za-z][\w:.\-]{0,80}+)(?P<rest>(?:[^<>\"']|\"[^\"<]{0,2000}+\"|'[^'<]{0,2000}+')*+)>"
)
_HTML = frozenset(
    """
    html head body div span p a ul ol li table thead tbody tfoot tr td th h1 h2 h3 h4 h5 h6 header footer nav
    main section article aside form input button label select option textarea img link meta script style title
    br hr svg g path rect circle line polygon polyline text defs strong em b i code pre blockquote dl dt dd
    figure iframe video
    """.split()  # noqa: SIM905  # a word a line would fill a page
)
_VOID = frozenset(
    """
    area base br col embed hr img input link meta param source track wbr
    """.split()  # noqa: SIM905  # a word a line would fill a page
)
_SECTIONS = frozenset(
    """
    context instructions instruction output outputs input inputs question answer example examples document
    documents document_content thinking query task user system assistant source result results warning
    returncode response scratchpad rules role conversation history tools tool data content background format
    """.split()  # noqa: SIM905  # a word a line would fill a page
)
"""Names of tags that prompts have around their parts, whatever stands between."""

_SECTION = re.compile(r"\s*+</?(?P<name>[A-Za-z][\w:.\-]{0,80})(?:\s[^<>]{0,300})?>\s*$")
_ATTRIBUTE = re.compile(r"[\w:\-]=[\"']")
_OPENED = re.compile(r"<[A-Za-z!?/][^<>]*$")
_PROGRAM = re.compile(r"className=|=\{|\{/\*|=>|\{\s*\w+[.(]")
_FEWEST_TAGS = 6
"""Tags that a document on one line has at least."""
_LONGEST_HEAD = 300
"""Characters of lines that open an element and stay with what is inside: longer ones would take all of the budget."""


@dataclass(frozen=True)
class _Element:
    """The opening and the closing tag of an element; for one that has no end, only its tag."""

    opening: Span
    closing: Span
    leaf: bool


def find_markup(lines: Lines) -> Iterator[Region]:
    """Finds documents and fragments on lines of their own, and documents on one line."""
    first, last, gap, pending = None, 0, 0, False
    for number in range(len(lines) + 1):
        text = lines[number].strip() if number < len(lines) else None
        if text is not None and not text:
            continue
        marked = text is not None and not _is_section(text) and (pending or text.startswith("<"))
        inner = text is not None and first is not None and not _is_section(text) and gap < 3 and number - last < 2
        if marked or inner:
            first = number if first is None else first
            last, gap = (number + 1, 0) if marked or (text or "").endswith(">") else (last, gap + 1)
            pending = bool(text and _OPENED.search(text[-300:])) or (pending and ">" not in (text or ""))
            continue
        if first is not None:
            yield from _claim(lines, first, last)
        first, gap, pending = None, 0, False


def _is_section(text: str) -> bool:
    match = _SECTION.match(text[:400]) if len(text) < 400 else None
    return match is not None and match["name"].lower() in _SECTIONS


def _claim(lines: Lines, first: int, last: int) -> Iterator[Region]:
    start, end = lines.cover(first, last)
    tags = list(_TAG.finditer(lines.source, start, end))
    if not _is_markup(lines, (first, last), tags):
        return
    elements = _elements(tags)
    if last - first == 1:
        if len(tags) >= _FEWEST_TAGS:
            yield _in_pieces(lines.source, (start, end), tags, elements)
    elif last - first >= 3:
        yield _by_lines(lines, (first, last), elements)


def _is_markup(lines: Lines, reach: Block, tags: Sequence[re.Match[str]]) -> bool:
    """Whether a stretch is a document: known tags or attributes or elements in elements, and not mostly text."""
    start, end = lines.cover(*reach)
    filled = [text for text in lines.part(*reach) if text.strip()]
    if sum(text.lstrip().startswith("<") for text in filled) * 5 < len(filled) * 3:
        return False
    if sum(bool(_PROGRAM.search(text[:500])) for text in filled) * 5 > len(filled):
        return False
    names = [match["name"].lower() for match in tags if match["name"]]
    known = sum(name in _HTML for name in names)
    told = any(match["name"] and _ATTRIBUTE.search(match["rest"]) for match in tags) or lines.source[
        start : start + 2
    ] in (
        "<?",
        "<!",
    )
    inked = sum(match.end() - match.start() for match in tags)
    if known * 2 > len(names):
        return len(names) >= 3
    nested = len(set(names)) >= 3 and any(text.startswith(("  <", "\t<")) for text in filled)
    return len(names) >= 4 and inked * 3 > end - start and (told or nested or (reach[1] - reach[0] == 1))


def _elements(tags: Sequence[re.Match[str]]) -> list[_Element]:
    """Pairs the tags; an opening tag that nothing closes is no element, as those of HTML that are never closed."""
    elements: list[_Element] = []
    stack: list[tuple[str, Span, int]] = []
    open_names: dict[str, int] = {}
    for match in tags:
        name = (match["name"] or "").lower()
        if not name or match["rest"].endswith("/") or name in _VOID:
            continue
        if not match["end"]:
            stack.append((name, match.span(), len(elements)))
            open_names[name] = open_names.get(name, 0) + 1
        elif open_names.get(name):
            while True:
                opened, opening, inner = stack.pop()
                open_names[opened] -= 1
                if opened == name:
                    break
            elements.append(_Element(opening, match.span(), leaf=inner == len(elements)))
    return elements


def _by_lines(lines: Lines, reach: Block, elements: Sequence[_Element]) -> Region:
    blocks: list[Block] = []
    pairs: list[tuple[int, int, int]] = []
    for element in elements:
        first, body = lines.at(element.opening[0]), lines.at(element.opening[1] - 1) + 1
        closing = lines.at(element.closing[0])
        start, stop = lines.cover(first, body)
        if closing < body or stop - start > _LONGEST_HEAD:
            blocks.append((first, body))
        elif closing < body + 3 and not any(lines[line].strip() for line in range(body, closing)):
            # Nothing is between the tags that they could follow from: an empty element goes whole.
            blocks.append((first, closing + 1))
        else:
            blocks.append((first, body))
            pairs.append((first, body, closing))
    heads = [Head(first, body, closing, alone=False) for first, body, closing in pairs]
    tails = [Tail(closing, body, closing) for _, body, closing in pairs]
    whole = disjoint_spans([block for block in blocks if block[1] - block[0] > 1])
    return region_of_blocks("markup", lines, reach, blocks=whole, heads=heads, tails=tails)


def _in_pieces(source: str, span: Span, tags: Sequence[re.Match[str]], elements: Sequence[_Element]) -> Region:
    """A document on one line: an element without others inside is a unit, and so is each other tag and text."""
    whole = {element.opening[0]: element.closing[1] for element in elements if element.leaf}
    units: list[Span] = []
    position, end = span
    for match in tags:
        if match.start() < position:
            continue
        units.append((position, match.start()))
        position = whole.get(match.start(), match.end())
        units.append((match.start(), position))
    units = [unit for unit in [*units, (position, end)] if source[slice(*unit)].strip()]
    scaffold = []
    for element in elements:
        within = element.opening[1], element.closing[0]
        if not element.leaf:
            scaffold += [Scaffold(element.opening, after=within), Scaffold(element.closing, before=within)]
    return Region("markup", span, tuple(units), tuple(scaffold))
