"""Published figures of subgroup search out of the command line: DivExplorer's patterns, SliceLine's ten slices."""

import json
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import evenhanded as eh
from audit.result import Result
from dashboards.report.render import render_report
from dashboards.slice_findings import slices_command
from evenhanded.cli import run

NAMES = ("age", "charge", "race", "sex", "#prior", "stay")
# Pastor, de Alfaro and Baralis (2021): support, divergence and t of the largest false positive rate divergences.
PUBLISHED = (
    ({"age": "25-45", "race": "Afr-Am", "sex": "Male", "#prior": ">3"}, 0.128645, 0.219722, 7.116857),
    ({"age": "25-45", "race": "Afr-Am", "#prior": ">3"}, 0.145010, 0.210928, 7.448260),
    ({"age": "25-45", "race": "Afr-Am", "#prior": ">3", "charge": "F"}, 0.109527, 0.201841, 6.201585),
)


@pytest.fixture
def discretized(data_folder):
    path = data_folder / "compas" / "compas_discretized.csv"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    return path


def searched(path, *more):
    names = ",".join(NAMES)
    basic = ["--y-true", "class", "--y-pred", "predicted", "--features", names, "--metric", "false_positive_rate"]
    assert run(["slices", str(path), *basic, "--all-depths", "--all-rows", "--json", "r.json", *more]) == 0
    return json.loads(Path("r.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("support", "patterns"), [("0.1", 155), ("0.05", 316)])
def test_the_command_line_finds_the_patterns_of_divexplorer(support, patterns, discretized, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = searched(discretized, "--min-support", support)["measurements"]
    found = [row for row in rows if row["metric"] == "exploratory_difference"]
    (count,) = (row for row in rows if row["metric"] == "slices_searched")
    assert count["value"] == len(found) == len({json.dumps(row["slice"]) for row in found}) == patterns - 1  # the root
    assert count["n"] == 6172
    (everyone,) = (row for row in rows if row["metric"] == "false_positive_rate" and row["against"] is None)
    assert round(everyone["value"], 6) == 0.088314


def test_the_three_largest_divergences_to_six_digits(discretized, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    result = searched(discretized, "--min-support", "0.1")
    rows = {(row["metric"], json.dumps(row["slice"])): row for row in result["measurements"]}
    listed = [row["slice"] for row in result["measurements"] if row["metric"] == "exploratory_difference"]
    assert listed[:3] == [pattern for pattern, *_ in PUBLISHED]
    for pattern, *numbers in PUBLISHED:
        key = json.dumps(dict(sorted(pattern.items())))
        values = [rows[f"exploratory_{name}", key]["value"] for name in ("support", "difference", "t")]
        assert [round(value, 6) for value in values] == numbers
    lines = capsys.readouterr().out
    assert lines.startswith("Exploratory: all rows were searched and none kept to confirm on")
    assert "22.0 points higher than everyone, t = 7.12" in lines


def test_nothing_of_it_has_an_interval_or_is_called_confirmed(discretized, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = searched(discretized, "--min-support", "0.1", "--html", "r.html")
    scores = [row for row in result["measurements"] if row["metric"].startswith("exploratory_")]
    assert len(scores) == 4 * 154
    assert all(row["low"] is row["high"] is row["level"] is None for row in scores)
    assert {row["method"] for row in scores} == {"all rows searched, not confirmed"}
    assert not any((row["against"] or {}).get("kind") == "rest" for row in result["measurements"])
    assert result["provenance"]["seed"] is None
    assert result["provenance"]["given"]["confirm"] is False
    page = Path("r.html").read_text(encoding="utf-8")
    assert "Exploratory: slices of all rows, none of them confirmed" in page


def test_the_command_makes_the_same_result_again(discretized, tmp_path, monkeypatch):
    monkeypatch.chdir(discretized.parent)
    out = tmp_path / "r.json"
    basic = ["--y-true", "class", "--y-pred", "predicted", "--features", "age,stay", "--all-rows", "--limit", "5"]
    assert run(["slices", discretized.name, *basic, "--json", str(out)]) == 0
    first = Result.from_json(out.read_text(encoding="utf-8"))
    words = shlex.split(slices_command(first))
    assert "--all-rows" in words
    assert run([*words[1:], "--json", str(out)]) == 0
    assert Result.from_json(out.read_text(encoding="utf-8")).digest() == first.digest()
    assert sum(row.metric == "exploratory_t" for row in first.measurements) == 5


def test_numbers_are_cut_at_quantiles_of_all_rows_and_hostile_names_are_harmless():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"g": rng.choice(["<script>x</script>", "=1+1"], 900), "age": rng.integers(18, 80, 900)})
    frame["y"], frame["p"] = 0, (rng.random(900) < np.where(frame["g"] == "=1+1", 0.4, 0.1)).astype(int)
    log = eh.PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g", "age"])
    result = eh.run_slices(log, metric="false_positive_rate", confirm=False)
    cuts = result.provenance.given["edges_from_all_rows"]["age"]
    assert cuts == pytest.approx(np.quantile(frame["age"], [0.25, 0.5, 0.75]))
    first = next(row for row in result.measurements if row.metric == "exploratory_difference")
    assert ("g", "=1+1") in first.slice
    page = render_report(result, title="x")
    assert "Cut at quantiles of all rows: age at" in page
    assert "<script" not in page


def test_what_is_given_in_vain_is_refused():
    frame = pd.DataFrame({"g": ["a", "b"] * 20, "y": 0, "p": [0, 1] * 20})
    log = eh.PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"])
    with pytest.raises(eh.InputError) as refused:
        eh.run_slices(log, confirm=False, seed=4, epsilon=0.2)
    assert [text.split(" is")[0] for text in refused.value.violations] == ["seed", "epsilon"]


def test_a_metric_that_rests_on_nothing_is_undefined_with_a_reason():
    frame = pd.DataFrame({"g": ["a", "b"] * 20, "y": 0, "p": [0, 1] * 20})
    log = eh.PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"])
    rows = eh.run_slices(log, metric="false_negative_rate", confirm=False).measurements
    undefined = [row for row in rows if row.metric == "exploratory_difference"]
    assert {(row.value, row.reason) for row in undefined} == {(None, "no errors among the rows that were searched")}


# The first case of BuiltinSliceLineTest.java of apache/systemds: 20 rows of 10 features, 20 errors, and the ten slices
# that score highest, as (score, sum of errors, largest error, rows). Sagadeeva and Boehm 2021.
SLICE_LINE = (
    "2112323312 2223412132 2133223114 1221323223 3234334113 4323443411 2224332212 1122332112 4321324243 1314133232 "
    "2431241324 3243142341 4124314213 1342431423 2413243142 3241342314 4132414231 1324134243 2413243124 2332142323"
)
ERRORS = [0.159, 0.588, 0.414, 0.305, 0.193, 0.195, 0.878, 0.149, 0.835, 0.344,
          0.123, 0.456, 0.789, 0.987, 0.654, 0.321, 0.246, 0.135, 0.579, 0.802]  # fmt: skip
TEN = [(0.307, 2.807, 0.878, 4), (0.307, 2.807, 0.878, 4), (0.282, 2.759, 0.987, 4), (0.157, 4.046, 0.987, 7),
       (0.127, 2.956, 0.878, 5), (0.122, 2.942, 0.878, 5), (0.074, 3.298, 0.987, 6), (0.064, 4.197, 0.878, 8),
       (0.061, 2.796, 0.987, 5), (0.038, 3.194, 0.878, 6)]  # fmt: skip


def test_sliceline_through_the_public_name():
    codes = np.array([[int(mark) for mark in row] for row in SLICE_LINE.split()])
    found = eh.slice_line(codes, ERRORS, min_rows=4, top=10)
    assert np.allclose([(each.score, each.total, each.largest, each.size) for each in found], TEN, atol=0.00051)


def test_sliceline_through_the_command_line(tmp_path, monkeypatch, capsys):
    """An error of .159 is 159 wrong and 841 right decisions: SliceLine's score is the same when rows are repeated."""
    monkeypatch.chdir(tmp_path)
    names = [f"f{place}" for place in range(10)]
    table = pd.DataFrame([[*row] for row in SLICE_LINE.split()], columns=names)
    thousandths = (1000 * np.array(ERRORS)).round().astype(int)
    sides = [table.assign(y=0, p=wrong, w=thousandths if wrong else 1000 - thousandths) for wrong in (1, 0)]
    pd.concat(sides).to_csv("errors.csv", index=False)
    options = "--y-true y --y-pred p --metric false_positive_rate --weight w --weights frequency --min-support 0.2"
    search = "--all-depths --all-rows --json r.json --features"
    assert run(["slices", "errors.csv", *options.split(), *search.split(), ",".join(names)]) == 0
    assert "nothing here is confirmed" in capsys.readouterr().out
    rows = json.loads(Path("r.json").read_text(encoding="utf-8"))["measurements"]
    listed = {(row["metric"], json.dumps(row["slice"])): row["value"] for row in rows}
    mean = listed["false_positive_rate", "{}"]
    assert mean == pytest.approx(np.mean(ERRORS))
    scored = [row for row in rows if row["metric"] == "exploratory_score"]
    found = []
    for row in sorted(scored, key=lambda row: -row["value"])[:10]:
        key = json.dumps(row["slice"])
        size = 20 * listed["exploratory_support", key]
        within = np.all([table[name] == value for name, value in row["slice"].items()], axis=0)
        assert within.sum() == size
        total = size * (mean + listed["exploratory_difference", key])
        found.append((row["value"], total, max(np.array(ERRORS)[within]), size))
    assert np.allclose(found, TEN, atol=0.00051)
