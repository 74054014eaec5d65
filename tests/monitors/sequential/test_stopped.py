"""e-BH over e-processes that are stopped when they ring: alarms stay, and few of them are false."""

import numpy as np
import pytest

from audit.inference.multiplicity import e_benjamini_hochberg
from monitors.rate_ratio import log_e_outside
from monitors.sequential.stopped import first_rejections

ALPHA, HYPOTHESES, LOOKS = 0.2, 40, 60


def likelihood_ratios(rng, runs, changed, size=HYPOTHESES):
    """Return running log likelihood ratios of N(1, 1) against N(0, 1), the first `changed` of which are N(1, 1)."""
    mean = np.where(np.arange(size) < changed, 1.0, 0.0)
    x = rng.normal(size=(runs, LOOKS, size)) + mean
    return np.cumsum(x - 0.5, axis=1)


def false_share(log_e, changed, alpha=ALPHA):
    """Return the mean share of false ones among all that were rejected up to the last look."""
    shares = []
    for run in log_e:
        rejected = first_rejections(run, alpha=alpha).look >= 0
        shares.append(rejected[changed:].sum() / max(rejected.sum(), 1))
    return float(np.mean(shares))


def test_what_was_rejected_stays_so_and_counts_as_rejected_in_every_later_look():
    log_e = likelihood_ratios(np.random.default_rng(0), 1, 20)[0]
    found = first_rejections(log_e, alpha=0.05)
    for look in range(1, LOOKS):
        shorter = first_rejections(log_e[:look], alpha=0.05)
        before = shorter.look >= 0
        np.testing.assert_array_equal(found.look[before], shorter.look[before])
        np.testing.assert_array_equal(found.log_e[before], shorter.log_e[before])
    assert (found.look >= 0).sum() >= 20


def test_a_rejection_has_the_evidence_that_it_needed():
    found = first_rejections(likelihood_ratios(np.random.default_rng(1), 1, 20)[0], alpha=0.05)
    rang = found.look >= 0
    assert (np.exp(found.log_e[rang]) >= found.limit[rang] * (1 - 1e-12)).all()
    assert found.limit[rang].max() > found.limit[rang].min() >= 1 / 0.05
    assert np.isnan(found.limit[~rang]).all()


def test_of_one_hypothesis_it_is_the_first_crossing():
    log_e = likelihood_ratios(np.random.default_rng(2), 1, 1, size=1)[0]
    found = first_rejections(log_e, alpha=0.05)
    assert found.look[0] == np.flatnonzero(log_e[:, 0] >= np.log(20))[0]
    assert found.limit[0] == pytest.approx(20)


def test_undefined_evidence_is_in_the_family_and_never_rejected():
    found = first_rejections(np.array([[np.log(50.0), np.nan]]), alpha=0.05)
    assert found.look.tolist() == [0, -1]
    assert found.limit[0] == 40.0
    assert first_rejections(np.zeros((3, 0)), alpha=0.05).look.shape == (0,)


def test_nothing_rings_in_more_than_alpha_of_quiet_runs():
    log_e = likelihood_ratios(np.random.default_rng(3), 300, 0)
    rang = sum((first_rejections(run, alpha=ALPHA).look >= 0).any() for run in log_e)
    assert rang <= 77  # P(X > 77) of Binomial(300, .2) is 1 %


def test_the_share_of_false_ones_among_all_raised_alarms_is_at_most_alpha():
    assert false_share(likelihood_ratios(np.random.default_rng(4), 150, 10), 10) <= ALPHA


def test_running_maxima_would_not_keep_it():
    """The best of many looks is no e-value: with one hypothesis its mean is far above 1."""
    log_e = likelihood_ratios(np.random.default_rng(5), 4000, 0, size=1)[..., 0]
    assert np.exp(log_e.max(axis=1)).mean() > 2
    looks = [first_rejections(run[:, None], alpha=0.2) for run in log_e]
    stopped = [np.exp(each.log_e[0] if each.look[0] >= 0 else run[-1]) for each, run in zip(looks, log_e, strict=True)]
    assert np.mean(stopped) <= 1.05


def test_it_rejects_no_less_than_e_bh_at_any_look():
    log_e = likelihood_ratios(np.random.default_rng(6), 1, 20)[0]
    found = first_rejections(log_e, alpha=0.05)
    for look, now in enumerate(log_e):
        alone = e_benjamini_hochberg(np.exp(now), alpha=0.05).rejected
        assert (found.look[alone] <= look).all()
        assert (found.look[alone] >= 0).all()


def places(rng, runs, ratios, looks=26, before=26, mean=20):
    """Return log e of places whose actions change by these ratios, shape (runs, looks, places)."""
    size = len(ratios)
    baseline = rng.poisson(mean, (runs, before, size)).sum(axis=1)
    current = rng.poisson(mean * np.asarray(ratios), (runs, looks, size)).cumsum(axis=1)
    exposure = np.arange(1, looks + 1)[None, :, None]
    return log_e_outside(current, baseline[:, None], current_exposure=exposure, baseline_exposure=before)


def test_places_on_the_edge_of_the_tolerance_are_rarely_among_the_alarms():
    log_e = places(np.random.default_rng(7), 60, [2.0] * 4 + [1.25] * 16)
    assert false_share(log_e, 4, alpha=0.05) <= 0.05


def test_it_finds_more_than_an_equal_share_of_alpha_for_each_place():
    log_e = places(np.random.default_rng(8), 40, [1.7] * 10 + [1.0] * 10)
    ours = np.mean([(first_rejections(run, alpha=0.05).look[:10] >= 0).mean() for run in log_e])
    shared = (log_e[..., :10] >= np.log(20 * 20)).any(axis=1).mean()
    assert ours > shared + 0.02
