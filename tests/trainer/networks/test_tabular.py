import numpy as np
import pytest
import torch
from torch import nn

from trainer.fitting.stacked import Shared, StackedModels
from trainer.networks.tabular import MLPSettings, OffsetEmbedding, PeriodicEmbedding, TabularMLP, WordBag


def test_one_table_with_offsets_equals_one_embedding_per_column():
    ours = OffsetEmbedding((3, 5, 2), width=4)
    nn.init.normal_(ours.table.weight)
    separate = [nn.Embedding(size, 4) for size in (3, 5, 2)]
    start = 0
    for embedding in separate:
        embedding.weight.data = ours.table.weight.data[start : start + embedding.num_embeddings]
        start += embedding.num_embeddings
    codes = torch.tensor([[2, 4, 1], [0, 0, 0], [1, 3, 0]], dtype=torch.uint8)
    expected = torch.cat([embedding(codes[:, place].long()) for place, embedding in enumerate(separate)], dim=1)
    assert torch.equal(ours(codes), expected)


def test_periodic_embedding_equals_its_formula():
    model = PeriodicEmbedding(2, settings=MLPSettings(frequencies=3, periodic=4))
    x = torch.tensor([[0.3, -1.2]])
    frequency = model.frequency.detach().numpy()
    weight, bias = model.mix.weight.detach().numpy(), model.mix.bias.detach().numpy()
    angles = [2 * np.pi * frequency[column] * float(x[0, column]) for column in range(2)]
    expected = [np.maximum(weight @ np.r_[np.sin(angle), np.cos(angle)] + bias, 0) for angle in angles]
    assert model(x).detach().numpy().ravel() == pytest.approx(np.concatenate(expected), abs=1e-5)


@pytest.mark.parametrize(("n_codes", "n_numeric"), [((), 2), ((4, 3), 0), ((4,), 1)])
def test_tables_of_one_kind_of_column_are_served(n_codes, n_numeric):
    model = TabularMLP(n_codes=n_codes, n_numeric=n_numeric, n_classes=3, settings=MLPSettings(hidden=(8,)))
    codes = torch.zeros(5, len(n_codes), dtype=torch.uint8)
    logits = model(codes, torch.zeros(5, n_numeric))
    assert logits.shape == (5, 3)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_an_answer_does_not_depend_on_the_rest_of_the_batch():
    torch.manual_seed(0)
    model = TabularMLP(n_codes=(4,), n_numeric=2, n_classes=2, settings=MLPSettings()).eval()
    codes, numerics = torch.randint(0, 4, (64, 1), dtype=torch.uint8), torch.randn(64, 2)
    alone = torch.cat([model(codes[row : row + 1], numerics[row : row + 1]) for row in range(64)])
    torch.testing.assert_close(model(codes, numerics), alone, rtol=1e-5, atol=1e-6)


def test_a_bag_of_words_equals_the_mean_without_padding():
    bag = WordBag(20, width=4)
    words = torch.randint(1, 20, (50, 9), generator=torch.Generator().manual_seed(0))
    for row in range(50):
        words[row, row % 10 :] = 0
    theirs = nn.EmbeddingBag(20, 4, mode="mean", padding_idx=0)
    theirs.weight.data = bag.table.weight.data.clone()
    assert torch.allclose(bag(words), theirs(words), atol=1e-6)
    assert bag(torch.zeros(2, 9, dtype=torch.int16)).abs().sum() == 0
    bag(words).sum().backward()
    assert bag.table.weight.grad[0].abs().sum() == 0


def test_several_models_with_words_equal_separate_ones_and_ask_the_host_nothing(never_waiting):
    settings = MLPSettings(hidden=(8,), frequencies=4, dropout=0.0)
    singles = [
        TabularMLP(n_codes=(3,), n_numeric=1, n_classes=2, settings=settings, texts=((20, 5), (7, 2))) for _ in range(3)
    ]
    codes, numbers = torch.randint(0, 3, (6, 1)).to(torch.uint8), torch.randn(6, 1)
    words = torch.cat([torch.randint(0, 20, (6, 5)), torch.randint(0, 7, (6, 2))], dim=1).to(torch.int16)
    stacked = Shared(StackedModels(singles))(codes, numbers, words)
    for place, single in enumerate(singles):
        assert torch.allclose(stacked[place], single(codes, numbers, words), atol=1e-5)
    with never_waiting() as watch:
        singles[0](codes, numbers, words).sum().backward()
    assert watch.operations > 10
