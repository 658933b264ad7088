"""Training from files: what ``diffumask train`` does."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from diffumask_core.datasets import (
    HindsightRow,
    LabelRow,
    PassageRow,
    ShotRow,
    SolutionRow,
    TextRow,
    exemplar_of,
    is_held_out,
    read_rows,
)
from diffumask_core.demo import demo_prompt
from diffumask_core.errors import DataError, InputError, ModelError
from diffumask_core.evaluation.labels import evaluate_labels, pruner_selection
from diffumask_core.lines.model import LINES_FILE
from diffumask_core.model.export import export_folder
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pretrained import find_folder, load_pruner
from diffumask_core.model.pruner import Pruner
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.training.encoder import fresh_model, read_teacher
from diffumask_core.training.lines import LineTraining, train_lines
from diffumask_core.training.trainer import TrainingData, TrainingOptions, train

logger = logging.getLogger("diffumask")

_TYPICAL = 200
"""Texts that show the range of what is rounded; where there are fewer, the demo's prompt is read too."""


def train_from_files(
    *,
    labels: Sequence[Path],
    hindsight: Path | None,
    shot_labels: Path | None,
    passages: Path | None,
    exemplars: Path | None,
    texts: Sequence[Path],
    encoder: Path | None,
    trunk_layers: int | None,
    teacher: Path | None,
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
    if not labels and hindsight is None:
        raise InputError("train needs labels: pass --labels FILE, --hindsight FILE, or both.")
    runs = read_rows(hindsight, HindsightRow) if hindsight else []
    started = find_folder(None if start_from in (None, "bundled") else start_from)
    if not labels:
        if shot_labels or passages or exemplars or texts or encoder or teacher:
            raise InputError(
                "--shot-labels, --passages, --exemplars, --texts, --encoder and --teacher go with --labels: with "
                "--hindsight alone only the line model is trained."
            )
    else:
        if start_from and (encoder or teacher):
            raise InputError("--encoder and --teacher are for a new model: leave them out with --start-from.")
        if trunk_layers is not None and not encoder:
            raise InputError("--trunk-layers is about an encoder: pass it with --encoder, or leave it out.")
        rows = [row for file in labels for row in read_rows(file, LabelRow)]
        dev = [row for row in rows if row.split == "dev"]
        if len(dev) in (0, len(rows)):
            names = ", ".join(map(str, labels))
            raise DataError(f"{names}: {len(dev)} dev rows of {len(rows)}; there must be rows of both splits.")
        data = training_data(rows, shot_labels, passages, exemplars, texts)
        _train_words(data, dev, encoder, trunk_layers, teacher, start_from, out, epochs, seed, device)
    if runs:
        options = LineTraining(seed=seed) if epochs is None else LineTraining(seed=seed, epochs=epochs)
        train_lines(runs, out, options)
    if started.resolve() == out.resolve():
        return
    # What has been trained is not replaced.
    if not labels:
        shutil.copytree(started, out, ignore=shutil.ignore_patterns(LINES_FILE), dirs_exist_ok=True)
    elif not runs and (started / LINES_FILE).is_file():
        shutil.copy(started / LINES_FILE, out)


def _train_words(
    data: TrainingData,
    dev: list[LabelRow],
    encoder: Path | None,
    trunk_layers: int | None,
    teacher: Path | None,
    start_from: str | None,
    out: Path,
    epochs: int | None,
    seed: int,
    device: str | None,
) -> None:
    """Trains the upper layers, the comparer, the denoiser of words and the level of shots."""
    torch.manual_seed(seed)
    if start_from:
        pruner = load_pruner(None if start_from == "bundled" else start_from, runtime="torch")
        assert isinstance(pruner.network, TorchNetwork)
        model, tokenizer = pruner.network.model, pruner.tokenizer
    else:
        model, tokenizer = fresh_model(encoder, trunk_layers)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    model.to(place)  # type: ignore[arg-type]  # transformers wraps it without its types
    model.train()

    def evaluate(model: DiffuMaskModel) -> dict[str, float]:
        pruner = Pruner(TorchNetwork(model), tokenizer)
        levels = evaluate_labels(dev, pruner_selection(pruner, 1)).levels
        figures = {f"{level}_f1": round(agreement.f1, 4) for level, agreement in levels.items()}
        return {**figures, "score": round(sum(figures.values()), 4)}

    options = TrainingOptions(seed=seed)
    if epochs is not None:
        options = replace(options, epochs=epochs)
    if start_from:
        # What has been trained before needs smaller steps.
        options = replace(options, upper_rate=options.upper_rate / 2, head_rate=options.head_rate / 2)
    # A comparer on another trunk has to be learnt anew.
    guide = read_teacher(teacher) if encoder or teacher else None
    train(model, tokenizer, data, out, options, evaluate, guide, start_counts=start_from is not None)
    texts = [row.text for row in data.labels[:: max(len(data.labels) // _TYPICAL, 1)]]
    try:
        export_folder(out, texts if len(texts) >= _TYPICAL else [*texts, demo_prompt()])
    except ModelError as error:
        # What has been trained can be used all the same.
        logger.warning("%s", error)


def training_data(
    rows: list[LabelRow],
    shot_labels: Path | None,
    passages: Path | None,
    exemplars: Path | None,
    texts: Sequence[Path] = (),
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
        texts=tuple(row.text for file in texts for row in read_rows(file, TextRow)),
    )
