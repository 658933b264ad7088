"""The searches, on a reader that needs certain words."""

import math
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffumask_core import InputError, Prompt, Shot
from diffumask_core.errors import ReaderError
from diffumask_core.labeling import STRATEGIES, Guide, Judge, MaskSearch, SearchSpace, read_guide
from diffumask_core.model.pruner import Pruner
from diffumask_core.readers import Question
from diffumask_core.readers.cache import ReplyCache

WORDS = [f"w{number}" for number in range(96)]
# Eight shots of twelve words, cut into clauses of four.
PROMPT = Prompt(
    instructions="Sort them.",
    shots=[
        Shot(question=", ".join(" ".join(WORDS[at : at + 4]) for at in range(first, first + 12, 4)), answer=answer)
        for first, answer in zip(range(0, 96, 12), ["left", "right"] * 4, strict=True)
    ],
)
SPACE = SearchSpace(PROMPT)
ITEMS = 12


def items(needed: Sequence[str]) -> list[Question]:
    """Each is answered right where its words are left; together they need all of them."""
    return [
        Question("", " ".join([f"#{number}", needed[number % len(needed)], *needed[number::ITEMS]]), "yes")
        for number in range(ITEMS)
    ]


def any_guide(seed: int) -> Guide:
    rng = np.random.default_rng(seed)
    return Guide(rng.normal(size=len(SPACE.free)), rng.permutation(8))


class Needs:
    """Answers right where all words of the query are left of the prompt."""

    name = "needs"

    def __init__(self, fail_after: float = math.inf) -> None:
        self.asked: list[Question] = []
        self.rounds = 0
        self.fail_after = fail_after

    def answers(self, questions: Sequence[Question]) -> list[str]:
        if self.rounds >= self.fail_after:
            raise ReaderError("timed out")
        self.rounds += 1
        self.asked += questions
        return ["yes" if self.is_met(question) else "" for question in questions]

    def log_probabilities(self, questions: Sequence[Question]) -> list[float]:
        self.asked += questions
        return [-0.1 if self.is_met(question) else -2.0 for question in questions]

    @staticmethod
    def is_met(question: Question) -> bool:
        return set(question.query.split()[1:]) <= set(question.prompt.replace(",", " ").split())


def searched(
    needed: Sequence[str],
    name: str = "hierarchical",
    *,
    reader: Needs | None = None,
    scores: ReplyCache | None = None,
    measure: str = "accuracy",
    floor: float = 1.0,
    max_calls: int | None = None,
    batch: int = 1,
    guide: Guide | None = None,
) -> MaskSearch:
    judge = Judge(reader or Needs(), items(needed), measure, scores or ReplyCache())
    search = MaskSearch(SPACE, guide or any_guide(0), judge, STRATEGIES[name], floor, max_calls, batch)
    while search.questions:
        search.tell(judge.ask(search.questions))
    return search


def words_left(search: MaskSearch) -> list[str]:
    text, offsets = SPACE.units.layout.text, SPACE.units.spans
    return [text[start:end] for start, end in offsets[search.best & SPACE.free].tolist()]


def reached(search: MaskSearch, needed: Sequence[str]) -> float:
    """The accuracy with what the search left, seen from outside."""
    text = SPACE.text(search.best)
    return float(np.mean([Needs.is_met(Question(text, item.query, "")) for item in items(needed)]))


needed_words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=14, unique=True)


