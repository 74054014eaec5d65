"""What a comparison says, and its page, report part and pictures."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import dashboards
from audit.measurement import Measurement
from audit.paired.comparison import run_compare
from audit.result import Result
from audit.store import save_run
from dashboards.changes import Shown, changes, helped_and_harmed, hidden_slices, summary
from dashboards.commands import compare_command
from dashboards.figures.differences import differences, helped_and_harmed_figure
from dashboards.figures.interval_lines import LONGEST
from dashboards.report.compare_part import changes_svg, sections
from dashboards.report.parts import LEADING, part_sections
from dashboards.report.render import render_report
from dashboards.tables import value_text
from dashboards.words import metric_title, unit_of

HOSTILE = ("<script>alert(1)</script>", "=cmd()", "![x](http://evil.example/x.png)", "\u202egnp")


def compared(groups=("a", "b", "c"), *, rows=1500, harmed=None, candidate="new", tiny=0, **options):
    rng = np.random.default_rng(5)
    g = np.array(groups, dtype=object)[rng.integers(0, len(groups), rows)]
    if tiny:
        g[:tiny] = "tiny"
    y = rng.random(rows) < 0.5
    old = rng.random(rows) < 0.2 + 0.6 * y
    new = old & ~((g == (harmed or groups[0])) & (rng.random(rows) < 0.4))
    frame = pd.DataFrame({"y": y.astype(int), "old": old.astype(int), candidate: new.astype(int), "g": g})
    return run_compare(frame, y_true="y", candidate=candidate, baseline="old", sensitive_features=["g"], **options)


def test_what_got_worse_leads():
    result = compared(harmed="b")
    found = changes(result)
    order = [shown.outcome for shown in found]
    assert order == sorted(order, key=["worse", "changed", "not shown", "better"].index)
    worst = found[0]
    assert (worst.metric, worst.row.slice, worst.outcome) == ("false_negative_rate", (("g", "b"),), "worse")
    assert worst.after.value - worst.before.value == pytest.approx(worst.row.value)
    texts = summary(result)
    assert "got worse for sure" in texts[0]
    assert texts[1].startswith("False negative rate, g = b: +")
    assert any(text.startswith("Not known") for text in texts)
    assert any("Better for sure: False positive rate, g = b" in text for text in texts)


def test_nothing_worse_is_no_proof():
    result = compared(harmed="nobody")
    assert "That is no proof that nothing did." in summary(result)[0]


def test_other_results_are_silent(result):
    assert changes(result) == summary(result) == sections(result) == helped_and_harmed(result) == ()


def test_words_of_changes():
    against = {"kind": "groups", "features": ["g"], "model_version": "o"}
    row = Measurement(
        metric="accuracy_difference_group_min", value=-0.1, low=-0.2, high=0.0, n=90, level=0.95, method="paired_score",
        against=against,
    )  # fmt: skip
    assert (value_text(row), metric_title(row.metric)) == ("−10.0 points", "Largest fall of accuracy")
    assert metric_title("accuracy_change_difference") == "Growth of the gap in accuracy"
    assert [unit_of(name) for name in ("accuracy_change_difference", "became_right")] == ["points", "count"]


def test_small_groups_are_not_published():
    result = compared(tiny=6)
    hidden = hidden_slices(result, min_cell=10)
    assert (("g", "tiny"),) in hidden
    (section,) = sections(result)
    assert not any(row.slice in hidden for row in section.measurements)
    assert "tiny" not in section.text


def test_the_part_of_the_report():
    result = compared(harmed="b")
    (section,) = part_sections(LEADING, result, min_cell=10)[:1]
    assert section.title == "Candidate and baseline on the same rows"
    assert section.text.startswith("With new instead of old")
    assert section.measurements[0].slice == (("g", "b"),)
    page = render_report(result, title="Comparison")
    assert "Candidate and baseline on the same rows" in page
    assert "got worse for sure" in page


def test_the_report_survives_hostile_names():
    page = render_report(compared(HOSTILE, candidate="<b>new</b>"), title="Comparison")
    assert "<script>alert" not in page
    assert "<b>new" not in page


def test_the_picture_holds_the_numbers_unchanged():
    rows = changes(compared(harmed="b"), metrics=["false_negative_rate"], features=["g"])
    figure = differences(rows, title="Change")
    marks = {trace.name: trace for trace in figure.data[1:]}
    assert marks["✕ worse"].marker.symbol == "x"
    shown = {value for trace in figure.data[1:] for value in trace.x}
    assert shown == {row.row.value for row in rows}
    assert len({trace.marker.symbol for trace in figure.data[1:]}) == len(figure.data) - 1
    many = [Shown(rows[0].row, "worse")] * (LONGEST + 5)
    assert len(differences(many, title="Many").layout.yaxis.ticktext) == LONGEST
    with pytest.raises(ValueError, match="one metric"):
        differences([], title="None")
    undefined = Measurement(metric="precision_difference", value=None, n=3, method="none", reason="no predictions",
                            against={"kind": "model", "model_version": "old"})  # fmt: skip
    picture = differences([Shown(undefined, "not shown")], title="Undefined")
    assert picture.layout.annotations[0].text == "not enough data"
    assert "not enough data" in changes_svg([Shown(undefined, "not shown")], identifier="c", title="Undefined")


def test_the_bars_hold_the_counts_unchanged():
    pairs = helped_and_harmed(compared(harmed="b"), features=["g"])
    right, wrong = helped_and_harmed_figure(pairs, title="Rows").data
    assert list(right.x) == [pair[0].value for pair in pairs]
    assert list(wrong.x) == [-pair[1].value for pair in pairs]
    whisker = wrong.error_x
    assert wrong.x[0] - whisker.arrayminus[0] == pytest.approx(-pairs[0][1].high)
    with pytest.raises(ValueError, match="at least one group"):
        helped_and_harmed_figure([], title="None")


def test_the_command_makes_the_numbers_again():
    result = compared(reference={"g": "a"}, level=0.9, metrics=["accuracy", "f1"])
    assert compare_command(result) == (
        "evenhanded compare DATA --y-true y --candidate new --baseline old --level 0.9 --metrics accuracy,f1 "
        "--sensitive g --reference g=a"
    )


def test_the_page(tmp_path, monkeypatch):
    app = opened(compared(harmed="b"), tmp_path, monkeypatch)
    assert any("got worse for sure" in element.value for element in app.markdown)
    table = app.dataframe[0].value
    assert table["Group"].tolist()[0] == "b"
    assert table["Shows"].tolist()[0] == "✕ worse"
    assert app.code[-1].value.startswith("evenhanded compare DATA --y-true y")
    app.selectbox(key="metric").select("false_positive_rate").run()
    assert not app.exception
    app.selectbox(key="groups").select("everyone").run()
    assert app.dataframe[0].value["Group"].tolist() == ["everyone"]


def test_the_page_of_another_run_says_what_to_run(runs):
    app = switched(run=runs["plain"].name)
    assert "holds nothing for this page" in app.info[0].value
    assert "evenhanded compare" in app.code[0].value


def test_the_page_survives_hostile_names(tmp_path, monkeypatch):
    app = opened(compared(HOSTILE, candidate="![x](http://evil.example/x.png)"), tmp_path, monkeypatch)
    for element in [*app.markdown, *app.caption, *app.info]:
        plain = re.sub(r"\\.", "", element.value)  # what is escaped is no mark
        assert "![" not in plain
        assert "<" not in plain


def test_several_candidates_are_chosen_on_the_page(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    columns = {name: rng.integers(0, 2, 400) for name in ("y", "old", "new", "third")}
    frame = pd.DataFrame({**columns, "g": np.where(rng.random(400) < 0.5, "a", "b")})
    result = run_compare(frame, y_true="y", candidate=["new", "third"], baseline="old", sensitive_features=["g"])
    app = opened(result, tmp_path, monkeypatch)
    app.selectbox(key="candidate").select(1).run()
    assert not app.exception
    assert any("With third instead of old" in element.value for element in app.markdown)


def opened(result: Result, folder, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(folder))
    save_run(result, folder)
    return switched()


def switched(**query):
    app = AppTest.from_file(str(Path(dashboards.__file__).with_name("app.py")), default_timeout=30)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    app.switch_page("views/compare.py").run()
    assert not app.exception, app.exception
    return app
