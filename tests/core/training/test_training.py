"""Training, on a dozen rows written for the tests."""

import copy
import json
import random
import shutil
import string
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_encoder, tiny_model
from tokenizers import Tokenizer
from transformers import BertModel

from diffumask_core import Compressor, DataError, ModelError
from diffumask_core.datasets import LabelRow, PassageRow, ShotRow, SolutionRow, exemplar_of, is_held_out
from diffumask_core.model.inputs import Frame
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pruner import Pruner
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.training.command import training_data
from diffumask_core.training.comparing import (
    FloatArray,
    IntArray,
    Teacher,
    compared,
    comparer_loss,
    graded,
    graded_loss,
)
from diffumask_core.training.encoder import fresh_model, read_teacher
from diffumask_core.training.examples import Batch, ExampleBuilder, batches, collate
from diffumask_core.training.objective import Objective, encode_batch, labels_between
from diffumask_core.training.trainer import TrainingData, TrainingOptions, train
from diffumask_core.units.units import read_words
from diffumask_core.units.words import split_words

NAMES = ["Anna", "Paul", "Maria", "Omar", "Lena", "Ivan"]
THINGS = ["apples", "rolls", "coins", "books"]


def label_row(number: int, split: str = "train") -> LabelRow:
    """Of each text the name, the number and the thing are kept; tightly only the number."""
    name, thing = NAMES[number % 6], THINGS[number % 4]
    text = f"As it happens, {name} had by then already sold his or her {number + 10} {thing} in the town by the sea."

    def span(part: str) -> tuple[int, int]:
        return text.index(part), text.index(part) + len(part)

    return LabelRow(
        id=f"r{number}",
        kind="prose",
        text=text,
        light=[span(name), span("sold"), span(str(number + 10)), span(thing)],
        tight=[span(str(number + 10))],
        query=f"How many {thing}?" if number % 3 == 0 else None,
        source=f"made/{number}",
        split=split,
    )


LABELS = [label_row(number) for number in range(12)]
SHOTS = [
    ShotRow(id="s", kind="qa", query="How many rolls?", shots=["Anna sold 5 rolls.", "It rained."], grades=[3, 0]),
    ShotRow(
        id="t", kind="qa", query="Who sang?", shots=["Omar sang.", "A bus came.", "Lena sang too."], grades=[2, 0, 3]
    ),
]
PASSAGES = [
    PassageRow.model_validate(
        {
            "id": "p",
            "question": "Who carried the radio?",
            "answers": ["Maria"],
            "documents": [
                {"title": "Flood", "text": "It was Maria who did.", "is_gold": True},
                {"title": "Bread", "text": "Rolls are sold to Maria.", "is_gold": False},
            ],
        }
    )
]
EXEMPLARS = [exemplar_of(SolutionRow(question="How many?", answer="It is 5 * 14 = <<5*14=70>>70.\n#### 70"))]
DATA = TrainingData(LABELS, SHOTS, PASSAGES, EXEMPLARS)
OPTIONS = TrainingOptions(
    epochs=3, reader_epochs=0, unseen=0.25, batch_words=80, upper_rate=3e-3, head_rate=1e-2, averaging=0.5
)


def teacher(text: str, words: IntArray, is_query: bool) -> FloatArray:
    """Where words are by the letters that they have."""
    pieces = [text[start:end].lower() for start, end in words.tolist()]
    letters: FloatArray = np.array([[piece.count(letter) for letter in string.ascii_lowercase] for piece in pieces])
    return letters + 0.01


def random_teacher(width: int) -> tuple[Teacher, dict[bool, list[FloatArray]]]:
    """A teacher of a width, and what it tells of the words of texts and of queries."""
    random = np.random.default_rng(0)
    told: dict[bool, list[FloatArray]] = {False: [], True: []}

    def tell(text: str, words: IntArray, is_query: bool) -> FloatArray:
        # All words are on one side, and those of queries are farther there.
        vectors: FloatArray = random.standard_normal((len(words), width)) + 1 + is_query
        told[is_query].append(vectors)
        return vectors

    return tell, told


def trunk(model: DiffuMaskModel) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in model.encoder.state_dict().items()}


def no_figures(model: DiffuMaskModel) -> Mapping[str, float]:
    return {"score": 0.0}


@pytest.fixture
def model(tokenizer: Tokenizer) -> DiffuMaskModel:
    return tiny_model(tiny_encoder(tokenizer)).train()


def run(
    model: DiffuMaskModel, tokenizer: Tokenizer, out: Path, options: TrainingOptions = OPTIONS
) -> list[dict[str, float]]:
    """Trains; returns the log."""
    train(model, tokenizer, DATA, out, options, no_figures)
    return [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]


