"""Rates without labels, corrected with few: the published figures, coverage, strata, and what they may not do."""

from math import sqrt

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom

from audit.counting import count
from audit.errors import InputError
from audit.measurement import Measurement
from audit.metrics.catalog import METRICS
from audit.predictions import PredictionLog
from audit.rollup import cells_of, partition
from audit.tally import Tally, collapse
from audit.tally_rows import measure
from monitors.performance.calibrated import calibration_of
from monitors.performance.corrected import sums_of
from monitors.performance.label_free import label_free

Arrays = dict[str, np.ndarray]


def _people(rng: np.random.Generator, rows: int, *, collapsed: bool) -> Arrays:
    """Return scores that are right about .81 of the time; after the collapse, for a fifth of the people, .19."""
    score = rng.beta(1.3, 1.3, rows)
    score = np.where(rng.random(rows) < 0.5, 0.5 + score / 2, 0.5 - score / 2)  # of two sides, from unsure to sure
    y = rng.random(rows) < np.where(score > 0.5, 0.62 + 0.38 * (2 * score - 1), 0.38 - 0.38 * (1 - 2 * score))
    group = np.where(rng.random(rows) < 0.2, "minor", "major")
    if collapsed:
        y = np.where(group == "minor", ~y, y)
    return {"y": y.astype(int), "s": score, "g": group}


def _tally(people: Arrays, labelled: np.ndarray | None = None) -> Tally:
    y = people["y"].astype(object)
    if labelled is not None:
        y = np.where(labelled, y, None)
    frame = pa.table({"y": pa.array(y.tolist(), pa.int64()), "s": people["s"], "g": people["g"].tolist()})
    return count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5, sensitive_features=["g"]))


def _without_labels(tally: Tally) -> Tally:
    gone = tally.cells.set_column(1, "y_true", pa.nulls(tally.cells.num_rows, pa.string()))
    return collapse(gone, features=tally.features, positive=tally.positive, bins=tally.bins, weights="none")


def _drawn(rng: np.random.Generator, rows: int, number: int) -> np.ndarray:
    chosen = np.zeros(rows, dtype=bool)
    chosen[rng.choice(rows, number, replace=False)] = True
    return chosen


def _row(rows: tuple[Measurement, ...], metric: str, **group: str) -> Measurement:
    return next(row for row in rows if row.metric == metric and row.slice == tuple(group.items()))


@pytest.mark.parametrize("worlds", [50, pytest.param(200, marks=pytest.mark.slow)])
def test_a_fifth_collapses_unseen_and_a_hundred_labels_show_it(worlds: int) -> None:
    rng = np.random.default_rng(11)
    reference = _tally(_people(rng, 60000, collapsed=False))
    bias, corrected, held = [], [], 0
    for _ in range(worlds):
        people = _people(rng, 5000, collapsed=True)
        truth = (people["y"] == (people["s"] >= 0.5)).mean()
        cells = cells_of(_tally(people, _drawn(rng, 5000, 100)))
        found = sums_of(METRICS["accuracy"], cells, partition(cells, []), calibration_of(reference))
        bias.append(found.estimated[0] - truth)
        corrected.append(found.corrected[0] - truth)
        held += abs(corrected[-1]) <= 1.984 * found.error[0]
    assert np.mean(bias) == pytest.approx(0.125, abs=0.006)  # (.81 - .19) / 5
    assert abs(np.mean(corrected)) <= 0.005 + 3 * np.std(corrected) / sqrt(worlds)
    assert binom.cdf(held, worlds, 0.95) > 0.01


@pytest.mark.slow
def test_the_corrected_estimate_is_unbiased_and_covers_over_two_thousand_worlds() -> None:
    rng = np.random.default_rng(12)
    calibration = calibration_of(_tally(_people(rng, 60000, collapsed=False)))
    off: dict[str, list[float]] = {"accuracy": [], "false_positive_rate": [], "false_negative_rate": []}
    held, truth = dict.fromkeys(off, 0), {metric: _truth(metric) for metric in off}
    for _ in range(2000):
        people = _people(rng, 3000, collapsed=True)
        cells = cells_of(_tally(people, _drawn(rng, 3000, 100)))
        for metric, values in off.items():
            found = sums_of(METRICS[metric], cells, partition(cells, []), calibration)
            values.append(float(found.corrected[0]))
            held[metric] += abs(values[-1] - truth[metric]) <= 1.984 * found.error[0]
    for metric, values in off.items():
        assert abs(np.mean(values) - truth[metric]) <= 0.005
        assert 0.93 <= held[metric] / 2000 <= 0.985


def _truth(metric: str) -> float:
    """Return the rate of the world, not of the rows that were drawn from it."""
    people = _people(np.random.default_rng(0), 2_000_000, collapsed=True)
    predicted, y = people["s"] >= 0.5, people["y"] == 1
    wanted = {"accuracy": predicted == y, "false_positive_rate": predicted[~y], "false_negative_rate": ~predicted[y]}
    return float(wanted[metric].mean())