class TestSpace:
    def test_a_shot_keeps_its_markers_and_answer_until_its_last_word_goes(self) -> None:
        first = SPACE.shots(SPACE.everything)[0]
        assert SPACE.text(SPACE.without(SPACE.everything, first[1:])).startswith(
            "Sort them.\n\nQ: w0\nA: left\n\nQ: w12"
        )
        assert SPACE.text(SPACE.without(SPACE.everything, first)).startswith("Sort them.\n\nQ: w12")

    def test_everything_is_the_prompt(self) -> None:
        assert SPACE.text(SPACE.everything) == PROMPT.text
        assert SPACE.share(SPACE.everything) == 1.0

    def test_instructions_stay(self) -> None:
        assert SPACE.text(SPACE.without(SPACE.everything, np.flatnonzero(SPACE.free))) == "Sort them."

    def test_clauses_cover_what_is_left_and_no_two_shots(self) -> None:
        mask = SPACE.without(SPACE.everything, np.arange(20))
        clauses = SPACE.clauses(mask)
        assert np.concatenate(clauses).tolist() == np.flatnonzero(mask & SPACE.free).tolist()
        assert all(len(set(SPACE.units.shot[clause].tolist())) == 1 for clause in clauses)

    def test_plain_text_is_parsed(self) -> None:
        space = SearchSpace("Q: Is it red?\nA: yes\n\nQ: Is it blue?\nA: no\n\nQ: Is it tan?\nA: no")
        assert len(space.shots(space.everything)) == 3

    def test_json_stays_json(self) -> None:
        space = SearchSpace('Note:\n{"a": [1, 2], "b": {"c": "x"}}')
        inside = np.flatnonzero(space.free)
        assert space.text(space.without(space.everything, inside)) == "Note:"

    def test_nothing_that_may_go(self) -> None:
        with pytest.raises(InputError, match="nothing in the prompt"):
            SearchSpace(Prompt(instructions="Only this."))

    def test_the_guide_is_the_model_s(self, pruner: Pruner) -> None:
        guide = read_guide(SPACE, pruner)
        assert guide.units.shape == SPACE.free.shape
        assert sorted(guide.shots.tolist()) == list(range(8))
        assert np.array_equal(guide.units, read_guide(SPACE, pruner).units)


@pytest.mark.parametrize("name", list(STRATEGIES))
class TestEverySearch:
    @settings(max_examples=12, deadline=None)
    @given(needed=needed_words, seed=st.integers(0, 99), batch=st.integers(1, 4))
    def test_it_finds_the_needed_words_and_no_others(self, name: str, needed: list[str], seed: int, batch: int) -> None:
        search = searched(needed, name, guide=any_guide(seed), batch=batch)
        assert search.ended == "minimal"
        assert sorted(words_left(search)) == sorted(needed)

    @settings(max_examples=12, deadline=None)
    @given(
        needed=needed_words,
        seed=st.integers(0, 99),
        floor=st.floats(0.5, 1.0),
        max_calls=st.integers(ITEMS, 600),
        measure=st.sampled_from(["accuracy", "log_probability"]),
    )
    def test_floor_and_budget_hold_wherever_it_ends(
        self, name: str, needed: list[str], seed: int, floor: float, max_calls: int, measure: str
    ) -> None:
        reader = Needs()
        search = searched(
            needed, name, guide=any_guide(seed), reader=reader, floor=floor, max_calls=max_calls, measure=measure
        )
        assert len(reader.asked) == search.calls <= max_calls
        accuracy = reached(search, needed)
        if measure == "accuracy":
            assert accuracy == pytest.approx(search.quality)
            assert accuracy >= floor - 1e-9
            assert search.floor == pytest.approx(floor)
        else:
            mean = -0.1 * accuracy - 2 * (1 - accuracy)
            assert mean == pytest.approx(search.quality)
            assert math.exp(mean) >= floor * math.exp(-0.1) - 1e-9
        if search.ended == "minimal":
            again = searched(needed, name, guide=any_guide(seed), floor=floor, measure=measure)
            assert np.array_equal(again.best, search.best)

    def test_a_question_is_never_asked_twice(self, name: str) -> None:
        reader = Needs()
        search = searched(WORDS[5:60:9], name, reader=reader)
        assert len(set(reader.asked)) == len(reader.asked) == search.calls
        assert search.candidates == len({question.prompt for question in reader.asked})

    def test_the_order_of_cuts_is_kept(self, name: str) -> None:
        search = searched(WORDS[::11], name)
        assert np.array_equal(np.isinf(search.survival), search.best)
        gone = search.survival[~search.best]
        assert set(gone) == set(range(int(gone.max()) + 1))

    def test_a_reader_that_is_never_right_is_useless(self, name: str) -> None:
        search = searched(["nowhere"], name)
        assert (search.ended, search.calls) == ("useless", ITEMS)
        assert search.best.all()

    @settings(max_examples=8, deadline=None)
    @given(kill=st.integers(0, 60), batch=st.integers(1, 3))
    def test_a_run_that_was_cut_off_goes_on_and_repeats_one_batch_at_most(
        self, name: str, kill: int, batch: int
    ) -> None:
        needed = WORDS[3:90:17]
        whole = searched(needed, name, batch=batch)
        scores, cut = ReplyCache(), Needs(fail_after=kill)
        try:
            searched(needed, name, reader=cut, scores=scores, batch=batch)
        except ReaderError:
            assert cut.rounds == kill
        rest = Needs()
        search = searched(needed, name, reader=rest, scores=scores, batch=batch)
        assert np.array_equal(search.best, whole.best)
        assert search.calls == whole.calls == len(cut.asked) + len(rest.asked)
        assert not set(cut.asked) & set(rest.asked)


