import pytest
import torch
from torch import nn

from audit.errors import InputError
from trainer.fitting.heads import replace_head
from trainer.fitting.stacked import StackedModels
from trainer.networks.images import CNNSettings, ImageCNN, Normalize


def test_a_new_head_leaves_the_body_and_the_original_as_they_were():
    settings = CNNSettings(widths=(4, 4))
    old = ImageCNN(normalize=Normalize(mean=[9.0], std=[2.0]), channels=1, n_outputs=5, settings=settings)
    before = {name: value.clone() for name, value in old.state_dict().items()}
    new = replace_head(old, n_outputs=3, seed=4)
    assert (new.head.out_features, new.head.in_features) == (3, old.head.in_features)
    assert all(torch.equal(new.state_dict()[name], before[name]) for name in before if not name.startswith("head"))
    assert all(torch.equal(old.state_dict()[name], before[name]) for name in before)
    again, other = replace_head(old, n_outputs=3, seed=4), replace_head(old, n_outputs=3, seed=5)
    assert torch.equal(again.head.weight, new.head.weight)
    assert not torch.equal(other.head.weight, new.head.weight)


def test_a_head_can_be_named_and_a_wrong_one_is_refused():
    module = nn.ModuleDict({"head": nn.Linear(4, 5, bias=False), "other": nn.Linear(2, 2)})
    renewed = replace_head(module, n_outputs=7, head="head")
    assert renewed["head"].out_features == 7
    assert renewed["head"].bias is None
    assert renewed["other"].out_features == 2
    with pytest.raises(InputError, match="came 'tail', it has 'head', 'other'"):
        replace_head(module, n_outputs=7, head="tail")
    with pytest.raises(InputError, match="it has none"):
        replace_head(nn.Sequential(nn.ReLU()), n_outputs=7)
    with pytest.raises(InputError, match="several models"):
        replace_head(StackedModels([nn.Linear(1, 1)]), n_outputs=2)
