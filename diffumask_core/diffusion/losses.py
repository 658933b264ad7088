"""The loss of the denoiser: weighted cross-entropy on undecided units, and a penalty against dropping everything."""

import torch
from torch import Tensor
from torch.nn import functional as F

_LARGEST_LOGIT = 8.0


def mask_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Binary cross-entropy of the retention mask.

    Args:
        logits: ``[B, U]``.
        labels: ``[B, U]``, in [0, 1]; between 0 and 1 for rates between the annotated ones.
        weights: ``[B, U]``, 0 for units that do not count (decided ones, padding).
    """
    entropy = F.binary_cross_entropy_with_logits(logits, labels, weight=weights, reduction="sum")
    return entropy / (weights > 0).sum().clamp(min=1)


def anti_mask_penalty(logits: Tensor, keep_rate: Tensor, mask: Tensor) -> Tensor:
    """Squared shortfall of the mean keep probability below the rate asked for: the trivial solution costs.

    Args:
        logits: ``[B, U]``.
        keep_rate: ``[B, 1]``, the share of units to keep.
        mask: ``[B, U]``, 0 for units that do not count.
    """
    mean = (logits.sigmoid() * mask).sum(1) / mask.sum(1).clamp(min=1)
    return torch.relu(keep_rate.squeeze(1) - mean).square().mean()


def required_loss(logits: Tensor, required: Tensor, mask: Tensor, share: float, gap: float = 1.0) -> Tensor:
    """Lifts units that must be kept above the threshold that a budget sets.

    Only the order of the units is taught: the threshold is lowered as much as the required units are lifted, since
    lifting alone would have no end.

    Args:
        logits: ``[B, U]``.
        required: ``[B, U]``, 1 for units that must be kept: terms of a calculation, words of an answer.
        mask: ``[B, U]``, 0 for units that do not count.
        share: The share of units that the budget keeps.
        gap: How far above the threshold the loss starts to vanish.
    """
    left_over = mask.sum(1, keepdim=True) * share - required.sum(1, keepdim=True)
    others = logits.masked_fill((mask == 0) | (required > 0), -torch.inf)
    # The best of the other units that finds no place when all required units are kept.
    threshold = others.sort(1, descending=True).values.gather(1, left_over.long().clamp(0, mask.shape[1] - 1))
    shortfall = F.softplus(threshold.clamp(min=-_LARGEST_LOGIT) + gap - logits)
    return (shortfall * required).sum() / required.sum().clamp(min=1)


def size_penalty(logits: Tensor, mask: Tensor) -> Tensor:
    """Mean excess of logits over a size at which a decision is beyond doubt.

    Args:
        logits: ``[B, U]``.
        mask: ``[B, U]``, 0 for units that do not count.
    """
    excess = torch.relu(logits.abs() - _LARGEST_LOGIT)
    return (excess * mask).sum() / mask.sum().clamp(min=1)


def ranking_loss(scores: Tensor, grades: Tensor, mask: Tensor) -> Tensor:
    """Listwise cross-entropy between shot scores and graded utilities (ListNet, Cao et al. 2007).

    Args:
        scores: ``[Q, S]``, one row a query.
        grades: ``[Q, S]``, higher is better.
        mask: ``[Q, S]`` bool, False for padding.
    """
    target = grades.masked_fill(~mask, -torch.inf).softmax(1)
    log_share = scores.masked_fill(~mask, -torch.inf).log_softmax(1).masked_fill(~mask, 0)
    return -(target * log_share).sum(1).mean()