def state(out: Path) -> dict[str, torch.Tensor]:
    loaded = torch.load(out / "upper_state.pt", weights_only=True)
    return {**loaded["model"], **{f"average {name}": value for name, value in loaded["average"].items()}}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    assert one.keys() == other.keys()
    return all(torch.equal(value, other[name]) for name, value in one.items())


class TestTraining:
    def test_the_loss_goes_down_and_each_epoch_has_its_line(
        self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path
    ) -> None:
        log = run(model, tokenizer, tmp_path, replace(OPTIONS, epochs=8))
        assert [line["epoch"] for line in log] == list(range(1, 9))
        assert all(line.keys() == {"epoch", "loss", "seconds", "score"} for line in log)
        first, last = log[:3], log[-3:]
        assert sum(line["loss"] for line in last) < 0.9 * sum(line["loss"] for line in first)

    def test_it_learns_what_to_keep(self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path) -> None:
        epoch = count()
        options = replace(OPTIONS, epochs=20)
        # It is not trained here, and changes nothing.
        torch.nn.init.zeros_(model.denoiser.logit.weight)
        train(model, tokenizer, TrainingData(LABELS), tmp_path, options, lambda model: {"score": next(epoch)})
        compressor = Compressor.from_pretrained(tmp_path)
        text = label_row(88).text
        left = compressor.compress(text, target_tokens=1, tokenizer=lambda text: len(text.split())).text
        assert left.strip(".") == "98"

    def test_the_best_epoch_is_kept(self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path) -> None:
        seen: list[dict[str, torch.Tensor]] = []

        def evaluate(model: DiffuMaskModel) -> Mapping[str, float]:
            assert not model.training
            seen.append({name: value.detach().clone() for name, value in model.named_parameters()})
            return {"score": [0.2, 0.9, 0.5][len(seen) - 1], "other": 1.0}

        train(model, tokenizer, DATA, tmp_path, OPTIONS, evaluate)
        kept = DiffuMaskModel.from_pretrained(tmp_path).state_dict()
        assert [all(torch.equal(kept[name], value) for name, value in one.items()) for one in seen] == [
            False,
            True,
            False,
        ]

    def test_a_run_that_was_cut_off_goes_on_to_the_same_result(
        self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path
    ) -> None:
        fresh = copy.deepcopy(model)
        whole = run(copy.deepcopy(model), tokenizer, tmp_path / "whole")

        def cut_off(model: DiffuMaskModel) -> Mapping[str, float]:
            # In the second epoch, after the first was saved.
            if (tmp_path / "cut" / "upper_state.pt").exists():
                raise KeyboardInterrupt
            return {"score": 0.0}

        with pytest.raises(KeyboardInterrupt):
            train(model, tokenizer, DATA, tmp_path / "cut", OPTIONS, cut_off)
        resumed = run(fresh, tokenizer, tmp_path / "cut")
        assert [line["loss"] for line in resumed] == [line["loss"] for line in whole]
        assert same(state(tmp_path / "cut"), state(tmp_path / "whole"))

    def test_a_run_that_was_cut_off_after_its_last_epoch_tries_all_shares(
        self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path
    ) -> None:
        options = replace(OPTIONS, epochs=1, reader_epochs=1)
        fresh = copy.deepcopy(model)
        scores = iter([1.0, 2.0, 3.0])

        def cut_off(model: DiffuMaskModel) -> Mapping[str, float]:
            score = next(scores, None)
            if score is None:
                raise KeyboardInterrupt
            return {"score": score}

        with pytest.raises(KeyboardInterrupt):
            train(model, tokenizer, DATA, tmp_path, options, cut_off)
        train(fresh, tokenizer, DATA, tmp_path, options, lambda model: {"score": 0.0})
        log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()]
        assert [line.get("share_of_change") for line in log] == [None, None, 0.75, 0.75, 0.5, 0.25]

    def test_a_run_that_was_cut_off_between_its_parts_goes_on_to_the_same_result(
        self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path
    ) -> None:
        """A part that is done has its averaged weights, whether the run was cut off after that part or not."""
        options = replace(OPTIONS, epochs=1, reader_epochs=1, comparer_epochs=1)
        fresh = [copy.deepcopy(model) for _ in range(3)]

        def cut_off(model: DiffuMaskModel) -> Mapping[str, float]:
            if (tmp_path / "cut" / "upper_state.pt").exists() or first.pop():
                raise KeyboardInterrupt
            return {"score": 0.0}

        train(model, tokenizer, DATA, tmp_path / "whole", options, no_figures, teacher)
        # While the first epoch of the upper layers is judged, then while that of the denoiser is.
        first = [True]
        with pytest.raises(KeyboardInterrupt):
            train(fresh[0], tokenizer, DATA, tmp_path / "cut", options, cut_off, teacher)
        first = [False]
        with pytest.raises(KeyboardInterrupt):
            train(fresh[1], tokenizer, DATA, tmp_path / "cut", options, cut_off, teacher)
        train(fresh[2], tokenizer, DATA, tmp_path / "cut", options, no_figures, teacher)
        ours, whole = fresh[2].state_dict(), model.state_dict()
        assert [name for name, value in whole.items() if not torch.equal(value, ours[name])] == []

    @pytest.mark.parametrize("reader_epochs", [0, 2])
    def test_a_finished_run_is_left_alone(
        self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path, reader_epochs: int
    ) -> None:
        options = replace(OPTIONS, epochs=1, reader_epochs=reader_epochs)
        first = run(copy.deepcopy(model), tokenizer, tmp_path, options)
        before = state(tmp_path)
        assert run(model, tokenizer, tmp_path, options) == first
        assert same(state(tmp_path), before)

    @pytest.mark.parametrize("other", ["options", "rows", "start"])
    def test_another_run_in_the_same_folder_starts_anew(
        self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path, caplog: pytest.LogCaptureFixture, other: str
    ) -> None:
        options = replace(OPTIONS, epochs=1)
        start = copy.deepcopy(model)
        if other == "start":
            torch.nn.init.zeros_(start.marginals.weight)
        run(model, tokenizer, tmp_path, options)
        options = replace(options, head_rate=1e-4) if other == "options" else options
        data = replace(DATA, labels=LABELS[:6]) if other == "rows" else DATA
        train(start, tokenizer, data, tmp_path, options, no_figures)
        assert "other options, rows or start: starting anew" in caplog.text
        assert len((tmp_path / "log.jsonl").read_text("utf-8").splitlines()) == 2

    @pytest.mark.parametrize(("scores", "stays"), [([0.5, 0.4, 0.4, 0.5], True), ([0.5, 0.4, 0.4, 0.6], False)])
    def test_what_it_starts_from_stays_unless_an_epoch_is_better(
        self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path, scores: list[float], stays: bool
    ) -> None:
        start = model.state_dict()["marginals.weight"].half()
        left = iter(scores)
        options = replace(OPTIONS, epochs=2, reader_epochs=1)

        def evaluate(model: DiffuMaskModel) -> Mapping[str, float]:
            return {"score": next(left, 0.0)}

        train(model, tokenizer, DATA, tmp_path, options, evaluate, start_counts=True)
        kept = DiffuMaskModel.from_pretrained(tmp_path).state_dict()["marginals.weight"]
        assert torch.equal(kept, start.float()) is stays

    def test_it_is_judged_as_it_is_saved(self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path) -> None:
        judged: list[dict[str, torch.Tensor]] = []

        def evaluate(model: DiffuMaskModel) -> Mapping[str, float]:
            judged.append({name: value.clone() for name, value in model.state_dict().items()})
            return {"score": float(len(judged))}

        train(model, tokenizer, DATA, tmp_path, OPTIONS, evaluate)
        kept = DiffuMaskModel.from_pretrained(tmp_path).state_dict()
        assert all(torch.equal(kept[name], value) for name, value in judged[-1].items())

    def test_the_trunk_rests(self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path) -> None:
        before = trunk(model)
        options = replace(OPTIONS, epochs=2, reader_epochs=1, comparer_epochs=1)
        train(model, tokenizer, DATA, tmp_path, options, no_figures, teacher)
        assert trunk(model) == before

    @pytest.mark.parametrize("taught", [True, False])
    def test_the_comparer_learns_from_a_teacher_alone(
        self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path, taught: bool
    ) -> None:
        before = copy.deepcopy(model.state_dict())
        options = replace(OPTIONS, epochs=1, reader_epochs=1, comparer_epochs=1)
        train(model, tokenizer, DATA, tmp_path, options, no_figures, teacher if taught else None)
        changed = {
            name.partition(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])
        }
        expected = {"upper", "shape", "norm", "marginals", "denoiser", "project"}
        assert changed == (expected | {"comparer", "middle"} if taught else expected)

    def test_while_its_readers_learn_the_upper_layers_rest(
        self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path
    ) -> None:
        seen: list[dict[str, torch.Tensor]] = []

        def evaluate(model: DiffuMaskModel) -> Mapping[str, float]:
            seen.append({name: value.detach().clone() for name, value in model.named_parameters()})
            return {"score": len(seen)}

        train(model, tokenizer, DATA, tmp_path, replace(OPTIONS, epochs=1, reader_epochs=2), evaluate)
        log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()]
        assert [line.get("epoch", 0) for line in log[:3]] == [1, 0, 0]
        assert [line.get("reader_epoch", 0) for line in log[:3]] == [0, 1, 2]
        # Then less and less of what the denoiser has learnt to change is tried.
        assert [line["share_of_change"] for line in log[3:]] == [0.75, 0.5, 0.25]
        changed = {name.partition(".")[0] for name, value in seen[0].items() if not torch.equal(value, seen[-1][name])}
        assert changed == {"denoiser", "project"}

    def test_the_seed_decides(self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path) -> None:
        for name, seed in (("a", 0), ("b", 0), ("c", 1)):
            run(copy.deepcopy(model), tokenizer, tmp_path / name, replace(OPTIONS, epochs=2, seed=seed))
        assert same(state(tmp_path / "a"), state(tmp_path / "b"))
        assert not same(state(tmp_path / "a"), state(tmp_path / "c"))


