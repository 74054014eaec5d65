"""The page Over time, its figures and its part of the report: what changed, hostile names, empty states, Evidently."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import dashboards
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.provenance import Provenance
from audit.result import Alarm, Result
from audit.store import save_run
from dashboards.alarm_words import alarms_of
from dashboards.figures.over_time import heat_figure, series_figure, window_ticks
from dashboards.monitoring import (
    advice_sentences,
    changes_of,
    effect_of,
    episodes_of,
    lead_sentences,
    publishable,
    series_of,
)
from dashboards.monitoring_sentences import (
    context_sentence,
    labels_sentence,
    promise_sentence,
    retraining_sentence,
    unfinished_sentence,
)
from dashboards.report.background import alarm_table
from dashboards.report.monitoring_part import sections
from dashboards.report.render import render_report
from dashboards.two_verdicts import two_verdicts
from monitors.run import run_monitors

APP = Path(dashboards.__file__).with_name("app.py")
START = datetime(2026, 1, 5, tzinfo=UTC)
FEATURE = "=1+1<script>"
NASTY = ("<script>alert(1)</script>", "=1+1", "line\nbreak", "\u202egnp.exe", "$x$ & `y`", "![x](http://evil.example)")


def log_of(seed, weeks, *, first=0, groups=NASTY, moved=None, per_week=600):
    """Return predictions; the groups `moved` send a feature twice too large and are called more often."""
    rng = np.random.default_rng(seed)
    rows = weeks * per_week
    group = np.array(groups, dtype=object)[rng.integers(0, len(groups), rows)]
    hit = np.isin(group.astype(str), [*map(str, moved or ())])
    seconds = first * 604_800 + np.sort(rng.integers(0, weeks * 604_800, rows))
    frame = pd.DataFrame(
        {
            "t": pd.to_datetime(START) + pd.to_timedelta(seconds, unit="s"),
            "y": (rng.random(rows) < 0.3).astype(int),
            "p": (rng.random(rows) < np.where(hit, 0.9, 0.3)).astype(int),
            FEATURE: rng.normal(10, 2, rows) * np.where(hit, 2, 1),
            "c": rng.choice(["n", "s"], rows),
            "g": group,
        }
    )
    return PredictionLog.from_frame(
        frame, y_true="y", y_pred="p", timestamp="t", sensitive_features=["g"], features=[FEATURE, "c"]
    )


@pytest.fixture(scope="module")
def changed():
    return run_monitors(log_of(1, 6), log_of(2, 3, first=6, moved=[NASTY[0], NASTY[3]]))


@pytest.fixture(scope="module")
def quiet():
    return run_monitors(log_of(3, 6, groups=("a", "b")), log_of(4, 3, first=6, groups=("a", "b")))


def page_of(tmp_path, monkeypatch, result, **query):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path / "runs"))
    path = save_run(result, tmp_path / "runs")
    app = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in {"run": path.name, **query}.items():
        app.query_params[name] = value
    app.run()
    app.switch_page("views/monitoring.py").run()
    assert not app.exception, app.exception
    return app


def texts(app):
    kinds = ("title", "header", "subheader", "markdown", "text", "caption", "info", "error", "code")
    return [element.value for kind in kinds for element in getattr(app, kind)]


def with_evidently(result):
    rows = [
        Measurement(metric="evidently_drift_score", at=(("feature", feature),), window=(START, START + timedelta(7)),
                    value=0.04, n=90, method="evidently, K-S p_value", reason=reason)
        for feature, reason in (
            ("c", "chi-square p_value 0.4 against a threshold of 0.05: no drift; no alarm of ours"),
            (FEATURE, "K-S p_value 0.04 against a threshold of 0.05: drift; no alarm of ours; they differ (it looks "
             "once (not at every window); <script>)"),
        )
    ]  # fmt: skip
    return replace(result, measurements=(*result.measurements, *rows))


def test_the_page_tells_each_change_with_since_when_for_whom_and_what_to_do(tmp_path, monkeypatch, changed):
    app = page_of(tmp_path, monkeypatch, changed)
    assert app.title[0].value == "Over time"
    table = app.dataframe[0].value
    assert len(table) == len(changes_of(changed))
    assert set(table.columns) == {"Since", "What", "For whom", "Before", "Now", "How sure"}
    advice = advice_sentences(changes_of(changed))
    assert 1 <= len(advice) <= 4
    assert all(any(change.subject in text for text in advice) for change in changes_of(changed))
    shown = next(each.value for each in app.markdown if "compare the values of before and since" in each.value)
    assert shown.count("- ") >= len(advice)
    headers = [header.value for header in app.header]
    assert headers == ["What changed", "Drift of features and predictions", "Rates by window", "Take it along"]


def test_hostile_names_are_text_on_the_page(tmp_path, monkeypatch, changed):
    app = page_of(tmp_path, monkeypatch, changed)
    said = texts(app) + [str(value) for frame in app.dataframe for value in frame.value.to_numpy().ravel()]
    assert not any("\u202e" in text for text in said)
    assert not any("![x](" in markdown.value for markdown in app.markdown)


def test_another_group_and_another_rate_are_chosen_by_hand(tmp_path, monkeypatch, changed):
    app = page_of(tmp_path, monkeypatch, changed)
    chosen = app.selectbox(key="of")
    app = chosen.select(chosen.options[1]).run()
    assert not app.exception
    rate = app.selectbox(key="rate")
    assert len(rate.options) >= 4
    app = rate.select_index(2).run()
    assert not app.exception


def test_a_quiet_log_has_no_table_of_changes_and_says_it_is_no_proof(tmp_path, monkeypatch, quiet):
    quiet = replace(quiet, alarms=())
    app = page_of(tmp_path, monkeypatch, quiet)
    assert any("No alarm rang" in text and "no proof" in text for text in texts(app))
    assert "Since" not in app.dataframe[0].value.columns


def test_a_result_of_something_else_says_which_command_makes_one(tmp_path, monkeypatch, build):
    app = page_of(tmp_path, monkeypatch, build(["A", "B"]))
    assert any("evenhanded monitor" in text for text in texts(app))


def test_a_run_without_windows_or_rows_is_shown_without_a_fault(tmp_path, monkeypatch):
    empty = Result(measurements=(), provenance=Provenance(given={"monitors": ["traffic"]}))
    app = page_of(tmp_path, monkeypatch, empty)
    assert any("No alarm rang" in text for text in texts(app))


def test_evidently_stands_beside_ours_those_that_differ_first(tmp_path, monkeypatch, quiet):
    result = with_evidently(quiet)
    found = two_verdicts(result)
    assert [bool(each.why) for each in found] == [True, False]
    assert found[0].why == "it looks once (not at every window); <script>"
    assert found[1].ours == "no alarm of ours"
    app = page_of(tmp_path, monkeypatch, result)
    assert any("In 1 of 2 verdicts" in markdown.value for markdown in app.markdown)
    page = render_report(result, title="t")
    assert "Evidently on the same windows" in page
    assert "<script>)" not in page


def test_the_report_tells_episodes_the_promise_and_what_to_do(changed):
    first, *_ = sections(changed)
    assert f"{alarms_of(changed.alarms)} alarms rang, of {len(changes_of(changed))} changes" in first.text
    assert "What to do:" in first.text
    assert "at most 5 %" in first.text
    page = render_report(changed, title="t")
    assert "<script>alert(1)" not in page
    assert "\u202e" not in page


def shrunk(result, of, rows, *, windows=None):
    """Return a result in which a group has so few rows in its first windows (None = in all)."""
    seen = sorted({row.window[0] for row in result.measurements if row.window and row.slice == of})[:windows]
    return replace(
        result,
        measurements=tuple(
            replace(row, n=rows, value=float(rows) if row.metric == "traffic" else row.value)
            if row.slice == of and row.window and row.window[0] in seen
            else row
            for row in result.measurements
        ),
    )


def test_the_report_names_no_group_that_is_too_small_in_all_windows_together(changed):
    small = shrunk(changed, (("g", NASTY[0]),), 1)
    (first,) = sections(small)
    assert "too small to be named" in first.text
    assert "alert(1)" not in first.text
    table = alarm_table(small, min_cell=10)
    assert not any("alert(1)" in row.head for row in table.rows)
    assert table.note.endswith("more are of groups too small to be named.")
    assert any("alert(1)" in row.head for row in alarm_table(small).rows)


def test_one_small_window_hides_its_own_numbers_and_not_the_group(changed):
    of = (("g", NASTY[0]),)
    small = shrunk(changed, of, 3, windows=1)
    (first,) = sections(small)
    assert "alert(1)" in first.text
    assert "too small to be named" not in first.text
    assert alarm_table(small, min_cell=10).note == ""
    every = shrunk(changed, of, 9)  # each window alone is too small, together they are not
    told = publishable(every, changes_of(every), min_cell=10)
    mine = [
        change for change in told if change.slice == of and change.alarm.key in {r.key() for r in every.measurements}
    ]
    assert mine
    assert all(change.shown is None and "hidden" in change.now for change in mine if change.now)
    table = alarm_table(every, min_cell=10)
    cells = [row.cells[0] for row in table.rows if "alert(1)" in row.head]
    assert cells
    assert set(cells) == {"hidden (n < 10)"}


def test_evidence_is_never_shown_as_a_size():
    row = Measurement(metric="rectifier_e_value", window=(START, START + timedelta(7)), value=942901.1, n=900,
                      method="betting, e-BH")  # fmt: skip
    result = Result(measurements=[row], alarms=[Alarm(key=row.key(), e_value=942901.1, limit=80.0, since=START)])
    (change,) = changes_of(result)
    assert change.now == ""
    assert change.subject == "Predictions right less often than scores promise"
    assert "942,901 to 1" in lead_sentences(result)[0]


def test_an_interval_that_holds_one_beside_strong_evidence_says_that_windows_add_up():
    window = (START, START + timedelta(7))
    row = Measurement(metric="traffic_ratio", window=window, value=1.75, low=0.49, high=4.44, n=30, level=0.95,
                      method="beta_mixture")  # fmt: skip
    for low, ending in ((0.49, "7,652 to 1, all windows so far together"), (1.3, "7,652 to 1")):
        shown = replace(row, low=low)
        alarm = Alarm(key=shown.key(), e_value=7652.0, limit=80.0, since=START)
        (change,) = changes_of(Result(measurements=[shown], alarms=[alarm]))
        assert change.evidence == ending


def test_vanished_categories_are_named_where_the_change_is_told():
    seen = "of the reference, none in 1,200 rows"
    why = f"'b': 30 % {seen} (chance 1e-31); '[red]': 4e-05 % {seen} (chance 2e-01); and 3 more"
    row = Measurement(metric="vanished_categories", at=(("feature", "kind"),), window=(START, START + timedelta(7)),
                      value=2.0, n=200, method="count", reason=why)  # fmt: skip
    result = Result(measurements=[row], alarms=[Alarm(key=row.key(), e_value=900.0, limit=80.0, since=START)])
    (change,) = changes_of(result)
    assert change.now == "2 ('b'; '[red]'; and 3 more)"


def test_traffic_that_is_judged_in_no_window_says_why(changed):
    undecided = tuple(
        replace(row, value=None, low=None, high=None, level=None, n=0, reason="fewer than 8 whole windows before; x")
        if row.metric == "traffic_ratio"
        else row
        for row in changed.measurements
    )
    quiet = replace(changed, measurements=undecided)
    said = "Traffic is not judged yet: fewer than 8 whole windows before; x."
    assert any(sentence.startswith(said) for sentence in lead_sentences(quiet))
    assert said in sections(quiet)[0].text


def test_episodes_gather_what_began_at_once_for_the_same_people(changed):
    changes = changes_of(changed)
    episodes = episodes_of(changes)
    assert sum(map(len, episodes)) == len(changes)
    assert all(len({(change.since, change.whom) for change in episode}) == 1 for episode in episodes)
    number = alarms_of(changed.alarms)
    assert lead_sentences(changed)[0].startswith(f"{number} alarms rang, of {len(changes)} changes. Since 2026-02-16")


def test_one_alarm_is_told_in_the_singular_and_one_subject_once():
    window = (START, START + timedelta(7))
    later = (START + timedelta(7), START + timedelta(14))
    rows = [
        Measurement(metric="missing_share", at=(("feature", "age"),), window=each, value=0.3, low=0.2, high=0.4, n=90,
                    level=0.95, method="wilson")
        for each in (window, later)
    ]  # fmt: skip
    alarms = [Alarm(key=row.key(), e_value=90.0, limit=80.0, since=row.window[0]) for row in rows]
    result = Result(measurements=rows, alarms=alarms)
    (change,) = changes_of(result)
    assert change.since == START
    assert lead_sentences(result)[0].startswith("1 alarm rang.")


def test_an_alarm_whose_row_is_gone_is_told_from_its_key():
    row = Measurement(metric="accuracy_e_value", slice=(("g", "a"),), window=(START, START + timedelta(7)),
                      value=90.0, n=9, method="e-process")  # fmt: skip
    result = Result(measurements=(), alarms=[Alarm(key=row.key(), e_value=90.0, limit=80.0, since=START)])
    (change,) = changes_of(result)
    assert (change.subject, change.whom, change.now) == ("Accuracy", "g = a", "")


def test_labels_are_asked_for_only_where_some_are_missing(quiet):
    assert labels_sentence(quiet) == ""
    row = Measurement(metric="labels_needed", value=1234, n=900, method="sample size", reason="to find a risk of 0.2")
    asked = replace(quiet, measurements=(*quiet.measurements, row))
    assert "about 1,234 rows drawn at random and labelled would show an error rate" in " ".join(lead_sentences(asked))
    assert "1,234 rows" in sections(asked)[0].text


def test_figures_hold_a_cross_for_each_alarm_and_gaps_where_nothing_was_measured(changed):
    metric = effect_of(changed, FEATURE)
    assert metric == "kolmogorov_smirnov_statistic"
    rows = series_of(changed, metric, feature=FEATURE)[()]
    figure = heat_figure({"x": rows}, title="t", rang={"x": START + timedelta(weeks=6)})
    crosses = [trace for trace in figure.data if trace.name == "alarm"]
    assert len(crosses) == 1
    assert len(crosses[0].x) == 1
    hole = replace(rows[0], value=None, low=None, high=None, level=None, n=0, method="none", reason="no rows")
    lines = series_figure({(): (hole, *rows[1:])}, title="t", rang={})
    assert any(value is None or np.isnan(value) for trace in lines.data for value in (trace.y or ()))


def test_every_alarm_of_a_run_has_its_row(changed):
    keys = {row.key() for row in changed.measurements}
    assert {alarm.key for alarm in changed.alarms} <= keys
    assert {json.loads(alarm.key)[0] for alarm in changed.alarms} >= {"drift_e_value"}


WEEK = (START, START + timedelta(7))
DRIFT = "drift_e_value"


def drifted(metric, feature="age", since=START):
    row = Measurement(metric=metric, at=(("feature", feature),), window=(since, since + timedelta(7)), value=900.0,
                      n=90, method="x")  # fmt: skip
    return row, Alarm(key=row.key(), e_value=900.0, limit=80.0, since=since)


def told(*found, **given):
    rows, alarms = [row for row, _ in found], [alarm for _, alarm in found if alarm is not None]
    given = {"monitors": ["drift"], **given}
    return Result(measurements=rows, alarms=alarms, provenance=Provenance(given=given, defaulted={"alpha": 0.05}))


def test_the_promise_names_scatter_and_weights_everywhere(changed, tmp_path, monkeypatch):
    scatter = changed.provenance.given["scatter"]
    plain = promise_sentence(changed)
    assert f"How much more windows scatter than independent rows: {scatter}." in plain
    assert "Weights" not in plain
    given = {**changed.provenance.given, "weights": "rows are <b>counted</b>, whatever their weights"}
    weighted = replace(changed, provenance=replace(changed.provenance, given=given))
    (first, *_) = sections(weighted)
    assert "Weights: rows are <b>counted</b>, whatever their weights." in first.text
    assert "<b>counted" not in render_report(weighted, title="t")
    app = page_of(tmp_path, monkeypatch, weighted)
    assert any("Weights" in markdown.value for markdown in app.markdown)


def test_a_log_none_of_whose_windows_is_over_says_so_first():
    row = Measurement(metric="traffic", window=WEEK, value=3.0, n=3, method="count")
    young = told((row, None), windows={"number": 1, "over": 0})
    assert unfinished_sentence(young).startswith("No window is over yet: the first ends on 2026-01-12 00:00 UTC.")
    assert lead_sentences(young)[0] == unfinished_sentence(young)
    assert "no proof" not in " ".join(lead_sentences(young))
    assert sections(young)[0].text.startswith("No window is over yet")
    older = told((row, None), windows={"number": 2, "over": 1})
    assert unfinished_sentence(older) == ""
    assert "no proof" in lead_sentences(older)[0]
    assert unfinished_sentence(told(windows="of another version")) == ""


def test_drift_that_a_context_may_explain_is_told_apart_from_drift_within_it():
    within = "drift_e_value_within_context"
    one = drifted(within)[0]
    quiet = told((one, None), within="season")
    assert context_sentence(quiet) == "Within values of season no alarm rang."
    mixed = told(drifted(DRIFT), drifted(DRIFT, "season"), (one, None), within="season")
    assert "no drift is shown of age: that season is mixed otherwise" in context_sentence(mixed)
    assert "of age, season" not in context_sentence(mixed)
    both = told(drifted(DRIFT), drifted(within), within="season")
    assert context_sentence(both) == "Within values of season, too, drift is shown of age."
    empty = replace(one, value=None, reason="no rows in the window with a value of <b>")
    assert "nothing could be compared: no rows in the window with a value of" in context_sentence(
        told((empty, None), within="season")
    )
    assert context_sentence(told()) == ""
    change = next(change for change in changes_of(both) if "context" in change.subject)
    assert change.now == ""  # evidence is no size
    assert change.subject == "Drift within values of the known context: age"


def mixes(best=0.8, errors=(0.4, 0.2, 0.3), of=(), low=0.0):
    rows = [
        Measurement(metric="retraining_error", slice=of, at=(("k", k),), value=error, low=error - 0.1,
                    high=error + 0.1, n=300, level=0.95, method="rate")
        for k, error in zip((0, 80, 100), errors, strict=True)
    ]  # fmt: skip
    reason = None if best is not None else "no mix is shown to be better: 2 of 3 are still possible"
    share = Measurement(metric="retraining_best_share", slice=of, value=best, low=low, high=1.0, n=300, level=0.95,
                        method="paired_t", reason=reason)  # fmt: skip
    return [(row, None) for row in (*rows, share)]


def test_advice_on_retraining_is_told_with_its_errors_or_with_why_there_is_none(tmp_path, monkeypatch):
    result = told(*mixes(), *mixes(best=1.0, of=(("g", NASTY[0]),)))
    said = retraining_sentence(result)
    assert "80 % new rows is shown to be best, with an error of 20.0 %" in said
    assert "old rows alone 40.0 % [30.0, 50.0], new rows alone 30.0 %" in said
    assert "100 % new rows" in said.partition("other groups")[2]
    assert "no mix of old and new rows is shown to be better" in retraining_sentence(told(*mixes(best=None)))
    part = retraining_sentence(told(*mixes(best=None, low=0.8)))
    assert "mixes with 80 to 100 % new rows are left, others are shown to be worse" in part
    titles = [section.title for section in sections(result)]
    assert titles == ["What changed since the reference", "Which rows to retrain on"]
    page = render_report(result, title="t")
    assert "Which rows to retrain on" in page
    assert "Share of new rows in the best mix by" not in page
    assert "<script>alert(1)" not in page
    app = page_of(tmp_path, monkeypatch, result)
    assert "Which rows to retrain on" in [header.value for header in app.header]
    table = next(frame.value for frame in app.dataframe if "New rows" in frame.value.columns)
    assert len(table) == 6
    none = Measurement(metric="retraining_best_share", value=None, n=0, method="not_checked", reason="no labels")
    assert retraining_sentence(told((none, None))) == "No advice on retraining: no labels."
    assert [section.title for section in sections(told((none, None)))] == ["What changed since the reference"]


def test_ticks_stand_where_windows_start_and_are_few():
    weeks = [START + timedelta(weeks=week) for week in range(30)]
    ticks = window_ticks(weeks)
    assert len(ticks["tickvals"]) <= 4
    assert set(ticks["tickvals"]) <= set(weeks)
    assert ticks["ticktext"][0] == "Jan 5<br>2026"
    assert window_ticks([])["tickvals"] == []
    hours = window_ticks([START, START + timedelta(hours=6)])["ticktext"]
    assert hours == ["Jan 5<br>2026", "Jan 5 06:00"]
    row = Measurement(metric="accuracy", window=WEEK, value=0.8, low=0.7, high=0.9, n=90, level=0.95, method="x")
    assert list(series_figure({(): [row]}, title="t").layout.xaxis.tickvals) == [START]
