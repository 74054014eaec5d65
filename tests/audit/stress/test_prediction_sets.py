import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.stress.prediction_sets import run_prediction_sets


def row_of(result, metric, kind=None, **where):
    return next(
        r
        for r in result.measurements
        if r.metric == metric and dict(r.slice) == where and (r.against["kind"] if r.against else None) == kind
    )


def test_conformal_sets_that_hold_on_average_fail_a_noisier_group():
    random = np.random.default_rng(0)
    group = np.where(np.arange(4000) < 3200, "many", "few")
    y = random.normal(0, np.where(group == "many", 1.0, 2.5))
    half = np.quantile(np.abs(y[::2]), 0.9)  # split conformal: calibrated on every other row
    frame = pd.DataFrame({"y": y, "low": -half, "high": half, "g": group})[1::2]
    result = run_prediction_sets(frame, y_true="y", sets=("low", "high"), sensitive_features=["g"])
    assert row_of(result, "prediction_set_coverage").low < 0.9 < row_of(result, "prediction_set_coverage").high
    assert row_of(result, "prediction_set_coverage", g="few").high < 0.85
    assert row_of(result, "prediction_set_coverage", g="many").low > 0.9
    gap = row_of(result, "prediction_set_coverage_difference", "groups")
    assert gap.low > 0.1
    assert row_of(result, "prediction_set_size").value == pytest.approx(2 * half)
    assert "empty_set_rate" not in {row.metric for row in result.measurements}


def test_sets_of_labels_in_any_spelling():
    frame = pd.DataFrame(
        {"y": [1, 2, 3, 1], "s": [[1.0], np.array([1, 2]), [], {"1", 2}], "g": ["<b>", "=1", None, "=1"]}
    )
    result = run_prediction_sets(frame, y_true="y", sets="s", sensitive_features=["g"])
    assert row_of(result, "prediction_set_coverage").value == 0.75
    assert row_of(result, "prediction_set_size").value == 1.25
    assert row_of(result, "empty_set_rate", g=None).value == 1
    twice = run_prediction_sets(frame.assign(s=[["a", "a"]] * 4), y_true="y", sets="s")
    assert row_of(twice, "prediction_set_size").value == 1


def test_clusters():
    frame = pd.DataFrame({"y": np.repeat(np.arange(30) % 2, 10), "s": [[1]] * 300, "who": np.repeat(np.arange(30), 10)})
    widths = []
    for cluster in (None, "who"):
        row = row_of(run_prediction_sets(frame, y_true="y", sets="s", cluster=cluster), "prediction_set_coverage")
        widths.append(row.high - row.low)
    assert widths[1] > 2.5 * widths[0]


def test_bad_input():
    frame = pd.DataFrame({"y": ["a", None], "s": [["a"], "a"], "low": [0.0, 2.0], "high": [1.0, 1.0]})
    with pytest.raises(InputError) as error:
        run_prediction_sets(frame, y_true="y", sets="s")
    assert "1 rows have no label" in str(error.value)
    assert "1 rows hold no list of labels; the first are rows [2]" in str(error.value)
    with pytest.raises(InputError) as error:
        run_prediction_sets(frame, y_true="y", sets=("low", "high"))
    assert "1 rows hold no interval, a finite low <= high; the first are rows [2]" in str(error.value)
    assert "intervals need numbers" in str(error.value)
    with pytest.raises(InputError, match="column 'q' is missing"):
        run_prediction_sets(frame, y_true="y", sets="q")
    with pytest.raises(InputError, match="there are no rows"):
        run_prediction_sets(frame.iloc[:0], y_true="y", sets="s")