def batch_of(reader: Pruner) -> Batch:
    builder = ExampleBuilder(reader)
    return collate([*builder.labelled(LABELS), *builder.gold(PASSAGES), *builder.solved(EXEMPLARS)])


class TestComparer:
    def test_words_come_to_be_where_the_teacher_sees_them(self, model: DiffuMaskModel, tokenizer: Tokenizer) -> None:
        """The loss falls, and the product's vectors turn towards the teacher's."""
        reader = Pruner(TorchNetwork(model.train(False)), tokenizer)
        texts, queries = [row.text for row in LABELS], ["How many apples?", "How many books?", "Who sold rolls?"]
        items, middles = compared(reader, teacher, texts, queries)
        model.middle.copy_(torch.from_numpy(middles))

        def figures() -> tuple[float, float]:
            cosines: list[float] = []
            for item in items:
                [seen] = reader.compare([item.vectors], are_queries=item.is_query)
                targets = item.targets.astype(np.float32) - middles[int(item.is_query)]
                cosines += ((seen * targets).sum(1) / np.linalg.norm(targets, axis=1)).tolist()
            with torch.no_grad():
                return float(comparer_loss(model, items)), float(np.mean(cosines))

        before = figures()
        assert before[0] == pytest.approx(1 - before[1], abs=0.02)
        optimizer = torch.optim.Adam(model.comparer.parameters(), lr=1e-2)
        for group in batches(items, 512, random.Random(0)) * 150:
            optimizer.zero_grad()
            comparer_loss(model, group).backward()
            optimizer.step()
        after = figures()
        assert after[0] < 0.5 * before[0]
        assert after[1] > 0.5 > before[1]

    def test_it_learns_what_helps_with_a_query(self, model: DiffuMaskModel, tokenizer: Tokenizer) -> None:
        reader = Pruner(TorchNetwork(model.train(False)), tokenizer)
        rows = graded(reader, SHOTS, PASSAGES, 10, random.Random(0))
        optimizer = torch.optim.Adam(model.comparer.parameters(), lr=1e-2)
        for row in rows * 60:
            optimizer.zero_grad()
            graded_loss(model, row).backward()
            optimizer.step()
        for shots in SHOTS:
            assert (
                np.argsort(reader.nearness_of(shots.shots, shots.query)).tolist() == np.argsort(shots.grades).tolist()
            )
        [passages] = PASSAGES
        of_gold, of_other = reader.nearness_of([one.whole for one in passages.documents], passages.question)
        assert of_gold > of_other

    def test_of_many_graded_texts_the_best_is_among_those_that_are_drawn(self, pruner: Pruner) -> None:
        shots = [f"{'rain ' * number}fell" for number in range(1, 7)]
        row = ShotRow(id="s", kind="qa", query="What fell?", shots=[*shots, " "], grades=[0, 1, 3, 1, 0, 2, 0])
        for seed in range(5):
            [drawn] = graded(pruner, [row], [], 3, random.Random(seed))
            assert len(drawn.texts) == len(drawn.grades) == 3
            assert drawn.grades[0] == 3
            # The words of a text, and two special tokens.
            lengths = [len(text) - 2 for text in drawn.texts]
            assert [row.grades[length - 2] for length in lengths] == list(drawn.grades)

    def test_a_query_without_a_word_ranks_nothing(self, pruner: Pruner) -> None:
        rows = [SHOTS[0].model_copy(update={"query": query}) for query in ("", " \n", "What?")]
        assert [row.grades for row in graded(pruner, rows, [], 5, random.Random(0))] == [[3, 0]]

    @pytest.mark.parametrize("frame", [Frame(None, 3, 0), Frame(None, None, 0)])
    def test_it_learns_whatever_special_tokens_there_are(
        self, model: DiffuMaskModel, tokenizer: Tokenizer, frame: Frame
    ) -> None:
        reader = Pruner(TorchNetwork(model.train(False)), tokenizer)
        reader.frame = frame
        items, _ = compared(reader, teacher, ["a bus came", "x"], ["who?"])
        assert [len(item.vectors) - len(item.targets) for item in items] == [frame.tokens] * 3
        [row] = graded(reader, SHOTS[:1], [], 5, random.Random(0))
        with torch.no_grad():
            losses = comparer_loss(model, items), graded_loss(model, row)
            scores = torch.from_numpy(self.nearness(reader, SHOTS[0])).log_softmax(0)
        assert all(map(torch.isfinite, losses))
        # What is learnt is what the product computes.
        expected = -(torch.tensor(row.grades).softmax(0) * scores).sum()
        torch.testing.assert_close(losses[1], expected, atol=1, rtol=0.1)

    @staticmethod
    def nearness(reader: Pruner, row: ShotRow) -> FloatArray:
        texts = []
        for text in row.shots:
            offsets = split_words(text)
            texts.append(
                reader.nearness(reader.read(text, offsets, [(0, len(offsets))], row.query), [(0, len(offsets))])
            )
        return np.concatenate(texts)

    @pytest.mark.parametrize("width", [4, 16])
    def test_middles_are_the_means_of_the_words_of_texts_and_of_queries(self, pruner: Pruner, width: int) -> None:
        tell, told = random_teacher(width)
        items, middles = compared(
            pruner, tell, [row.text for row in LABELS], ["how many?", " ", "who sold more rolls?"]
        )
        assert middles.shape == (2, 16)
        for asks in (False, True):
            np.testing.assert_allclose(middles[int(asks), :width], np.concatenate(told[asks]).mean(0), atol=2e-3)
            assert not middles[int(asks), width:].any()
            seen = [item.targets[:, :width] for item in items if item.is_query is asks]
            np.testing.assert_allclose(np.concatenate(seen), np.concatenate(told[asks]), atol=1e-2)

    def test_without_queries_their_middle_is_nowhere(self, pruner: Pruner) -> None:
        _, middles = compared(pruner, random_teacher(16)[0], ["a bus came"], [])
        assert middles[0].all()
        assert not middles[1].any()

    def test_of_a_wider_teacher_cosines_stay_that_the_width_can_hold(self, pruner: Pruner) -> None:
        """The teacher's words differ in ten directions of forty."""
        rng = np.random.default_rng(0)
        directions, aside = np.linalg.qr(rng.standard_normal((40, 10)))[0].T, rng.standard_normal(40)
        told: list[FloatArray] = []

        def tell(text: str, words: IntArray, is_query: bool) -> FloatArray:
            told.append(rng.standard_normal((len(words), 10)) @ directions + aside)
            return told[-1]

        items, middles = compared(pruner, tell, [row.text for row in LABELS], [])
        ours, theirs = np.concatenate([item.targets for item in items]) - middles[0], np.concatenate(told)
        theirs -= theirs.mean(0)
        cosines = [
            (unit := each / np.linalg.norm(each, axis=1, keepdims=True)) @ unit.T
            for each in (ours.astype(np.float64), theirs)
        ]
        np.testing.assert_allclose(*cosines, atol=0.02)

    @pytest.mark.parametrize("width", [17, 40])
    def test_of_a_wider_teacher_as_much_stays_as_can(self, pruner: Pruner, width: int) -> None:
        tell, told = random_teacher(width)
        items, _ = compared(pruner, tell, [row.text for row in LABELS], ["how many?"])
        ours, theirs = np.concatenate([item.targets for item in items]), np.concatenate([*told[False], *told[True]])
        assert ours.shape == (len(theirs), 16)
        best = np.linalg.svd(theirs - theirs.mean(0))[1][:16] ** 2
        assert ((ours - ours.mean(0, dtype=np.float64)) ** 2).sum() == pytest.approx(best.sum(), rel=0.01)

    def test_one_word_of_a_wider_teacher(self, pruner: Pruner) -> None:
        [item], middles = compared(pruner, random_teacher(40)[0], ["bus"], [])
        assert item.targets.shape == (1, 16)
        assert np.isfinite(item.targets).all()
        np.testing.assert_allclose(middles[0], item.targets[0], atol=1e-2)

    def test_a_text_without_a_word_teaches_nothing(self, pruner: Pruner) -> None:
        items, _ = compared(pruner, teacher, ["a rose is red", " \n", "a bus came"], ["what came?", ""])
        assert [item.is_query for item in items] == [False, False, True]
        # Of the words and of two special tokens the trunk has vectors, of the words alone the teacher.
        assert [(len(item.vectors), len(item.targets)) for item in items] == [(6, 4), (5, 3), (5, 3)]

    def test_the_teacher_is_asked_for_the_words_that_the_comparer_reads(self, pruner: Pruner) -> None:
        asked: dict[bool, list[str]] = {}

        def tell(text: str, words: IntArray, is_query: bool) -> FloatArray:
            asked[is_query] = [text[start:end] for start, end in words.tolist()]
            return np.ones((len(words), 16))

        compared(pruner, tell, ["rain " * 300 + "fell"], ["why? " * 30 + "eighteen letters?"])
        assert asked[False] == ["rain"] * pruner.network.settings.relevance_units
        assert asked[True] == ["eighteen", "letters", "?"]

    def test_groups_hold_all_texts_within_the_limit(self, pruner: Pruner) -> None:
        items, _ = compared(pruner, teacher, [row.text for row in LABELS], ["how many?"])
        groups = batches(items, 100, random.Random(0))
        assert sorted(map(id, (one for group in groups for one in group))) == sorted(map(id, items))
        assert all(len(group) * max(len(one.vectors) for one in group) <= 100 for group in groups if len(group) > 1)


