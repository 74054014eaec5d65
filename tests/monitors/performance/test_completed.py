"""Labels that are missing, whichever they are, make no evidence; those that are there make as much as before."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from audit.tally import collapse
from monitors.performance.completed import completed
from monitors.performance.performance import performance_evidence
from monitors.performance.settings import PerformanceSettings
from tests.monitors.performance.conftest import START, weeks_of

RATES = ("accuracy", "false_positive_rate", "false_negative_rate")


def without_labels(tally, lost):
    """Take the labels of cells away for which `lost(week, label, prediction)` holds."""
    cells = tally.cells
    keys = zip(cells["window_start"].to_pylist(), cells["y_true"].to_pylist(), cells["y_pred"].to_pylist(), strict=True)
    labels = [None if lost((at - START).days // 7 if at else -1, label, said) else label for at, label, said in keys]
    cells = cells.set_column(cells.column_names.index("y_true"), "y_true", pa.array(labels, cells["y_true"].type))
    return collapse(cells, features=("g",), positive="1", bins=tally.bins, weights="none")


def rings(reference, current, **options):
    settings = PerformanceSettings(watched=RATES, **options)
    return performance_evidence(reference, current, settings=settings).alarms


def calm(_week, _group):
    return 0.1


@pytest.mark.parametrize("lost", [("1", "1"), ("1", "0"), ("0", "1"), ("0", "0"), ("0", None), (None, "1")])
def test_a_quiet_log_stays_quiet_whichever_labels_are_missing(lost):
    rng = np.random.default_rng(1)
    reference, current = weeks_of(rng, 10, 300, calm), weeks_of(rng, 12, 300, calm)
    gone = without_labels(current, lambda _week, *found: all(a in {None, b} for a, b in zip(lost, found, strict=True)))
    assert rings(reference, gone) == ()


def test_labels_missing_at_random_may_be_declared_and_then_show_as_much_as_those_that_are_there():
    rng = np.random.default_rng(2)
    reference = weeks_of(rng, 10, 300, calm)
    half = [weeks_of(rng, 8, 300, lambda *_: 0.3), weeks_of(rng, 8, 1200, lambda *_: 0.3)]
    both = half[0] + without_labels(half[1], lambda *_: True)
    assert not rings(reference, both)
    assert rings(reference, both, labels_at_random=True)


def test_windows_whose_labels_are_there_ring_as_before_whatever_comes_later():
    rng = np.random.default_rng(3)
    reference = weeks_of(rng, 10, 300, calm)
    current = weeks_of(rng, 10, 300, lambda week, group: 0.35 if group == "b" and week >= 2 else 0.1)
    full = rings(reference, current)
    open_end = rings(reference, without_labels(current, lambda week, *_: week >= 7))
    assert {alarm.since for alarm in full} >= {START + timedelta(weeks=2)}
    first = START + timedelta(weeks=6)
    assert {alarm for alarm in full if alarm.since < first} == {alarm for alarm in open_end if alarm.since < first}


def test_labels_that_the_reference_lacks_are_feared():
    rng = np.random.default_rng(4)
    worse = weeks_of(rng, 8, 300, lambda *_: 0.18)
    before = weeks_of(rng, 10, 300, calm)
    lost = without_labels(before, lambda week, _label, said: said == "0" and week % 4 == 0)
    assert rings(before, worse)
    assert not rings(lost, worse)


def test_missing_labels_are_what_was_predicted_or_another():
    raw = {"y_true": ["a", None, None], "y_pred": ["a", "b", None], "n": [1, 2, 3]}
    table = pa.table(raw).append_column("w", pa.array([1.0, 2, 3])).append_column("w2", pa.array([1.0, 2, 3]))
    tally = collapse(table, features=(), positive=None, bins=None, weights="none", task="multiclass",
                     labels=("a", "b"), deferral=True)  # fmt: skip
    pairs = [
        {(row["y_true"], row["y_pred"]): row["n"] for row in completed(tally, right=right).cells.to_pylist()}
        for right in (True, False)
    ]
    assert pairs == [{("a", "a"): 1, ("b", "b"): 2, (None, None): 3}, {("a", "a"): 1, ("a", "b"): 2, (None, None): 3}]


def scored(rng, rows, *, share, week=None):
    score = np.round(rng.beta(2, 2, rows), 2)
    table = pa.table({
        "slice.g": rng.choice(["big", "small"], rows, p=[1 - share, share]),
        "y_true": np.where(rng.random(rows) < score, "1", "0"),
        "y_pred": np.where(score > 0.5, "1", "0"),
        "score_bin": (score * 10).astype(int).clip(0, 9),
        "n": np.ones(rows, dtype=int), "w": np.ones(rows), "w2": np.ones(rows), "score": score, "score2": score**2,
    })  # fmt: skip
    for name, add in (("window_start", 0), ("window_end", 1)) if week is not None else ():
        table = table.append_column(name, pa.array([START + timedelta(weeks=week + add)] * rows))
    return collapse(table, features=("g",), positive="1", bins=10, weights="none")


def test_scores_of_a_small_group_of_the_reference_ring_as_rarely_as_all_others():
    rang = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        reference = scored(rng, 600, share=0.02)
        current = scored(rng, 6_000, share=0.02, week=0)
        for week in range(1, 5):
            current = current + scored(rng, 6_000, share=0.02, week=week)
        settings = PerformanceSettings(windows_per_false_alarm=None)
        rang += bool(performance_evidence(reference, current, settings=settings).alarms)
    assert rang <= 2  # 5 % of 20, and one more


def test_a_missing_label_tells_nothing_of_what_scores_mean():
    rng = np.random.default_rng(5)
    reference = scored(rng, 4_000, share=0.3)
    current = scored(rng, 4_000, share=0.3, week=0)
    gone = without_labels(current, lambda _week, label, _said: label == "0")
    settings = {"windows_per_false_alarm": None, "watched": ("accuracy",), "gaps": False}
    assert not performance_evidence(reference, gone, settings=PerformanceSettings(**settings)).alarms
    trusting = PerformanceSettings(**settings, labels_at_random=True)
    metrics = {alarm.key.split('"')[1] for alarm in performance_evidence(reference, gone, settings=trusting).alarms}
    assert "outcome_rectifier_e_value" in metrics
