"""Adjusted p-values: equal to statsmodels', and what each promises by simulation; a peer's broken ranks as contrast."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from audit.inference.multiplicity import benjamini_hochberg, benjamini_yekutieli, e_benjamini_hochberg, holm

P_VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60)
PAIRS = [(holm, "holm"), (benjamini_hochberg, "fdr_bh"), (benjamini_yekutieli, "fdr_by")]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@settings(max_examples=60)
@given(p=P_VALUES, alpha=st.floats(0.01, 0.3))
def test_equals_statsmodels(ours, theirs, p, alpha):
    rejected, adjusted, *_ = multipletests(p, alpha=alpha, method=theirs)
    found = ours(p, alpha=alpha)
    assert np.allclose(found.p, adjusted, atol=1e-12)
    decided = np.abs(adjusted - alpha) > 1e-9  # at alpha itself the last bit decides
    assert np.array_equal(found.rejected[decided], rejected[decided])


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@settings(max_examples=60)
@given(p=P_VALUES, gone=st.integers(0, 5))
def test_an_undefined_test_counts_and_rejects_nothing(ours, theirs, p, gone):
    found = ours([*p, *[np.nan] * gone])
    as_ones = multipletests([*p, *[1.0] * gone], method=theirs)[1]
    assert np.allclose(found.p[: len(p)], as_ones[: len(p)], atol=1e-12)
    assert np.isnan(found.p[len(p) :]).all()
    assert not found.rejected[len(p) :].any()


@settings(max_examples=60)
@given(e=st.lists(st.floats(0.0, 1e6), min_size=1, max_size=40), alpha=st.floats(0.01, 0.5))
def test_e_bh_rejects_the_k_largest_by_its_definition(e, alpha):
    ranked = np.sort(e)[::-1]
    enough = [k for k in range(1, len(e) + 1) if k * ranked[k - 1] >= len(e) / alpha * (1 + 1e-9)]
    almost = [k for k in range(1, len(e) + 1) if k * ranked[k - 1] >= len(e) / alpha * (1 - 1e-9)]
    number = int(e_benjamini_hochberg(e, alpha=alpha).rejected.sum())
    wanted = [0 if not found else int(np.sum(np.array(e) >= ranked[max(found) - 1])) for found in (enough, almost)]
    assert wanted[0] <= number <= wanted[1]


def test_an_infinite_e_value_is_certain_and_an_undefined_one_is_nothing():
    found = e_benjamini_hochberg([np.inf, np.nan, 0.0])
    assert found.rejected.tolist() == [True, False, False]
    assert found.p[0] == 0


def test_no_tests_at_all():
    assert all(len(adjust([]).p) == 0 for adjust in (holm, benjamini_hochberg, benjamini_yekutieli))


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg, benjamini_yekutieli])
def test_bad_input_is_named(adjust):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]; found 1.2 at place 1 \(1 in all\)"):
        adjust([0.1, 1.2])
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        adjust([[0.1, 0.2]])
    with pytest.raises(ValueError, match="alpha must lie"):
        adjust([0.1], alpha=0)
    with pytest.raises(ValueError, match="e-values are at least 0"):
        e_benjamini_hochberg([-1.0])


def broken_ranks(p, alpha):
    """Benjamini-Hochberg as a peer ships it: `argsort() + 1` is the place that sorting takes from, not the rank."""
    ranks = p.argsort() + 1
    passing = p[p <= ranks / len(p) * alpha]
    return p <= passing.max() if len(passing) else np.zeros(len(p), dtype=bool)


def scans(tests, true, *, runs, seed, shift=3.0):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((runs, tests))
    z[:, :true] += shift
    return 2 * norm.sf(np.abs(z))


def false_share(rejected, true):
    return rejected[true:].sum() / max(rejected.sum(), 1)


def test_bh_keeps_its_rate_under_the_global_null_where_the_broken_ranks_ring_in_nearly_every_scan():
    p = scans(100, 0, runs=1000, seed=1)
    ours = np.mean([benjamini_hochberg(row, alpha=0.1).rejected.any() for row in p])
    theirs = np.mean([broken_ranks(row, 0.1).any() for row in p])
    assert 0.07 < ours < 0.13  # exactly .1 in expectation
    assert theirs > 0.95


def test_bh_keeps_its_rate_with_some_true_effects_where_the_broken_ranks_do_not():
    p = scans(100, 20, runs=600, seed=2)
    ours = [benjamini_hochberg(row, alpha=0.1).rejected for row in p]
    theirs = [broken_ranks(row, 0.1) for row in p]
    assert 0.06 < np.mean([false_share(row, 20) for row in ours]) < 0.1  # alpha x 80 true nulls of 100 = .08
    assert np.mean([row[:20].mean() for row in ours]) > 0.6  # and it finds them
    assert np.mean([false_share(row, 20) for row in theirs]) > 0.2


def test_holm_bounds_the_chance_of_any_false_alarm_and_by_survives_dependence():
    rng = np.random.default_rng(3)
    shared = rng.standard_normal((800, 1))
    signs = np.where(np.arange(50) % 2, 1.0, -1.0)
    z = 0.7 * shared * signs + np.sqrt(1 - 0.49) * rng.standard_normal((800, 50))
    p = norm.sf(z)
    assert np.mean([holm(row).rejected.any() for row in p]) < 0.07
    assert np.mean([benjamini_yekutieli(row).rejected.any() for row in p]) < 0.05
