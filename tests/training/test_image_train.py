"""What a training on images keeps of its cycles."""

from __future__ import annotations

import torch

from automl.training.image_train import stirred


def test_a_soup_is_the_mean_of_all_ends_and_counts_as_the_last() -> None:
    soup: dict[str, torch.Tensor] = {}
    for count, value in enumerate((3.0, 5.0, 10.0), start=1):
        state = {"weight": torch.full((2,), value), "batches": torch.tensor(count)}
        soup = stirred(soup, state, count)
    torch.testing.assert_close(soup["weight"], torch.full((2,), 6.0))
    assert soup["batches"] == 3


def test_a_soup_does_not_follow_the_net_that_it_was_made_of() -> None:
    weight = torch.ones(2)
    soup = stirred({}, {"weight": weight}, 1)
    weight += 1
    torch.testing.assert_close(soup["weight"], torch.ones(2))
