"""What the network is trained on: from a batch to one loss."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from diffumask_core.diffusion.forward_process import absorb, mix_decisions, roll_out
from diffumask_core.diffusion.losses import anti_mask_penalty, mask_loss, required_loss, size_penalty
from diffumask_core.diffusion.schedules import LinearSchedule
from diffumask_core.diffusion.states import UNDECIDED
from diffumask_core.model.modeling import DiffuMaskModel
from diffumask_core.training.examples import Batch

_MOST_WEIGHT = 3.0  # of the loss at low noise, where few units carry it
_SIZE_WEIGHT = 0.1  # of logits that are larger than any decision needs
_TIGHT_SHARE = 0.18  # the share of units that must be enough for what is required


@dataclass(frozen=True)
class Objective:
    """The parts of the loss and their weights.

    Attributes:
        schedule: The noise schedule.
        own_states: The share of noisy states whose order is the model's own: what it would decide first is decided.
        trust: Of the decisions in those, the share that is replaced by the truth.
        anti_mask: Weight of the anti-mask penalty.
        required: Weight of units that a tight budget must keep.
    """

    schedule: LinearSchedule = field(default_factory=LinearSchedule)
    own_states: float = 0.5
    trust: float = 0.5
    anti_mask: float = 1.0
    required: float = 1.0

    def upper_loss(self, model: DiffuMaskModel, batch: Batch) -> Tensor:
        """The loss of the upper layers: both levels, each unit by itself, and what a tight budget must keep."""
        tight, light = model.contextualise(encode_batch(model, batch), batch.shapes)[..., -2:].unbind(-1)
        loss = tight.new_zeros(())
        # Each row counts by its units, so that few rows of one kind do not outweigh many of the other.
        units = batch.mask.sum()
        if batch.has_labels.any():
            rows = batch.has_labels
            mask, weights = batch.mask[rows], batch.weights[rows]
            share = mask.sum() / units
            for logits, labels in ((tight[rows], batch.tight[rows]), (light[rows], batch.light[rows])):
                rate = (labels * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)
                penalty = self.anti_mask * anti_mask_penalty(logits, rate, mask)
                loss = loss + share * (mask_loss(logits, labels, weights) + penalty) / 2
        if batch.has_required.any():
            rows = batch.has_required
            required = batch.required[rows]
            lift = _lift(tight[rows], required, batch.scope[rows], batch.mask[rows])
            loss = loss + self.required * (required.sum() / units) * lift
        return loss

    def denoiser_loss(self, model: DiffuMaskModel, hidden: Tensor, batch: Batch) -> Tensor:
        """The loss of the denoiser, on what the upper layers made of a batch of labels.

        Both levels with everything undecided, both at a random noise level, and a random rate.
        """
        context = model.contextualise(hidden, batch.shapes)
        mask, twins, weights, light, tight = batch.mask, batch.twins, batch.weights, batch.light, batch.tight
        rate = torch.rand(len(mask), 1, device=mask.device) * 0.9 + 0.05
        between = labels_between(light, tight, mask, rate)
        labels = torch.cat([tight, light, tight, light, between])
        keep_rate = (labels * mask.repeat(5, 1)).sum(1, keepdim=True) / mask.sum(1).repeat(5)[:, None]
        time = torch.rand(len(labels), 1, device=mask.device).clamp(min=0.02)
        undecided = 2 * len(mask)
        time[:undecided] = 1.0
        noise = torch.tensor([self.schedule.noise(float(t)) for t in time], device=mask.device)[:, None]
        context, mask, twins, weights = (
            tensor.repeat(5, *[1] * (tensor.dim() - 1)) for tensor in (context, mask, twins, weights)
        )
        states = self._noisy_states(model, context, twins, mask, labels, keep_rate, noise)
        logits = model.denoiser(context, states, noise, keep_rate, twins, mask)
        level = torch.tensor([min(self.schedule.weight(float(t)), _MOST_WEIGHT) for t in time], device=mask.device)
        weights = weights * (states == UNDECIDED) * mask
        return mask_loss(logits, labels, weights * level[:, None]) + self.anti_mask * anti_mask_penalty(
            logits[:undecided], keep_rate[:undecided], mask[:undecided]
        )

    def denoiser_lift(self, model: DiffuMaskModel, hidden: Tensor, batch: Batch) -> Tensor:
        """The loss of the denoiser on what a tight budget must keep, at a random rate with everything undecided."""
        context = model.contextualise(hidden, batch.shapes)
        keep_rate = torch.rand(len(batch.mask), 1, device=batch.mask.device) * 0.5 + 0.1
        states = torch.full_like(batch.twins, UNDECIDED)
        logits = model.denoiser(context, states, torch.ones_like(keep_rate), keep_rate, batch.twins, batch.mask)
        share = batch.required.sum() / batch.mask.sum()
        return self.required * share * _lift(logits, batch.required, batch.scope, batch.mask)

    def _noisy_states(
        self,
        model: DiffuMaskModel,
        context: Tensor,
        twins: Tensor,
        mask: Tensor,
        labels: Tensor,
        keep_rate: Tensor,
        noise: Tensor,
    ) -> Tensor:
        true_states = absorb(labels, noise)
        own = torch.rand(len(labels), 1, device=labels.device) < self.own_states
        steps = int(torch.randint(1, 9, ()))
        own_states = roll_out(
            lambda states, level: model.denoiser(context, states, level, keep_rate, twins, mask),
            mask,
            (labels * mask).sum(1, keepdim=True),
            noise,
            steps,
        )
        return torch.where(own, mix_decisions(own_states, labels, self.trust), true_states)


def _lift(logits: Tensor, required: Tensor, scope: Tensor, mask: Tensor) -> Tensor:
    return required_loss(logits, required, scope, _TIGHT_SHARE) + _SIZE_WEIGHT * size_penalty(logits, mask)


def encode_batch(model: DiffuMaskModel, batch: Batch) -> Tensor:
    """Runs the upper layers over a batch's windows and puts the units of each row together: ``[R, U, D]``."""
    with torch.autocast(batch.vectors.device.type, torch.bfloat16):
        hidden = model.upper(batch.vectors, batch.roles, batch.seen)
    rows, units = batch.mask.shape
    flat = hidden.new_zeros(rows * units + 1, hidden.shape[-1], dtype=torch.float32)
    flat = flat.index_copy(0, batch.unit_place.flatten(), hidden.flatten(0, 1).float())
    vectors: Tensor = flat[:-1].view(rows, units, -1)
    return vectors


def labels_between(light: Tensor, tight: Tensor, mask: Tensor, rate: Tensor) -> Tensor:
    """Soft labels at any rate, from two nested levels.

    Between two levels a unit that only the looser one keeps is kept with the probability that meets the rate; below
    the tight level and above the light one likewise.

    Args:
        light: ``[B, U]``.
        tight: ``[B, U]``, inside light.
        mask: ``[B, U]``, 0 for padding.
        rate: ``[B, 1]``, the share of units to keep.

    Returns:
        ``[B, U]``, in [0, 1].
    """
    units = mask.sum(1, keepdim=True)
    tight_rate = (tight * mask).sum(1, keepdim=True) / units
    light_rate = (light * mask).sum(1, keepdim=True) / units
    of_tight = (rate / tight_rate.clamp(min=1e-3)).clamp(0, 1)
    of_light = ((rate - tight_rate) / (light_rate - tight_rate).clamp(min=1e-3)).clamp(0, 1)
    of_rest = ((rate - light_rate) / (1 - light_rate).clamp(min=1e-3)).clamp(0, 1)
    only_light = light * (1 - tight)
    return tight * of_tight + only_light * of_light + (1 - light) * of_rest