class TestReplies:
    @pytest.mark.parametrize("nonsense", [math.nan, -math.inf])
    def test_what_is_no_number_is_no_answer(self, nonsense: float) -> None:
        class Odd(Needs):
            def log_probabilities(self, questions: Sequence[Question]) -> list[float]:
                return [-0.1 if self.is_met(question) else nonsense for question in questions]

        needed = WORDS[::20]
        search = searched(needed, reader=Odd(), measure="log_probability")
        assert sorted(words_left(search)) == sorted(needed)
        assert searched(["nowhere"], reader=Odd(), measure="log_probability").ended == "useless"

    def test_scores_of_other_items_readers_and_measures_are_not_mixed_up(self) -> None:
        scores = ReplyCache()
        other = Needs()
        other.name = "other"
        for reader, needed, measure in (
            (Needs(), WORDS[:3], "accuracy"),
            (other, WORDS[:3], "accuracy"),
            (Needs(), WORDS[3:6], "accuracy"),
            (Needs(), WORDS[:3], "log_probability"),
        ):
            search = searched(needed, reader=reader, scores=scores, measure=measure)
            assert len(reader.asked) == search.calls


class TestHierarchical:
    # Commas go with the words before them, so the sequential search asks less than one candidate for each unit.
    @pytest.mark.parametrize(("batch", "share"), [(1, 0.55), (4, 0.8)])
    def test_few_needed_words_take_a_fraction_of_the_calls(self, batch: int, share: float) -> None:
        for seed in range(5):
            needed = random.Random(seed).sample(WORDS, 4)
            ours = searched(needed, "hierarchical", guide=any_guide(seed), batch=batch)
            theirs = searched(needed, "sequential", guide=any_guide(seed))
            assert np.array_equal(ours.best, theirs.best)
            assert ours.calls < share * theirs.calls

    def test_it_does_not_stay_where_the_first_descent_ends(self) -> None:
        # One word of the first shot says what one of each of the others say together, and the guide drops it first.
        offsets, text = SPACE.units.spans, SPACE.units.layout.text
        alone, together = WORDS[0], set(WORDS[12::12])

        class Either(Needs):
            @staticmethod
            def is_met(question: Question) -> bool:
                left = set(question.prompt.replace(",", " ").split())
                return alone in left or together <= left

        guide = Guide(
            np.array([float(text[start:end] != alone) for start, end in offsets.tolist()]), np.arange(8)[::-1]
        )
        assert len(words_left(searched([alone], "sequential", reader=Either()))) == len(together)
        assert words_left(searched([alone], reader=Either(), guide=guide)) == [alone]

    def test_a_good_guide_saves_calls(self) -> None:
        needed = random.Random(0).sample(WORDS, 6)
        offsets, text = SPACE.units.spans, SPACE.units.layout.text
        good = np.array([float(text[start:end] in needed) for start, end in offsets.tolist()])
        shots = np.argsort([-good[shot].sum() for shot in SPACE.shots(SPACE.everything)])
        guided = searched(needed, guide=Guide(good, shots))
        misled = searched(needed, guide=Guide(-good, shots[::-1]))
        assert guided.calls < misled.calls

    def test_a_larger_batch_takes_fewer_rounds(self) -> None:
        needed = random.Random(1).sample(WORDS, 8)
        readers = [Needs(), Needs()]
        for reader, batch in zip(readers, (1, 4), strict=True):
            searched(needed, reader=reader, batch=batch)
        assert readers[1].rounds < readers[0].rounds

    def test_hopeless_candidates_are_given_up(self) -> None:
        reader = Needs()
        search = searched(WORDS[::8], reader=reader)
        assert search.calls < search.candidates * ITEMS

    def test_a_looser_floor_leaves_less(self) -> None:
        needed = WORDS[::8]
        shares = [SPACE.share(searched(needed, floor=floor).best) for floor in (1.0, 0.8, 0.5)]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] > shares[-1]

    def test_more_calls_leave_no_more(self) -> None:
        needed = WORDS[::8]
        shares = [SPACE.share(searched(needed, max_calls=calls).best) for calls in (50, 100, 200, 400, 2000)]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] > shares[-1]
