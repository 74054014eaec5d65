import json
from dataclasses import asdict

import pytest
import torch
from torch import nn

from audit.errors import InputError
from trainer.data.resident import Resident
from trainer.data.target import Target
from trainer.fitting.cycle import CycleRun, Plan
from trainer.fitting.layers import (
    LayerSettings,
    freeze,
    freeze_only,
    frozen_names,
    held,
    layer_groups,
    learning_groups,
    unfreeze,
)
from trainer.fitting.stacked import StackedModels
from trainer.history import Cycle, Recipe, read_cycle
from trainer.networks.images import Normalize


def three_layers():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Linear(3, 8), nn.ReLU()), nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8)), nn.Linear(8, 2)
    )


def plan(layers, *, lr=0.01, epochs=1):
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(64, 3, generator=generator)
    cycle = Cycle(epochs=epochs, lr=lr, batch_size=16, recipe=Recipe(layers=layers, weight_decay=0.0))
    return Plan(
        source=Resident(inputs=(inputs,), target=(inputs.sum(dim=1) > 0).long()),
        train=torch.arange(64),
        target=Target(kind="classes", classes=(0, 1)),
        cycle=cycle,
        seeds=(0,),
        first_epoch=0,
        deterministic=True,
    )


def trained(module, layers, **options):
    before = {name: value.clone() for name, value in module.state_dict().items()}
    CycleRun(module, plan(layers, **options)).advance()
    return {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}


def test_the_groups_of_a_module_are_its_children():
    module = three_layers()
    groups = layer_groups(module)
    assert [group.names for group in groups] == [("0",), ("1",), ("2",)]
    together = [id(item) for group in groups for item in group.parameters]
    assert together == [id(item) for item in module.parameters()]


def test_a_wrapper_is_looked_through_and_a_bare_layer_is_one_group():
    wrapped = nn.Sequential(Normalize(mean=[0.0], std=[1.0]), three_layers())
    assert [group.names for group in layer_groups(wrapped)] == [("1.0",), ("1.1",), ("1.2",)]
    assert [group.names for group in layer_groups(nn.Linear(2, 2))] == [("weight", "bias")]
    assert [group.names for group in layer_groups(nn.Sequential(nn.Linear(2, 2)))] == [("0",)]


def test_stacked_models_have_the_groups_of_one():
    single = three_layers()[::2]
    stacked = StackedModels([single, single])
    assert [group.names for group in layer_groups(stacked)] == [group.names for group in layer_groups(single)]
    assert layer_groups(stacked)[0].parameters[0].shape == (2, 8, 3)


def test_groups_that_do_not_fit_are_all_listed():
    with pytest.raises(InputError) as caught:
        layer_groups(three_layers(), [["0", "1.0"], ["1", "tail"]])
    text = "\n".join(caught.value.violations)
    assert "layer 'tail' fits no parameter" in text
    assert "'1.0.weight' must be in one group of layers; it is in 2" in text
    assert "'2.weight' must be in one group of layers; it is in 0" in text


def test_a_prefix_is_a_whole_name():
    module = nn.ModuleDict({"a": nn.Linear(1, 1), "ab": nn.Linear(1, 1)})
    assert [len(group.parameters) for group in layer_groups(module, [["a"], ["ab"]])] == [2, 2]


def test_frozen_layers_keep_their_bits_and_the_rest_learns():
    module = three_layers()
    assert trained(module, LayerSettings(frozen=2)) == {"2.weight", "2.bias"}
    assert all(item.requires_grad for item in module.parameters())
    changed = trained(module, None)
    assert {"0.0.weight", "1.0.weight", "1.1.running_mean", "2.weight"} <= changed


def test_all_but_the_last_are_frozen_by_minus_one():
    assert trained(three_layers(), LayerSettings(frozen=-1)) == {"2.weight", "2.bias"}


def test_normalisation_over_batches_is_frozen_with_its_layer_only():
    changed = trained(three_layers(), LayerSettings(frozen=1))
    assert {"1.1.running_mean", "1.1.num_batches_tracked"} <= changed
    assert not {name for name in changed if name.startswith("0")}


