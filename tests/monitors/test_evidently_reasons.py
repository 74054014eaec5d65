"""Each explanation of a different verdict is given where the data show it, and only there."""

import numpy as np
import pandas as pd
import pytest

from monitors.evidently_door import ColumnType, registered_tests
from monitors.evidently_reasons import UNEXPLAINED, Columns, Verdict, why_they_differ

WASSERSTEIN, JENSEN, CHI, KS, PSI = (
    "Wasserstein distance (normed)", "Jensen-Shannon distance", "chi-square p_value", "K-S p_value", "PSI",
)  # fmt: skip


def asked(then, now, method, *, tests=1):
    """Evidently's own verdict on two columns, and what is said of it."""
    then, now = pd.Series(then), pd.Series(now)
    test = registered_tests()[method]
    kind = ColumnType.Numerical if pd.api.types.is_numeric_dtype(then) else ColumnType.Categorical

    def rescore(reference, current):
        found = test(reference, current, kind, None)
        return float(found.drift_score), bool(found.drifted)

    score, drifted = rescore(then.dropna(), now.dropna())
    theirs = Verdict("x", method, score, test.default_threshold, drifted=drifted)
    return theirs, why_they_differ(theirs, Columns(then, now, rescore, tests))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_sample_size(rng):
    theirs, why = asked(rng.normal(size=5000), rng.normal(size=50), WASSERSTEIN)
    assert theirs.drifted
    assert why[0].startswith(
        "sample size; with 5,000 and 50 rows reshuffled, so that nothing differs, it calls drift in"
    )


def test_one_sample_chi_square(rng):
    letters = list("abcdefghijklmnopqrst")
    for _ in range(20):
        theirs, why = asked(rng.choice(letters, 1000), rng.choice(letters, 1000), CHI)
        if theirs.drifted:
            break
    assert why[0].startswith(
        "one-sample chi-square: it takes the shares of the reference as exact; with 1,000 and 1,000"
    )


def test_no_multiplicity_control(rng):
    for _ in range(200):
        theirs, why = asked(rng.normal(size=500), rng.normal(size=500), KS, tests=100)
        if theirs.drifted:
            break
    assert why[0].startswith("no multiplicity control: with the rows reshuffled it calls drift in")
    assert "100 such tests" in why[0]
    assert asked(rng.normal(size=500), rng.normal(0.5, 1, size=500), KS, tests=1)[1] == (UNEXPLAINED,)


def test_sure_and_small(rng):
    theirs, why = asked(rng.normal(size=30_000), rng.normal(0.07, 1, size=30_000), KS)
    assert theirs.drifted
    assert why[-1].startswith("sure and small: no share of the column moved by more than 0.0")


def test_scale_floor(rng):
    theirs, why = asked(rng.normal(0, 1e-5, 5000), rng.normal(5e-5, 1e-5, 5000), WASSERSTEIN)
    assert not theirs.drifted
    assert why[0].startswith("scale floor: it divides by 0.001, not by the standard deviation of 1e-05")
    assert "scale floor" not in " ".join(asked(rng.normal(0, 1, 5000), rng.normal(0.09, 1, 5000), WASSERSTEIN)[1])


@pytest.mark.parametrize("method", [JENSEN, PSI])
def test_outliers(rng, method):
    then, now = rng.normal(size=4000), rng.normal(1, 1, size=4000)
    then[0] = 1e6
    theirs, why = asked(then, now, method)
    assert not theirs.drifted
    assert why[0].startswith("outliers: ")
    assert asked(then[1:], now, method)[0].drifted


def test_a_rare_category(rng):
    then = rng.choice(["a", "b", "rare"], 20_000, p=[0.5, 0.49, 0.01])
    now = rng.choice(["a", "b", "rare"], 20_000, p=[0.5, 0.47, 0.03])
    theirs, why = asked(then, now, JENSEN)
    assert not theirs.drifted
    assert why[0].startswith("a rare category: rare went from 1.0")
    assert "a rare category" not in " ".join(asked(then, then[::-1], JENSEN)[1])


def test_missing_values_that_it_drops(rng):
    then, now = rng.normal(size=4000), rng.normal(size=4000)
    now[:400] = np.nan
    theirs, why = asked(then, now, WASSERSTEIN)
    assert not theirs.drifted
    assert why == ("missing values: it drops them; their share went from 0.0% to 10.0%",)


def test_a_threshold_above_a_shift_that_is_no_chance(rng):
    theirs, why = asked(rng.normal(size=20_000), rng.normal(0.08, 1, size=20_000), WASSERSTEIN)
    assert not theirs.drifted
    assert why[0].startswith("its threshold: shares of the column moved by up to 0.0")


def test_what_nothing_explains_is_said_to_be_so(rng):
    assert asked(rng.normal(size=5000), rng.normal(1, 1, size=5000), WASSERSTEIN)[1] == (UNEXPLAINED,)
    assert asked(rng.normal(size=5000), rng.normal(size=5000), WASSERSTEIN)[1] == (UNEXPLAINED,)


def test_the_same_data_give_the_same_reasons(rng):
    then, now = rng.normal(size=1000), rng.normal(size=60)
    assert asked(then, now, WASSERSTEIN) == asked(then, now, WASSERSTEIN)
