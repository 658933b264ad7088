"""Training of the line model on rows of hindsight.

A line is wanted in a state if it holds something needed that no kept line holds yet, so the targets depend on the
state. States are those that the model reaches itself, drawn at random, or the first one, where nothing is decided.
"""

import logging
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from diffumask_core.datasets import HindsightRow
from diffumask_core.diffusion.sampler import budget_threshold, sample_mask
from diffumask_core.diffusion.states import DROP, KEEP, UNDECIDED
from diffumask_core.errors import DataError
from diffumask_core.labeling.hindsight import holds
from diffumask_core.lines.evidence import FEATURES, Evidence, read_evidence
from diffumask_core.lines.model import LINES_FILE, LineModel, LineSettings, metadata, novelty
from diffumask_core.options import Options
from diffumask_core.pipeline import read_prompt
from diffumask_core.prompt.messages import messages_layout

logger = logging.getLogger("diffumask")

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

# Of the states that are drawn, those where nothing is decided, and those that are drawn at random.
_FIRST_STATES, _RANDOM_STATES = 0.3, 0.25
# Keep rates between which training draws, and those at which the scale of the logits is taken.
_TRAINED_RATES = (0.05, 0.5)
_CALIBRATED_ON = 200
_RATES = (0.03, 0.05, 0.08, 0.12, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8)


@dataclass(frozen=True)
class LineTraining:
    """How to train the line model.

    Attributes:
        epochs: Passes over the rows.
        rate: The highest learning rate.
        batch: Rows of a step.
        width: Channels of the network.
        static_blocks: Blocks that run once.
        step_blocks: Blocks that run at each step.
        kernel: Lines that a block sees; odd.
        averaging: Decay of the moving average of the weights.
        fewest: Rows with fewer lines tell little.
        most: Rows with more lines take too long.
        seed: Of everything that is drawn.
    """

    epochs: int = 12
    rate: float = 2e-3
    batch: int = 4
    width: int = 64
    static_blocks: int = 2
    step_blocks: int = 1
    kernel: int = 9
    averaging: float = 0.998
    fewest: int = 10
    most: int = 2500
    seed: int = 0


class LineNetwork(nn.Module):
    """The network of `lines.model.LineModel` in torch."""

    def __init__(self, options: LineTraining, features: int = len(FEATURES)) -> None:
        """Makes a network with random weights."""
        super().__init__()
        width = options.width
        self.static_blocks = options.static_blocks
        self.mean = nn.Buffer(torch.zeros(features))
        self.deviation = nn.Buffer(torch.ones(features))
        self.input = nn.Linear(features, width)
        self.state = nn.Embedding(3, width)
        self.novelty = nn.Linear(5, width)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            _Block(width, options.kernel) for _ in range(options.static_blocks + options.step_blocks)
        )
        self.out = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, features: Tensor, states: Tensor, novelty: Tensor) -> Tensor:
        """From features ``[M, F]``, states ``[M]`` and novelty ``[M, 5]`` to logits ``[M]``."""
        hidden = self.input(((features - self.mean) / self.deviation).clamp(-5, 5))
        for number, block in enumerate(self.blocks):
            if number == self.static_blocks:
                hidden = hidden + self.state(states) + self.novelty(novelty)
            hidden = block(hidden)
        logits: Tensor = self.out(self.norm(hidden)).squeeze(-1)
        return logits


class _Block(nn.Module):
    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.mix = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        mixed = hidden + self.mix(hidden.t()[None])[0].t()
        result: Tensor = hidden + self.down(F.relu(self.up(self.norm(mixed))))
        return result


@dataclass(frozen=True)
class Case:
    """A row as the line model sees it.

    Attributes:
        id: Of the row.
        evidence: Of M lines.
        line: ``[H]``, a line that holds something needed.
        needed: ``[H]``, the number of what it holds.
    """

    id: str
    evidence: Evidence
    line: IntArray
    needed: IntArray

    @classmethod
    def of(cls, row: HindsightRow) -> "Case | None":
        """Reads a row; None where no line of it is to be decided, or none holds what is needed."""
        keep = [number for number in range(len(row.messages)) if number not in row.old]
        reading = read_prompt(messages_layout(row.messages, keep).layout, Options(keep_rate=0.3))
        evidence = read_evidence(reading)
        if evidence is None:
            return None
        texts = [reading.text((start, end)) for start, end in reading.units.spans[evidence.unit].tolist()]
        found = [
            (line, number)
            for number, needed in enumerate(row.needed)
            for line, text in enumerate(texts)
            if holds(text, needed.string)
        ]
        line, number = np.array(found, dtype=np.int64).reshape(-1, 2).T
        return cls(row.id, evidence, line, number) if len(found) else None

    def wanted(self, states: IntArray) -> BoolArray:
        """``[M]``, the lines that hold something needed that no kept line holds."""
        kept = (states == KEEP)[self.line]
        have = np.bincount(self.needed, kept, self.needed.max() + 1) > 0
        wanted = np.zeros(len(states), dtype=bool)
        wanted[self.line[~have[self.needed]]] = True
        return wanted


