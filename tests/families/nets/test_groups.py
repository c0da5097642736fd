from __future__ import annotations

from torch import nn

from automl.families.nets.groups import parameter_groups


def test_norms_and_biases_do_not_decay() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    decayed, plain = parameter_groups([model], weight_decay=0.1)
    assert {tuple(p.shape) for p in decayed.parameters} == {(4, 3), (2, 4)}
    assert (decayed.weight_decay, plain.weight_decay) == (0.1, 0.0)
    assert len(plain.parameters) == 4


def test_a_module_names_what_must_not_decay() -> None:
    layer = nn.Linear(3, 4)
    layer.undecayed = ("weight",)  # type: ignore[assignment]
    (group,) = parameter_groups([layer], weight_decay=0.1)
    assert group.weight_decay == 0.0


def test_layer_groups_have_their_rates_and_share_0_freezes() -> None:
    layers = [nn.Linear(2, 2) for _ in range(3)]
    groups = parameter_groups(layers, weight_decay=0.0, shares=(0.0, 0.1, 1.0))
    assert {group.rate_share for group in groups} == {0.1, 1.0}
    assert not any(parameter.requires_grad for parameter in layers[0].parameters())
