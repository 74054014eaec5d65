"""The exact evidence that then and now differ: its expectation, its power, and rows that belong together."""

import numpy as np
import pyarrow as pa
import pytest

from audit.errors import InputError
from monitors.shift import telling_apart
from monitors.shift.samples import Drawn
from monitors.shift.telling_apart import both_sides, one_of_each, pair_evidence


def one_rule(x, y, weight=None, *, random_state=0):
    """A classifier that needs no time: the side of the mean of each feature that now lies on."""
    del weight, random_state
    way = np.sign(x[y == 1].mean(axis=0) - x[y == 0].mean(axis=0))
    return lambda new: new @ way


def evidence(monkeypatch, repeats, draw, *, tolerated, rows=80):
    monkeypatch.setattr(telling_apart, "fit_gradient_boosting", one_rule)
    rng, now = np.random.default_rng(0), np.repeat([0, 1], rows)
    return np.array([pair_evidence(draw(rng, now), now, tolerated=tolerated, random_state=k) for k in range(repeats)])


def test_without_a_change_the_chance_of_e_above_twenty_is_below_one_in_twenty(monkeypatch):
    log_e = evidence(monkeypatch, 2000, lambda rng, now: rng.normal(size=(len(now), 2)), tolerated=0.5)
    assert np.mean(log_e >= np.log(20)) <= 0.05
    assert np.mean(np.exp(log_e)) <= 1.15  # its expectation is 1 at most


def moved(by):
    return lambda rng, now: rng.normal(size=(len(now), 1)) + by * now[:, None]


def test_a_change_at_the_practical_limit_rings_rarely(monkeypatch):
    """AUC .55 is a shift of .178 standard deviations: Phi(.178 / sqrt 2) = .55."""
    log_e = evidence(monkeypatch, 1000, moved(0.1777), tolerated=0.55, rows=400)
    assert np.mean(log_e >= np.log(20)) <= 0.05


def test_a_change_beyond_it_rings(monkeypatch):
    """A shift of .75 is an AUC of .70."""
    log_e = evidence(monkeypatch, 100, moved(0.75), tolerated=0.55, rows=400)
    assert np.mean(log_e >= np.log(20)) >= 0.95


def test_ties_count_half_and_say_nothing():
    now = np.repeat([0, 1], 100)
    assert pair_evidence(np.zeros((200, 1)), now, tolerated=0.55) < 0


def test_gradient_boosting_sees_what_no_mean_shows():
    rng, now = np.random.default_rng(1), np.repeat([0, 1], 600)
    x = rng.normal(size=(1200, 2))
    x[now == 1, 1] = 0.9 * x[now == 1, 0] + 0.3 * x[now == 1, 1]
    assert pair_evidence(x, now, tolerated=0.55) > np.log(1000)


def test_a_cluster_gives_one_row_and_never_stands_on_both_sides():
    then = Drawn(columns={"x": pa.array([1.0, 2.0, 3.0])}, cluster=pa.array(["a", "a", None]), rows=3)
    now = Drawn(columns={"x": pa.array([4.0, 5.0, 6.0])}, cluster=pa.array(["a", "b", None]), rows=3)
    table = both_sides(then, now)
    for seed in range(10):
        chosen = one_of_each(table, random_state=seed)
        assert len(chosen) == len(set(table.cluster[chosen])) == 4  # a, b, and two that stand alone


def test_columns_of_two_types_are_read_as_text_and_infinite_values_are_named():
    table = both_sides(
        Drawn(columns={"x": pa.array([1, 2])}, rows=2), Drawn(columns={"x": pa.array(["2", "<script>"])}, rows=2)
    )
    assert table.features[0].texts == ("1", "2", "<script>")
    with pytest.raises(InputError, match="column 'x' holds 1 infinite values"):
        both_sides(Drawn(columns={"x": pa.array([np.inf])}, rows=1), Drawn(columns={"x": pa.array([1.0])}, rows=1))
