"""The forward process: decisions that are put back to "undecided", from the truth or from the model itself."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from diffumask_core.diffusion.states import DROP, KEEP, UNDECIDED


def absorb(labels: Tensor, noise: Tensor) -> Tensor:
    """Replaces each true decision by "undecided" with probability ``noise``.

    Args:
        labels: ``[B, U]``, whether each unit is kept.
        noise: ``[B, 1]``.

    Returns:
        States ``[B, U]`` of `diffusion.states`.
    """
    decided = torch.where(labels > 0.5, KEEP, DROP)
    return torch.where(torch.rand(labels.shape, device=labels.device) < noise, UNDECIDED, decided)


def mix_decisions(states: Tensor, labels: Tensor, trust: float) -> Tensor:
    """Replaces each of the model's decisions by the true one with probability ``trust``.

    What is decided is then what the model decides first, as when it is used, but its decisions also tell something
    about the truth: if they were all its own, they would tell nothing that the text does not, and it would learn to
    ignore them.

    Args:
        states: ``[B, U]``, from `roll_out`.
        labels: ``[B, U]``, in [0, 1]; between them the truth is drawn.
        trust: In [0, 1].

    Returns:
        States ``[B, U]``.
    """
    truth = torch.where(torch.rand_like(labels) < labels, KEEP, DROP)
    replaced = (states != UNDECIDED) & (torch.rand_like(labels) < trust)
    return torch.where(replaced, truth, states)


@torch.no_grad()
def roll_out(
    predict: Callable[[Tensor, Tensor], Tensor], mask: Tensor, keep: Tensor, noise: Tensor, steps: int
) -> Tensor:
    """The states that the model itself reaches at a noise level, in a few steps as the sampler takes them.

    Training on true states alone leaves the model unprepared for its own mistakes; these are they.

    Args:
        predict: From states ``[B, U]`` and noise ``[B, 1]`` to logits ``[B, U]``.
        mask: ``[B, U]``, 0 for padding.
        keep: ``[B, 1]``, how many units of each row are to be kept.
        noise: ``[B, 1]``, the share of units to leave undecided.
        steps: Steps to get there.

    Returns:
        States ``[B, U]``.
    """
    units = mask.sum(1, keepdim=True)
    states = torch.zeros_like(mask, dtype=torch.long)
    for step in range(1, steps + 1):
        undecided = (states == UNDECIDED) & (mask > 0)
        share = undecided.sum(1, keepdim=True) / units
        logits = predict(states, share).masked_fill(~undecided, -torch.inf)
        rest = (keep - (states == KEEP).sum(1, keepdim=True)).clamp(min=0).long()
        # One more place, so that there is something below the last unit when all are to be kept.
        ranked = F.pad(logits.sort(1, descending=True).values, (0, 1), value=-torch.inf)
        last = mask.shape[1]
        above = ranked.gather(1, (rest - 1).clamp(0, last))
        below = ranked.gather(1, rest.clamp(0, last))
        threshold = torch.where(below.isinf(), above - 1, torch.where(rest > 0, (above + below) / 2, above + 1e-6))
        margin = logits - threshold
        certainty = margin.abs().masked_fill(~undecided, -torch.inf)
        left = (units * (1 - (1 - noise) * step / steps)).long()
        count = (undecided.sum(1, keepdim=True) - left).clamp(min=0)
        rank = certainty.argsort(1, descending=True).argsort(1)
        fixed = (rank < count) & undecided
        states = torch.where(fixed, torch.where(margin > 0, KEEP, DROP), states)
    return states