@contextmanager
def _one_thread() -> Iterator[None]:
    """Computes on one thread: threads that share such small products mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@_one_thread()
def train_lines(
    rows: Sequence[HindsightRow], out: Path, options: LineTraining, log: Callable[[str], None] = logger.info
) -> LineModel:
    """Trains a line model and saves it in a pretrained folder.

    Args:
        rows: Of ``diffumask label hindsight``.
        out: The folder.
        options: How.
        log: Is told of each epoch.

    Raises:
        DataError: Too few of the rows need anything of old lines.
    """
    torch.manual_seed(options.seed)
    drawn = random.Random(options.seed)
    read = [case for row in rows if row.split == "train" and (case := Case.of(row))]
    cases = [case for case in read if options.fewest <= len(case.evidence.unit) <= options.most]
    if len(cases) < options.batch:
        raise DataError(
            f"Of {len(rows)} rows {len(cases)} have between {options.fewest} and {options.most} lines and need "
            "something of them: record more runs, or longer ones."
        )
    network = LineNetwork(options)
    features = np.concatenate([case.evidence.features for case in cases])
    network.mean.copy_(torch.tensor(features.mean(0)))
    network.deviation.copy_(torch.tensor(features.std(0).clip(0.05)))
    steps = options.epochs * math.ceil(len(cases) / options.batch)
    optimizer = torch.optim.AdamW(network.parameters(), options.rate, weight_decay=0.02)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.rate, total_steps=steps)
    average = torch.optim.swa_utils.AveragedModel(network, avg_fn=partial(_averaged, options.averaging))
    began = time.perf_counter()
    for epoch in range(options.epochs):
        drawn.shuffle(cases)
        total = 0.0
        for start in range(0, len(cases), options.batch):
            batch = cases[start : start + options.batch]
            for case in batch:
                loss = _loss(network, case, options, drawn) / len(batch)
                loss.backward()
                total += float(loss.detach())
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            plan.step()
            average.update_parameters(network)
        mean, passed = total * options.batch / len(cases), time.perf_counter() - began
        log(f"lines, epoch {epoch + 1}: loss {mean:.4f}, {passed:.0f} s")
    model = _calibrated(as_model(average.module, options), cases)
    save_lines(model, out)
    return model


def _averaged(decay: float, average: Tensor, now: Tensor, steps: Tensor | int) -> Tensor:
    """The moving average of a weight after a step.

    At the start the average follows closely, or it would keep remembering the untrained weights.
    """
    own = min(decay, (1 + int(steps)) / (10 + int(steps)))
    return own * average + (1 - own) * now


def save_lines(model: LineModel, folder: Path) -> None:
    """Saves a line model in a pretrained folder, in 16 bits."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.astype(np.float16) for name, value in model.weights.items()}
    save_file(weights, folder / LINES_FILE, metadata(model.settings))


def _loss(network: LineNetwork, case: Case, options: LineTraining, drawn: random.Random) -> Tensor:
    """The loss on the undecided lines of a state; rare targets weigh more."""
    rate = math.exp(drawn.uniform(*map(math.log, _TRAINED_RATES)))
    states = _draw_states(network, case, rate, options, drawn)
    undecided = torch.tensor(states == UNDECIDED)
    wanted = torch.tensor(case.wanted(states), dtype=torch.float32)
    features = torch.tensor(case.evidence.features, dtype=torch.float32)
    logits = network(features, torch.tensor(states), torch.tensor(novelty(case.evidence, states, rate)))
    loss = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    share = (wanted * undecided).mean().clamp(min=0.01).sqrt()
    weighted: Tensor = (loss * undecided).sum() / undecided.sum().clamp(min=1) / share
    return weighted


def _draw_states(
    network: LineNetwork, case: Case, rate: float, options: LineTraining, drawn: random.Random
) -> IntArray:
    """Draws a state: three in ten the first one, a quarter at random, and else one on the way of the sampler."""
    kind, count = drawn.random(), len(case.evidence.unit)
    states = np.full(count, UNDECIDED)
    if kind < _FIRST_STATES:
        return states
    if kind < _FIRST_STATES + _RANDOM_STATES:
        numbers = np.random.default_rng(drawn.randrange(2**32))
        decided, kept = numbers.random(count) < drawn.random(), numbers.random(count) < rate
        return np.where(decided, np.where(kept, KEEP, DROP), UNDECIDED)
    predict, costs = as_model(network, options).predictor(case.evidence, rate), case.evidence.costs
    steps = drawn.choice([1, 2, 4, 8])
    sample = sample_mask(
        lambda now, noise: predict(now), costs, rate * costs.sum(), states, steps=steps, confidence=math.inf
    )
    # The first that are kept stand first, and the first that go stand last.
    share, number = drawn.random(), int(sample.mask.sum())
    states[sample.order[: int(share * number)]] = KEEP
    states[sample.order[count - int(share * (count - number)) :]] = DROP
    return states


def as_model(network: nn.Module, options: LineTraining) -> LineModel:
    """The model with the weights that a network has now."""
    weights = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    flat = LineSettings(options.static_blocks, options.step_blocks, (0.01, 1.0), (0.0, 0.0))
    return LineModel(flat, weights)


def _calibrated(model: LineModel, cases: Sequence[Case]) -> LineModel:
    """The model with the logits above which lines are kept on average, at each of several rates."""
    thresholds = []
    for rate in _RATES:
        found = []
        for case in cases[:_CALIBRATED_ON]:
            costs, undecided = case.evidence.costs, np.full(len(case.evidence.unit), UNDECIDED)
            logits = model.predictor(case.evidence, rate)(undecided)
            found.append(budget_threshold(logits, costs, rate * float(costs.sum())))
        thresholds.append(float(np.mean(found)))
    return LineModel(replace(model.settings, rates=_RATES, thresholds=tuple(thresholds)), model.weights)
