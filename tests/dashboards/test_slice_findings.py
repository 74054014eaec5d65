"""A search as people read it: the words, the picture, the section of a report, the page."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import dashboards
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import run_audit
from audit.search.slices import run_slices
from audit.store import save_run
from dashboards.figures.slices import LONGEST, items_bars, slices_forest, slices_text
from dashboards.report.render import render_report
from dashboards.report.slices_part import sections
from dashboards.slice_findings import Finding, cut_sentence, findings, grouped, slice_sentence, slices_command

APP = Path(dashboards.__file__).with_name("app.py")
HOSTILE = ("<script>alert(1)</script>", "=cmd()", "![x](http://evil.example/x.png)", "\u202eabc", "$x$ & y", "a" * 900)


def log_of(groups=("Blue", "Green", "Red"), *, rows=8000, feature="colour"):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            feature: np.array(groups, dtype=object)[rng.integers(0, len(groups), rows)],
            "sex": np.array(["F", "M"])[rng.integers(0, 2, rows)],
            "age": rng.integers(18, 80, rows),
            "zone": rng.integers(1, 8, rows),
            "y": 0,
        }
    )
    wrong = 0.1 + 0.25 * ((frame[feature] == groups[0]) & (frame["sex"] == "F"))
    frame["p"] = (rng.random(rows) < wrong).astype(int)
    return PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=[feature, "sex", "age", "zone"])


@pytest.fixture(scope="module")
def result():
    return run_slices(log_of(), metric="false_positive_rate")


@pytest.fixture(scope="module")
def hostile():
    return run_slices(log_of(HOSTILE, feature="<i>f</i>=\n"), metric="false_positive_rate")


def test_confirmed_slices_come_first_by_what_is_certain(result):
    found = findings(result)
    assert found[0].row.slice == (("colour", "Blue"), ("sex", "F"))
    kinds = [each.confirmed for each in found]
    assert kinds == sorted(kinds, reverse=True)
    assert False in kinds
    lows = [each.row.low for each in found if each.confirmed]
    assert lows == sorted(lows, reverse=True)
    assert sum(part for _, part in found[0].parts) == pytest.approx(found[0].scores["difference"])
    assert {name for name, _ in found[0].parts} == {"colour", "sex"}


def test_the_sentence_holds_the_numbers_of_the_row(result):
    first = findings(result)[0]
    row = first.row
    text = slice_sentence(first)
    assert text.startswith(
        f"colour = Blue, sex = F: false positive rate {100 * row.value:.1f} points higher than in the"
    )
    assert f"[+{100 * row.low:.1f}, +{100 * row.high:.1f}], n = {row.n:,}" in text


def test_a_lower_rate_and_an_undefined_one_are_said():
    facts = {"slice": (("g", "x"),), "against": {"kind": "rest"}, "level": 0.95, "method": "exact_square_and_add"}
    lower = Measurement(metric="accuracy_difference", value=-0.2, low=-0.3, high=-0.1, n=40, **facts)
    assert "accuracy 20.0 points lower than in the rest [−30.0, −10.0]" in slice_sentence(
        Finding(row=lower, confirmed=True, scores={})
    )
    gone = Measurement(metric="accuracy_difference", value=None, n=0, reason="no labels in the slice", **facts)
    assert "not measured on the confirming half (no labels in the slice)" in slice_sentence(
        Finding(row=gone, confirmed=False, scores={})
    )


def test_cut_numbers_are_said(result):
    edges = result.provenance.given["edges_from_the_search_half"]["age"]
    assert (
        cut_sentence(result) == f"Cut at quantiles of the search half: age at {', '.join(map('{:g}'.format, edges))}."
    )


def test_groups_hold_every_finding_once_and_a_circle_ends(result):
    found = findings(result)
    flat = [each for group in grouped(found) for each in group]
    assert sorted(each.row.key() for each in flat) == sorted(each.row.key() for each in found)
    assert grouped([]) == ()


def test_the_command_makes_the_same_result_again(result, tmp_path, monkeypatch):
    from click.testing import CliRunner

    from evenhanded.cli import group

    monkeypatch.chdir(tmp_path)
    names = {"feature_0": "colour", "feature_1": "sex", "feature_2": "age", "feature_3": "zone"}
    table = log_of().table.collect(backend="pandas").to_native()
    table.rename(columns={**names, "y_true": "y", "y_pred": "p"}).to_csv("data.csv", index=False)
    words = shlex.split(slices_command(result))
    assert words[:3] == ["evenhanded", "slices", "DATA"]
    words[2] = "data.csv"
    ran = CliRunner().invoke(group, [*words[1:], "--json", "again.json"], standalone_mode=False, obj=words)
    assert ran.exception is None, ran.output
    again = Result.from_json(Path("again.json").read_text(encoding="utf-8"))
    assert again.measurements == result.measurements


def test_all_depths_and_bins_stand_in_the_command():
    log = log_of()
    log = replace(log, reading=replace(log.reading, bins={"age": (30.0, 45.5)}))
    text = slices_command(run_slices(log, max_depth=None, min_support=0.1))
    assert "--all-depths" in text
    assert "--max-depth" not in text
    assert "--bin age=30.0,45.5" in text
    assert "--min-support 0.1" in text


def test_the_picture_holds_the_numbers_and_tells_confirmed_by_shape(result):
    found = findings(result)
    figure = slices_forest(found, title="Slices")
    measured = [each for each in found if each.row.value is not None][:LONGEST]
    assert list(figure.data[1].x) == [each.row.value for each in measured]
    assert list(figure.data[1].marker.symbol) == ["circle" if each.confirmed else "diamond" for each in measured]
    low, high = figure.layout.xaxis.range
    assert low < 0 < high
    assert slices_text(found, title="Slices").count("n = ") >= min(len(found), 8)
    with pytest.raises(ValueError, match="at least one"):
        slices_forest([], title="x")
    with pytest.raises(ValueError, match="no values"):
        items_bars(replace(found[0], parts=()))


def test_hostile_names_reach_no_picture_as_markup(hostile):
    found = findings(hostile)
    for figure in (slices_forest(found, title="<b>"), items_bars(found[0])):
        text = figure.to_json()
        assert "<script" not in text
        assert "<i>" not in text
        assert "\\u202e" not in text


def test_the_report_lists_confirmed_slices_what_was_searched_and_its_limits(result):
    (section,) = sections(result)
    first = findings(result)[0]
    assert slice_sentence(first) in section.text
    assert "slices of colour, sex, age and zone, at most 3 of them combined" in section.text
    assert "What this does not show" in section.text
    assert len(section.pictures) == 1
    page = render_report(result, title="Search")
    assert "Slices that differ from the rest" in page
    assert "<script" not in page


def test_the_report_of_hostile_names_is_harmless(hostile):
    page = render_report(hostile, title="Search")
    assert "<script>alert" not in page
    assert "<i>f" not in page
    assert "\u202e" not in page


def test_the_report_hides_few_rows_and_what_would_give_them_away(result):
    first = findings(result)[0].row
    small = replace(first, slice=(("colour", "Red"),), n=4)
    close = replace(first, slice=(*first.slice, ("zzz", "z")), n=first.n - 3)
    rows = [row for row in result.measurements if row.metric == "slices_searched"]
    (section,) = sections(Result(measurements=(*rows, first, small, close)))
    assert "colour = Blue, sex = F: " in section.text
    assert "zzz" not in section.text
    assert "Red" not in section.text
    assert "Not shown, to protect groups of fewer than 10 rows: 2 slices." in section.text


def test_a_result_without_a_search_has_no_section():
    log = log_of()
    assert sections(run_audit(replace(log, reading=replace(log.reading, bins={"age": (40.0,)})))) == ()


def opened(**query):
    app = AppTest.from_file(str(APP), default_timeout=30)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    app.switch_page("views/errors.py").run()
    assert not app.exception, app.exception
    return app


@pytest.fixture
def saved(result, tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    return save_run(result, tmp_path)


def test_the_page_ranks_and_shows_the_numbers(saved, result):
    app = opened()
    found = [each for each in findings(result) if each.confirmed]
    table = app.dataframe[0].value
    assert table["Slice"].tolist()[0] == "colour = Blue, sex = F"
    assert len(table) == len(found)
    assert table["n"].tolist() == [f"{each.row.n:,}" for each in found]
    assert [header.value for header in app.header] == [
        "Confirmed", "Looked suspicious, not confirmed", "One slice, item by item", "Take it along",
    ]  # fmt: skip
    assert app.code[-1].value == slices_command(result)
    items = app.dataframe[2].value
    assert items["Feature"].tolist() == ["colour", "sex"]
    adds = [float(text.split()[0].replace("−", "-")) for text in items["Adds"]]
    assert sum(adds) == pytest.approx(100 * found[0].scores["difference"], abs=0.11)


def test_the_page_filters_by_feature_and_keeps_the_choice_in_the_address(saved, result):
    app = opened(feature="zone")
    names = [text for table in app.dataframe[:2] for text in table.value.get("Slice", [])]
    assert names
    assert all("zone = " in name for name in names)
    app.selectbox(key="feature").select("sex").run()
    assert not app.exception
    assert all("sex = " in name for name in app.dataframe[0].value["Slice"])
    second = app.selectbox(key="slice").options[1]
    app.selectbox(key="slice").select(second).run()
    assert not app.exception


def test_a_run_without_a_search_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    save_run(run_audit(replace(log_of(), reading=replace(log_of().reading, bins={"age": (40.0,)}))), tmp_path)
    app = opened()
    assert "no search for slices" in app.info[0].value
    assert "evenhanded slices DATA --y-true y --y-pred p --features colour,sex,age,zone --bin age=40.0 --out runs" in [
        block.value for block in app.code
    ]


def test_an_empty_store_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path / "none"))
    assert "No run is saved yet" in opened().info[0].value


def test_the_page_of_a_search_that_found_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"g": ["x"] * 90, "y": rng.integers(0, 2, 90), "p": rng.integers(0, 2, 90)})
    log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", sensitive_features=["g"])
    save_run(run_slices(log), tmp_path)
    app = opened()
    assert any("none of them stood out" in text.value for text in app.text)


def test_the_page_of_a_search_of_all_rows_says_first_that_nothing_is_confirmed(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    searched = run_slices(log_of(HOSTILE), metric="false_positive_rate", confirm=False, min_support=0.05)
    save_run(searched, tmp_path)
    app = opened(feature="sex")
    assert app.text[0].value.startswith("Exploratory: all rows were searched and none kept to confirm on")
    assert [header.value for header in app.header] == ["Slices of all rows, none of them confirmed", "Take it along"]
    table = app.dataframe[0].value
    assert all("sex = " in name for name in table["Slice"])
    assert "Interval" not in table.columns
    first = next(each for each in findings(searched) if "sex" in dict(each.row.slice))
    assert table["t (exploratory)"].tolist()[0] == f"{first.scores['t']:.2f}"
    assert "--all-rows" in app.code[-1].value
    assert len(app.dataframe) == 1


def test_the_report_of_a_search_of_all_rows_hides_few_rows(result):
    searched = run_slices(log_of(rows=300), metric="false_positive_rate", confirm=False)
    small = [each for each in findings(searched) if each.row.n < 10]
    assert small
    (section,) = sections(searched)
    assert section.text.startswith("Exploratory: all rows were searched")
    assert not any(slice_sentence(each) in section.text for each in small)
    assert "than in the rest" not in section.text
    assert section.pictures == ()


def test_hostile_names_are_no_markdown(hostile, tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    save_run(hostile, tmp_path)
    app = opened()
    for element in [*app.markdown, *app.caption, *app.info, *app.header, *app.title, *app.subheader]:
        assert not re.search(r"(?<!\\)(<|!\[|\]\()", element.value)
        assert not {"\x00", "\x1b", "\u202e"} & set(element.value)
    assert not any(element.allow_html for element in app.markdown)
