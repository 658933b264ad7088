"""What follows from what is kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffumask_core.prompt.spans import Span
from diffumask_core.regions.region import Scaffold
from diffumask_core.units.scaffold import ScaffoldIndex


def spans(size: int) -> np.ndarray:
    """Units of one character, with a space between."""
    return np.array([(2 * unit, 2 * unit + 1) for unit in range(size)], dtype=np.int64).reshape(-1, 2)


def over(first: int, last: int) -> Span:
    """The stretch of the units from `first` to the one before `last`."""
    return 2 * first, 2 * last - 1


def rule(
    unit: int, before: tuple[int, int] | None = None, after: tuple[int, int] | None = None, alone: bool = False
) -> Scaffold:
    return Scaffold(over(unit, unit + 1), before and over(*before), after and over(*after), alone)


def mask(size: int, *kept: int) -> np.ndarray:
    return np.isin(np.arange(size), kept)


def closed(index: ScaffoldIndex, size: int, *kept: int) -> list[int]:
    return np.flatnonzero(index.close(mask(size, *kept))).tolist()


# [ a , b , c ]
LIST = ScaffoldIndex(
    [
        rule(0, after=(1, 6)),
        rule(2, before=(1, 2), after=(3, 6)),
        rule(4, before=(1, 4), after=(5, 6)),
        rule(6, before=(1, 6)),
    ],
    spans(7),
)


class TestClose:
    @pytest.mark.parametrize(
        ("kept", "expected"),
        [
            ([], []),
            ([1], [0, 1, 6]),
            ([1, 5], [0, 1, 2, 4, 5, 6]),
            ([5], [0, 5, 6]),
            ([3, 5], [0, 3, 4, 5, 6]),
            ([2, 4], []),
            ([1, 3, 5], [0, 1, 2, 3, 4, 5, 6]),
        ],
    )
    def test_a_unit_stays_where_something_stays_on_each_side_that_it_has(
        self, kept: list[int], expected: list[int]
    ) -> None:
        assert closed(LIST, 7, *kept) == expected

    def test_a_head_may_stay_alone_and_stays_with_what_it_heads(self) -> None:
        index = ScaffoldIndex([rule(0, after=(1, 3), alone=True)], spans(4))
        assert closed(index, 4, 0) == [0]
        assert closed(index, 4, 2) == [0, 2]
        assert closed(index, 4, 3) == [3]
        assert not index.syntax.any()

    def test_syntax_is_never_decided(self) -> None:
        assert np.flatnonzero(LIST.syntax).tolist() == [0, 2, 4, 6]

    def test_heads_come_before_syntax(self) -> None:
        # A quote around lines, of which the first heads the second; the comma before needs what is in the quotes.
        index = ScaffoldIndex(
            [rule(1, before=(0, 1), after=(2, 4)), rule(2, after=(3, 4), alone=True), rule(4, before=(2, 3))], spans(5)
        )
        assert closed(index, 5, 0, 3) == [0, 1, 2, 3, 4]

    def test_a_unit_that_counts_goes_where_a_part_of_what_it_counts_went(self) -> None:
        index = ScaffoldIndex([rule(1, before=(0, 1), after=(2, 5))], spans(5), [(over(0, 1), over(2, 5))])
        assert closed(index, 5, 0, 2, 3, 4) == [0, 1, 2, 3, 4]
        assert closed(index, 5, 0, 2, 4) == [2, 4]
        assert closed(index, 5, 0) == []

    def test_without_rules_nothing_follows(self) -> None:
        index = ScaffoldIndex([], spans(3))
        assert closed(index, 3, 1) == [1]
        assert closed(ScaffoldIndex([], spans(0)), 0) == []


class TestSupport:
    @pytest.mark.parametrize(
        ("forced", "supported"), [([0], [0, 1]), ([4], [3, 4, 5]), ([6], [5, 6]), ([3], [3]), ([], [])]
    )
    def test_forced_syntax_gets_the_nearest_unit_on_each_side_that_it_needs(
        self, forced: list[int], supported: list[int]
    ) -> None:
        assert np.flatnonzero(LIST.support(mask(7, *forced))).tolist() == supported

    def test_a_forced_head_needs_nothing(self) -> None:
        index = ScaffoldIndex([rule(0, after=(1, 3), alone=True)], spans(3))
        assert np.flatnonzero(index.support(mask(3, 0))).tolist() == [0]


@st.composite
def nested(draw: st.DrawFn) -> tuple[ScaffoldIndex, int]:
    """Lists in lists: brackets and commas around items, some of them a head above lines."""
    rules: list[Scaffold] = []

    def value(at: int, depth: int) -> int:
        """Adds a value that begins at a unit, and gives the unit after it."""
        form = draw(st.sampled_from(["leaf", "list", "block"])) if depth else "leaf"
        if form == "leaf":
            return at + 1
        if form == "block":
            end = at + 1 + draw(st.integers(1, 3))
            rules.append(rule(at, after=(at + 1, end), alone=True))
            return end
        begin, commas, end = at, [], at + 1
        for number in range(draw(st.integers(1, 3))):
            if number:
                commas.append(end)
                end += 1
            end = value(end, depth - 1)
        rules.append(rule(begin, after=(begin + 1, end)))
        rules.extend(rule(comma, before=(begin + 1, comma), after=(comma + 1, end)) for comma in commas)
        rules.append(rule(end, before=(begin + 1, end)))
        return end + 1

    size = 0
    for _ in range(draw(st.integers(1, 3))):
        size = value(size, 3)
    return ScaffoldIndex(rules, spans(size)), size


@given(nested(), st.data())
def test_what_closing_gives_is_a_fixed_point(made: tuple[ScaffoldIndex, int], data: st.DataObject) -> None:
    index, size = made
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    once = index.close(kept)
    assert np.array_equal(index.close(once), once)
    assert (once[~index.syntax] >= kept[~index.syntax]).all()
    assert index.close(np.ones(size, dtype=bool)).all()
    assert not index.close(np.zeros(size, dtype=bool)).any()


@given(nested(), st.data())
def test_closing_keeps_what_is_forced_with_its_support(made: tuple[ScaffoldIndex, int], data: st.DataObject) -> None:
    index, size = made
    forced = np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    supported = index.support(forced)
    assert (supported >= forced).all()
    assert (index.close(supported) >= forced).all()
