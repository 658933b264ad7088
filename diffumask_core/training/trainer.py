"""The training loop: a plain one, resumable, on a CPU or a GPU."""

import json
import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor
from tqdm import tqdm

from diffumask_core.datasets import Exemplar, LabelRow, PassageRow, ShotRow
from diffumask_core.errors import DataError
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.model.pretrained import save_folder
from diffumask_core.model.pruner import Pruner
from diffumask_core.model.settings import Settings
from diffumask_core.model.torch_network import TorchNetwork
from diffumask_core.model.weights import unpack
from diffumask_core.training.comparing import Teacher, compared, comparer_loss, graded, graded_loss
from diffumask_core.training.examples import Batch, Example, ExampleBuilder, batches, collate
from diffumask_core.training.objective import Objective, encode_batch

logger = logging.getLogger("diffumask")


@dataclass(frozen=True)
class TrainingData:
    """The rows to learn from; all but the labels may be empty.

    Attributes:
        labels: Texts with what an annotator kept.
        shots: Graded shots.
        passages: Questions with passages.
        exemplars: Solved exercises.
        texts: Texts without labels, for the comparer.
    """

    labels: Sequence[LabelRow]
    shots: Sequence[ShotRow] = ()
    passages: Sequence[PassageRow] = ()
    exemplars: Sequence[Exemplar] = ()
    texts: Sequence[str] = ()


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    Attributes:
        epochs: Passes of the upper layers over their share of the labels.
        reader_epochs: Passes of the denoiser over the rest of the labels.
        comparer_epochs: Passes of the comparer over texts.
        unseen: The share of the labels that the upper layers do not see, for the denoiser to learn from.
        batch_words: Padded words of a batch.
        upper_rate: Learning rate of the upper layers and the comparer.
        head_rate: Learning rate of everything else.
        warmup: The share of the steps in which the rates rise.
        averaging: Decay of the moving average of the weights, which is what is evaluated and saved.
        documents: Graded texts, or passages with the gold one among them, that are ranked at a time.
        exemplars: Of the solved exemplars, as many as are drawn.
        exemplar_share: The share of them that an epoch of the upper layers sees, and of questions with passages too.
        seed: Of everything that is drawn.
    """

    epochs: int = 6
    reader_epochs: int = 12
    comparer_epochs: int = 3
    unseen: float = 1 / 12
    batch_words: int = 4096
    upper_rate: float = 3e-4
    head_rate: float = 1e-3
    warmup: float = 0.03
    averaging: float = 0.99
    documents: int = 10
    exemplars: int = 1800
    exemplar_share: float = 1 / 3
    seed: int = 0


Evaluate = Callable[[DiffuMaskModel], Mapping[str, float]]
_ReaderLoss = Callable[[DiffuMaskModel, Tensor, Batch], Tensor]
_Item = TypeVar("_Item")


def train(
    model: DiffuMaskModel,
    tokenizer: Tokenizer,
    data: TrainingData,
    out: Path,
    options: TrainingOptions,
    evaluate: Evaluate,
    teacher: Teacher | None = None,
    *,
    start_counts: bool = False,
) -> None:
    """Trains a model and leaves it in ``out``; a run that was cut off goes on from its last finished epoch.

    The trunk rests, so it reads each text once. First the comparer learns where the teacher sees each word, and which
    texts help with a query. Then the upper layers learn to score each unit by itself. Then they rest, and
    the denoiser is trained on what they make of the data once and for all. It learns from texts that the upper layers
    have not seen, since of those that they have seen they know more than they ever will of a user's.

    Args:
        model: What to start from.
        tokenizer: Of its trunk.
        data: What to learn from.
        out: A folder for the model, a line of figures for each epoch (``log.jsonl``) and the states to resume from.
        options: How to train.
        evaluate: Figures of a model, taken after each epoch. Of the epochs of the last part, the one with the highest
            ``score`` is kept; until then, of those of the part before it.
        teacher: What the comparer learns from where words are; None to leave the comparer as it is.
        start_counts: Whether the model has been trained before: then it is kept as it is unless an epoch is better.

    Raises:
        DataError: There are fewer than two texts with labels.
    """
    if len(data.labels) < 2:
        raise DataError(f"There are {len(data.labels)} label rows to train on: at least two are needed.")
    out.mkdir(parents=True, exist_ok=True)
    settings = Settings.of(model.config.to_dict(), out)
    reader = Pruner(TorchNetwork(model), tokenizer)
    builder = ExampleBuilder(reader)
    keeper = _Keeper(model, tokenizer, out, evaluate)
    objective = Objective()
    labels = random.Random(options.seed).sample(data.labels, len(data.labels))
    set_apart = max(int(options.unseen * len(labels)), 1)
    unseen, seen = labels[:set_apart], labels[set_apart:]
    rng = random.Random(options.seed)
    digest = _digest(model, data)

    def lay_out(group: list[Example]) -> Batch:
        return collate(group).to(model.device)

    model.requires_grad_(False)
    if teacher and options.comparer_epochs and settings.comparer_layers:
        _train_comparer(model, reader, teacher, data, out, options, digest)

    _train_only(model, lambda name: name.startswith(_UPPER))
    upper = _Run(model, _upper_groups(model, options), options, digest, out / "upper_state.pt")
    model.train(False)
    if start_counts and not upper.epochs:
        upper.best = keeper.keep_if_better({"epoch": 0})
    solved = list(tqdm(builder.solved(_draw(rng, data.exemplars, options.exemplars)), desc="reading exemplars"))
    if upper.epochs < options.epochs:
        labelled = list(tqdm(builder.labelled(seen), desc="reading labels", total=len(seen)))
        gold = list(tqdm(builder.gold(data.passages), desc="reading passages"))

        def upper_epoch(epoch: int) -> list[list[Example]]:
            rng = random.Random(f"{options.seed}/{epoch}")
            others = [
                one for rows in (solved, gold) for one in _draw(rng, rows, int(options.exemplar_share * len(rows)))
            ]
            return batches([*labelled, *others], options.batch_words, rng)

        model.train()
        upper.train(
            "epoch", options.epochs, upper_epoch, lambda group: objective.upper_loss(model, lay_out(group)), keeper
        )
    upper.rest()

    _train_only(model, lambda name: name.startswith(_READERS))
    readers = _Run(model, _all_at(model, options.head_rate), options, digest, out / "reader_state.pt")
    if start_counts:
        readers.best = max(readers.best, upper.best)
    if readers.finished or not options.reader_epochs:
        return
    tasks: list[tuple[_ReaderLoss, list[Example]]] = [
        (objective.denoiser_loss, list(builder.labelled(unseen))),
        (objective.denoiser_lift, solved),
    ]
    groups = [
        (loss, lay_out(group)) for loss, examples in tasks for group in batches(examples, options.batch_words // 4, rng)
    ]
    # The upper layers rest, so they run once; what they make of the data is kept in half precision.
    with torch.no_grad():
        cached = [(loss, batch, encode_batch(model, batch).half()) for loss, batch in tqdm(groups, desc="encoding")]
    model.train()

    readers.train(
        "reader_epoch",
        options.reader_epochs,
        lambda epoch: random.Random(f"{options.seed}/{epoch}").sample(cached, len(cached)),
        lambda item: item[0](model, item[2].float(), item[1]),
        keeper,
    )
    readers.rest()
    _shrink(model, keeper)
    readers.finish(keeper)


def texts_of(data: TrainingData) -> tuple[list[str], list[str]]:
    """The texts and the queries of training data, each once, for the comparer."""
    texts = [
        *(row.text for row in data.labels),
        *(shot for row in data.shots for shot in row.shots),
        *(passage.whole for row in data.passages for passage in row.documents),
        *data.texts,
    ]
    queries = [
        *(row.query or "" for row in data.labels),
        *(row.query for row in data.shots),
        *(row.question for row in data.passages),
    ]
    return [text for text in dict.fromkeys(texts) if text.strip()], [
        one for one in dict.fromkeys(queries) if one.strip()
    ]


def _train_comparer(
    model: DiffuMaskModel,
    reader: Pruner,
    teacher: Teacher,
    data: TrainingData,
    out: Path,
    options: TrainingOptions,
    digest: str,
) -> None:
    """Teaches the comparer where the teacher sees each word, and which texts help with a query."""
    _train_only(model, lambda name: name.startswith(_COMPARER))
    run = _Run(model, _all_at(model, options.upper_rate), options, digest, out / "comparer_state.pt")
    if run.epochs < options.comparer_epochs:
        model.train(False)
        items, middles = compared(reader, teacher, *texts_of(data))
        model.middle.copy_(torch.from_numpy(middles))
        rows = graded(reader, data.shots, data.passages, options.documents, random.Random(options.seed))
        model.train()

        def tasks(epoch: int) -> list[Callable[[], Tensor]]:
            rng = random.Random(f"{options.seed}/{epoch}")
            groups = [partial(comparer_loss, model, group) for group in batches(items, options.batch_words, rng)]
            steps = [*groups, *(partial(graded_loss, model, row) for row in rows)]
            return rng.sample(steps, len(steps))

        run.train("comparer_epoch", options.comparer_epochs, tasks, lambda task: task(), None)
    run.rest()


@torch.no_grad()
def _shrink(model: DiffuMaskModel, keeper: "_Keeper") -> None:
    """Tries the last epoch's denoiser with less of its change to what the encoder says of each unit by itself.

    It has learnt from few texts, and so goes too far: on the development split a quarter of its change was better at
    both levels than all of it.
    """
    last = model.denoiser.logit
    weight, bias = last.weight.clone(), last.bias.clone()
    for share in (0.75, 0.5, 0.25):
        last.weight.copy_(share * weight)
        last.bias.copy_(share * bias)
        keeper.keep_if_better({"share_of_change": share})


def _draw(rng: random.Random, rows: Sequence[_Item], most: int) -> list[_Item]:
    return rng.sample(rows, min(most, len(rows)))


class _Keeper:
    """Evaluates a model after each epoch, writes the log and saves the best."""

    def __init__(self, model: DiffuMaskModel, tokenizer: Tokenizer, out: Path, evaluate: Evaluate) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._out = out
        self._evaluate = evaluate
        self._began = time.monotonic()
        self.best = -math.inf

    def keep_if_better(self, line: dict[str, float]) -> float:
        """Notes the figures in a line of the log; returns the best score so far."""
        # What is saved is what has to be good: 8 bits undo small changes.
        with _rounded(self._model):
            figures = self._evaluate(self._model)
        if figures["score"] > self.best:
            self.best = figures["score"]
            save_folder(self._model, self._tokenizer, self._out)
        line |= {"seconds": round(time.monotonic() - self._began), **figures}
        tqdm.write(json.dumps(line))
        with open(self._out / "log.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        return self.best


@contextmanager
def _rounded(model: DiffuMaskModel) -> Iterator[None]:
    """Within it the model has its weights as they are saved."""
    own = {name: value.clone() for name, value in model.state_dict().items()}
    rounded = {name: torch.from_numpy(value) for name, value in unpack(model.packed_weights()).items()}
    # A weight that goes by several names has one of them there.
    model.load_state_dict({name: rounded[stored] for name, stored in model.names_of_weights().items()})
    try:
        yield
    finally:
        model.load_state_dict(own)


def _digest(model: DiffuMaskModel, data: TrainingData) -> str:
    """Of what a run starts from and learns from: with anything else it is another run."""
    digest = blake2b(digest_size=16)
    for value in model.state_dict().values():
        digest.update(value.cpu().numpy().tobytes())
    for rows in (data.labels, data.shots, data.passages, data.exemplars, data.texts):
        digest.update(repr(rows).encode())
    return digest.hexdigest()


_ParameterGroups = list[dict[str, Any]]
_UPPER = ("upper.", "shape.", "norm.", "marginals.")
_READERS = ("denoiser.", "project.")
_COMPARER = ("comparer.",)


class _Run:
    """A run of epochs with its state: optimizer, moving average, finished epochs; saved and loaded as one file."""

    def __init__(
        self,
        model: DiffuMaskModel,
        groups: _ParameterGroups,
        options: TrainingOptions,
        digest: str,
        path: Path,
    ) -> None:
        self._model = model
        self._options = options
        self._about = {**asdict(options), "digest": digest}
        self._path = path
        self._optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
        self._rates = [group["lr"] for group in self._optimizer.param_groups]
        self._parameters = [parameter for group in groups for parameter in group["params"]]
        self._average = {name: value.detach().clone() for name, value in _trained(model)}
        self._steps = 0
        self.epochs = 0
        self.finished = False
        self.best = self._load()

    def train(
        self,
        name: str,
        epochs: int,
        items: Callable[[int], Sequence[_Item]],
        loss: Callable[[_Item], Tensor],
        keeper: _Keeper | None,
    ) -> None:
        """Trains for the epochs that are left; `rest` comes after that.

        Args:
            name: Of an epoch, in the log.
            epochs: How many there are.
            items: What an epoch goes through.
            loss: Of an item.
            keeper: Told of each epoch, if there is something to choose.
        """
        if keeper:
            keeper.best = self.best
        total = epochs * len(items(0)) if self.epochs < epochs else 0
        for epoch in range(self.epochs, epochs):
            torch.manual_seed(self._options.seed + epoch)
            bar = tqdm(items(epoch), desc=f"{name.replace('_', ' ')} {epoch + 1}/{epochs}")
            losses = [self._step(loss(item), total) for item in bar]
            line = {name: epoch + 1, "loss": round(sum(losses) / len(losses), 4)}
            if keeper:
                with _Averaged(self._model, self._average):
                    self.best = keeper.keep_if_better(line)
            else:
                tqdm.write(json.dumps(line))
            self.epochs = epoch + 1
            self._save()

    def rest(self) -> None:
        """Leaves the model with its averaged weights, whether there was an epoch left or not."""
        _set_weights(self._model, self._average)
        self._model.train(False)

    def _step(self, loss: Tensor, total: int) -> float:
        self._steps += 1
        progress = self._steps / total
        factor = min(progress / self._options.warmup, max(0.0, (1 - progress) / (1 - self._options.warmup)), 1.0)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimizer.step()
        # At the start the average follows closely, or it would keep remembering the untrained weights.
        decay = min(self._options.averaging, (1 + self._steps) / (10 + self._steps))
        with torch.no_grad():
            for name, value in _trained(self._model):
                self._average[name].lerp_(value, 1 - decay)
        return float(loss.detach())

    def finish(self, keeper: _Keeper) -> None:
        """Notes that nothing is left to do, after what comes when all epochs are done."""
        self.finished, self.best = True, keeper.best
        self._save()

    def _save(self) -> None:
        resting = {name for name, value in self._model.named_parameters() if not value.requires_grad}
        state = {
            "about": self._about,
            "epochs": self.epochs,
            "finished": self.finished,
            "steps": self._steps,
            "best": self.best,
            # Weights that rest are as they were at the start, of which the digest tells.
            "model": {name: value for name, value in self._model.state_dict().items() if name not in resting},
            "average": self._average,
            "optimizer": self._optimizer.state_dict(),
        }
        unfinished = self._path.with_suffix(".tmp")
        torch.save(state, unfinished)
        unfinished.replace(self._path)

    def _load(self) -> float:
        """Takes up an earlier run, if there is one of the same; returns the best score so far."""
        if not self._path.exists():
            return -math.inf
        state = torch.load(self._path, map_location=self._model.device, weights_only=True)
        if state.get("about") != self._about:
            logger.warning("%s is of a run with other options, rows or start: starting anew.", self._path)
            return -math.inf
        self._model.load_state_dict(state["model"], strict=False)
        self._optimizer.load_state_dict(state["optimizer"])
        self._average, self._steps = state["average"], state["steps"]
        self.epochs, self.finished = state["epochs"], state["finished"]
        return float(state["best"])


class _Averaged:
    """Within it the model has its averaged weights and is in evaluation mode."""

    def __init__(self, model: DiffuMaskModel, average: Mapping[str, Tensor]) -> None:
        self._model = model
        self._average = average

    def __enter__(self) -> None:
        self._own = {name: value.detach().clone() for name, value in _trained(self._model)}
        _set_weights(self._model, self._average)
        self._model.train(False)

    def __exit__(self, *_: object) -> None:
        _set_weights(self._model, self._own)
        self._model.train()


@torch.no_grad()
def _set_weights(model: DiffuMaskModel, values: Mapping[str, Tensor]) -> None:
    for name, parameter in _trained(model):
        parameter.copy_(values[name])


def _train_only(model: DiffuMaskModel, wanted: Callable[[str], bool]) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(wanted(name))


def _trained(model: DiffuMaskModel) -> Iterator[tuple[str, torch.nn.Parameter]]:
    return ((name, value) for name, value in model.named_parameters() if value.requires_grad)


def _upper_groups(model: DiffuMaskModel, options: TrainingOptions) -> _ParameterGroups:
    """The upper layers, and what scores their units."""
    layers = [value for name, value in _trained(model) if name.startswith("upper.")]
    heads = [value for name, value in _trained(model) if not name.startswith("upper.")]
    return [{"params": layers, "lr": options.upper_rate}, {"params": heads, "lr": options.head_rate}]


def _all_at(model: DiffuMaskModel, rate: float) -> _ParameterGroups:
    """All that is still trained, at one rate."""
    return [{"params": [value for _, value in _trained(model)], "lr": rate}]
