"""The line model in numpy: as the network in torch, in pieces as whole, and what its file may be."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from diffumask_core import Compressor, ModelError
from diffumask_core.diffusion.states import DROP, KEEP, UNDECIDED
from diffumask_core.lines.evidence import FEATURES, Evidence
from diffumask_core.lines.model import LINES_FILE, LineModel, LineSettings, metadata, novelty
from diffumask_core.lines.terms import Terms
from diffumask_core.model.pretrained import load_pruner
from diffumask_core.training.lines import LineNetwork, LineTraining, as_model, save_lines

OPTIONS = LineTraining(width=12, static_blocks=2, step_blocks=1, kernel=5)


def network_of(options: LineTraining = OPTIONS, seed: int = 0) -> LineNetwork:
    """A network of random weights, with statistics of features that are not those of a fresh one."""
    torch.manual_seed(seed)
    network = LineNetwork(options).eval()
    network.mean.normal_()
    network.deviation.uniform_(0.3, 2.0)
    return network


def evidence_of(held: list[set[str]], seed: int = 0) -> Evidence:
    drawn = np.random.default_rng(seed)
    number = len(held)
    costs = drawn.uniform(1, 40, number)
    return Evidence(np.arange(number), drawn.normal(size=(number, len(FEATURES))) * 3, costs, Terms.of(held))


def drawn_evidence(lines: int, seed: int = 0) -> Evidence:
    drawn = np.random.default_rng(seed)
    return evidence_of([{f"string_{n}" for n in drawn.integers(lines, size=3)} for _ in range(lines)], seed)


def states_of(lines: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.random.default_rng(seed).choice([KEEP, DROP, UNDECIDED], lines)


@pytest.mark.parametrize("blocks", [(2, 1), (0, 1), (1, 2), (3, 1)])
@pytest.mark.parametrize("lines", [1, 3, 50])
@pytest.mark.parametrize("rate", [0.03, 0.3, 1.0])
def test_numpy_computes_what_torch_does(blocks: tuple[int, int], lines: int, rate: float) -> None:
    options = replace(OPTIONS, static_blocks=blocks[0], step_blocks=blocks[1])
    network, evidence, states = network_of(options), drawn_evidence(lines), states_of(lines)
    told = torch.tensor(novelty(evidence, states, rate))
    with torch.no_grad():
        wanted = network(torch.tensor(evidence.features, dtype=torch.float32), torch.tensor(states), told)
    found = as_model(network, options).predictor(evidence, rate)(states)
    assert np.allclose(found, wanted.numpy(), atol=1e-4)


@pytest.mark.parametrize("at_once", [1, 7, 64, 200])
def test_a_long_text_in_pieces_is_as_the_whole(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    model, evidence, states = as_model(network_of(), OPTIONS), drawn_evidence(200), states_of(200)
    whole = model.predictor(evidence, 0.3)(states)
    monkeypatch.setattr("diffumask_core.lines.model._LINES_AT_ONCE", at_once)
    assert np.allclose(model.predictor(evidence, 0.3)(states), whole, atol=1e-5)


def test_a_kept_line_changes_what_lines_with_its_strings_are_worth() -> None:
    held = [{f"own_{number}"} for number in range(60)]
    held[2] = held[40] = {"harbour/quay.py"}
    evidence = evidence_of(held)
    undecided = np.full(60, UNDECIDED)
    kept = undecided.copy()
    kept[2] = KEEP
    before, after = novelty(evidence, undecided, 0.3), novelty(evidence, kept, 0.3)
    assert np.flatnonzero(before[:, 0]).tolist() == []
    assert np.flatnonzero(after[:, 0]).tolist() == [40]
    assert np.flatnonzero(before[:, 1]).tolist() == [2, 40]
    assert np.flatnonzero(after[:, 1]).tolist() == [2]
    assert before[0, 3] == 0 < after[0, 3] < 1
    # With weights that read of a line what kept lines hold of it, and nothing else, that line alone changes.
    network = network_of()
    with torch.no_grad():
        network.novelty.weight[:, 1:] = 0
        for block in network.blocks:
            block.mix.weight.zero_()
        network.state.weight.zero_()
    predict = as_model(network, OPTIONS).predictor(evidence, 0.3)
    assert np.flatnonzero(np.abs(predict(kept) - predict(undecided)) > 1e-6).tolist() == [40]


@given(st.lists(st.sets(st.sampled_from("abcde"), max_size=3), min_size=1, max_size=30), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_logits_are_finite_and_the_same_each_time(held: list[set[str]], seed: int) -> None:
    model, evidence, states = as_model(network_of(), OPTIONS), evidence_of(held, seed), states_of(len(held), seed)
    predict = model.predictor(evidence, 0.2)
    assert np.isfinite(predict(states)).all()
    assert np.array_equal(predict(states), predict(states))


def test_thresholds_are_subtracted() -> None:
    model, evidence, states = as_model(network_of(), OPTIONS), drawn_evidence(20), states_of(20)
    higher = LineModel(replace(model.settings, rates=(0.1, 1.0), thresholds=(3.0, 1.0)), model.weights)
    for rate, threshold in ((0.01, 3.0), (0.1, 3.0), (0.1**0.5, 2.0), (1.0, 1.0)):
        difference = model.predictor(evidence, rate)(states) - higher.predictor(evidence, rate)(states)
        assert np.allclose(difference, threshold, atol=1e-4)


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """The tiny model with a line model of random weights."""
    copied = Path(shutil.copytree(model_folder, tmp_path / "model"))
    model = as_model(network_of(), OPTIONS)
    save_lines(LineModel(LineSettings(2, 1, (0.1, 0.5), (1.5, -0.5)), model.weights), copied)
    return copied


def test_it_comes_back_as_it_was_saved(folder: Path) -> None:
    model, loaded = as_model(network_of(), OPTIONS), LineModel.load(folder)
    assert loaded is not None
    assert loaded.settings == LineSettings(2, 1, (0.1, 0.5), (1.5, -0.5))
    assert loaded.weights.keys() == model.weights.keys()
    for name, value in model.weights.items():
        assert np.allclose(loaded.weights[name], value, rtol=1e-3, atol=1e-3)
    pruner = load_pruner(folder)
    assert pruner.lines is not None
    assert pruner.lines.settings == loaded.settings


def test_a_folder_may_have_none(model_folder: Path) -> None:
    assert LineModel.load(model_folder) is None
    assert load_pruner(model_folder).lines is None


def changed(folder: Path, weights: Callable[[dict[str, Any]], object] = dict, **told: Any) -> None:
    """Saves the line model with other weights, or with other things that it says of itself."""
    file = folder / LINES_FILE
    values = load_file(file)
    weights(values)
    before = json.loads(metadata(LineSettings(2, 1, (0.1, 0.5), (1.5, -0.5)))["settings"])
    save_file(values, file, {"settings": json.dumps({**before, **told})})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: changed(folder, format_version=0), "is of another version"),
        (lambda folder: changed(folder, features=["length"]), "is of another version"),
        (lambda folder: changed(folder, layers=3), "cannot be read"),
        (lambda folder: changed(folder, rates=[], thresholds=[]), "cannot be read"),
        (lambda folder: changed(folder, static_blocks=7), "cannot be read"),
        (lambda folder: changed(folder, lambda values: values.pop("out.0.weight")), "cannot be read.*out.0.weight"),
        (lambda folder: changed(folder, lambda values: values.update(mean=np.zeros(3, "f2"))), "cannot be read"),
        (lambda folder: (folder / LINES_FILE).write_bytes(b""), "cannot be read"),
        (lambda folder: (folder / LINES_FILE).write_bytes((folder / LINES_FILE).read_bytes()[:900]), "cannot be read"),
        (lambda folder: save_file({"a": np.zeros(2, "f2")}, folder / LINES_FILE), "is of another version"),
        (lambda folder: save_file({"a": np.zeros(2)}, folder / LINES_FILE, {"settings": "[]"}), "cannot be read"),
    ],
)
def test_a_broken_line_model_is_told(folder: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(folder)
    with pytest.raises(ModelError, match=f"(?s)line model in .*{LINES_FILE} {message}.*train it again"):
        Compressor.from_pretrained(folder)
