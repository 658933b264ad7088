"""The forward process."""

import pytest
import torch
from torch import Tensor

from diffumask_core.diffusion.forward_process import absorb, mix_decisions, roll_out
from diffumask_core.diffusion.states import DROP, KEEP, UNDECIDED


class TestAbsorb:
    def test_the_share_of_undecided_units_is_the_noise(self) -> None:
        torch.manual_seed(0)
        noise = torch.tensor([[0.0], [0.2], [0.7], [1.0]])
        states = absorb(torch.ones(4, 20_000), noise)
        assert (states == UNDECIDED).float().mean(1).tolist() == pytest.approx([0, 0.2, 0.7, 1], abs=0.02)

    def test_what_stays_decided_is_true(self) -> None:
        torch.manual_seed(0)
        labels = (torch.rand(3, 500) > 0.4).float()
        states = absorb(labels, torch.full((3, 1), 0.5))
        decided = states != UNDECIDED
        assert (states[decided] == torch.where(labels[decided] > 0, KEEP, DROP)).all()


def roll(logits: Tensor, keep: list[int], noise: list[float], steps: int, lengths: list[int] | None = None) -> Tensor:
    rows, units = logits.shape
    mask = (torch.arange(units) < torch.tensor(lengths or [units] * rows)[:, None]).float()
    return roll_out(
        lambda states, level: logits, mask, torch.tensor(keep)[:, None], torch.tensor(noise)[:, None], steps
    )


class TestRollOut:
    @pytest.mark.parametrize("steps", [1, 2, 5, 8])
    def test_as_much_is_left_undecided_as_the_noise_says(self, steps: int) -> None:
        torch.manual_seed(0)
        states = roll(torch.randn(4, 40), [10] * 4, [0.0, 0.25, 0.5, 1.0], steps)
        assert (states == UNDECIDED).sum(1).tolist() == [0, 10, 20, 40]

    @pytest.mark.parametrize("steps", [1, 3, 8])
    def test_decided_to_the_end_as_many_are_kept_as_asked(self, steps: int) -> None:
        torch.manual_seed(0)
        logits = torch.randn(3, 30)
        states = roll(logits, [0, 7, 30], [0.0] * 3, steps)
        assert (states == KEEP).sum(1).tolist() == [0, 7, 30]
        best = logits[1].topk(7).indices
        assert (states[1, best] == KEEP).all()

    def test_never_more_are_kept_than_asked(self) -> None:
        torch.manual_seed(0)
        states = roll(torch.randn(5, 30), [0, 3, 9, 20, 30], [0.3] * 5, 4)
        assert ((states == KEEP).sum(1) <= torch.tensor([0, 3, 9, 20, 30])).all()

    def test_the_most_certain_are_decided_first(self) -> None:
        states = roll(torch.tensor([[9.0, 0.2, -0.2, -9.0]]), [2], [0.5], 1)
        assert states.tolist() == [[KEEP, UNDECIDED, UNDECIDED, DROP]]

    def test_padding_is_never_decided(self) -> None:
        torch.manual_seed(0)
        lengths = [4, 10]
        states = roll(torch.randn(2, 10) + 3, [2, 5], [0.0, 0.0], 3, lengths)
        assert (states[0, 4:] == UNDECIDED).all()
        assert (states[0, :4] != UNDECIDED).all()
        assert (states == KEEP).sum(1).tolist() == [2, 5]

    def test_it_learns_nothing(self) -> None:
        logits = torch.randn(1, 5, requires_grad=True)
        assert not roll(logits, [2], [0.5], 2).requires_grad


def test_mixed_decisions_are_the_truth_as_often_as_trusted_and_never_new() -> None:
    torch.manual_seed(0)
    states = torch.tensor([UNDECIDED, KEEP, DROP]).repeat(1, 4000)
    labels = torch.zeros(states.shape)
    labels[states == DROP] = 1.0
    mixed = mix_decisions(states, labels, 0.25)
    assert ((mixed == UNDECIDED) == (states == UNDECIDED)).all()
    changed = (mixed != states)[states != UNDECIDED].float().mean()
    assert float(changed) == pytest.approx(0.25, abs=0.02)
    assert (mix_decisions(states, labels, 0.0) == states).all()
