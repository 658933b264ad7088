"""Technical documentation: its paragraphs go whole, since an option without its dashes or half a rule misleads.

What no detector has claimed of manuals, references, policies and runbooks is prose by its form. It is told from other
prose by how many of its words are exact (options, paths, code, settings, quantities) or lay down rules.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from diffumask_core.prompt.layout import Layout
from diffumask_core.prompt.material import material_marks
from diffumask_core.prompt.spans import Span, clip_spans, merge_spans, spans_between, trim_span
from diffumask_core.prompt.wording import count_words, paragraphs
from diffumask_core.regions.detect import OUTLINES
from diffumask_core.regions.region import Region, Scaffold

DOCUMENTATION = "documentation"
"""The kind of these regions."""

_EXACT = re.compile(
    r"""(?<![\w-])--?[A-Za-z][\w-]*+          # --include-untracked, -v
    | `[^`\n]{1,100}`
    | \b\w+_\w+\b | \b\w+\(\) | \b[a-z]+[A-Z]\w*+ | \b\w+::\w+
    | (?<!\w)[~.]?/[\w.-]+
    | \b\w+\.(?:py|md|rst|txt|json|ya?ml|toml|conf|cfg|ini|sh|log|js|ts|html?|db|sql|xml|csv)\b
    | <[a-z][\w-]{0,40}> | \b[A-Za-z]\w*+=\S | \$[A-Za-z_]\w*+
    | \b\d+(?:\.\d+)?\s?(?:[KMGT]i?B|ms|bytes?|seconds?|minutes?|hours?|days?)\b""",
    re.VERBOSE,
)
_RULE = re.compile(
    r"\b(?:must|should|shall|may\ not|unless|defaults?|optional|required|deprecated|parameters?|arguments?|options?"
    r"|returns|raises|specified|config\w*)\b",
    re.IGNORECASE,
)
# Of a hundred words so many are exact or lay down a rule: in ten passages of an encyclopedia hardly ever one is.
_LEAST_SHARE = 0.03
# Among fewer paragraphs there is little to choose.
_FEWEST_PARAGRAPHS = 4
# A longer paragraph is decided sentence by sentence.
_LONGEST = 60
# What holds a key or an image that is longer than a paragraph is decided word by word.
_BLOB = re.compile(r"(?<!\S)[!-~]{400}")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[\"'(`*\[]{0,2}[^\W\da-z_])")


def with_whole_paragraphs(layout: Layout) -> Layout:
    """The layout with regions for the paragraphs of passages, where these are technical documentation.

    Args:
        layout: With its regions and its task.
    """
    text, passages = layout.text, layout.passages
    parts = sum(1 for span in passages for _ in paragraphs(text, *span))
    if parts < _FEWEST_PARAGRAPHS or not _is_technical([text[slice(*span)] for span in passages]):
        return layout
    kept = [*layout.protected, *(span for shot in layout.shots for span in shot.kept)]
    return replace(layout, regions=_filled(text, layout.regions, passages, kept))


def without_whole_paragraphs(layout: Layout) -> Layout:
    """The layout as it was before `with_whole_paragraphs`, for a budget that the best paragraph is too large for."""
    return replace(layout, regions=_emptied(layout.regions))


def _emptied(regions: Sequence[Region]) -> tuple[Region, ...]:
    kept = [region for region in regions if region.kind != DOCUMENTATION]
    return tuple(replace(region, inner=_emptied(region.inner)) for region in kept)


def _is_technical(texts: Sequence[str]) -> bool:
    words = sum(map(count_words, texts))
    found = sum(len(_EXACT.findall(text)) + len(_RULE.findall(text)) for text in texts)
    return found >= max(_LEAST_SHARE * words, 1)


def _filled(
    text: str, regions: Sequence[Region], stretches: Sequence[Span], taken: Sequence[Span]
) -> tuple[Region, ...]:
    """The regions with paragraphs between them, and within outlines between their headings and bullets."""
    filled = []
    for region in regions:
        if region.kind in OUTLINES:
            within = clip_spans(stretches, region.span)
            inner = _filled(text, region.inner, within, [*taken, *(rule.span for rule in region.scaffold)])
            region = replace(region, inner=inner)
        filled.append(region)
    gaps = merge_spans([*taken, *(region.span for region in regions)])
    for stretch in stretches:
        for gap in spans_between(gaps, stretch):
            head = _head(text, gap)
            below = (head[-1][1], gap[1]) if head else gap
            units = [unit for paragraph in paragraphs(text, *below) for unit in _units(text, paragraph)]
            units = [unit for unit in units if not _BLOB.search(text, *unit)]
            if units:
                scaffold = tuple(Scaffold(span, after=below) for span in head)
                units = [*head, *units]
                filled.append(Region(DOCUMENTATION, (units[0][0], units[-1][1]), tuple(units), scaffold))
    return tuple(sorted(filled, key=lambda region: region.span))


def _head(text: str, stretch: Span) -> list[Span]:
    """The line that names a context, such as ``Context:``, where it opens a stretch: it is the head of all below it."""
    inner = trim_span(text, *stretch)
    end = text.find("\n", *inner) if inner else -1
    line = trim_span(text, inner[0], end) if inner and end >= 0 else None
    if line is None or text[line[1] - 1] not in ":\uff1a*":
        return []
    return [mark for mark, _ in material_marks(text, *line) if mark == line]


def _units(text: str, paragraph: Span) -> list[Span]:
    """A paragraph, or the sentences of a long one."""
    start, end = paragraph
    if count_words(text[start:end]) <= _LONGEST:
        return [paragraph]
    breaks = [match.span() for match in _SENTENCE.finditer(text, start, end)]
    return list(zip([start, *(stop for _, stop in breaks)], [*(first for first, _ in breaks), end], strict=True))
