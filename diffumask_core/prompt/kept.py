"""What of a prompt must stay: always, or as long as its shot stays."""

from dataclasses import dataclass

from diffumask_core.options import Options
from diffumask_core.prompt.layout import Layout
from diffumask_core.prompt.protect import url_spans, user_spans, variable_spans
from diffumask_core.prompt.spans import Span, clip_spans, merge_spans, shift_span
from diffumask_core.regions.region import walk_all


@dataclass(frozen=True)
class Protection:
    """Spans that must stay, sorted, neither touching nor overlapping.

    Attributes:
        always: What never goes.
        with_shot: What goes only with the whole shot that it is in.
    """

    always: tuple[Span, ...] = ()
    with_shot: tuple[Span, ...] = ()


def protect(layout: Layout, options: Options) -> Protection:
    """Finds what must stay: the query, instructions, markers, outputs, template variables, what the user names.

    Raises:
        InputError: The user names something that cannot be protected.
    """
    always = [*layout.protected, *user_spans(layout.text, options.protect)]
    if not options.compress_instructions:
        always += layout.instructions
    if layout.query and (layout.query_stays or not options.compress_query):
        always.append(layout.query)
    if options.query and not options.compress_query and (at := layout.text.rfind(options.query)) >= 0:
        always.append((at, at + len(options.query)))
    with_shot = [span for shot in layout.shots for span in shot.kept]
    if not options.compress_rationales:
        # A prompt with one exemplar has no other to write like. A past turn may go: what counts is the last one.
        lone = len(layout.shots) == 1 and not layout.every_segment
        (always if lone else with_shot).extend(span for shot in layout.shots for span in shot.output)
    verbatim_always, verbatim_with_shot = _verbatim(layout)
    if layout.every_segment:
        with_shot += _footholds(layout, options)
    return Protection(
        tuple(merge_spans([*always, *verbatim_always])), tuple(merge_spans([*with_shot, *verbatim_with_shot]))
    )


def _verbatim(layout: Layout) -> tuple[list[Span], list[Span]]:
    """Template variables and URLs.

    In a shot whose borders are given they may go with the whole shot. Where the borders are a guess nothing is risked.
    In lines, rows and records they are exact anyway, and go with their line. A URL in the input of an exemplar is one
    word of it.
    """
    given = [shot.span for shot in layout.shots if not shot.guessed]
    exemplars = [shot.span for shot in layout.shots if shot.is_exemplar and not shot.guessed]
    whole = merge_spans([span for region in walk_all(layout.regions) for span in region.units])
    always: list[Span] = []
    with_shot: list[Span] = []
    for start, end in layout.segments:
        urls = [shift_span(span, start) for span in url_spans(layout.text[start:end])]
        found = [shift_span(span, start) for span in variable_spans(layout.text[start:end])]
        for span in (*found, *(url for url in urls if not clip_spans(exemplars, url))):
            if span not in clip_spans(whole, span):
                (with_shot if clip_spans(given, span) else always).append(span)
    return always, with_shot


def _footholds(layout: Layout, options: Options) -> list[Span]:
    """The first character of each segment, unless a mark can stand for all of the segment."""
    found: list[Span] = []
    lines = [series.items for region in layout.regions for series in region.series if series.form == "line"]
    may_hold_mark = merge_spans([(items[0][0], items[-1][1]) for items in lines if items]) if options.marks else []
    for start, end in layout.segments:
        text = layout.text[start:end]
        first = start + len(text) - len(text.lstrip())
        if first < end and not clip_spans(may_hold_mark, (first, first + 1)):
            found.append((first, first + 1))
    return found
