"""The page and the report part on the data of a split."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import dashboards
from audit.measurement import Measurement
from audit.provenance import Provenance
from audit.result import Result
from audit.splits.data_evidence import data_evidence
from audit.splits.label_errors import suspects_csv
from audit.splits.leakage import lint_splits
from audit.splits.split_table import read_splits
from audit.store import save_run
from dashboards.figures.importance import importance_bars
from dashboards.lint_rows import LABELS, head_sentence, importance_rows, lint_command, read_findings
from dashboards.report.lint_part import sections
from dashboards.report.render import render_report
from dashboards.report.sealed_part import sections as sealed_sections

APP = Path(dashboards.__file__).with_name("app.py")
HOSTILE = "![x](http://evil.example)<script>\u202e"


@pytest.fixture(scope="module")
def linted():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=900), HOSTILE: rng.normal(size=900), "who": np.arange(900)})
    frame["y"] = (frame["a"] + 0.3 * rng.normal(size=900) > 0).astype(int)
    frame.loc[:30, "y"] = 1 - frame.loc[:30, "y"]
    frame.loc[600:650, "who"] = np.arange(51)
    table = read_splits(frame[:600], frame[600:], y_true="y", cluster="who")
    result, evidence = lint_splits(table), data_evidence(table)
    rows = (*result.measurements, *evidence.measurements)
    return Result(measurements=rows, provenance=result.provenance), suspects_csv(evidence.suspects)


@pytest.fixture
def saved(linted, tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    result, labels = linted
    return save_run(result, tmp_path, documents={LABELS: labels})


def opened(**query):
    app = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    app.switch_page("views/data.py").run()
    assert not app.exception, app.exception
    return app


def shown(app):
    kinds = ("title", "header", "subheader", "markdown", "text", "caption", "info", "code")
    return [element.value for kind in kinds for element in getattr(app, kind)]


def test_findings_importance_and_labels_are_shown(saved, linted):
    app = opened(run=saved.name)
    assert app.text[0].value == head_sentence(linted[0], read_findings(linted[0]))
    assert "Clusters in both parts" in app.subheader[0].value
    assert "spoils the test" in app.subheader[0].value
    checks, importance, labels = (frame.value for frame in app.dataframe)
    assert checks["Outcome"].iloc[0] == "✕ found"
    assert importance["Feature"].tolist()[0] == "a"
    assert len(labels) == linted[1].count("\n") - 1
    assert any(text.startswith("Not checked") or "Not checked" in text for text in shown(app))
    assert app.code[-1].value == lint_command(linted[0])


def test_checks_are_filtered_and_the_filter_stands_in_the_address(saved):
    app = opened(run=saved.name, status="✓ not found")
    assert set(app.dataframe[0].value["Outcome"]) == {"✓ not found"}


def test_hostile_names_are_no_markdown(saved):
    for text in shown(opened(run=saved.name)):
        plain = text.replace("\\\\", "")
        assert "<script" not in plain or "evenhanded lint" in plain
        assert "![x](" not in plain or "evenhanded lint" in plain
        assert "\u202e" not in plain or "evenhanded lint" in plain


def test_another_run_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    save_run(Result(measurements=()), tmp_path)
    app = opened()
    assert "holds nothing for this page" in app.info[0].value
    assert app.code[0].value.startswith("evenhanded lint train.csv test.csv")


def test_a_lint_without_findings_or_labels(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    given = {"lint": {"train": 9, "test": 3, "label": "y is 1", "files": []}}
    save_run(Result(measurements=(), provenance=Provenance(given=given)), tmp_path)
    app = opened()
    assert app.text[0].value == "Nothing was found in 9 train and 3 test rows (positive: y is 1)."
    assert any("keeps no list of labels" in text for text in shown(app))


def test_the_report_leads_with_what_was_found(linted):
    first, second = sections(linted[0])
    assert first.text.splitlines()[0].endswith("cannot be trusted until it is mended.")
    assert first.text.split("\n\n")[1].startswith("Clusters in both parts: 17.0 % of the test rows")
    assert "Too good to be true (no score column is named)" in first.text
    assert "Labels worth a second look" in second.text
    assert 'aria-label="Bars are the rise' in second.pictures[0].svg
    page = render_report(linted[0], title="x")
    assert "Can this split be trusted?" in page
    assert "<script" not in page.replace("&lt;script", "")
    assert render_report(linted[0], title="x") == page
    assert sections(Result(measurements=())) == ()


def test_the_picture_holds_the_numbers(linted):
    rows = importance_rows(linted[0])
    figure = importance_bars(rows, title=HOSTILE)
    assert list(figure.data[1].x) == [row.value for row in rows]
    assert all("<script" not in name for name in figure.layout.yaxis.ticktext)
    undefined = Measurement(metric="permutation_importance", value=None, n=0, method="x", reason="none")
    with pytest.raises(ValueError, match="at least one feature"):
        importance_bars([undefined], title="x")


def test_a_sealed_test_is_told():
    record = {"rows": 300, "sealed_at": "2026-11-01T00:00:00Z", "sealed_by": HOSTILE, "refused_before": 1}
    record |= {"opened_at": "2026-11-02T00:00:00Z", "opened_by": "B", "seal": "a", "predictions": "c", "policy": "e"}
    result = Result(measurements=(), provenance=Provenance(given={"sealed": record}))
    (section,) = sealed_sections(result)
    assert "1 attempt to open it had been refused before" in section.text
    page = render_report(result, title="x")
    assert "A sealed test" in page
    assert "<script" not in page
