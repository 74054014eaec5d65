"""What may be a seed."""

import numpy as np
import pytest

from audit.seeds import MAX_SEED, seed_violations


@pytest.mark.parametrize("seed", [0, 7, np.int64(3), np.uint32(MAX_SEED), MAX_SEED])
def test_what_is_accepted_seeds_every_generator(seed):
    assert seed_violations(seed) == []
    np.random.default_rng(seed)
    np.random.RandomState(seed)


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1, 1.0, "7", None, True, np.float64(2), np.int64(-5)])
def test_everything_else_is_named(seed):
    (violation,) = seed_violations(seed)
    assert violation.startswith("random_state must be a whole number from 0 to 4294967295; got ")
    assert violation.endswith(str(seed))
