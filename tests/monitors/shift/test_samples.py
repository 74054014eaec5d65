"""Rows of each window and group: the right ones, the same ones again, and no more than asked for."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from monitors.shift.samples import drawn
from monitors.windows import Windows

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def weeks(number):
    return Windows(edges=tuple(MONDAY + timedelta(weeks=k) for k in range(number + 1)), regular=True, complete=number)


def log(frame, **options):
    return PredictionLog.from_frame(frame, y_true="y", y_pred="p", timestamp="t", features=["x"], **options)


@pytest.fixture
def frame():
    n = 90
    return pd.DataFrame({
        "y": [0, 1] * 45, "p": 1, "x": np.arange(n), "age": np.arange(n) % 60, "sex": ["F", "M", None] * 30,
        "t": [(MONDAY + timedelta(days=7 * (row // 30))).isoformat() for row in range(n)],
    })  # fmt: skip


def test_each_window_has_its_rows_and_the_empty_one_none(frame):
    found = list(drawn(log(frame[frame.x < 60]), most=1000, random_state=0, windows=weeks(3)))
    assert [each[()].rows for each in found] == [30, 30, 0]
    assert found[1][()].columns["x"].to_pylist() == list(range(30, 60))


def test_groups_are_spelled_as_an_audit_spells_them(frame):
    read = log(frame, sensitive_features=["sex", "age"], bins={"age": [30]})
    slices = next(drawn(read, most=1000, random_state=0, by_group=True))
    assert {which: each.rows for which, each in slices.items()} == {
        (): 90, (("sex", "F"),): 30, (("sex", "M"),): 30, (("sex", None),): 30,
        (("age", "<30"),): 60, (("age", ">=30"),): 30,
    }  # fmt: skip
    assert set(slices[(("sex", "M"),)].columns["x"].to_pylist()) == set(range(1, 90, 3))


def test_no_more_than_asked_for_and_the_same_again(frame):
    one, two, other = (
        next(drawn(log(frame), most=10, random_state=seed))[()].columns["x"].to_pylist() for seed in (0, 0, 1)
    )
    assert len(set(one)) == 10
    assert one == two != other


def test_every_row_is_as_likely_as_any_other(frame):
    often = np.zeros(90)
    for seed in range(200):
        often[next(drawn(log(frame), most=9, random_state=seed))[()].columns["x"].to_pylist()] += 1
    # 200 draws at 1/10: mean 20, standard deviation 4.2.
    assert often.min() > 3
    assert often.max() < 38


def test_a_log_that_watches_nothing_is_refused(frame):
    empty = PredictionLog.from_frame(frame, y_true="y", y_pred="p")
    with pytest.raises(InputError, match="no features are watched"):
        next(drawn(empty, most=10, random_state=0))