class TestExamples:
    def test_what_each_row_teaches(self, pruner: Pruner) -> None:
        batch = batch_of(pruner)
        kinds = torch.stack([batch.has_labels, batch.has_required], 1).long().tolist()
        assert kinds == [*([1, 0] for _ in LABELS), [0, 1], [0, 1]]

    def test_labels_are_nested_and_padding_is_nothing(self, pruner: Pruner) -> None:
        batch = batch_of(pruner)
        labelled = batch.has_labels
        assert int(batch.tight[labelled].sum()) == 12
        assert int(batch.light[labelled].sum()) == 4 * 12
        assert (batch.tight <= batch.light).all()
        for part in (batch.light, batch.tight, batch.required, batch.scope, batch.weights):
            assert (part[batch.mask == 0] == 0).all()

    def test_a_query_stands_beside_its_text_alone(self, pruner: Pruner) -> None:
        batch = batch_of(pruner)
        for row, label in enumerate(LABELS):
            # Special tokens stand around each of the two.
            asked = len(split_words(label.query)) + 2 if label.query else 0
            assert int(batch.roles[row].sum()) == asked
            assert int(batch.seen[row].sum()) == len(read_words(label.text)) + 2 + asked

    def test_what_the_trunk_makes_of_a_text_is_what_the_product_reads(self, pruner: Pruner) -> None:
        (example, *_) = ExampleBuilder(pruner).labelled(LABELS)
        offsets = read_words(LABELS[0].text)
        read = pruner.read(LABELS[0].text, offsets, [(0, len(offsets))], LABELS[0].query or "")
        assert np.array_equal(example.read.vectors, read.vectors)
        assert np.array_equal(example.read.query, read.query)

    def test_every_unit_has_one_place(self, pruner: Pruner) -> None:
        long = LABELS[0].model_copy(update={"text": f"{LABELS[0].text} {LABELS[1].text} {LABELS[2].text}"})
        batch = collate([*ExampleBuilder(pruner).labelled([*LABELS, long])])
        rows, units = batch.mask.shape
        assert len(batch.vectors) > rows
        places = batch.unit_place[batch.unit_place < rows * units]
        assert sorted(places.tolist()) == torch.nonzero(batch.mask.flatten()).flatten().tolist()

    def test_a_gold_passage_must_keep_its_answer(self, pruner: Pruner) -> None:
        [example] = ExampleBuilder(pruner).gold(PASSAGES)
        words = read_words(PASSAGES[0].documents[0].whole)
        assert example.required is not None
        assert example.scope is not None
        assert example.scope.all()
        [(start, end)] = words[example.required]
        assert PASSAGES[0].documents[0].whole[start:end] == "Maria"

    def test_batches_hold_all_examples_within_the_limit(self, pruner: Pruner) -> None:
        examples = list(ExampleBuilder(pruner).labelled(LABELS))
        groups = batches(examples, 400, random.Random(0))
        assert sorted(map(id, (one for group in groups for one in group))) == sorted(map(id, examples))
        assert all(len(group) * max(one.words for one in group) <= 400 for group in groups if len(group) > 1)


