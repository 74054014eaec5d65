"""What is not known is said on the terminal: labels, weights, worst cases."""

import pandas as pd
import pytest


@pytest.fixture
def folder(tmp_path):
    """300 loans: a third granted, of which a third is repaid; nobody knows of the others."""
    frame = pd.DataFrame({"paid": [1] * 30 + [0] * 60 + [None] * 210, "said": [1] * 90 + [0] * 210})
    frame = frame.assign(sex=["F", "M"] * 150, w=1.5, known=frame["paid"].fillna(0)).convert_dtypes()
    frame.to_csv(tmp_path / "loans.csv", index=False)
    return tmp_path


def asked(true, *more):
    return ("audit", "loans.csv", "--y-true", true, "--y-pred", "said", "--sensitive", "sex", *more)


def test_missing_labels_are_said(call, folder):
    line = "labels known for 90 of 300 rows; rates of paid rest on these"
    assert line in call(*asked("paid"), cwd=folder, code=0).stdout.splitlines()
    assert "labels known" not in call(*asked("known"), cwd=folder, code=0).stdout


def test_weights_are_said(call, folder):
    assert "\nweighted by w: each row" in call(*asked("known", "--weight", "w"), cwd=folder, code=0).stdout
    assert "weighted" not in call(*asked("known"), cwd=folder, code=0).stdout


def test_bounds_are_shown_by_group_only_where_they_are_asked_for(call, folder):
    assert "Lowest and highest" not in call(*asked("paid"), cwd=folder, code=0).stdout
    lines = call(*asked("paid", "--bounds"), cwd=folder, code=0).stdout.splitlines()
    start = lines.index(next(line for line in lines if line.startswith("Lowest and highest value, whatever")))
    # Right: the 30 that were repaid, and all or none of the 210 that nobody knows of.
    assert "10.0 to 80.0 %" in next(line for line in lines[start:] if line.startswith("everyone"))
    assert any(line.startswith("sex = F") for line in lines[start:])


def test_without_anything_missing_bounds_say_so(call, folder):
    shown = call(*asked("known", "--bounds"), cwd=folder, code=0).stdout
    assert "No label and no group is missing: there are no worst cases to show." in shown
