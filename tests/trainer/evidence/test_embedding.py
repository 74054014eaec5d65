import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from audit.errors import InputError
from trainer.evidence.embedding import into_layer
from trainer.learner import Learner
from trainer.networks.images import CNNSettings
from trainer.networks.tabular import MLPSettings

TABULAR = MLPSettings(hidden=(16, 12), embedding=4, frequencies=8, sigma=0.5, periodic=8)


class Own(nn.Module):
    """A network whose head is defined before its body, and called last."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(6, 2)
        self.body = nn.Sequential(nn.Linear(1, 6), nn.Dropout(0.5))

    def forward(self, codes, numerics):
        del codes
        return self.head(self.body(numerics[:, :1]).relu())


def test_the_head_applied_to_the_embedding_is_the_answer_of_a_table(table):
    learner = Learner(table, network=TABULAR, device="cpu")
    learner.fit_one_cycle(1)
    embedded = learner.embed("test")
    head = learner.model.dense[-1]
    logits = embedded @ head.weight.detach().double().numpy().T + head.bias.detach().double().numpy()
    assert embedded.shape == (len(table.split.test), 12)
    assert embedded.dtype == np.float64
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert probabilities == pytest.approx(learner.predict_proba("test"), abs=1e-5)
    assert (learner.embed(table.part("test")) == embedded).all()


def test_images_embed_and_a_line_reads_the_digit(make_digits):
    digits = make_digits()
    learner = Learner(digits, network=CNNSettings(widths=(8, 16, 16)), device="cpu")
    learner.fit_one_cycle(4, 1e-2, batch_size=64)
    train, test = learner.embed("train"), learner.embed("test")
    assert test.shape == (len(digits.split.test), 64)
    line = LogisticRegression(max_iter=2000).fit(train, digits.part("train")["digit"])
    assert line.score(test, digits.part("test")["digit"]) > 0.95
    pixels = digits.resident.inputs[0][digits.split.test.tolist(), 0].numpy()
    assert (learner.embed(pixels) == test).all()
    assert learner.embed(pixels[::-1])[::-1] == pytest.approx(test, abs=1e-5)


def test_each_of_several_models_embeds_as_the_single_one_of_its_seed(table):
    several = Learner(table, network=TABULAR, models=2, seed=5, device="cpu")
    for model, seed in enumerate((5, 6)):
        single = Learner(table, network=TABULAR, seed=seed, device="cpu")
        assert several.embed("valid", model=model) == pytest.approx(single.embed("valid"), abs=1e-6)
    with pytest.raises(InputError, match="model counts from 0 and there are 2; came 2"):
        several.embed("valid", model=2)


def test_of_a_network_of_ones_own_it_is_what_the_last_dense_layer_called_gets(table):
    learner = Learner(table, network=Own(), device="cpu")
    embedded = learner.embed("test")
    numerics = learner.inputs("test")[1][:, :1]
    with torch.inference_mode():
        assert embedded == pytest.approx(learner.model.body[0](numerics).relu().double().numpy(), abs=1e-6)
    assert learner.embed("test", layer="body.0").shape == (len(table.split.test), 1)
    assert not any(module._forward_pre_hooks for module in learner.model.modules())


def test_batches_change_nothing_and_no_rows_give_none():
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    rows = torch.randn(50, 3)
    torch.testing.assert_close(into_layer(network, (rows,), batch_size=7), into_layer(network, (rows,)))
    assert into_layer(network, (rows[:0],)).shape == (0, 4)


def test_layers_that_are_not_there_or_not_called_are_refused():
    network = nn.Sequential(nn.Flatten(), nn.ReLU())
    with pytest.raises(InputError, match="the network calls no dense layer: name the layer"):
        into_layer(network, (torch.ones(1, 2),))
    with pytest.raises(InputError, match="no layer 'head'; it has 0, 1"):
        into_layer(network, (torch.ones(1, 2),), layer="head")
    assert into_layer(network, (torch.ones(1, 2, 2),), layer="1").shape == (1, 4)
