"""What commands leave behind: refused before anything is written, all at once, and written whole."""

import json
import os

import pytest

from audit.errors import InputError
from audit.measurement import Measurement
from audit.result import Result
from evenhanded.outputs import check_outputs, report_of, say_where, write_outputs

RESULT = Result(measurements=[Measurement(metric="count", value=3, n=3, method="count")])


def test_every_target_that_cannot_be_written_is_named_at_once(tmp_path):
    (tmp_path / "file").touch()
    options = {
        "json_file": tmp_path,
        "html_file": tmp_path / "none" / "r.html",
        "junit_file": tmp_path / "file" / "r.xml",
        "out": tmp_path / "file",
    }
    with pytest.raises(InputError) as refused:
        check_outputs(options)
    texts = refused.value.violations
    assert any(text == f"{tmp_path} is a folder; name a file" for text in texts)
    assert any("none does not exist; make it, or name another" in text for text in texts)
    assert sum("is no folder that may be written to" in text for text in texts) == 1  # the same file, said once
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(InputError, match="is no folder that may be written to"):
        check_outputs({"json_file": closed / "r.json"})


def test_a_new_folder_of_runs_is_made_and_a_new_folder_of_files_is_not(tmp_path):
    check_outputs({"out": tmp_path / "a" / "b" / "runs"})
    with pytest.raises(InputError, match="does not exist; make it"):
        check_outputs({"json_file": tmp_path / "a" / "r.json"})
    check_outputs({})


def test_all_that_is_asked_for_is_written(tmp_path, capsys):
    options = {"json_file": tmp_path / "r.json", "html_file": tmp_path / "r.html", "out": tmp_path / "runs",
               "title": "A <b>title</b>", "junit_file": tmp_path / "r.xml"}  # fmt: skip
    saved = write_outputs(RESULT, options, title="unused", documents={"more.txt": "more"})
    assert json.loads(options["json_file"].read_text(encoding="utf-8"))["measurements"][0]["value"] == 3
    page = options["html_file"].read_text(encoding="utf-8")
    assert "A &lt;b&gt;title" in page
    assert page == (saved / "report.html").read_text(encoding="utf-8") == report_of(RESULT, None, "A <b>title</b>")
    assert (saved / "more.txt").read_text(encoding="utf-8") == "more"
    assert not options["junit_file"].exists()  # no verdicts were reached
    say_where(saved, {name: path for name, path in options.items() if name in {"json_file", "html_file"}})
    lines = capsys.readouterr().out.replace("\n", "")
    assert "written: " in lines
    assert "saved: " in lines


def test_without_a_target_nothing_is_written_and_it_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert write_outputs(RESULT, {}, title="x") is None
    say_where(None, {})
    assert "not saved as a run: --out runs keeps it" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