class TestObjective:
    def test_it_has_a_gradient_for_every_part(self, model: DiffuMaskModel, tokenizer: Tokenizer) -> None:
        torch.manual_seed(0)
        reader = Pruner(TorchNetwork(model), tokenizer)
        model.train(False)
        batch, labelled = batch_of(reader), collate(list(ExampleBuilder(reader).labelled(LABELS)))
        texts, _ = compared(reader, teacher, [row.text for row in LABELS], [row.query for row in SHOTS])
        rows = graded(reader, SHOTS, PASSAGES, 10, random.Random(0))
        model.train()
        objective = Objective()
        loss = objective.upper_loss(model, batch) + comparer_loss(model, texts)
        loss = loss + objective.denoiser_loss(model, encode_batch(model, labelled), labelled)
        loss = loss + torch.stack([graded_loss(model, row) for row in rows]).sum()
        loss.backward()
        assert torch.isfinite(loss)
        without = [
            name for name, value in model.named_parameters() if value.grad is None or not value.grad.any().item()
        ]
        # The trunk rests. Of all else nothing but biases that shift all keys alike is free of a gradient.
        assert all(name.startswith("encoder.") or name.endswith("key.bias") for name in without)
        assert {name for name, _ in model.encoder.named_parameters(prefix="encoder")} <= set(without)

    @pytest.mark.parametrize(
        ("rate", "expected"),
        [
            (0.125, [0.5, 0, 0, 0]),
            (0.25, [1, 0, 0, 0]),
            (0.5, [1, 0.5, 0.5, 0]),
            (0.75, [1, 1, 1, 0]),
            (0.875, [1, 1, 1, 0.5]),
            (1.0, [1, 1, 1, 1]),
        ],
    )
    def test_labels_between_meet_the_rate(self, rate: float, expected: list[float]) -> None:
        tight, light = torch.tensor([[1.0, 0, 0, 0]]), torch.tensor([[1.0, 1, 1, 0]])
        between = labels_between(light, tight, torch.ones(1, 4), torch.tensor([[rate]]))
        assert between.tolist() == [pytest.approx(expected)]
        assert float(between.mean()) == pytest.approx(rate)


