import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score, roc_auc_score

from trainer.data.columns import Columns
from trainer.data.leaks import _separation, explained, reduction
from trainer.data.splits import split_groups, split_rows, split_time
from trainer.data.table import Table


def clean(n=1000, *, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.normal(size=n),
            "site": rng.choice(["a", "b", "c"], n),
            "seen": pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 700, n), unit="D"),
            "person": rng.integers(0, n // 4, n),
        }
    )
    return frame.assign(ill=(frame["age"] + rng.normal(0, 1, n) > 0).astype(int))


def leaks(frame, *, split=None, **roles):
    columns = Columns(y="ill", **roles)
    table = Table.from_frame(frame, columns=columns, split=split or split_time(frame["seen"]))
    return [(row.name, row.kind) for row in table.card() if row.role == "leak"]


def test_nothing_is_found_where_nothing_leaks():
    for seed in range(5):
        assert leaks(clean(seed=seed), features=["age", "site", "seen"]) == []


def test_a_feature_that_tells_the_label_is_found_whatever_its_kind():
    frame = clean()
    ill, rng = frame["ill"], np.random.default_rng(1)
    leaky = frame.assign(
        score=ill * 10 + rng.normal(0, 1, len(frame)),
        down=-ill * 10.0 + rng.normal(0, 1, len(frame)),
        code=np.where(ill == 1, rng.choice(["x", "y"], len(frame)), "z"),
        refund=np.where(ill == 1, rng.normal(size=len(frame)), np.nan),
        name=[f"person {row}" for row in range(len(frame))],
    )
    found = leaks(leaky, features=["age", "site", "score", "down", "code", "refund", "name"])
    assert found == [(name, "tells the label") for name in ("score", "down", "refund", "code")]


def test_a_number_and_several_labels_can_leak_too():
    frame = clean()
    number = Columns(y="age", task="number", features=["twice", "site"])
    table = Table.from_frame(frame.assign(twice=2 * frame["age"]), columns=number, split=split_rows(1000))
    assert [row.name for row in table.card() if row.role == "leak"] == ["twice"]
    labels = Columns(labels=["ill", "other"], features=["copy", "site"])
    many = frame.assign(copy=frame["ill"].map({0: "no", 1: "yes"}), other=(frame["age"] > 1).astype(int))
    table = Table.from_frame(many, columns=labels, split=split_rows(1000))
    assert "copy" in [row.name for row in table.card() if row.kind == "tells the label"]


def test_copied_rows_are_found_and_chance_repeats_are_not():
    frame = clean()
    split = split_rows(len(frame), seed=1)
    copied = frame.copy()
    copied.iloc[split.test[:60]] = frame.iloc[split.train[:60]].to_numpy()
    copied = copied.astype(frame.dtypes.to_dict())
    assert ("test", "equal rows") in leaks(copied, split=split, features=["age", "site"])
    coarse = frame.assign(age=frame["age"].round())  # few values: rows repeat in every part alike
    assert leaks(coarse, split=split, features=["age", "site"]) == []


def test_groups_in_two_parts_are_found():
    frame = clean()
    found = leaks(frame, split=split_rows(len(frame)), features=["age"], cluster="person")
    assert found == [("person", "groups in two parts")] * 2
    assert leaks(frame, split=split_groups(frame["person"]), features=["age"], cluster="person") == []


def test_dates_out_of_order_are_found():
    frame = clean()
    assert leaks(frame, split=split_rows(len(frame)), features=["age", "seen"]) == [("seen", "time order")]


def test_few_rows_are_not_judged():
    frame = clean(60)
    assert leaks(frame.assign(copy=frame["ill"]), features=["age", "copy"]) == []


def test_the_area_agrees_with_scikit_learn_and_the_ratio_with_group_means():
    rng = np.random.default_rng(0)
    values, truth = rng.integers(0, 9, 500).astype(float), rng.integers(0, 2, 500)
    area = roc_auc_score(truth, values)
    assert _separation(values, truth) == pytest.approx(max(area, 1 - area), abs=1e-12)
    codes, numbers = rng.integers(0, 5, 500), rng.normal(size=500)
    means = pd.Series(numbers).groupby(codes).transform("mean")
    assert explained(codes, numbers) == pytest.approx(r2_score(numbers, means), abs=1e-12)
    assert np.isnan(reduction(codes, np.zeros(500, dtype=int)))
