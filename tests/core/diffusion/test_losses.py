"""The losses."""

import math

import pytest
import torch
from torch import Tensor

from diffumask_core.diffusion.losses import anti_mask_penalty, mask_loss, ranking_loss, required_loss, size_penalty


def log_odds(*probabilities: float) -> Tensor:
    return torch.tensor([[math.log(p / (1 - p)) for p in probabilities]])


class TestMaskLoss:
    def test_value(self) -> None:
        loss = mask_loss(log_odds(0.8, 0.4), torch.tensor([[1.0, 0.0]]), torch.ones(1, 2))
        assert float(loss) == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2)

    def test_units_of_no_weight_do_not_count(self) -> None:
        logits = torch.tensor([[1.0, -50.0, 3.0]])
        labels = torch.tensor([[1.0, 1.0, 0.0]])
        some = mask_loss(logits, labels, torch.tensor([[1.0, 0.0, 2.0]]))
        without = mask_loss(logits[:, [0, 2]], labels[:, [0, 2]], torch.tensor([[1.0, 2.0]]))
        assert float(some) == pytest.approx(float(without))

    def test_nothing_to_learn_is_no_loss(self) -> None:
        assert float(mask_loss(torch.ones(2, 3), torch.ones(2, 3), torch.zeros(2, 3))) == 0


class TestAntiMask:
    @pytest.mark.parametrize(("kept", "penalty"), [(0.5, 0.0), (0.4, 0.0), (0.3, 0.01), (0.1, 0.09)])
    def test_it_is_the_squared_shortfall(self, kept: float, penalty: float) -> None:
        loss = anti_mask_penalty(log_odds(kept, kept), torch.tensor([[0.4]]), torch.ones(1, 2))
        assert float(loss) == pytest.approx(penalty, abs=1e-6)

    def test_padding_does_not_count(self) -> None:
        loss = anti_mask_penalty(log_odds(0.2, 0.9), torch.tensor([[0.4]]), torch.tensor([[1.0, 0.0]]))
        assert float(loss) == pytest.approx(0.04)

    def test_it_pulls_logits_up(self) -> None:
        logits = torch.full((1, 4), -3.0, requires_grad=True)
        anti_mask_penalty(logits, torch.tensor([[0.5]]), torch.ones(1, 4)).backward()
        assert logits.grad is not None
        assert (logits.grad < 0).all()


class TestRequired:
    logits = torch.tensor([[4.0, 3.0, 2.0, 1.0, 0.0, -1.0, -2.0, -3.0]])

    def loss(self, unit: int) -> float:
        required = torch.zeros(1, 8)
        required[0, unit] = 1
        return float(required_loss(self.logits, required, torch.ones(1, 8), 0.25))

    def test_value(self) -> None:
        # Two of eight units fit, one of them the required one, so the second best of the others, 3, is in its place.
        assert self.loss(5) == pytest.approx(math.log1p(math.exp(3 + 1 + 1)))

    def test_the_farther_below_the_threshold_the_more(self) -> None:
        assert self.loss(0) < self.loss(3) < self.loss(5) < self.loss(7)

    def test_only_the_order_is_taught(self) -> None:
        logits = self.logits.clone().requires_grad_()
        required = torch.zeros(1, 8)
        required[0, 5] = 1
        required_loss(logits, required, torch.ones(1, 8), 0.25).backward()
        assert logits.grad is not None
        assert float(logits.grad[0, 5]) < 0
        assert float(logits.grad.sum()) == pytest.approx(0, abs=1e-6)

    def test_what_is_out_of_scope_sets_no_threshold(self) -> None:
        required, scope = torch.zeros(1, 8), torch.ones(1, 8)
        required[0, 5] = 1
        scope[0, :4] = 0
        loss = required_loss(self.logits, required, scope, 0.25)
        # One of four units fits: the required one; the best of the others, 0, would take its place.
        assert float(loss) == pytest.approx(math.log1p(math.exp(0 + 1 + 1)))

    def test_nothing_required_is_no_loss(self) -> None:
        assert float(required_loss(self.logits, torch.zeros(1, 8), torch.ones(1, 8), 0.25)) == 0

    def test_everything_may_be_required(self) -> None:
        loss = required_loss(self.logits, torch.ones(1, 8), torch.ones(1, 8), 0.25)
        assert math.isfinite(float(loss))


class TestSize:
    def test_only_the_excess_counts(self) -> None:
        logits = torch.tensor([[-10.0, 0.0, 7.0, 12.0, 99.0]])
        mask = torch.tensor([[1.0, 1.0, 1.0, 1.0, 0.0]])
        assert float(size_penalty(logits, mask)) == pytest.approx((2 + 4) / 4)


class TestRanking:
    def test_the_right_order_costs_less(self) -> None:
        grades, mask = torch.tensor([[3.0, 1.0, 0.0]]), torch.ones(1, 3, dtype=torch.bool)
        right = ranking_loss(torch.tensor([[3.0, 1.0, 0.0]]), grades, mask)
        wrong = ranking_loss(torch.tensor([[0.0, 1.0, 3.0]]), grades, mask)
        assert float(right) < float(wrong)

    def test_value(self) -> None:
        loss = ranking_loss(torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool))
        assert float(loss) == pytest.approx(math.log(2))

    def test_padding_does_not_count(self) -> None:
        mask = torch.tensor([[True, True, False]])
        padded = ranking_loss(torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[0.0, 1.0, -torch.inf]]), mask)
        plain = ranking_loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 1.0]]), mask[:, :2])
        assert float(padded) == pytest.approx(float(plain))