def test_the_first_step_of_each_group_has_the_length_its_factor_says():
    # The first step of Adam moves every weight by the learning rate, whatever the gradient, but for eps.
    module = three_layers()
    before = [item.detach().clone() for item in module.parameters()]
    run = CycleRun(module, plan(LayerSettings(factor=0.01), lr=1.0))
    run.advance(n_batches=1)
    rate = run.stepper.course.rates[0].item()
    steps = [(old - new).abs().max().item() / rate for old, new in zip(before, module.parameters(), strict=True)]
    assert steps[0] == pytest.approx(0.01, rel=0.02)
    assert steps[2] == pytest.approx(0.1, rel=0.02)
    assert steps[-1] == pytest.approx(1.0, rel=0.02)


def test_factors_rise_at_equal_ratios():
    assert LayerSettings(factor=0.001).factors(4) == pytest.approx([0.001, 0.01, 0.1, 1.0])
    assert LayerSettings(factor=0.001).factors(1) == [1.0]


def test_equal_rates_in_groups_give_the_bits_of_no_groups():
    plain, grouped = three_layers(), three_layers()
    trained(plain, None)
    trained(grouped, LayerSettings(groups=[["0", "1"], ["2"]]))
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), grouped.parameters(), strict=True))


def test_what_its_owner_froze_stays_frozen():
    module = three_layers()
    freeze(module, groups=1)
    assert not {name for name in trained(module, LayerSettings(factor=0.1)) if name.startswith("0")}
    assert not module[0][0].weight.requires_grad
    unfreeze(module)
    assert "0.0.weight" in trained(module, None)


def test_an_error_inside_leaves_nothing_frozen():
    module = three_layers()

    def interrupted():
        with held(module, LayerSettings(frozen=-1)):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert all(item.requires_grad for item in module.parameters())
    assert not module[1][1]._forward_pre_hooks


@pytest.mark.parametrize("frozen", [3, 9])
def test_nothing_left_to_train_is_an_error(frozen):
    with pytest.raises(InputError, match=f"no layer is left to train: frozen={frozen} of 3 groups"):
        learning_groups(three_layers(), LayerSettings(frozen=frozen))


def test_settings_come_back_from_json_and_bad_ones_are_listed():
    layers = LayerSettings(frozen=1, factor=0.1, groups=[["body"], ["head"]])
    cycle = Cycle(epochs=2, lr=0.1, batch_size=8, recipe=Recipe(layers=layers))
    assert read_cycle(json.loads(json.dumps(asdict(cycle)))) == cycle
    with pytest.raises(InputError) as caught:
        LayerSettings(frozen=-2, factor=2.0)
    assert len(caught.value.violations) == 2
    with pytest.raises(InputError, match="a group of layers is a list of names; came the text 'body'"):
        LayerSettings(groups=["body", "head"])


def test_what_is_frozen_has_the_names_of_one_model_and_can_be_frozen_again():
    single, stacked = three_layers(), StackedModels([three_layers(), three_layers()])
    for module in (single, stacked):
        freeze(module)
    names = frozen_names(single)
    assert names == frozen_names(stacked)
    assert names[:2] == ("0.0.weight", "0.0.bias")
    fresh = StackedModels([three_layers(), three_layers()])
    next(reversed(list(fresh.parameters()))).requires_grad = False
    freeze_only(fresh, names)
    assert frozen_names(fresh) == names
    with pytest.raises(InputError, match="2 problems"):
        freeze_only(fresh, ["nowhere", "0.0.weight", "<script>"])


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("way", ["freeze", "settings", "own"])
def test_frozen_batch_norm_keeps_its_means_whoever_froze_it(stacked, way):
    module = StackedModels([three_layers(), three_layers()]) if stacked else three_layers()
    settings = LayerSettings(frozen=2) if way == "settings" else None
    if way == "freeze":
        freeze(module, groups=2)
    elif way == "own":
        freeze_only(module, ["1.1.weight", "1.1.bias"])
    means = {name: value.clone() for name, value in module.named_buffers() if "running" in name}
    inputs = torch.randn(2, 16, 3) if stacked else torch.randn(16, 3)
    module.train()
    with held(module, settings):
        module(inputs)
    now = dict(module.named_buffers())
    assert len(means) == 2
    assert all(torch.equal(now[name], value) for name, value in means.items())
    unfreeze(module)
    module.train()
    with held(module, None):
        module(inputs)
    assert not any(torch.equal(now[name], value) for name, value in means.items())
