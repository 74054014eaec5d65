import numpy as np
import pytest
import torch
from scipy.stats import chi2

from trainer.fitting.sampler import epoch_order
from trainer.seeds import derived_seed

CPU = torch.device("cpu")


@pytest.mark.parametrize("n_rows", [0, 1, 2, 257, 100_000])
def test_it_is_a_permutation(n_rows):
    order = epoch_order(n_rows, seed=5, epoch=2, device=CPU)
    assert torch.equal(order.sort().values, torch.arange(n_rows))


def test_it_depends_on_seed_and_epoch():
    orders = {
        tuple(epoch_order(50, seed=seed, epoch=epoch, device=CPU).tolist()) for seed in range(4) for epoch in range(5)
    }
    assert len(orders) == 20


def test_it_neither_reads_nor_moves_the_global_generator():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = epoch_order(1000, seed=5, epoch=0, device=CPU)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(77)
    assert torch.equal(first, epoch_order(1000, seed=5, epoch=0, device=CPU))


def test_it_stays_what_it_was_in_earlier_versions():
    assert epoch_order(8, seed=7, epoch=0, device=CPU).tolist() == [3, 4, 2, 5, 7, 6, 0, 1]


def test_it_equals_the_same_hash_on_python_integers():
    def mixed(word: int) -> int:
        for _ in range(2):
            word = ((word ^ (word >> 16)) * 0x45D9F3B) % 2**32
        return word ^ (word >> 16)

    key = derived_seed(9, purpose="order", epoch=3)
    hashed = [mixed(mixed(row ^ (key % 2**32)) ^ (key >> 30)) for row in range(5000)]
    assert len(set(hashed)) == 5000
    expected = sorted(range(5000), key=hashed.__getitem__)
    assert epoch_order(5000, seed=9, epoch=3, device=CPU).tolist() == expected


def test_every_place_is_equally_likely():
    n_rows, repeats = 8, 4000
    counts = np.zeros((n_rows, n_rows))
    pairs = np.zeros(n_rows)
    for epoch in range(repeats):
        order = epoch_order(n_rows, seed=11, epoch=epoch, device=CPU).numpy()
        counts[np.arange(n_rows), order] += 1
        pairs[(order[1] - order[0]) % n_rows] += 1
    expected = repeats / n_rows
    # Rows and columns each add up to the number of repeats, which leaves 49 degrees of freedom.
    assert ((counts - expected) ** 2 / expected).sum() < chi2.ppf(0.9999, 49)
    followers = repeats / (n_rows - 1)
    assert ((pairs[1:] - followers) ** 2 / followers).sum() < chi2.ppf(0.9999, n_rows - 2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_gpu_makes_the_same_order():
    on_gpu = epoch_order(100_000, seed=5, epoch=1, device=torch.device("cuda"))
    assert torch.equal(on_gpu.cpu(), epoch_order(100_000, seed=5, epoch=1, device=CPU))


def test_purposes_have_seeds_of_their_own():
    seeds = [derived_seed(0, purpose=name, epoch=e) for name in ("order", "dropout", "weights") for e in range(100)]
    assert len(set(seeds)) == 300
    assert all(0 <= seed < 2**62 for seed in seeds)
