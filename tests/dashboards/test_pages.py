"""Every page: found from the overview, empty in words, and unharmed by names that try to be markup."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import dashboards
from audit.measurement import Measurement
from audit.result import Result
from audit.store import list_runs, save_run
from dashboards.pages import FIRST, PAGES, empty_sentence, labels_of, pages_of
from dashboards.report.parts import FURTHER, LEADING, part_sections
from dashboards.report.render import render_report

APP = Path(dashboards.__file__).with_name("app.py")
OTHERS = [name for name in PAGES if name != "overview"]


def opened(folder, monkeypatch, result, page="overview"):
    monkeypatch.setenv("EVENHANDED_RUNS", str(folder))
    save_run(result, folder)
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    if page != "overview":
        app.switch_page(f"views/{page}.py").run()
    assert not app.exception, app.exception
    return app


def test_every_view_is_a_page():
    views = Path(dashboards.__file__).with_name("views")
    assert {name for name in PAGES if (views / f"{name}.py").is_file()} == set(PAGES)
    drawn = {path.stem for path in views.glob("*.py") if "def page()" in path.read_text(encoding="utf-8")}
    assert drawn == set(PAGES)
    assert set(FIRST) < set(PAGES)


@pytest.mark.parametrize("name", OTHERS)
def test_a_page_without_rows_says_what_it_would_show_and_what_makes_it(name, tmp_path, monkeypatch):
    row = Measurement(metric="my_own_number", value=3.0, n=40, method="count")
    app = opened(tmp_path, monkeypatch, Result(measurements=[row]), page=name)
    told = " ".join(element.value.replace("\\", "") for element in app.info)
    assert PAGES[name].shows in told or name == "errors"
    assert any(element.value.startswith(("evenhanded ", "from pathlib")) for element in app.code)
    assert not app.dataframe


@pytest.mark.parametrize("name", OTHERS)
def test_the_overview_leads_to_the_pages_that_have_rows(name, nasty, tmp_path, monkeypatch):
    held = {page.name for page in pages_of(nasty[name])}
    assert name in held
    app = opened(tmp_path, monkeypatch, nasty[name])
    assert "This run also holds" in {element.value for element in app.subheader}
    links = [element.proto.page for element in app.get("page_link")]
    assert {link.rsplit("/", 1)[-1].removesuffix(".py") for link in links} == held


@pytest.mark.parametrize("name", OTHERS)
def test_hostile_names_are_no_markdown_on_any_page(name, nasty, tmp_path, monkeypatch):
    app = opened(tmp_path, monkeypatch, nasty[name], page=name)
    assert not app.info
    assert app.dataframe
    for element in [*app.markdown, *app.caption, *app.header, *app.title, *app.subheader]:
        bare = re.sub(r"\\.", "", element.value)  # what is escaped is text
        assert not set("<`$!") & set(bare), bare
        assert "](" not in bare
        assert "\u202e" not in element.value
    assert not any(element.allow_html for element in app.markdown)


@pytest.mark.parametrize("name", OTHERS)
def test_hostile_names_stay_text_in_the_report(name, nasty):
    page = render_report(nasty[name], title="t")
    assert "<script" not in page
    assert "\u202e" not in page
    assert "a" * 299 not in page
    assert "<i>s</i>" not in page
    assert "href=" not in page.replace('href="#', "")


def test_a_source_of_bias_is_no_label(nasty):
    assert labels_of(nasty["sources"]) == ()
    assert len(labels_of(nasty["confusion"])) == 7


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_shows_reads_as_one_sentence(name):
    sentence = empty_sentence(PAGES[name])
    assert sentence.endswith(":")
    assert "\n" not in sentence


def test_the_rows_of_a_run_without_a_tally_are_listed(tmp_path, monkeypatch):
    rows = [
        Measurement(metric="count", value=n, n=n, method="count", slice=pairs)
        for n, pairs in ((40, ()), (15, (("g", "a"),)))
    ]
    app = opened(tmp_path, monkeypatch, Result(measurements=rows))
    assert list_runs(tmp_path)[0].rows == 40
    assert any("40 rows" in element.value for element in app.sidebar.caption)


def test_min_cell_reaches_the_parts(nasty):
    sections = part_sections(LEADING + FURTHER, nasty["calibration"], min_cell=10)
    assert any("hidden" not in section.text for section in sections)
    none = part_sections(LEADING + FURTHER, nasty["calibration"], min_cell=10_000)
    assert not [section for section in none if section.title.startswith("Do the scores")]
