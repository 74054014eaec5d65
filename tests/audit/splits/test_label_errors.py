"""Likely label errors: planted flips are found, the list can be acted on, and opens safely in a spreadsheet."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from audit.alternatives.baselines import fit_gradient_boosting
from audit.errors import InputError
from audit.splits.cross_fit import cross_fitted, folds_of
from audit.splits.data_evidence import data_evidence
from audit.splits.label_errors import label_errors, safe_cell, suspect_row, suspects_csv, top_losses
from audit.splits.split_table import read_splits


def planted(seed, share=0.08, n=3000):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    true = (x[:, 0] + x[:, 1] + 0.3 * rng.normal(size=n) > 0).astype(int)
    flipped = rng.random(n) < share
    return x, np.where(flipped, 1 - true, true), flipped


def test_planted_flips_are_found():
    """Of the rows named, most are flips; a list of the same length drawn at random would hold 8 % of them."""
    x, given, flipped = planted(0)
    fitted = cross_fitted(fit_gradient_boosting, x, given, np.arange(len(x)))
    suspects = label_errors(given, fitted.scores, classes=[0, 1])
    named = np.array([int(found.row_id) - 1 for found in suspects])
    assert flipped[named].mean() > 0.6
    assert flipped[named].sum() / flipped.sum() > 0.75
    assert flipped[named[:100]].mean() > 0.9  # the first of the list above all
    row = suspect_row(suspects, len(given))
    assert row.low < flipped.mean() + 0.06
    assert row.value == len(suspects) / len(given)


def test_many_classes_and_the_suggested_label():
    x, true = load_digits(return_X_y=True)
    rng = np.random.default_rng(1)
    flipped = rng.random(len(true)) < 0.05
    given = np.where(flipped, (true + rng.integers(1, 10, len(true))) % 10, true)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    sure = cross_val_predict(KNeighborsClassifier(10), x, given, cv=folds, method="predict_proba")
    suspects = label_errors(given.tolist(), sure, classes=list(range(10)), row_ids=[f"d{i}" for i in range(len(true))])
    places = np.array([int(found.row_id[1:]) for found in suspects])
    assert flipped[places].mean() > 0.9
    assert flipped[places].sum() / flipped.sum() > 0.75
    right = [int(found.suggested) == true[place] for found, place in zip(suspects, places, strict=True)]
    assert np.mean(np.array(right)[flipped[places]]) > 0.9


def test_clean_labels_of_an_easy_task_name_few():
    x, given, _ = planted(2, share=0.0)
    fitted = cross_fitted(fit_gradient_boosting, x, given, np.arange(len(x)))
    assert len(label_errors(given, fitted.scores, classes=[0, 1])) < 0.09 * len(x)


def test_top_losses_are_the_largest():
    sure = np.array([0.9, 0.1, 0.5, 0.99])
    losses = top_losses([1, 1, 0, 0], sure, classes=[0, 1], k=2)
    assert [found.row_id for found in losses] == ["4", "2"]
    assert losses[0].loss == pytest.approx(-np.log(0.01))


def test_the_list_opens_safely_and_has_a_column_to_fill_in():
    names = ["=cmd()", "+1", "@x", "<b>\n\u202e"]
    suspects = label_errors(["=A", "=A", "=A", "B"], [0.1, 0.9, 0.2, 0.85], classes=["=A", "B"], row_ids=names)
    rows = list(csv.DictReader(io.StringIO(suspects_csv(suspects))))
    assert rows[0]["row_id"] == "'+1"
    assert rows[0]["given_label"] == "'=A"
    assert rows[0]["decision (relabel / keep / drop)"] == ""
    assert safe_cell("a\n\u202eb") == "a\ufffd\ufffdb"
    every = suspects_csv(top_losses(["=A", "=A", "=A", "B"], [0.1, 0.9, 0.2, 0.85], classes=["=A", "B"], row_ids=names))
    cells = [cell for row in csv.reader(io.StringIO(every)) for cell in row]
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "@", "-"))]


def test_wrong_input_is_listed():
    with pytest.raises(InputError) as error:
        label_errors([0, 2], [[0.5, 0.7], [1.5, 0.1]], classes=[0, 1], row_ids=["a"])
    text = str(error.value)
    assert "row_ids has 1" in text
    assert "labels ['2'] are none of the classes" in text
    assert "must lie in [0, 1]" in text
    with pytest.raises(InputError, match="must sum to 1"):
        label_errors([0], [[0.5, 0.7]], classes=[0, 1])
    with pytest.raises(InputError, match="two different"):
        label_errors([0], [[0.5]], classes=[0])
    with pytest.raises(InputError, match="expected"):
        top_losses([0, 1, 1], [0.5, 0.5], classes=[0, 1])
    for k in (-1, 0, True, 1.5):
        with pytest.raises(InputError, match="k must be a whole number of rows, at least 1; got"):
            top_losses([0, 1], [0.5, 0.5], classes=[0, 1], k=k)
    assert label_errors([], np.zeros((0, 2)), classes=[0, 1]) == ()


def test_folds_keep_groups_whole():
    groups = np.random.default_rng(0).integers(0, 50, 400)
    fold = folds_of(groups, folds=5)
    assert all(len(set(fold[groups == group])) == 1 for group in np.unique(groups))
    assert len(set(fold)) == 5
    with pytest.raises(ValueError, match="at least 2 groups"):
        cross_fitted(fit_gradient_boosting, np.zeros((3, 1)), np.array([0, 1, 0]), np.zeros(3, dtype=int))


def linted():
    rng = np.random.default_rng(1)
    x = rng.normal(size=900)
    label = np.where((x > 0) ^ (rng.random(900) < 0.03), ">50K", "<=50K")
    frame = pd.DataFrame({"x": x, "z": rng.normal(size=900), "Id": [f"p{i}" for i in range(900)], "y": label})
    frame["part"] = np.where(np.arange(900) % 3 == 0, "test", "train")
    return frame


def test_a_suspect_is_found_by_its_line_its_id_and_its_own_label(tmp_path):
    frame = linted()
    frame.to_csv(tmp_path / "all.csv", index=False)
    table = read_splits(tmp_path / "all.csv", split=("part", "test"), y_true="y", positive=">50K", features=["x", "z"])
    suspects = data_evidence(table).suspects
    assert len(suspects) > 10
    lines = (tmp_path / "all.csv").read_text(encoding="utf-8").splitlines()
    for row in csv.DictReader(io.StringIO(suspects_csv(suspects))):
        assert list(row)[:4] == ["part", "line_in_file", "Id", "given_label"]
        own = dict(zip(lines[0].split(","), lines[int(row["line_in_file"]) - 1].split(","), strict=True))
        assert (own["part"], own["Id"], own["y"]) == (row["part"], row["Id"], row["given_label"])
        assert {row["given_label"], row["suggested_label"]} == {"<=50K", ">50K"}


def test_where_lines_are_not_known_rows_are_counted_from_1_and_the_heading_says_so(tmp_path):
    frame = linted()
    train, test = (frame[frame["part"] == part].drop(columns="part") for part in ("train", "test"))
    table = read_splits(train, test, y_true="y", positive=">50K", features=["x", "z"], row_id="Id")
    for found in data_evidence(table).suspects:
        where = dict(found.where)
        part = train if where["part"] == "train" else test
        assert part["Id"].iloc[int(where["row (from 1)"]) - 1] == where["Id"]
    alone = label_errors([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.9, 0.8, 0.9, 0.7], classes=[0, 1])
    assert suspects_csv(alone).splitlines()[0].startswith("row (from 1),given_label")
    assert suspects_csv(alone).splitlines()[1].startswith("3,0,1")
