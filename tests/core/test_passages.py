"""Retrieved passages: what helps with the query stays, by paragraphs where words would mislead."""

from typing import Any

import pytest

from diffumask_core import CompressionResult, Compressor, InputError, Prompt, Shot

MANUAL = """\
--keep-daily N
    Keep the newest archive of each of the last N days. The default is 7.

--keep-weekly N
    Keep the newest archive of each of the last N weeks. The default is 4.

--include-untracked
    Also read files that `vault add` has never seen.

--no-include-untracked
    Leave out files that `vault add` has never seen, which is the default since 2.4.

--lock-wait SECONDS
    Wait so long for the lock of the repository. Without it the command fails at once with exit status 75."""

OTHER = """\
The server reads `/etc/vault/server.toml` once when it starts.

`listen` is the address. The default is `127.0.0.1:8700`.

`max_body` must not be above 64 MiB; larger bodies are refused with status 413.

`log_level` is one of `debug`, `info` and `warning`."""

BREAD = "A baker kneads the dough of rye bread by hand, lets it rest for an hour, and puts the loaves into a hot oven."
FERRY = "The ferry to the island leaves from the eastern pier at nine in the morning, and it comes back at six."
STARS = "Astronomers have found a small planet that goes around a dim red star once in eleven days, far from our sun."


@pytest.fixture(scope="module")
def bundled() -> Compressor:
    return Compressor.from_pretrained()


def fates(result: CompressionResult) -> list[str]:
    return [shot.fate for shot in result.shots]


class TestDocumentation:
    def shorten(self, compressor: Compressor, query: str, **options: Any) -> CompressionResult:
        return compressor.compress(Prompt(shots=[MANUAL, OTHER]), query=query, keep_rate=0.4, **options)

    @pytest.mark.parametrize(
        ("query", "needed"),
        [
            ("How do I leave out files that were never added?", "--no-include-untracked\n    Leave out files"),
            ("With which status does it fail when the repository is locked?", "exit status 75"),
            ("How large may a body be?", "must not be above 64 MiB"),
        ],
    )
    def test_the_paragraph_that_answers_stays_word_for_word(self, bundled: Compressor, query: str, needed: str) -> None:
        assert any(needed in shot.text for shot in self.shorten(bundled, query).shots)

    def test_paragraphs_are_whole_or_gone(self, bundled: Compressor) -> None:
        result = self.shorten(bundled, "How many weekly archives are kept?")
        assert {region.kind for region in result.regions} == {"documentation"}
        paragraphs = [part for text in (MANUAL, OTHER) for part in text.split("\n\n")]
        kept = [part for part in paragraphs if part in result.text]
        assert "\n\n".join(kept).split() == result.text.split()
        assert 0 < len(kept) < len(paragraphs)

    @pytest.mark.parametrize("tokens", range(20, 180, 10))
    def test_no_head_is_left_without_its_text(self, bundled: Compressor, tokens: int) -> None:
        rules = [
            "Deposit: guests of the boat house must leave a deposit of 40 euros at the desk, and get it back within 14 "
            "days unless an oar is missing, a lamp is broken, or the key comes back after 22:00 on the last day.",
            "Heating: the stove in the hall must not be lit above 18 degrees; the valve is behind the `boiler_2` door, "
            "and the default of the clock is 06:30.",
            "Boats: the maximum is 4 persons, the required age is 16, and a motor must be booked 3 days before.",
            "Parking: the yard has 12 places, each of which should be left by 11:00 unless the clerk agrees to more.",
        ]
        prompt = Prompt(shots=rules)
        result = bundled.compress(prompt, query="When does a guest get the deposit back?", target_tokens=tokens)
        heads = {rule.partition(":")[0] + ":" for rule in rules}
        assert not any(shot.text in heads for shot in result.shots)
        assert "Deposit:" in result.text
        assert all((shot.fate == "dropped") == (not shot.text) for shot in result.shots)
        assert tokens < 30 or result.compressed_tokens > 0.7 * min(tokens, 60)

    @pytest.mark.parametrize("head", ["Context:", "**Retrieved passages:**", "Documents:\n", "上下文："])
    def test_the_head_of_a_context_stays_as_long_as_any_of_it(self, bundled: Compressor, head: str) -> None:
        task, asked = "Answer from the context only.", "Question: With which status does it fail?"
        text = f"{task}\n\n{head}\n{MANUAL}\n\n{OTHER}\n\n{asked}"
        result = bundled.compress(text, keep_rate=1.0)
        for keep_rate in (0.6, 0.3, 0.15):
            result = result.at(keep_rate=keep_rate)
            left = result.text.split("\n\n")
            assert (left[0], left[-1]) == (task, asked)
            assert left[1].startswith(head.strip())
            assert len(left) > 3 or left[1] != head.strip()
        assert MANUAL.split("\n\n")[0] not in result.text

    def test_words_are_decided_where_the_user_wants_it(self, bundled: Compressor) -> None:
        assert not self.shorten(bundled, "How many weekly archives are kept?", grain="words").regions

    @pytest.mark.parametrize("passages", [[BREAD, FERRY, STARS] * 3, [f"{BREAD}\n\n{FERRY}\n\n{STARS}", FERRY, BREAD]])
    def test_other_prose_is_decided_word_by_word(self, bundled: Compressor, passages: list[str]) -> None:
        result = bundled.compress(Prompt(shots=passages), query="When does the ferry leave?", keep_rate=0.4)
        assert not result.regions

    def test_a_manual_that_speaks_of_answers_is_no_exemplar(self, bundled: Compressor) -> None:
        text = "An unknown name is refused, and the answer is `404` with a list. " + MANUAL
        result = bundled.compress(Prompt(shots=[text, OTHER]), query="How large may a body be?", keep_rate=0.3)
        assert "404" not in result.text


