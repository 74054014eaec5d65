"""`ingest`: the log that the first file makes, what later files need, and what goes again."""

import json
from types import SimpleNamespace

import click
import pandas as pd
import pytest

pytest.importorskip("deltalake")

from audit import extras
from monitors.log_store.store import LogStore

FIRST = ("--id", "case", "--timestamp", "at", "--y-pred", "flagged", "--sensitive", "sex", "--features", "age,zip")


def day(number, rows=10, **changed):
    ids = range(number * 100, number * 100 + rows)
    frame = pd.DataFrame(
        {
            "case": [f"c{name}" for name in ids],
            "at": f"2026-01-{number:02d}T09:00:00+01:00",
            "flagged": [name % 2 for name in ids],
            "sex": ["F" if name % 3 else "M" for name in ids],
            "age": [20 + name % 50 for name in ids],
            "zip": [f"0{name}" for name in ids],
        }
    )
    return frame.assign(**changed)


@pytest.fixture
def ingest(call, tmp_path):
    """Return the command in a folder of its own; a frame is written to a CSV file first."""

    def run(*arguments, code=0, data=None):
        if data is not None:
            data.to_csv(tmp_path / "data.csv", index=False)
            arguments = (arguments[0], "data.csv", *arguments[1:])
        return call("ingest", *map(str, arguments), cwd=tmp_path, code=code)

    return run


@pytest.fixture
def log(ingest, tmp_path):
    ingest("log", *FIRST, data=day(1))
    return LogStore.open(tmp_path / "log")


def test_the_first_file_makes_the_log_and_later_ones_need_no_options(ingest, tmp_path):
    done = ingest("log", *FIRST, data=day(1))
    assert "made log; it keeps as numbers: age; as hashes: none" in done.stdout
    assert "10 new predictions" in done.stdout
    assert "version 1.0 of log" in done.stdout
    done = ingest("log", data=pd.concat([day(1, 4), day(2)]))
    assert "10 new predictions" in done.stdout
    assert "4 predictions that were there already" in done.stdout
    assert "0 new predictions" in ingest("log", *FIRST, data=day(2)).stdout  # as cron would call it
    assert LogStore.open(tmp_path / "log").columns.kinds()["zip"] == "text"


def test_labels_come_later_and_disagree(ingest, log):
    outcomes = pd.DataFrame({"case": ["c100", "c101", "early"], "outcome": [1, 0, 1], "known": "2026-02-01T00:00Z"})
    named = ("--labels", "--y-true", "outcome", "--label-timestamp", "known", "--source", "court")
    assert "3 new labels" in ingest("log", *named, data=outcomes).stdout
    assert "3 labels that were there already" in ingest("log", *named, data=outcomes).stdout
    other = outcomes.assign(outcome=[0, 0, 0])
    refused = ingest("log", *named, data=other, code=2)
    assert "2 rows have an id ('prediction_id') that is known with other content: 'c100' in row 1" in refused.stderr
    assert "2 labels corrected" in ingest("log", *named, "--correct", data=other).stdout
    assert log.events()[0]["labels"] == 2.0


def test_corrections_and_removals(ingest, log, tmp_path):
    assert "1 prediction corrected" in ingest("log", "--correct", data=day(1, 1, age=77)[["case", "age"]]).stdout
    done = ingest("log", "--erase", "c100", "--erase", "c101", "--erase", "nobody", "--yes")
    assert "erased: 2 predictions, 0 labels" in done.stdout
    (tmp_path / "ids.txt").write_text("c102\n\nc103\n")
    assert "erased: 2 predictions" in ingest("log", "--erase-file", "ids.txt", "--yes").stdout
    assert "erased: 2 predictions" in ingest("log", "--erase", "M", "--by", "sex", "--yes").stdout  # c105, c108
    assert log.read().table.collect().shape[0] == 4
    there = sorted((tmp_path / "log").rglob("*"))
    refused = ingest("log", "--erase", "nosuch", "--yes", code=2)
    assert "no prediction and no label with the id 'nosuch'; nothing was deleted" in " ".join(refused.stderr.split())
    assert there == sorted((tmp_path / "log").rglob("*"))
    assert [event["event"] for event in log.events()] == ["correct", "erase", "erase", "erase"]


def test_everything_that_cron_does_in_one_call(ingest, log):
    ingest("log", data=day(2))
    done = ingest("log", "--retain", "1d", "--yes", "--compact", "--json", data=day(3))
    told = json.loads(done.stdout)
    assert told["left_behind"]["predictions"] == 30  # years ago by now
    assert told["new"] == 10
    assert told["store"] == "log"
    assert told["version"] == log.version
    assert log.read().table.collect().shape[0] == 0


