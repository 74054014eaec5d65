"""What was asked for is answered on the terminal: references, pairs, things held fixed."""

import pandas as pd
import pytest


@pytest.fixture
def folder(tmp_path):
    """600 rows; women are selected half as often as men, wholly because of where they apply."""
    rows = [("M", "A", 1)] * 160 + [("M", "A", 0)] * 40 + [("M", "B", 1)] * 20 + [("M", "B", 0)] * 80
    rows += [("F", "A", 1)] * 80 + [("F", "A", 0)] * 20 + [("F", "B", 1)] * 40 + [("F", "B", 0)] * 160
    frame = pd.DataFrame(rows, columns=["sex", "dept", "said"]).assign(true=[1, 0] * 300)
    frame.to_csv(tmp_path / "scored.csv", index=False)
    return tmp_path


ASKED = ("audit", "scored.csv", "--y-true", "true", "--y-pred", "said", "--sensitive")


def test_each_group_against_its_reference_with_a_simultaneous_interval(call, folder):
    plain = call(*ASKED, "sex", cwd=folder, code=0).stdout
    assert "Difference from" not in plain
    shown = call(*ASKED, "sex", "--reference", "sex=M", cwd=folder, code=0).stdout.splitlines()
    start = shown.index(next(line for line in shown if line.startswith("Difference from sex = M")))
    assert shown[start + 2].split()[:2] == ["F", "−20.0"]  # 40 % against 60 %
    assert "simultaneous" in shown[start + 3]


def test_compas_with_a_reference_shows_african_american_against_caucasian(call, tmp_path, compas_file):
    asked = ("--y-true", "two_year_recid", "--y-score", "decile_score", "--score-max", "10", "--threshold", "0.5")
    arguments = ("audit", compas_file, *asked, "--sensitive", "race", "--reference", "race=Caucasian")
    lines = call(*arguments, cwd=tmp_path, code=0).stdout.splitlines()
    start = lines.index(next(line for line in lines if line.startswith("Difference from race = Caucasian")))
    row = next(line for line in lines[start:] if line.strip().startswith("African-American"))
    assert "+21.4 [+16.6, +26.1]" in row  # false positive rate: 44.8 % against 23.5 %


def test_every_pair_stands_once(call, folder):
    shown = call(*ASKED, "sex,dept", "--all-pairs", cwd=folder, code=0).stdout
    assert shown.count("sex = F, M") == 1
    assert shown.count("dept = A, B") == 1


def test_raw_gaps_stand_beside_adjusted_ones(call, folder):
    lines = call(*ASKED, "sex", "--control", "dept", cwd=folder, code=0).stdout.splitlines()
    row = next(line for line in lines if line.startswith("sex = F, the rest") and "Selection rate" in line)
    assert "−20.0 [" in row  # raw
    assert " 0.0 [" in row  # within departments