class TestCommand:
    def test_nothing_of_the_dev_split_is_learnt_from(self, tmp_path: Path) -> None:
        rows = [*LABELS, label_row(20, "dev").model_copy(update={"source": "p+gsm8k/train/0"})]
        solutions = [SolutionRow(question=f"Question {number}?", answer="#### 1") for number in range(40)]
        files = {"shots": [*SHOTS, SHOTS[0].model_copy(update={"split": "dev"})], "passages": PASSAGES, "x": solutions}
        paths = []
        for name, content in files.items():
            paths.append(tmp_path / f"{name}.jsonl")
            paths[-1].write_text("".join(row.model_dump_json() + "\n" for row in content), "utf-8")
        data = training_data(rows, *paths)
        assert list(data.labels) == LABELS
        assert list(data.shots) == SHOTS
        assert list(data.passages) == []
        kept = [row for number, row in enumerate(solutions) if number and not is_held_out(row)]
        assert list(data.exemplars) == [exemplar_of(row) for row in kept]

    def test_a_single_text_is_not_enough(self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="1 label rows"):
            train(model, tokenizer, TrainingData(LABELS[:1]), tmp_path, OPTIONS, no_figures)

    def test_few_labels_will_do(self, model: DiffuMaskModel, tokenizer: Tokenizer, tmp_path: Path) -> None:
        options = replace(OPTIONS, epochs=1, reader_epochs=1)
        train(model, tokenizer, TrainingData(LABELS[:3]), tmp_path, options, no_figures)
        assert Compressor.from_pretrained(tmp_path).compress(LABELS[0].text, keep_rate=0.5).text

    def test_labels_alone_are_enough(self) -> None:
        assert training_data(LABELS, None, None, None) == TrainingData(LABELS)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="Cannot read"):
            training_data(LABELS, tmp_path / "none.jsonl", None, None)