def test_hashed_ids_stay_out_of_the_log_and_the_key_out_of_the_folder(ingest, tmp_path):
    assert "as hashes: case" in ingest("log", *FIRST, "--hash", "case", data=day(1)).stdout
    assert (tmp_path / "log.salt").stat().st_mode & 0o777 == 0o600
    assert "erased: 1 prediction," in ingest("log", "--erase", "c100", "--yes").stdout
    (tmp_path / "log.salt").rename(tmp_path / "elsewhere")
    assert "the key of the hashed ids is not in" in ingest("log", data=day(2), code=4).stderr
    assert "10 new" in ingest("log", "--salt", "elsewhere", data=day(2)).stdout


def test_large_files_come_in_pieces(ingest, tmp_path):
    assert "10 new predictions" in ingest("log", *FIRST, "--rows", "3", data=day(1)).stdout
    assert LogStore.open(tmp_path / "log").version == "4.0"
    bad = day(2)
    bad.loc[7, "at"] = "soon"
    told = ingest("log", "--rows", "5", data=bad, code=2).stderr
    assert "in rows 6 to 10 of the file (counted from the first of them; those before are in)" in told
    assert "'soon' in row 3" in told
    assert "5 predictions that were there already" in ingest("log", data=day(2)).stdout


def test_what_is_wrong_is_told_before_anything_is_done(ingest, log, tmp_path):
    for arguments, told in (
        (("log",), "nothing to do: name DATA, or --erase, --retain or --compact"),
        (("log", "gone.csv"), "gone.csv does not exist"),
        (("log", "--labels", "--compact"), "--labels and --correct say what DATA holds; name DATA"),
        (("log", "--by", "sex", "--compact"), "--by says what --erase names"),
        (("log", "--dry-run", "--compact"), "--dry-run says what --erase or --retain would remove"),
        (("log", "--erase", "1", "--by", "flagged", "--yes"), "no prediction, decision or label; the log has"),
        (("log", "--retain", "400"), "--retain 400: expected a number of days, as in 400d"),
        (("log", "--erase-file", "gone.txt"), "gone.txt cannot be read as UTF-8 text with one id per line"),
        (("nowhere", "--erase", "c1"), "nowhere is no prediction log yet"),
        (("nowhere", "--compact"), "nowhere is no prediction log yet"),
    ):
        assert told in ingest(*arguments, code=2).stderr
    assert "no prediction log yet; the first batch of predictions makes one; name --id and --timestamp" in ingest(
        "other", data=day(1), code=2).stderr  # fmt: skip
    told = ingest("other", *FIRST, data=day(1, at="2026-01-02"), code=2).stderr
    assert "column 'at' must hold ISO 8601 times" in told
    assert "column 'decision' is missing" in ingest(
        "other", "--hash", "case", *FIRST[:4], "--y-pred", "decision", data=day(1), code=2).stderr  # fmt: skip
    assert not (tmp_path / "other.salt").exists()
    assert not (tmp_path / "nowhere").exists()
    assert not (tmp_path / "other").exists()
    assert log.version == "1.0"


def test_options_that_contradict_the_log_are_refused(ingest, log):
    told = ingest("log", "--y-pred", "zip", "--sensitive", "colour", "--positive", "yes", data=day(2), code=2).stderr
    assert "y_pred is 'flagged' in this log; got 'zip'" in told.replace("--y-pred is", "y_pred is")
    assert "['colour']" in told
    assert "got 'yes'" in told
    assert log.version == "1.0"


def test_bad_rows_are_exit_code_2_and_broken_logs_4(ingest, log, tmp_path):
    naive = ingest("log", data=day(2).assign(at="2026-01-02T09:00:00"), code=2).stderr
    assert "column 'at' must hold ISO 8601 times with an offset or Z" in naive
    assert "unknown columns 'x\\u202e'" in ingest("log", data=day(2).assign(**{"x\u202e": 1}), code=2).stderr
    file = next((tmp_path / "log" / "predictions").glob("*.parquet"))
    file.unlink()
    assert f"{file.name} is missing" in ingest("log", data=day(2), code=4).stderr


def test_without_the_extra_it_says_how_to_get_it(ingest, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "deltalake" else name)
    told = ingest("log", *FIRST, data=day(1), code=2).stderr
    assert "A prediction log needs deltalake, which is not installed: pip install 'evenhanded[store]'" in told


def test_a_file_without_rows_brings_none(ingest, log):
    assert "0 new predictions" in ingest("log", data=day(2, 0)).stdout


def test_parquet_says_which_features_are_numbers(call, tmp_path):
    day(1).assign(age=1.5, zip=list(range(10))).to_parquet(tmp_path / "data.parquet")
    call("ingest", "log", "data.parquet", *FIRST, "--texts", "zip", cwd=tmp_path, code=0)
    assert LogStore.open(tmp_path / "log").columns.numbers == ("age",)


