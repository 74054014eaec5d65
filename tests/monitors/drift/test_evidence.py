"""The Polya test: exact where it says so, prompt, and sound for sparse categories."""

import itertools

import numpy as np
import pytest

from monitors.counts.binning import Binning
from monitors.drift import rejections
from monitors.drift.evidence import SPLIT_KAPPAS, evidence_over_windows, log_polya_e


def first_alarms(make, rows: int, repeats: int, *, every: int, n_reference: int = 2000) -> np.ndarray:
    rng, found = np.random.default_rng(3), []
    for _ in range(repeats):
        reference = np.sort(rng.normal(size=n_reference))
        ranks = -(-np.arange(1, 10) * n_reference // 10)
        base = np.diff(np.concatenate([[0], ranks, [n_reference + 1]]))
        labels = np.searchsorted(reference[ranks - 1], make(rng, rows), side="right")
        counts = np.eye(10)[labels].cumsum(axis=0)[every - 1 :: every]
        rang = log_polya_e(counts, base) >= np.log(20)
        found.append(every * (rang.argmax() + 1) if rang.any() else np.inf)
    return np.array(found)


def test_false_alarms_looked_at_every_row() -> None:
    found = first_alarms(lambda rng, n: rng.normal(size=n), 3000, 150, every=1)
    assert np.isfinite(found).mean() <= 0.0225 + 3 * np.sqrt(0.0225 * 0.9775 / 150)


@pytest.mark.slow
@pytest.mark.parametrize("n_reference", [200, 2000])
def test_false_alarms_looked_at_every_row_many_times(n_reference: int) -> None:
    found = first_alarms(lambda rng, n: rng.normal(size=n), 5000, 1000, every=1, n_reference=n_reference)
    assert np.isfinite(found).mean() <= 0.0225 + 3 * np.sqrt(0.0225 * 0.9775 / 1000)


@pytest.mark.parametrize(("shift", "scale", "median"), [(0.5, 1.0, 100), (0.0, 1.3, 250), (0.2, 1.0, 650)])
def test_median_rows_to_an_alarm(shift: float, scale: float, median: float) -> None:
    found = first_alarms(lambda rng, n: rng.normal(shift, scale, n), 8 * median, 60, every=25)
    assert np.median(found) == pytest.approx(median, rel=0.3)


def test_the_expectation_of_the_exact_test_is_one() -> None:
    """Sum over all sequences of three rows in three bins, with the chances of the urn."""
    base = np.array([3.0, 1.0, 2.0])
    total = 0.0
    for labels in itertools.product(range(3), repeat=3):
        held, chance = base.copy(), 1.0
        for label in labels:
            chance *= held[label] / held.sum()
            held[label] += 1
        total += chance * float(np.exp(log_polya_e(held - base, base)))
    assert total == pytest.approx(1.0)


def test_later_windows_are_judged_against_the_reference_and_the_windows_before() -> None:
    """Where every window follows the urn, the evidence after each has expectation at most 1."""
    rng, repeats = np.random.default_rng(12), 4000
    base = np.array([6.0, 3.0, 4.0])
    shares = rng.dirichlet(base, repeats)
    counts = np.stack([rng.multinomial(8, shares) for _ in range(4)])
    found = np.exp(evidence_over_windows(counts, np.broadcast_to(base, (repeats, 3)), ordered=True).log_e)
    assert (found.mean(axis=1) <= 1.0 + 3 * found.std(axis=1) / np.sqrt(repeats)).all()


def test_windows_against_the_frozen_reference_alone_would_break_the_promise() -> None:
    """The same reference errs in the same direction in every window: its e-values must not be multiplied."""
    rng = np.random.default_rng(13)
    base = np.full(2, 201.0)
    shares = rng.dirichlet(base, 400)
    counts = np.stack([rng.multinomial(1000, shares) for _ in range(40)])
    naive = log_polya_e(counts, base, kappas=SPLIT_KAPPAS).cumsum(axis=0).max(axis=0) >= np.log(20)
    ours = evidence_over_windows(counts, np.broadcast_to(base, (400, 2)), ordered=True).log_e.max(axis=0)
    assert naive.mean() > 0.08
    assert (ours >= np.log(20)).mean() <= 0.05


def test_a_change_in_window_20_is_found_promptly_and_dated() -> None:
    rng = np.random.default_rng(14)
    before, after = np.full(10, 0.1), np.array([0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.12, 0.13, 0.14, 0.16])
    counts = np.stack([rng.multinomial(200, before if w < 19 else after, 100) for w in range(40)])
    found = evidence_over_windows(counts, np.full((100, 10), 500.1), ordered=True)
    rang = found.log_e >= np.log(20)
    first = rang.argmax(axis=0)
    assert rang.any(axis=0).all()
    assert np.median(first) <= 21
    assert np.mean(np.abs(found.since[first, np.arange(100)] - 19) <= 1) > 0.9


@pytest.mark.parametrize("categories", [3, 20, 100])
@pytest.mark.parametrize("n_reference", [200, 5000])
@pytest.mark.parametrize("even", [True, False])
def test_sparse_categories_ring_no_more_often_than_declared(categories: int, n_reference: int, even: bool) -> None:
    rng, repeats, windows = np.random.default_rng(15), 120, 12
    shares = np.ones(categories) if even else 1.0 / np.arange(1, categories + 1) ** 1.2
    shares /= shares.sum()
    was = rng.multinomial(n_reference, shares, repeats)
    now = rng.multinomial(300, shares, (windows, repeats))
    known = was > 0
    reference = np.concatenate([was, np.zeros((repeats, 2), dtype=int)], axis=1)
    new = (now * ~known).sum(axis=-1, keepdims=True)
    current = np.concatenate([now * known, new, np.zeros_like(new)], axis=-1)
    binning = Binning(feature="x", kind="categorical", categories=tuple(f"{k:03d}" for k in range(categories)))
    found = rejections.tested([rejections.Pair(binning, reference, current, 1.0)], alpha=0.05, min_reference=50)
    assert (found.log_e.max(axis=0) >= np.log(20)).mean() <= 0.05


def test_half_a_row_in_each_of_many_sparse_bins_would_ring_falsely() -> None:
    rng = np.random.default_rng(16)
    was = rng.multinomial(200, np.full(100, 0.01), 200)
    now = rng.multinomial(1000, np.full(100, 0.01), 200)
    bare = evidence_over_windows(now[None], was + 0.5, ordered=False).log_e
    assert (bare >= np.log(20)).mean() > 0.05


def test_no_rows_are_no_evidence() -> None:
    found = evidence_over_windows(np.zeros((3, 2, 4)), np.full((2, 4), 5.0), ordered=True)
    assert np.exp(found.log_e).max() <= 1.0 + 1e-12
    assert log_polya_e(np.zeros(3), np.ones(3)) == pytest.approx(0.0)


def test_bins_that_a_test_does_not_have_do_not_matter() -> None:
    rng = np.random.default_rng(17)
    counts, base = rng.integers(0, 40, (5, 3, 4)), rng.integers(20, 60, (3, 4)).astype(float)
    padded = np.concatenate([counts, np.zeros((5, 3, 3))], axis=-1), np.concatenate([base, np.zeros((3, 3))], axis=-1)
    for ordered in (True, False):
        plain = evidence_over_windows(counts, base, ordered=ordered).log_e
        assert evidence_over_windows(*padded, ordered=ordered).log_e == pytest.approx(plain)


def test_more_windows_do_not_change_what_was_said_before() -> None:
    counts = np.random.default_rng(18).integers(0, 40, (17, 2, 4))
    base = np.full((2, 4), 50.0)
    whole = evidence_over_windows(counts, base, ordered=True)
    for until in (1, 2, 5, 16):
        part = evidence_over_windows(counts[:until], base, ordered=True)
        assert part.log_e == pytest.approx(whole.log_e[:until])
        assert part.since.tolist() == whole.since[:until].tolist()
