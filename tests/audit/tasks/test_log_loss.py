import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.tasks.log_loss import log_loss_rows


def log_of(frame, **options):
    options = {"sensitive_features": ["g"], "threshold": 0.5} | options
    return PredictionLog.from_frame(frame, y_true="y", y_score="s", **options)


def value(rows, **where):
    (row,) = (r for r in rows if r.metric == "log_loss" and r.against is None and dict(r.slice) == where)
    return row


@settings(max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.floats(0.001, 0.999), st.sampled_from("ab"), st.floats(0.5, 3)),
        min_size=2,
        max_size=30,
    )
)
def test_values_equal_those_of_scikit_learn(rows):
    frame = pd.DataFrame(rows, columns=["y", "s", "g", "w"])
    found = log_loss_rows(log_of(frame, sample_weight="w"))
    for group in sorted(set(frame["g"])):
        part = frame[frame["g"] == group]
        theirs = sk.log_loss(part["y"], part["s"], sample_weight=part["w"], labels=[0, 1])
        assert value(found, g=group).value == pytest.approx(theirs, rel=1e-9)


def test_a_sure_and_wrong_row_makes_the_loss_infinite_where_scikit_learn_clips():
    frame = pd.DataFrame({"y": [1, 1, 0, 0, 1], "s": [0.0, 0.9, 0.2, 0.1, 1.0], "g": [*"aaabb"]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = sk.log_loss(frame["y"][:3], frame["s"][:3])
    assert 12 < theirs < 13  # -ln(2.2e-16) / 3
    row = value(log_loss_rows(log_of(frame)), g="a")
    assert row.value is None
    assert row.reason.startswith("the log loss is infinite: 1 rows have a score of exactly 0 or 1")
    assert value(log_loss_rows(log_of(frame)), g="b").value == pytest.approx(-np.log(0.9) / 2)
    clipped = value(log_loss_rows(log_of(frame), clip=0.01), g="a")
    assert clipped.value == pytest.approx(-np.log([0.01, 0.9, 0.8]).mean())


def test_words_for_labels_and_rows_without_one():
    frame = pd.DataFrame({"y": ["yes", "no", None, "no"], "s": [8, 5, 3, 1], "g": "x"})
    row = value(log_loss_rows(log_of(frame, positive="yes", score_max=10)))
    assert row.value == pytest.approx(-np.log([0.8, 0.5, 0.9]).mean())
    assert row.n == 3


def test_the_gap_between_groups():
    random = np.random.default_rng(0)
    s = random.uniform(0.05, 0.95, 2000)
    y = random.random(2000) < np.where(np.arange(2000) < 1000, s, 1 - s)
    frame = pd.DataFrame({"y": y, "s": s, "g": np.repeat(["good", "bad"], 1000)})
    gap = next(r for r in log_loss_rows(log_of(frame)) if r.against and r.against["kind"] == "groups")
    assert gap.low > 0.2
    assert gap.reason == "between bad and good"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"s": [0.1, 1.7]}, r"must lie in \[0, 1\]; 1 rows hold something else"),
        ({"s": [0.1, np.nan]}, "1 rows hold something else"),
        ({"y": [None, None]}, "every label is missing"),
        ({"y": ["a", "b"]}, "the positive label is not known: y_true has 'a', 'b'"),
    ],
)
def test_bad_input(change, text):
    frame = pd.DataFrame({"y": [0, 1], "s": [0.2, 0.4], "g": ["a", "b"]} | change)
    with pytest.raises(InputError, match=text):
        log_loss_rows(log_of(frame))


def test_bad_options():
    frame = pd.DataFrame({"y": [0, 1], "p": [0, 1]})
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="p")
    with pytest.raises(InputError) as error:
        log_loss_rows(log, clip=0.5)
    assert error.value.violations == ("log_loss needs scores; name y_score", "clip must lie in (0, 0.5); got 0.5")
