from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import dashboards
from audit.result import Result
from audit.store import save_run

APP = Path(dashboards.__file__).with_name("app.py")


def opened(page=None, **query):
    app = AppTest.from_file(str(APP), default_timeout=30)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    if page is not None:
        app.switch_page(f"views/{page}.py").run()
    assert not app.exception, app.exception
    return app


def shown(app):
    """Return every text on the page."""
    kinds = ("title", "header", "subheader", "markdown", "text", "caption", "info", "error", "code")
    return [element.value for kind in kinds for element in getattr(app, kind)]


@pytest.mark.parametrize("page", [None, "subgroups"])
def test_an_empty_store_says_what_to_run(page, tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path / "none"))
    app = opened(page)
    assert "No run is saved yet" in app.info[0].value
    assert "evenhanded demo" in app.code[0].value
    assert not app.selectbox


def test_overview_tells_the_verdict_in_words(runs, gate):
    app = opened(run=runs["judged"].name)
    assert app.header[0].value == "▲ broken evidence"
    requirements = app.dataframe[0].value
    assert requirements["Requirement"].tolist() == ["fpr-gap", "calibration", "accuracy-high", "accuracy"]
    assert requirements["Verdict"].tolist() == ["✕ fails", "▲ broken evidence", "◇ not shown", "✓ holds"]
    assert {header.value for header in app.subheader} >= {"What is not known", "Who decides"}
    assert app.dataframe[1].value["Run"].tolist() == sorted((path.name for path in runs.values()), reverse=True)


def test_another_run_is_chosen_by_hand(runs):
    app = opened(run=runs["judged"].name)
    app.selectbox(key="run").select(runs["plain"].name).run()
    assert app.header[0].value == "Not judged"
    assert any("No policy was judged" in text for text in shown(app))


@pytest.mark.parametrize("wanted", ["../../etc/passwd", "none", "<script>"])
def test_a_run_that_is_not_listed_is_never_opened(runs, wanted):
    app = opened(run=wanted)
    assert app.selectbox(key="run").value in {path.name for path in runs.values()}
    assert not any(wanted in text for text in shown(app))


def test_subgroups_show_the_numbers_of_the_result(runs, result):
    app = opened("subgroups", run=runs["judged"].name)
    app.selectbox(key="groups").select("sex").run()
    app.selectbox(key="metric").select("false_negative_rate").run()
    table = app.dataframe[0].value
    expected = [result.find("false_negative_rate", {"sex": name}) for name in ("Female", "Male")]
    assert table["Value"].tolist() == [f"{100 * row.value:.1f} %" for row in expected]
    assert table["n"].tolist() == [f"{row.n:,}" for row in expected]
    assert any("the share not predicted “1”" in text.replace("\\", "") for text in shown(app))


def test_a_reference_group_is_chosen_by_hand(runs, result):
    app = opened("subgroups", run=runs["judged"].name)
    app.selectbox(key="metric").select("false_positive_rate").run()
    assert len(app.dataframe) == 1
    options = app.selectbox(key="reference").options
    assert options[1:] == ["Blue", "Green", "Red"]
    app.selectbox(key="reference").select(2).run()
    assert not app.exception
    differences = app.dataframe[1].value
    rates = {name: result.find("false_positive_rate", {"race": name}).value for name in ("Blue", "Green", "Red")}
    assert differences["Group"].tolist() == ["Blue", "Red"]
    signed = [100 * (rates[name] - rates["Green"]) for name in ("Blue", "Red")]
    assert differences["Value"].tolist() == [f"{value:+.1f} points".replace("-", "−") for value in signed]
    assert app.code[-1].value.endswith("--reference race=Green")


def test_overlapping_groups_have_no_single_reference(runs):
    app = opened("subgroups", run=runs["judged"].name)
    app.selectbox(key="groups").select("race and sex").run()
    assert len(app.dataframe[0].value) == 6
    assert "reference" not in {box.key for box in app.selectbox}


def test_a_link_opens_run_groups_and_metric(runs):
    app = opened("subgroups", run=runs["judged"].name, groups="sex", metric="Accuracy")
    assert app.selectbox(key="groups").value == "sex"
    assert app.selectbox(key="metric").value == "accuracy"


def test_broken_files_are_said_and_nothing_is_shown(runs):
    (runs["judged"] / "tally.parquet").write_bytes(b"no tally")
    app = opened(run=runs["judged"].name)
    assert "broken evidence" in app.error[0].value
    assert len(app.dataframe) == 1
    (runs["plain"] / "gate.json").write_text("{}", encoding="utf-8")
    app = opened(run=runs["plain"].name)
    assert "verdicts of this run cannot be shown" in app.error[0].value


def test_a_run_without_groups(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    save_run(Result(measurements=()), tmp_path)
    assert "holds nothing for this page" in opened("subgroups").info[0].value


@pytest.mark.parametrize("page", [None, "subgroups"])
def test_hostile_names_are_no_markdown(page, hostile, tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    save_run(hostile, tmp_path)
    app = opened(page)
    for element in [*app.markdown, *app.caption, *app.info, *app.header, *app.title, *app.subheader]:
        plain = element.value.replace("\\\\", "")
        assert "![" not in plain
        assert "<script" not in plain
        assert "](http" not in plain
        assert not {"\x00", "\x1b", "\u202e"} & set(plain)
    assert not any(element.allow_html for element in app.markdown)


def test_groups_that_may_be_one_are_warned_of_and_told_apart(build, tmp_path, monkeypatch):
    monkeypatch.setenv("EVENHANDED_RUNS", str(tmp_path))
    save_run(build(["F", "F ", "M"], rows=600), tmp_path)
    app = opened("subgroups")
    assert "counted apart" in app.warning[0].value
    assert app.dataframe[0].value["Group"].tolist() == ["F", "F␣", "M"]
    listed = opened().dataframe[-1].value
    assert listed["Kind"].tolist() == ["audit"]
    assert listed["Made of"].tolist() == ["a table in memory"]
    assert listed["Model"].tolist() == ["flagged"]