def test_the_rectifier_points_at_the_group_that_changed() -> None:
    rng = np.random.default_rng(13)
    reference = _tally(_people(rng, 60000, collapsed=False))
    current = _tally(_people(rng, 5000, collapsed=True), _drawn(rng, 5000, 500))
    rows = label_free(reference, current).rows
    minor, major = (_row(rows, "rectifier", g=name) for name in ("minor", "major"))
    assert minor.high < -0.4
    assert major.low < 0 < major.high
    assert _row(rows, "corrected_accuracy", g="minor").high < 0.35


def test_the_uncorrected_estimate_has_no_interval_and_says_that_it_is_an_assumption() -> None:
    rng = np.random.default_rng(14)
    reference = _tally(_people(rng, 5000, collapsed=False))
    people = _people(rng, 800, collapsed=False)
    rows = label_free(reference, _without_labels(_tally(people)), metrics=("accuracy", "precision")).rows
    assert {row.metric for row in rows} == {
        "estimated_accuracy", "corrected_accuracy", "estimated_precision", "corrected_precision", "rectifier",
        "outcome_rectifier",
    }  # fmt: skip
    for row in rows:
        if row.metric.startswith("estimated_"):
            assert (row.low, row.high, row.level) == (None, None, None)
            assert str(row.reason).startswith("an assumption, no measurement")
        else:
            assert row.value is None
            assert row.reason


@pytest.mark.parametrize("metric", ["accuracy", "false_positive_rate", "precision", "prevalence", "true_positive_rate"])
def test_with_every_label_the_corrected_rate_is_the_rate(metric: str) -> None:
    rng = np.random.default_rng(15)
    reference, current = (_tally(_people(rng, 4000, collapsed=flag)) for flag in (False, True))
    cells = cells_of(current)
    found = sums_of(METRICS[metric], cells, partition(cells, ["g"]), calibration_of(reference))
    counts = found.corrected
    people = [_row(tuple(rows), metric, g=name) for name in ("major", "minor") for rows in [_measured(current, metric)]]
    assert counts.tolist() == pytest.approx([row.value for row in people])


def _measured(tally: Tally, metric: str) -> list[Measurement]:
    return [row for row in measure(tally, metrics=[metric]) if row.against is None]


@pytest.mark.parametrize("worlds", [20, pytest.param(60, marks=pytest.mark.slow)])
def test_labels_drawn_within_groups_count_by_the_share_of_their_group(worlds: int) -> None:
    rng = np.random.default_rng(16)
    reference = _tally(_people(rng, 60000, collapsed=False))
    plain, mended, held = [], [], 0
    for _ in range(worlds):
        people = _people(rng, 4000, collapsed=True)
        truth = (people["y"] == (people["s"] >= 0.5)).mean()
        chosen = np.zeros(4000, dtype=bool)
        for name in ("minor", "major"):
            chosen[rng.choice(np.flatnonzero(people["g"] == name), 100, replace=False)] = True
        current = _tally(people, chosen)
        plain.append(_row(label_free(reference, current).rows, "corrected_accuracy").value - truth)
        row = _row(label_free(reference, current, drawn_by="g").rows, "corrected_accuracy")
        mended.append(row.value - truth)
        held += row.low <= truth <= row.high
    assert np.mean(plain) < -0.1  # half of the labels are of a fifth of the people
    assert abs(np.mean(mended)) < 0.015
    assert binom.cdf(held, worlds, 0.95) > 0.01


def test_a_group_without_labels_leaves_everyone_unknown_where_groups_were_drawn_from() -> None:
    rng = np.random.default_rng(17)
    reference = _tally(_people(rng, 4000, collapsed=False))
    people = _people(rng, 1000, collapsed=False)
    current = _tally(people, people["g"] == "major")
    row = _row(label_free(reference, current, drawn_by="g").rows, "corrected_accuracy")
    assert row.value is None
    assert row.reason == "no label in one of the groups that were drawn from"


def test_few_labels_that_agree_by_chance_do_not_look_certain() -> None:
    rng = np.random.default_rng(18)
    reference = _tally(_people(rng, 20000, collapsed=False))
    people = _people(rng, 5000, collapsed=False)
    right = np.flatnonzero(people["y"] == (people["s"] >= 0.5))
    chosen = np.zeros(5000, dtype=bool)
    chosen[rng.choice(right, 12, replace=False)] = True
    row = _row(label_free(reference, _tally(people, chosen)).rows, "corrected_accuracy")
    assert row.n == 12
    assert row.low < 0.81


def test_bad_input_is_named_at_once() -> None:
    rng = np.random.default_rng(19)
    people = _people(rng, 100, collapsed=False)
    scored = _tally(people)
    frame = pa.table({"y": people["y"], "p": people["y"]})
    plain = count(PredictionLog.from_frame(frame, y_true="y", y_pred="p"))
    with pytest.raises(InputError, match=r"(?s)the reference has no scores.*f1 is no rate.*drawn_by names 'sex'"):
        label_free(plain, scored, metrics=["f1"], drawn_by="sex")
    with pytest.raises(InputError, match="the reference has no labels"):
        label_free(_without_labels(scored), scored)