def bert_folder(tokenizer: Tokenizer, folder: Path, layers: int) -> BertModel:
    torch.manual_seed(0)
    config = tiny_encoder(tokenizer)
    config.num_hidden_layers = layers
    bert = BertModel(config)
    bert.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return bert


def test_a_fresh_model_has_the_encoder_of_the_folder(encoder_folder: Path) -> None:
    model, tokenizer = fresh_model(encoder_folder)
    pretrained = BertModel.from_pretrained(encoder_folder).state_dict()
    ours = model.encoder.state_dict()
    assert all(torch.equal(value, pretrained[name]) for name, value in ours.items())
    assert tokenizer.get_vocab_size() == model.encoder.config.vocab_size
    assert model.config.window_tokens <= model.encoder.config.max_position_embeddings
    assert str(encoder_folder) not in json.dumps(model.config.to_dict())


def test_layers_above_the_trunk_begin_as_those_that_follow(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """Of an encoder like BERT the layers above do with the trunk's vectors what the encoder's own layers do.

    The upper layers are the first of those that follow, and the comparer's are all where as many follow.
    """
    bert = bert_folder(tokenizer, tmp_path, 7).eval()
    model, _ = fresh_model(tmp_path, 1)
    model.train(False)
    ids = torch.tensor([[2, 10, 11, 12, 3]])
    mask = torch.ones_like(ids)
    with torch.inference_mode():
        read = model.read(ids, mask)
        whole = bert(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        torch.testing.assert_close(read, whole[1])
        for part, last in ((model.upper, 4), (model.comparer, 7)):
            assert len(part.layers) == last - 1
            seen = part(read, torch.zeros_like(ids), mask.float())
            torch.testing.assert_close(seen, whole[last], atol=1e-5, rtol=1e-4)
            # They do not tell a query from a text yet.
            torch.testing.assert_close(part(read, torch.ones_like(ids), mask.float()), seen)
    assert not model.middle.any()


@pytest.mark.parametrize(("layers", "begins_as"), [(12, [1, 3, 5, 7, 9, 11]), (3, [1, 1, 1, 2, 2, 2])])
def test_the_comparer_begins_as_layers_from_the_first_that_follows_to_the_last(
    tokenizer: Tokenizer, tmp_path: Path, layers: int, begins_as: list[int]
) -> None:
    bert = bert_folder(tokenizer, tmp_path, layers)
    model, _ = fresh_model(tmp_path, 1)
    for layer, number in zip(model.comparer.layers, begins_as, strict=True):
        source = bert.encoder.layer[number]
        assert torch.equal(layer.query.weight, source.attention.self.query.weight)
        assert torch.equal(layer.reduce.weight, source.output.dense.weight)


def test_without_layers_above_the_trunk_there_are_as_many_as_ever(encoder_folder: Path) -> None:
    model, _ = fresh_model(encoder_folder)
    assert len(model.comparer.layers) == type(model.config).comparer_layers


def test_without_layers_above_the_trunk_they_are_new(encoder_folder: Path) -> None:
    model, _ = fresh_model(encoder_folder)
    assert model.upper.layers[0].query.weight.std() > 0


def test_a_teacher_is_an_encoder_that_reads_its_prompt_first(
    tokenizer: Tokenizer, encoder_folder: Path, tmp_path: Path
) -> None:
    """Vectors are those of the text's words alone, as the encoder reads them after the prompt."""
    bert = BertModel.from_pretrained(encoder_folder).eval()
    folder = Path(shutil.copytree(encoder_folder, tmp_path / "teacher"))
    plain = read_teacher(folder)
    told = {"prompts": {"query": "ask: ", "passage": ""}}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(told), "utf-8")
    prompted = read_teacher(folder)

    def as_bert(before: list[str]) -> np.ndarray:
        """Of a text in which each word is one token."""
        tokens = ["[CLS]", *before, "a", "x", "7", "b", "[SEP]"]
        ids = torch.tensor([[tokenizer.token_to_id(token) for token in tokens]])
        with torch.inference_mode():
            hidden = bert(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        return hidden[len(before) + 1 : -1].numpy()

    text = "a x 7 b"
    words = split_words(text)
    for is_query in (False, True):
        np.testing.assert_allclose(plain(text, words, is_query), as_bert([]), atol=0.1)
    np.testing.assert_allclose(prompted(text, words, False), as_bert([]), atol=0.1)
    asked = prompted(text, words, True)
    np.testing.assert_allclose(asked, as_bert(["a", "##s", "##k", ":"]), atol=0.1)
    assert not np.allclose(asked, plain(text, words, True), atol=0.1)
    # Of a long query the end is read, and nothing before that.
    end = split_words("why? a x 7 b")[-4:]
    np.testing.assert_array_equal(prompted("why? a x 7 b", end, True), asked)


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_an_encoder_folder_that_is_incomplete(encoder_folder: Path, tmp_path: Path, missing: str) -> None:
    folder = Path(shutil.copytree(encoder_folder, tmp_path / "encoder"))
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=missing):
        fresh_model(folder)
