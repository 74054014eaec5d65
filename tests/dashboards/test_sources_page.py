from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import dashboards
from audit.causes.adjusted import adjusted_gap_rows
from audit.causes.bias_sources import bias_sources
from audit.causes.fits import logistic_fit
from audit.causes.worlds import planted_world
from audit.counting import count
from audit.predictions import PredictionLog
from audit.result import Result
from audit.store import save_run
from audit.unknowns.attribute_bounds import attribute_bound_rows, attribute_coverage_rows
from audit.unknowns.bounds import label_bound_rows
from audit.unknowns.outcome_coverage import outcome_coverage_rows
from dashboards.figures.sources import learning_curve_figure
from dashboards.learning_curves import curve_points, expected_gain
from dashboards.report.render import render_report
from dashboards.words import metric_title, unit_of

APP = Path(dashboards.__file__).with_name("app.py")


@pytest.fixture(scope="module")
def sources():
    world = planted_world("measurement", n=1500)
    return bias_sources(world.data, logistic_fit, feature="<b>team</b>", group="B", population=world.population)


def opened(folder, monkeypatch, result):
    monkeypatch.setenv("EVENHANDED_RUNS", str(folder))
    save_run(result, folder)
    app = AppTest.from_file(str(APP), default_timeout=30).run()
    app.switch_page("views/sources.py").run()
    assert not app.exception, app.exception
    return app


def test_the_page_shows_each_source_with_its_verdict_and_why(sources, tmp_path, monkeypatch):
    app = opened(tmp_path / "runs", monkeypatch, sources)
    table = app.dataframe[0].value
    assert set(table["Source"]) == {
        "historical", "representation", "measurement", "aggregation", "evaluation", "deployment",
    }  # fmt: skip
    assert table["Verdict"].iloc[0] == "● supported"
    assert table["Source"].iloc[0] == "measurement"
    assert any("mend the label\\, not the size of the sample" in each.value for each in app.markdown)
    assert any(each.value == "Would more data help?" for each in app.header)
    assert "evenhanded sources" in app.code[0].value
    app.selectbox(key="source").select("deployment").run()
    assert any("nothing was provided that could test it" in each.value for each in app.caption)


def test_a_run_without_sources_says_what_makes_one(tmp_path, monkeypatch):
    app = opened(tmp_path / "runs", monkeypatch, Result(measurements=()))
    assert "holds nothing for this page" in app.info[0].value
    assert "evenhanded sources DATA.csv" in app.code[0].value


def test_the_figure_holds_the_numbers_of_the_curve(sources):
    points, gain = curve_points(sources), expected_gain(sources)
    figure = learning_curve_figure(points, gain)
    assert list(figure.data[0].y) == [row.value for row in points]
    assert figure.data[1].x[0] == dict(points[-1].at)["k"] + dict(gain.at)["k"]
    with pytest.raises(ValueError, match="at least one point"):
        learning_curve_figure([], None)


def test_the_report_says_where_the_gap_comes_from(sources):
    page = render_report(sources, title="Sources")
    assert "Where the gap of B comes from" in page
    assert "● supported: measurement" in page
    assert "<b>team</b>" not in page


def frame(size=3000):
    rng = np.random.default_rng(1)
    y = (rng.random(size) < 0.4).astype(int)
    p = (rng.random(size) < np.where(y == 1, 0.7, 0.2)).astype(int)
    seen = (p == 1) | (rng.random(size) < 0.5)
    group = np.where(rng.random(size) < 0.05, None, rng.choice(["F", "M"], size))
    label = pd.Series(y).where(seen).astype("Int64")
    return pd.DataFrame({"y": label, "p": p, "sex": group, "dept": rng.choice(["a", "b"], size)})


def test_the_report_says_what_missing_labels_and_groups_leave_open():
    log = PredictionLog.from_frame(frame(), y_true="y", y_pred="p", sensitive_features=["sex", "dept"])
    tally = count(log)
    rows = (
        *outcome_coverage_rows(tally),
        *label_bound_rows(tally, metrics=["true_positive_rate"]),
        *attribute_coverage_rows(tally),
        *attribute_bound_rows(tally),
        *adjusted_gap_rows(log, control=["dept"], reference={"sex": "M"}),
    )
    page = render_report(Result(measurements=rows), title="Loans")
    for said in (
        "Missing labels",
        "Lowest possible true positive rate",
        "People whose group is not known",
        "the largest gap between groups may be up to",
        "Gaps with dept held fixed",
        "within strata",
    ):
        assert said in page, said


def test_bounds_are_read_in_the_unit_of_what_they_bound():
    assert [unit_of(name) for name in ("accuracy_lower_bound", "accuracy_difference_upper_bound")] == [
        "share",
        "points",
    ]
    assert metric_title("accuracy_upper_bound") == "Highest possible accuracy"
    assert unit_of("selection_rate_adjustment_support") == "share"