class TestRelevance:
    QUERY = "When does the ferry to the island leave?"

    def shorten(self, compressor: Compressor, *passages: str | Shot, **options: Any) -> CompressionResult:
        given = {"keep_rate": 1.0, **options}
        return compressor.compress(Prompt(shots=list(passages)), query=self.QUERY, **given)

    def test_passages_below_the_floor_go_though_there_is_room(self, bundled: Compressor) -> None:
        result = self.shorten(bundled, BREAD, FERRY, STARS, min_relevance=0.3)
        assert fates(result) == ["dropped", "kept", "dropped"]
        assert result.text == FERRY
        assert result.unused_tokens == result.budget - result.compressed_tokens > 20

    def test_without_a_floor_they_stay(self, bundled: Compressor) -> None:
        result = self.shorten(bundled, BREAD, FERRY, STARS)
        assert fates(result) == ["kept"] * 3
        assert result.unused_tokens == 0

    def test_each_passage_has_its_relevance(self, bundled: Compressor) -> None:
        shots = self.shorten(bundled, BREAD, FERRY, STARS, keep_rate=0.5).shots
        found = [shot.relevance or 0.0 for shot in shots]
        assert found[1] > 0.9 > 0.3 > max(found[0], found[2])

    def test_an_output_is_never_empty(self, bundled: Compressor) -> None:
        result = self.shorten(bundled, BREAD, STARS, min_relevance=1.0)
        assert sorted(fates(result)) == ["dropped", "kept"]

    def test_as_many_passages_stay_as_must(self, bundled: Compressor) -> None:
        """Found by fuzzing: a floor took passages that `min_shots` names, where the budget had room for all."""
        result = self.shorten(bundled, BREAD, FERRY, STARS, min_relevance=0.3, min_shots=2)
        assert sorted(fates(result)) == ["dropped", "kept", "kept"]

    def test_a_floor_without_the_level_of_words(self, bundled: Compressor) -> None:
        """Found by fuzzing: it was a `ValueError`."""
        result = self.shorten(bundled, BREAD, FERRY, STARS, keep_rate=0.3, min_relevance=0.5, token_level=False)
        assert fates(result) == ["dropped", "kept", "dropped"]

    def test_exemplars_have_none(self, bundled: Compressor) -> None:
        shots = [Shot(question=text, answer=label) for text, label in ((BREAD, "food"), (FERRY, "travel"))]
        result = self.shorten(bundled, *shots, keep_rate=0.9, min_relevance=1.0)
        assert "dropped" not in fates(result)
        assert [shot.relevance for shot in result.shots] == [None, None]

    @pytest.mark.parametrize("floor", [-0.1, 1.1, "high", True, float("nan")])
    def test_a_floor_that_is_no_share(self, bundled: Compressor, floor: Any) -> None:
        with pytest.raises(InputError, match="min_relevance"):
            self.shorten(bundled, BREAD, min_relevance=floor)


def test_the_order_of_a_retriever_counts_where_it_is_one(bundled: Compressor) -> None:
    best_first = [FERRY, "A ferry is a ship that carries cars.", "Islands lie in the sea.", STARS, BREAD]
    scores = [
        [shot.score for shot in bundled.compress(Prompt(shots=given), query=TestRelevance.QUERY, keep_rate=0.5).shots]
        for given in (best_first, [*best_first[2:], *best_first[:2]])
    ]
    # In an order of no meaning the model's own judgement counts alone.
    assert scores[0][0] > scores[1][3] + 1
    assert scores[0][-1] < scores[1][2] - 1


def test_a_passage_of_a_few_words_goes_whole(bundled: Compressor) -> None:
    passages = ["The ferry leaves at nine sharp.", "Bread rests for an hour.", *[BREAD] * 2, STARS]
    for rate in (0.1, 0.2, 0.3):
        result = bundled.compress(Prompt(shots=passages), query="When does the ferry leave?", keep_rate=rate)
        assert fates(result)[0] == "kept"


def test_a_fact_that_is_told_twice_is_kept_once(bundled: Compressor) -> None:
    fact = "The ferry to the island leaves from the eastern pier at nine in the morning."
    passages = [f"{fact} {BREAD}", f"{STARS} {fact}", f"{fact} It is painted white and blue."]
    result = bundled.compress(Prompt(shots=passages), query="When does the ferry leave?", keep_rate=0.3)
    assert result.text.count("nine") == 1
