"""Settings are checked, and several models at once are the same models as apart, newcomers included."""

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.ratings import Ratings
from trainer.data.splits import split_rows
from trainer.device import cpu_threads
from trainer.learner import Learner
from trainer.networks.ratings import DotSettings, RatingsNetSettings


@pytest.fixture(scope="module")
def ratings():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"u": rng.integers(0, 30, 600), "i": rng.integers(0, 20, 600)})
    frame["r"] = 1 + (frame["u"] + frame["i"]) % 5
    columns = Columns(y="r", task="number", range=(0.5, 5.5))
    return Ratings.from_frame(frame, columns=columns, user="u", item="i", split=split_rows(600, seed=1))


@pytest.mark.parametrize("network", [DotSettings(factors=4), RatingsNetSettings(users=4, items=3, hidden=(8,))])
def test_three_at_once_are_three_apart(ratings, network):
    new = pd.DataFrame({"u": [0, 5, 99, None], "i": [1, 77, 2, None]})
    with cpu_threads(1):
        together = Learner(ratings, network=network, models=3, seed=4, device="cpu")
        together.fit_one_cycle(2, 0.01, batch_size=64)
        apart = []
        for seed in (4, 5, 6):
            one = Learner(ratings, network=network, seed=seed, device="cpu")
            one.fit_one_cycle(2, 0.01, batch_size=64)
            apart.append(one.predict_proba(new))
    np.testing.assert_allclose(together.predict_each(new), apart, rtol=1e-4)


def test_settings_out_of_range_are_all_named():
    with pytest.raises(InputError, match="factors must be at least 1; came 0"):
        DotSettings(factors=0)
    with pytest.raises(InputError) as wrong:
        RatingsNetSettings(users=0, items=-1, hidden=(8, 0), dropout=1.0)
    assert wrong.value.violations == (
        "hidden is a list of whole numbers from 1 on; came (8, 0)",
        "users must be at least 1; came 0",
        "items must be at least 1; came -1",
        "dropout is a share in [0, 1); came 1.0",
    )
