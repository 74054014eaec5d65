import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from audit.causes.least_squares import least_squares
from audit.rollup import Cells


def cells_of_rows(weight):
    n = np.ones(len(weight), dtype=np.int64)
    return Cells(np.zeros(len(weight), np.int64), n, weight, weight**2, None, 0, False, {}, True, None)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["HC2", "HC3"])
def test_coefficient_leverages_and_residuals_are_those_of_statsmodels(weighted, kind):
    rng = np.random.default_rng(1)
    size = 60
    controls = rng.integers(0, 3, size), rng.integers(0, 2, size)
    exposed, success = rng.random(size) < 0.2 + 0.2 * controls[0], rng.random(size) < 0.5
    weight = rng.uniform(0.5, 1.5, size) if weighted else np.ones(size)
    ours = least_squares(cells_of_rows(weight), exposed, success, controls)
    x = pd.get_dummies(pd.DataFrame({"a": controls[0], "b": controls[1]}).astype(str), drop_first=True)
    model = sm.WLS(success * 1.0, x.astype(float).assign(F=exposed * 1.0, one=1.0), weights=weight)
    theirs = model.fit(cov_type=kind)
    moved = weight * ours.moved / (1 - ours.leverage) ** (0.5 if kind == "HC2" else 1.0)
    assert ours.value == pytest.approx(theirs.params["F"])
    assert np.sqrt((moved**2).sum()) == pytest.approx(theirs.bse["F"])


def test_shares_add_up_to_one_on_each_side_and_to_the_coefficient():
    rng = np.random.default_rng(2)
    control, exposed, success = rng.integers(0, 4, 50), rng.random(50) < 0.4, rng.random(50) < 0.5
    weight = rng.uniform(0.5, 1.5, 50)
    found = least_squares(cells_of_rows(weight), exposed, success, (control,))
    each = weight * found.share
    assert (each[exposed].sum(), each[~exposed].sum()) == pytest.approx((1.0, -1.0))
    assert found.rates[1] - found.rates[0] == pytest.approx(found.value)


def test_a_control_that_says_who_is_exposed_leaves_nothing_to_estimate():
    exposed = np.array([True, True, False, False])
    assert least_squares(cells_of_rows(np.ones(4)), exposed, ~exposed, (exposed.astype(np.int64),)) is None


def test_rows_of_a_cell_share_its_leverage():
    """Rows counted together are the same fit as rows apart."""
    exposed, success = np.array([True, True, False, False]), np.array([True, False, True, False])
    n = np.array([3, 2, 4, 5])
    whole = Cells(np.zeros(4, np.int64), n, n * 1.0, n * 1.0, None, 0, False, {}, False, None)
    together = least_squares(whole, exposed, success, (np.zeros(4, np.int64),))
    apart = least_squares(
        cells_of_rows(np.ones(14)), np.repeat(exposed, n), np.repeat(success, n), (np.zeros(14, np.int64),)
    )
    for one, two in ((together.leverage, apart.leverage), (together.moved, apart.moved)):
        assert np.repeat(one, n) == pytest.approx(two)
