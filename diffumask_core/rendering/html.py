"""A compression as HTML: the prompt with what went struck out, its shots by fate, and the figures.

The output is one self-contained element, with its style and without scripts, for a notebook or a file.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from diffumask_core.prompt.spans import Span, clip_spans
from diffumask_core.rendering.marks import Mark
from diffumask_core.rendering.shot_result import ShotResult

# Every colour is a mixture with the text colour and the background, which are the notebook's where there is one:
# so a theme that differs from the system's setting is followed too.
_STYLE = """
.dmask{--fg:var(--jp-content-font-color1,var(--vscode-editor-foreground,var(--dmask-fg,#1f2328)));
--bg:var(--jp-layout-color0,var(--vscode-editor-background,var(--dmask-bg,#fff)));
--muted:color-mix(in srgb,var(--fg) 66%,var(--bg));--line:color-mix(in srgb,var(--fg) 16%,var(--bg));
--kept:color-mix(in srgb,#12a150 68%,var(--fg));--shortened:color-mix(in srgb,#d98200 68%,var(--fg));
--dropped:color-mix(in srgb,#e5484d 68%,var(--fg));--accent:color-mix(in srgb,#3b6ef5 80%,var(--fg));
color:var(--fg);background:var(--bg);border:1px solid var(--line);border-radius:10px;padding:18px 20px;
max-width:960px;box-sizing:border-box;font:14px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;text-align:start}
@media (prefers-color-scheme:dark){.dmask{--dmask-fg:#e3e8ee;--dmask-bg:#14181d}}
.dmask *{box-sizing:border-box}
.dmask-head{display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 14px}
.dmask-head b{font-size:25px;line-height:1.25;font-weight:650;letter-spacing:-.015em;font-variant-numeric:tabular-nums}
.dmask-head b i{font-style:normal;font-weight:400;color:var(--muted);padding:0 .1em}
.dmask-head span{color:var(--muted)}
.dmask-head strong{color:var(--kept);font-weight:650}
.dmask-bar{position:relative;display:flex;height:10px;margin:12px 0 14px;border-radius:5px;
background:color-mix(in srgb,var(--fg) 10%,var(--bg));print-color-adjust:exact;-webkit-print-color-adjust:exact}
.dmask-bar i{height:100%}
.dmask-bar i:first-child{border-radius:5px 0 0 5px}
.dmask-bar u{position:absolute;top:-4px;bottom:-4px;width:2px;margin-left:-1px;border-radius:1px;background:var(--fg)}
.dmask-must{background:var(--accent)}
.dmask-may{background:color-mix(in srgb,var(--accent) 50%,var(--bg))}
.dmask-gone{background:color-mix(in srgb,var(--fg) 10%,var(--bg))}
.dmask-figures{display:flex;flex-wrap:wrap;gap:8px 26px;margin:0 0 14px;padding:0}
.dmask-figures div{min-width:0}
.dmask-figures dt{margin:0;padding:0;color:var(--muted);font-size:12px;font-weight:400;line-height:1.4}
.dmask-figures dd{margin:0;padding:0;font-weight:550;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.dmask-legend{display:flex;flex-wrap:wrap;gap:4px 18px;padding:10px 0;border-top:1px solid var(--line);font-size:12px;
color:var(--muted)}
.dmask-legend span{display:inline-flex;align-items:center;gap:6px}
.dmask-legend span>i{width:10px;height:10px;border-radius:3px;print-color-adjust:exact;
-webkit-print-color-adjust:exact}
.dmask-legend span>u{width:2px;height:12px;background:var(--fg)}
.dmask-legend .dmask-kept>i,.dmask-legend .dmask-shortened>i,.dmask-legend .dmask-dropped>i{border-radius:50%;
background:var(--fate)}
.dmask-kept{--fate:var(--kept)}
.dmask-shortened{--fate:var(--shortened)}
.dmask-dropped{--fate:var(--dropped)}
.dmask-prompt{max-height:44em;overflow:auto;padding-top:12px;border-top:1px solid var(--line)}
.dmask-text{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:plaintext;
font:13px/1.65 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono","DejaVu Sans Mono",monospace;tab-size:4}
.dmask del{color:var(--muted);text-decoration:line-through 1px;text-decoration-color:currentColor}
.dmask ins{margin:0 4px;padding:0 5px;border-radius:3px;text-decoration:none;color:var(--accent);
background:color-mix(in srgb,var(--accent) 12%,var(--bg))}
.dmask-control{padding:0 3px;border:1px solid var(--line);border-radius:3px;font-size:10px;unicode-bidi:isolate}
.dmask-shot{margin:10px 0;padding:0 14px;border:1px solid var(--line);border-left:3px solid var(--fate);
border-radius:4px 8px 8px 4px;background:color-mix(in srgb,var(--fate) 4%,var(--bg))}
.dmask-shot>.dmask-text{padding-bottom:9px}
.dmask-badge{display:flex;flex-wrap:wrap;align-items:baseline;gap:0 12px;padding:7px 0;color:var(--muted);
font-size:12px;font-variant-numeric:tabular-nums}
.dmask-badge b{color:var(--fate);font-weight:650}
.dmask-badge q{flex:1 1 0;min-width:0;overflow:hidden;white-space:nowrap;text-overflow:ellipsis;quotes:none}
.dmask summary{cursor:pointer;list-style:none}
.dmask summary::-webkit-details-marker{display:none}
.dmask summary::after{content:"show";color:var(--muted);text-decoration:underline;text-underline-offset:2px}
.dmask details[open] summary::after{content:"hide"}
.dmask details[open] summary q{visibility:hidden}
.dmask summary:focus-visible,.dmask-prompt:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
@media print{.dmask{border:0;padding:0;max-width:none}.dmask-prompt{max-height:none;overflow:visible}
.dmask-badge{break-after:avoid}.dmask summary::after{content:none}
.dmask details::details-content{content-visibility:visible;block-size:auto}}
"""

_FATES = ("kept", "shortened", "dropped")
_PREVIEW = 160


def _label(code: int) -> str:
    return f'<span class="dmask-control">U+{code:04X}</span>'


# Escapes markup, and shows what is no visible text: controls, the marks that reorder the text around them, and lone
# surrogates, which no file could hold.
_ESCAPES: dict[int, str] = {
    **{code: _label(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"},
    **{code: _label(code) for code in (0x200B, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)},
    **{code: _label(code) for code in range(0xD800, 0xE000)},
    **{ord(mark): entity for mark, entity in zip("&<>\"'", ("&amp;", "&lt;", "&gt;", "&quot;", "&#x27;"), strict=True)},
}


def render_html(
    *,
    text: str,
    spans: Sequence[Span],
    marks: Sequence[Mark],
    shots: Sequence[ShotResult],
    original_tokens: int,
    compressed_tokens: int,
    budget: int,
    protected_tokens: int,
    keep_rate: float,
    counter: str,
    timings: Mapping[str, float],
) -> str:
    """Renders a compression as one HTML element.

    Args:
        text: The source.
        spans: What was kept, in order, not overlapping.
        marks: What stands in place of lines, rows and records that were left out, in order.
        shots: The shots, in order, not overlapping.
        original_tokens: Tokens of the source.
        compressed_tokens: Tokens of the compressed text.
        budget: The token limit that was applied.
        protected_tokens: Tokens of the text that might not go.
        keep_rate: Share of the tokens that might go and stayed.
        counter: Name of the token counter.
        timings: Seconds by stage; a stage named ``total`` stands for all of them.

    Returns:
        A ``<div>`` with its style inside, in time linear in the text.
    """
    saved = 1 - compressed_tokens / max(original_tokens, 1)
    parts = [
        f'<div class="dmask"><style>{_STYLE}</style>',
        f'<div class="dmask-head"><b>{original_tokens:,} <i>→</i> {compressed_tokens:,}</b>'
        f"<span>tokens, <strong>{_percent(saved)} saved</strong></span></div>",
        _bar(original_tokens, compressed_tokens, budget, protected_tokens),
        *_figures(budget, keep_rate, protected_tokens, counter, timings),
        _legend(shots, marks),
        '<div class="dmask-prompt" tabindex="0" role="region" aria-label="Prompt">',
    ]
    parts += _prompt(text, spans, marks, shots)
    parts.append("</div></div>")
    return "".join(parts)


def _figures(
    budget: int, keep_rate: float, protected: int, counter: str, timings: Mapping[str, float]
) -> Iterator[str]:
    seconds = timings.get("total", sum(timings.values()))
    stages = ", ".join(f"{stage} {_duration(value)}" for stage, value in timings.items() if stage != "total")
    figures = {
        "Budget": f"{budget:,} tokens",
        "Keep rate": _percent(keep_rate),
        "Protected": f"{protected:,} tokens",
        "Counted by": _escape(counter),
        "Time": f'<span title="{_escape(stages)}">{_duration(seconds)}</span>',
    }
    yield '<dl class="dmask-figures">'
    yield from (f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures.items())
    yield "</dl>"


def _prompt(text: str, spans: Sequence[Span], marks: Sequence[Mark], shots: Sequence[ShotResult]) -> Iterator[str]:
    """The source, shot by shot."""
    position = 0
    for number, shot in enumerate(shots, 1):
        start, end = shot.span
        yield from _block(text, spans, marks, position, start)
        yield from _shot(number, shot, text, _block(text, spans, marks, start, end))
        position = end
    yield from _block(text, spans, marks, position, len(text))


def _bar(original: int, compressed: int, budget: int, protected: int) -> str:
    whole = max(original, 1)
    must = min(protected, compressed)
    return (
        f'<div class="dmask-bar" role="img" aria-label="{compressed:,} of {original:,} tokens kept">'
        f'<i class="dmask-must" style="width:{must / whole:.2%}"></i>'
        f'<i class="dmask-may" style="width:{(compressed - must) / whole:.2%}"></i>'
        f'<u style="left:{min(budget / whole, 1):.2%}"></u></div>'
    )


def _legend(shots: Sequence[ShotResult], marks: Sequence[Mark]) -> str:
    keys = [
        '<span><i class="dmask-must"></i>protected</span><span><i class="dmask-may"></i>kept</span>',
        '<span><i class="dmask-gone"></i><del>dropped</del></span><span><u></u>budget</span>',
    ]
    if marks:
        keys.append(f"<span><ins>[…]</ins>{len(marks):,} {'mark' if len(marks) == 1 else 'marks'}</span>")
    fates: Counter[str] = Counter(shot.fate for shot in shots)
    for fate in _FATES:
        if fates[fate]:
            noun = "shot" if fates[fate] == 1 else "shots"
            keys.append(f'<span class="dmask-{fate}"><i></i>{fates[fate]:,} {noun} {fate}</span>')
    return f'<div class="dmask-legend">{"".join(keys)}</div>'


def _shot(number: int, shot: ShotResult, text: str, block: Iterator[str]) -> Iterator[str]:
    start, end = shot.span
    badge = (
        f"<b>Shot {number} {shot.fate}</b><span>score {shot.score:.2f}</span>"
        f"<span>{shot.original_tokens:,} → {shot.compressed_tokens:,} tokens</span>"
    )
    if shot.fate == "dropped":
        preview = _escape(" ".join(text[start : min(end, start + _PREVIEW)].split()))
        yield f'<details class="dmask-shot dmask-dropped"><summary class="dmask-badge">{badge}'
        yield f'<q dir="auto">{preview}</q></summary>'
        yield from block
        yield "</details>"
    else:
        yield f'<div class="dmask-shot dmask-{shot.fate}"><div class="dmask-badge">{badge}</div>'
        yield from block
        yield "</div>"


def _block(text: str, spans: Sequence[Span], marks: Sequence[Mark], start: int, end: int) -> Iterator[str]:
    """``text[start:end]``, without the line breaks around it; nothing if that is all there is."""
    content = text[start:end]
    end = start + len(content.rstrip())
    start += len(content) - len(content.lstrip("\r\n"))
    if start >= end:
        return
    yield '<div class="dmask-text" dir="auto">'
    for kept_start, kept_end in clip_spans(spans, (start, end)):
        yield from _dropped(text, marks, start, kept_start)
        yield _escape(text[kept_start:kept_end])
        start = kept_end
    yield from _dropped(text, marks, start, end)
    yield "</div>"


def _dropped(text: str, marks: Sequence[Mark], start: int, end: int) -> Iterator[str]:
    """A dropped stretch with the white space around it left bare, and the marks that stand in its place."""
    gap = text[start:end]
    core = gap.strip()
    if not core:
        yield _escape(gap)
        return
    before, after = gap.split(core, 1)
    first, last = (bisect_left(marks, edge, key=lambda mark: mark.span[0]) for edge in (start, end))
    shown = "".join(f"<ins>{_escape(mark.text)}</ins>" for mark in marks[first:last])
    yield f"{_escape(before)}<del>{_escape(core)}</del>{shown}{_escape(after)}"


def _escape(text: str) -> str:
    return text.replace("\r\n", "\n").translate(_ESCAPES)


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
