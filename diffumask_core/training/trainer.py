"""The training loop: a plain one, resumable, on a CPU or a GPU."""

import json
import logging
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from tqdm import tqdm

from diffumask_core.datasets import Exemplar, LabelRow, PassageRow, ShotRow
from diffumask_core.model.inputs import Frame
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.training.examples import Example, ExampleBuilder, batches, collate
from diffumask_core.training.objective import Objective

logger = logging.getLogger("diffumask")


@dataclass(frozen=True)
class TrainingData:
    """The rows to learn from; all but the labels may be empty."""

    labels: Sequence[LabelRow]
    shots: Sequence[ShotRow] = ()
    passages: Sequence[PassageRow] = ()
    exemplars: Sequence[Exemplar] = ()


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    Attributes:
        epochs: Passes over the labels.
        batch_tokens: Padded tokens of a batch.
        encoder_rate: Learning rate of the encoder's last layer.
        layer_decay: Factor from each encoder layer to the one below it.
        head_rate: Learning rate of everything else.
        warmup: The share of the steps in which the rates rise.
        averaging: Decay of the moving average of the weights, which is what is evaluated and saved.
        documents: Shots shown with a query; passages with the gold one among them.
        exemplars_per_epoch: Of the solved exemplars, as many as are drawn for an epoch.
        seed: Of everything that is drawn.
    """

    epochs: int = 6
    batch_tokens: int = 4096
    encoder_rate: float = 1.5e-4
    layer_decay: float = 0.9
    head_rate: float = 1e-3
    warmup: float = 0.06
    averaging: float = 0.995
    documents: int = 4
    exemplars_per_epoch: int = 800
    seed: int = 0


Evaluate = Callable[[DiffuMaskModel], Mapping[str, float]]


def train(
    model: DiffuMaskModel,
    tokenizer: Tokenizer,
    data: TrainingData,
    out: Path,
    options: TrainingOptions,
    evaluate: Evaluate,
) -> None:
    """Trains a model and leaves it in ``out``; a run that was cut off goes on from its last finished epoch.

    Args:
        model: What to start from.
        tokenizer: Of its encoder.
        data: What to learn from.
        out: A folder for the model, a line of figures for each epoch (``log.jsonl``) and the state to resume from.
        options: How to train.
        evaluate: Figures of a model, taken after each epoch; the epoch with the highest ``score`` is kept.
    """
    out.mkdir(parents=True, exist_ok=True)
    run = _Run(model, options, out / "training_state.pt")
    builder = ExampleBuilder(tokenizer, model.config.window_tokens, model.config.query_tokens)
    frame = Frame.of(tokenizer)
    objective = Objective()
    total = options.epochs * len(_epoch_batches(builder, data, options, 0))
    for epoch in range(run.load(), options.epochs):
        torch.manual_seed(options.seed + epoch)
        began = time.monotonic()
        losses: list[float] = []
        progress = tqdm(_epoch_batches(builder, data, options, epoch), desc=f"epoch {epoch + 1}/{options.epochs}")
        for group in progress:
            batch = collate(group, frame, model.config.window_tokens, model.config.window_overlap)
            losses.append(run.step(objective(model, batch.to(model.device)), total))
            progress.set_postfix(loss=f"{sum(losses[-50:]) / len(losses[-50:]):.3f}", refresh=False)
        with run.averaged():
            figures = evaluate(model)
            if run.improves(figures["score"]):
                model.save_pretrained(out)
                tokenizer.save(str(out / "tokenizer.json"))
        line = {
            "epoch": epoch + 1,
            "loss": round(sum(losses) / len(losses), 4),
            "seconds": round(time.monotonic() - began),
            **figures,
        }
        tqdm.write(json.dumps(line))
        with open(out / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        run.save(epoch + 1)


def _epoch_batches(
    builder: ExampleBuilder, data: TrainingData, options: TrainingOptions, epoch: int
) -> list[list[Example]]:
    rng = random.Random(f"{options.seed}/{epoch}")
    examples = [
        *builder.labelled(data.labels, rng),
        *builder.graded(data.shots, options.documents, rng),
        *builder.retrieved(data.passages, options.documents, rng),
        *builder.solved(rng.sample(data.exemplars, min(options.exemplars_per_epoch, len(data.exemplars)))),
    ]
    return batches(examples, options.batch_tokens, rng)


class _Run:
    """The state of a run: optimizer, moving average, best score; saved and loaded as one file."""

    def __init__(self, model: DiffuMaskModel, options: TrainingOptions, path: Path) -> None:
        self._model = model
        self._options = options
        self._path = path
        self._optimizer = torch.optim.AdamW(_parameter_groups(model, options), weight_decay=0.01)
        self._rates = [group["lr"] for group in self._optimizer.param_groups]
        self._average = {name: value.detach().clone() for name, value in model.named_parameters()}
        self._steps = 0
        self._best = -math.inf

    def step(self, loss: Tensor, total: int) -> float:
        self._steps += 1
        progress = self._steps / total
        factor = min(progress / self._options.warmup, max(0.0, (1 - progress) / (1 - self._options.warmup)), 1.0)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        # At the start the average follows closely, or it would keep remembering the untrained weights.
        decay = min(self._options.averaging, (1 + self._steps) / (10 + self._steps))
        with torch.no_grad():
            for name, value in self._model.named_parameters():
                self._average[name].lerp_(value, 1 - decay)
        return float(loss.detach())

    def improves(self, score: float) -> bool:
        better = score > self._best
        self._best = max(score, self._best)
        return better

    def averaged(self) -> "_Averaged":
        return _Averaged(self._model, self._average)

    def save(self, epochs: int) -> None:
        state = {
            "options": asdict(self._options),
            "epochs": epochs,
            "steps": self._steps,
            "best": self._best,
            "model": self._model.state_dict(),
            "average": self._average,
            "optimizer": self._optimizer.state_dict(),
        }
        unfinished = self._path.with_suffix(".tmp")
        torch.save(state, unfinished)
        unfinished.replace(self._path)

    def load(self) -> int:
        """Takes up an earlier run, if there is one with the same options; returns the epochs it had finished."""
        if not self._path.exists():
            return 0
        state = torch.load(self._path, map_location=self._model.device, weights_only=True)
        if state["options"] != asdict(self._options):
            logger.warning("%s is of a run with other options: starting anew.", self._path)
            return 0
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._average, self._steps, self._best = state["average"], state["steps"], state["best"]
        return int(state["epochs"])


class _Averaged:
    """Within it the model has its averaged weights and is in evaluation mode."""

    def __init__(self, model: DiffuMaskModel, average: Mapping[str, Tensor]) -> None:
        self._model = model
        self._average = average

    def __enter__(self) -> None:
        self._own = {name: value.detach().clone() for name, value in self._model.named_parameters()}
        self._set(self._average)
        self._model.train(False)

    def __exit__(self, *_: object) -> None:
        self._set(self._own)
        self._model.train()

    @torch.no_grad()
    def _set(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self._model.named_parameters():
            parameter.copy_(values[name])


def _parameter_groups(model: DiffuMaskModel, options: TrainingOptions) -> list[dict[str, object]]:
    """The encoder's layers, each slower than the one above it, and the rest."""
    layers = model.encoder.config.num_hidden_layers
    groups: dict[float, list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if name.startswith("encoder."):
            numbers = [int(part) for part in name.split(".") if part.isdigit()]
            depth = layers - numbers[0] - 1 if numbers else layers
            rate = options.encoder_rate * options.layer_decay**depth
        else:
            rate = options.head_rate
        groups.setdefault(rate, []).append(parameter)
    return [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]
