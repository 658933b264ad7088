from html.parser import HTMLParser
from typing import Any, Literal

import pytest
from stopwatch import at_most

from diffumask_core.prompt.spans import Span
from diffumask_core.rendering.html import render_html
from diffumask_core.rendering.marks import Mark
from diffumask_core.result import ShotResult

VOID = {"br", "hr", "img", "input", "link", "meta"}


def shot(
    span: Span,
    fate: Literal["kept", "shortened", "dropped"],
    *,
    score: float = 0.5,
    original_tokens: int = 20,
    compressed_tokens: int = 10,
) -> ShotResult:
    return ShotResult(span, score, None, fate, original_tokens, compressed_tokens, "")


class Reader(HTMLParser):
    """Reads rendered HTML: its tags, its text inside and outside of `<del>`; fails on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.roots = 0
        self.attributes: list[tuple[str, str | None]] = []
        self.deleted: list[str] = []
        self.shown: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.roots += not self.open
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            (self.deleted if "del" in self.open else self.shown).append(data)

    @property
    def text(self) -> str:
        return "".join(self.shown)


def render(
    text: str = "one two three", spans: Any = ((0, 3),), shots: Any = (), marks: Any = (), **figures: Any
) -> str:
    return render_html(
        text=text,
        spans=spans,
        marks=marks,
        shots=shots,
        **{
            "original_tokens": 1248,
            "compressed_tokens": 499,
            "budget": 500,
            "protected_tokens": 120,
            "keep_rate": 0.336,
            "counter": "tiktoken/o200k_base",
            "timings": {"encode": 0.03, "denoise": 0.011},
            **figures,
        },
    )


def test_is_one_well_formed_element() -> None:
    text = "Intro.\n\nQ: one\nA: two\n\nQ: three\nA: four\n\nQ: five?"
    shots = [shot((8, 22), "shortened"), shot((23, 39), "dropped", compressed_tokens=0)]
    reader = Reader(render(text, [(0, 10), (11, 15), (41, len(text))], shots))
    assert reader.roots == 1
    assert reader.tags[0] == "div"


def test_loads_and_runs_nothing() -> None:
    html = render("see https://example.org <script src='x'>alert(1)</script>", [(0, 3)], [shot((0, 3), "kept")])
    reader = Reader(html)
    assert not {"script", "link", "img", "iframe", "object"} & set(reader.tags)
    assert not any(name in ("src", "href") or name.startswith("on") for name, _ in reader.attributes)
    style = html[html.index("<style>") : html.index("</style>")]
    assert not any(loader in style for loader in ("http", "url(", "@import"))


def test_text_and_counter_are_escaped() -> None:
    text = """<b onclick="x('y')">&amp;</b>"""
    html = render(text, [(0, len(text))], counter="callable/<lambda>", timings={'"><i>': 1.0})
    reader = Reader(html)
    assert "onclick" not in dict(reader.attributes)
    assert text in reader.text
    assert "callable/<lambda>" in reader.text
    assert "<b onclick" not in html


def test_what_went_is_struck_out_and_the_rest_is_not() -> None:
    text = "keep drop this  keep\ndrop"
    reader = Reader(render(text, [(0, 4), (16, 20)]))
    assert [part for part in reader.deleted if part != "dropped"] == ["drop this", "drop"]
    assert "keep   keep\n" in reader.text


def test_a_mark_is_shown_where_lines_went_and_is_not_struck_out() -> None:
    mark = Mark("[… 2 lines left out]", (4, 13), 2, "line")
    html = render("one\ntwo\nthree", marks=[mark])
    reader = Reader(html)
    assert "[… 2 lines left out]" in reader.text
    assert "two\nthree" in "".join(reader.deleted)
    assert "1 mark" in reader.text
    assert "mark" not in Reader(render()).text


def test_shows_the_figures() -> None:
    reader = Reader(render(original_tokens=1248, compressed_tokens=499))
    for figure in ("1,248", "499", "60% saved", "500 tokens", "34%", "120 tokens", "tiktoken/o200k_base", "41 ms"):
        assert figure in reader.text


def test_a_total_time_is_not_added_to_its_stages() -> None:
    assert "50 ms" in Reader(render(timings={"encode": 0.03, "total": 0.05})).text


@pytest.mark.parametrize("fate", ["kept", "shortened", "dropped"])
def test_a_shot_shows_its_fate_score_and_tokens(fate: Literal["kept", "shortened", "dropped"]) -> None:
    reader = Reader(render(shots=[shot((0, 13), fate, score=0.824, original_tokens=1100, compressed_tokens=40)]))
    for part in (f"Shot 1 {fate}", "score 0.82", "1,100 → 40 tokens", f"1 shot {fate}"):
        assert part in reader.text
    assert ("details" in reader.tags) == (fate == "dropped")


def test_kept_spans_may_cross_the_borders_of_shots() -> None:
    text = "aaa bbb ccc"
    reader = Reader(render(text, [(0, 9)], [shot((4, 7), "kept")]))
    assert all(word in reader.shown for word in ("aaa", "bbb", " c"))
    assert "cc" in reader.deleted


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\r", "\x85", "\u200b", "\u202e", "\u2066", "\ufeff", "\ud800"])
def test_characters_without_a_shape_are_named(character: str) -> None:
    text = f"a{character}b"
    html = render(text, [(0, len(text))])
    assert character not in html
    assert f"U+{ord(character):04X}" in Reader(html).text


def test_right_to_left_text_keeps_its_own_direction_and_emoji_their_joiners() -> None:
    text = "שלום 👩\u200d👩\u200d👧"
    reader = Reader(render(text, [(0, len(text))]))
    assert ("dir", "auto") in reader.attributes
    assert text in reader.text


def test_windows_line_ends_are_line_ends() -> None:
    assert "a\nb" in Reader(render("a\r\nb", [(0, 4)])).text


def test_nothing_kept_and_nothing_counted() -> None:
    html = render(spans=(), original_tokens=0, compressed_tokens=0, protected_tokens=0, timings={})
    assert "one two three" in Reader(html).deleted


def test_a_megabyte_takes_moments() -> None:
    text = "word <b> " * 120_000
    spans = [(start, start + 4) for start in range(0, len(text), 9)]
    shots = [shot((start, start + 900), "shortened") for start in range(0, len(text), 900)]
    with at_most(10):
        render(text, spans, shots)
