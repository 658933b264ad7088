"""Training from files: what ``diffumask train`` does."""

import shutil
from dataclasses import replace
from pathlib import Path

import torch

from diffumask_core.datasets import (
    HindsightRow,
    LabelRow,
    PassageRow,
    ShotRow,
    SolutionRow,
    exemplar_of,
    is_held_out,
    read_rows,
)
from diffumask_core.demo import demo_prompt
from diffumask_core.errors import DataError, InputError
from diffumask_core.evaluation.labels import MANY_STEPS, evaluate_labels, pruner_selection
from diffumask_core.lines.model import LINES_FILE
from diffumask_core.model.export import export_folder
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pretrained import find_folder, load_pruner
from diffumask_core.model.pruner import Pruner
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.training.encoder import fresh_model
from diffumask_core.training.lines import LineTraining, train_lines
from diffumask_core.training.trainer import TrainingData, TrainingOptions, train

_TYPICAL = 200
"""Texts that show the range of what is rounded; where there are fewer, the demo's prompt is read too."""


def train_from_files(
    *,
    labels: Path | None,
    hindsight: Path | None,
    shot_labels: Path | None,
    passages: Path | None,
    exemplars: Path | None,
    encoder: Path | None,
    start_from: str | None,
    out: Path,
    epochs: int | None,
    seed: int,
    device: str | None,
) -> None:
    """Trains a model on what the files hold and leaves it in ``out``.

    The line model is trained on rows of hindsight. Where there are none it is that of the model to start from, or the
    bundled one.
    """
    if labels is None and hindsight is None:
        raise InputError("train needs labels: pass --labels FILE, --hindsight FILE, or both.")
    runs = read_rows(hindsight, HindsightRow) if hindsight else []
    started = find_folder(None if start_from in (None, "bundled") else start_from)
    if labels is None:
        if shot_labels or passages or exemplars or encoder:
            raise InputError(
                "--shot-labels, --passages, --exemplars and --encoder go with --labels: with --hindsight alone only "
                "the line model is trained."
            )
    else:
        _train_words(labels, shot_labels, passages, exemplars, encoder, start_from, out, epochs, seed, device)
    if runs:
        options = LineTraining(seed=seed) if epochs is None else LineTraining(seed=seed, epochs=epochs)
        train_lines(runs, out, options)
    if started.resolve() == out.resolve():
        return
    # What has been trained is not replaced.
    if labels is None:
        shutil.copytree(started, out, ignore=shutil.ignore_patterns(LINES_FILE), dirs_exist_ok=True)
    elif not runs and (started / LINES_FILE).is_file():
        shutil.copy(started / LINES_FILE, out)


def _train_words(
    labels: Path,
    shot_labels: Path | None,
    passages: Path | None,
    exemplars: Path | None,
    encoder: Path | None,
    start_from: str | None,
    out: Path,
    epochs: int | None,
    seed: int,
    device: str | None,
) -> None:
    """Trains the encoder, the denoiser of words and the level of shots."""
    rows = read_rows(labels, LabelRow)
    dev = [row for row in rows if row.split == "dev"]
    if len(dev) in (0, len(rows)):
        raise DataError(f"{labels} has {len(dev)} dev rows of {len(rows)}: it must have rows of both splits.")
    data = training_data(rows, shot_labels, passages, exemplars)
    torch.manual_seed(seed)
    if start_from:
        pruner = load_pruner(None if start_from == "bundled" else start_from, runtime="torch")
        assert isinstance(pruner.network, TorchNetwork)
        model, tokenizer = pruner.network.model, pruner.tokenizer
    else:
        model, tokenizer = fresh_model(encoder)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    model.to(place)  # type: ignore[arg-type]  # transformers wraps it without its types
    model.train()

    def evaluate(model: DiffuMaskModel) -> dict[str, float]:
        pruner = Pruner(TorchNetwork(model), tokenizer)
        figures: dict[str, float] = {}
        for steps in (1, MANY_STEPS):
            for level, agreement in evaluate_labels(dev, pruner_selection(pruner, steps)).levels.items():
                figures[f"{level}_f1_{steps}"] = round(agreement.f1, 4)
                figures[f"{level}_run_f1_{steps}"] = round(agreement.run_f1, 4)
        figures["score"] = round(figures["light_f1_1"] + figures["tight_f1_1"], 4)
        return figures

    options = TrainingOptions(seed=seed)
    if epochs is not None:
        options = replace(options, epochs=epochs)
    if start_from:
        # What has been trained before needs smaller steps.
        options = replace(options, encoder_rate=options.encoder_rate / 2, head_rate=options.head_rate / 2)
    train(model, tokenizer, data, out, options, evaluate, start_counts=start_from is not None)
    texts = [row.text for row in data.labels[:: max(len(data.labels) // _TYPICAL, 1)]]
    export_folder(out, texts if len(texts) >= _TYPICAL else [*texts, demo_prompt()])


def training_data(
    rows: list[LabelRow], shot_labels: Path | None, passages: Path | None, exemplars: Path | None
) -> TrainingData:
    """What may be learnt from: nothing of the dev split's sources, and no exemplar that is held out."""
    dev_sources = {source for row in rows if row.split == "dev" for source in row.source.split("+")}
    return TrainingData(
        labels=[row for row in rows if row.split == "train"],
        shots=[row for row in read_rows(shot_labels, ShotRow) if row.split == "train"] if shot_labels else (),
        passages=[row for row in read_rows(passages, PassageRow) if row.id not in dev_sources] if passages else (),
        exemplars=[
            exemplar_of(row)
            for number, row in enumerate(read_rows(exemplars, SolutionRow))
            if not is_held_out(row) and f"gsm8k/train/{number}" not in dev_sources
        ]
        if exemplars
        else (),
    )