def test_what_would_be_removed_is_told_first_and_needs_a_word(ingest, log):
    shown = ingest("log", "--erase", "M", "--by", "sex", "--retain", "1d", "--dry-run").stdout
    assert "--erase would remove 3 predictions, 0 labels; --retain would remove 10 predictions" in " ".join(
        shown.split()
    )
    told = " ".join(ingest("log", "--retain", "1d", data=day(2), code=2).stderr.split())
    assert "--erase and --retain beside DATA need --yes" in told
    told = " ".join(ingest("log", "--retain", "1d", code=2).stderr.split())
    assert "--retain would remove 10 predictions, 0 labels, for good and from all versions; nothing was done" in told
    assert log.version == "1.0"  # nor was the file appended
    would = json.loads(ingest("log", "--erase", "c100", "--dry-run", "--json").stdout)["would"]
    assert would == {"erased": {"predictions": 1, "labels": 0}}
    ingest("log", "--labels", "--y-true", "flagged", "--leave-out", "at,sex,age,zip", data=day(1))
    assert "1 prediction, 1 label" in ingest("log", "--erase", "c100", "--dry-run").stdout
    assert "10 predictions, 10 labels" in ingest("log", "--retain", "1d", "--dry-run").stdout
    assert log.read().table.collect().shape[0] == 10


def test_on_a_terminal_it_asks(ingest, log, monkeypatch):
    asked = []
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(click, "confirm", lambda text, **_: asked.append(text) or len(asked) > 1)
    assert "nothing was done" in ingest("log", "--erase", "c100", code=2).stderr
    assert "erased: 1 prediction, 0 labels" in ingest("log", "--erase", "c100").stdout
    assert asked[1] == "--erase would remove 1 prediction, 0 labels, for good and from all versions; go on?"


def test_labels_that_would_make_the_log_unreadable_are_refused_with_their_ids(ingest, log):
    bad = day(2)
    bad["flagged"] = bad["flagged"].astype(str)
    bad.loc[[3, 5], "flagged"] = "maybe"
    told = " ".join(ingest("log", data=bad, code=2).stderr.split())
    assert "2 rows hold 'maybe' ('c203', 'c205'); expected 0, 1, true or false, and nothing was written" in told
    outcomes = pd.DataFrame({"case": ["c100", "c101"], "outcome": ["1", "banana"]})
    told = " ".join(ingest("log", "--labels", "--y-true", "outcome", data=outcomes, code=2).stderr.split())
    assert "1 row holds 'banana' ('c101')" in told
    told = ingest("log", "--correct", data=pd.DataFrame({"case": ["c100"], "flagged": ["maybe"]}), code=2).stderr
    assert "1 row holds 'maybe' ('c100')" in " ".join(told.split())
    assert "hold 'maybe'" in " ".join(ingest("new", *FIRST, data=bad, code=2).stderr.split())
    assert log.version == "1.0"


def test_the_other_of_two_labels_is_the_one_that_the_log_has(ingest):
    words = {0: "no", 1: "yes"}
    ingest("log", *FIRST, "--positive", "yes", data=day(1).replace({"flagged": words}))
    ingest("log", data=day(2).replace({"flagged": words}))
    told = " ".join(ingest("log", data=day(3).assign(flagged="No"), code=2).stderr.split())
    assert "10 rows hold 'No'" in told
    assert "expected 'yes' or 'no'" in told
    outcomes = pd.DataFrame({"case": ["c100"], "y_true": ["1"]})
    assert "1 row holds '1' ('c100')" in " ".join(ingest("log", "--labels", data=outcomes, code=2).stderr.split())


def test_the_log_remembers_the_names_of_labels(ingest, log):
    outcomes = pd.DataFrame({"case": ["c100"], "outcome": [1], "known": "2026-02-01T00:00Z"})
    told = " ".join(ingest("log", "--labels", data=outcomes, code=2).stderr.split())
    assert "--y-true names the column of the labels; 'y_true' is missing: the file has 'case', 'outcome'" in told
    named = ("--y-true", "outcome", "--label-timestamp", "known")
    assert "1 new label\n" in ingest("log", "--labels", *named, data=outcomes).stdout
    assert "1 new label\n" in ingest("log", "--labels", data=outcomes.assign(case="c101")).stdout
    assert log.version == "1.2"


def test_an_id_twice_in_one_file_is_said_as_such(ingest, log):
    twice = pd.concat([day(2, 1), day(2, 1, age=3)])
    told = " ".join(ingest("log", data=twice, code=2).stderr.split())
    assert "1 row has an id ('case') that stands in this file before with other content: 'c200' in row 2" in told
    assert "keep one row per id" in told
