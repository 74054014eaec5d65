"""A lender who learns from its own loans only: the doubt stays, and what lifts it."""

import numpy as np
import pytest

from audit.errors import InputError
from monitors.simulators.credit import Terms
from monitors.simulators.fico import example_tables, read_fico
from monitors.simulators.lending import Lending, bands_of, first_estimate, lending_runs

WORLD = Lending(names=("A", "B"))


def last(world, runs=60, seed=1):
    return lending_runs(example_tables(), world, runs=runs, seed=seed)


def test_doubt_is_never_corrected_where_no_loan_is_granted():
    found = last(WORLD)
    assert found.approved[:, -1, 0].mean() < 0.5 * found.ideal[0]
    assert found.approved[:, -1, 1].mean() == pytest.approx(found.ideal[1], rel=0.1)


@pytest.mark.parametrize("changed", [{"exploration": 0.1}, {"reported": 0.3}, {"doubt": 0.0}])
def test_doubt_is_lifted(changed):
    settings = {"names": ("A", "B"), "applicants": 5000, "rounds": 40, "prior": 5.0} | changed
    found = last(Lending(**settings), runs=20)
    assert found.approved[:, -1, 0].mean() == pytest.approx(found.ideal[0], rel=0.25)


def test_holdout_alone_lifts_no_doubt():
    held = last(Lending(names=("A", "B"), holdout=0.1))
    assert held.approved[:, -1, 0].mean() == pytest.approx(last(WORLD).approved[:, -1, 0].mean(), rel=0.2)
    assert held.observed[:, :, 0].mean() > last(WORLD).observed[:, :, 0].mean() + 0.05


def test_doubted_group_is_observed_less():
    observed = last(WORLD).observed.mean(axis=(0, 1))
    assert observed[0] < observed[1] - 0.2


def test_bands_keep_the_totals(data_folder):
    tables = read_fico(data_folder / "fico")
    bands = bands_of(tables, ("Black", "White"))
    assert bands.shares.sum(axis=1) == pytest.approx([1, 1])
    for place, name in enumerate(("Black", "White")):
        assert bands.shares[place] @ bands.repay[place] == pytest.approx(tables.groups[name].repaid)
    assert bands.sizes == pytest.approx([0.12066905, 0.87933095])


def test_ideal_is_what_pays(data_folder):
    found = lending_runs(read_fico(data_folder / "fico"), Lending(), runs=2)
    # Bands of 50 points are coarser than scores, whose thresholds select .168 and .663.
    assert found.ideal == pytest.approx([0.168, 0.663], abs=0.06)


def test_first_estimate_doubts_only_the_first_group():
    bands = bands_of(example_tables(), ("A", "B"))
    gap = bands.repay - first_estimate(Lending(names=("A", "B"), doubt=0.1), bands)
    assert gap[1] == pytest.approx(np.zeros(11))
    assert gap[0].max() == pytest.approx(0.1)


def test_seeds_repeat():
    one, two = (lending_runs(example_tables(), WORLD, runs=3, seed=9) for _ in range(2))
    assert np.array_equal(one.approved, two.approved)


def test_bad_input_is_refused():
    with pytest.raises(InputError) as raised:
        Lending(doubt=2.0, exploration=0.7, holdout=0.7, applicants=0, prior=0.0, names=())
    for said in ("doubt must", "together at most 1", "applicants must", "prior must", "names holds no group"):
        assert said in str(raised.value)
    with pytest.raises(InputError, match="group 'Martian' is not in the tables"):
        lending_runs(example_tables(), Lending(names=("Martian",)))
    with pytest.raises(InputError, match="ratio must be a negative number"):
        Lending(terms=Terms(ratio=0.0))
