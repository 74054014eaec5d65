"""``evenhanded monitor``: what it prints, writes, keeps and answers; what it refuses leaves nothing behind."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from audit.store import list_runs, load_run

START = datetime(2026, 1, 5, tzinfo=UTC)
NASTY = ("<script>alert(1)</script>", "=1+1", "line\nbreak", "\u202egnp.exe", "[red]x[/red]")
COLUMNS = ("--timestamp", "at", "--y-pred", "said", "--y-true", "y", "--sensitive", "g", "--prediction-id", "id")


def frame_of(seed, weeks, *, first=0, groups=("a", "b"), per_week=120):
    rng = np.random.default_rng(seed)
    rows = weeks * per_week
    seconds = np.sort(rng.integers(0, weeks * 604_800, rows)) + first * 604_800
    truth = rng.random(rows) < 0.4
    frame = pd.DataFrame(
        {
            "id": [f"{first}-{place}" for place in range(rows)],
            "at": (pd.to_datetime(START) + pd.to_timedelta(seconds, unit="s")).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "age": rng.normal(40, 10, rows).round(2),
            "kind": rng.choice(["n", "s"], rows),
            "g": np.array(groups, dtype=object)[rng.integers(0, len(groups), rows)],
            "y": truth.astype(int),
        }
    )
    return frame.assign(said=np.where(rng.random(rows) < 0.8, frame["y"], 1 - frame["y"]))


@pytest.fixture
def files(tmp_path):
    """Write a reference, a quiet log and one in which the ages of group a doubled in its third week."""
    quiet = frame_of(2, 6, first=8)
    moved = quiet.copy()
    late = (moved["at"] >= "2026-03-16") & (moved["g"] == "a")
    moved.loc[late, "age"] *= 2
    for name, frame in (("before", frame_of(1, 8)), ("quiet", quiet), ("moved", moved)):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


@pytest.fixture
def monitor(call, files):
    return partial(call, "monitor", cwd=files)


def against(name, *more):
    return ("--reference", "before.csv", "--current", f"{name}.csv", *COLUMNS, *more)


def test_a_quiet_log_says_so_and_that_it_is_no_proof(monitor):
    done = monitor(*against("quiet"), code=0)
    assert "No alarm rang. That is no proof that nothing changed" in done.stdout
    assert "at most 5 %" in " ".join(done.stdout.split())


def test_what_changed_is_told_with_since_when_and_for_whom_and_everything_asked_for_is_written(monitor, files):
    done = monitor(
        *against("moved", "--json", "r.json", "--html", "r.html", "--out", "runs", "--title", "<b>weeks</b>"), code=0
    )
    text = " ".join(done.stdout.split())
    assert "2026-03-16" in text
    assert "Drift: age" in text
    assert "g = a" in text
    events = [json.loads(line) for line in (files / "runs" / "alarms.jsonl").read_text().splitlines()]
    number = len({event["alarm"] for event in events})
    assert f"{number} new alarm{'s' if number > 1 else ''}: evenhanded alarms list --runs runs" in text
    assert f"{number} alarm{'s' if number > 1 else ''} rang" in text
    result = json.loads((files / "r.json").read_text())
    assert result["alarms"]
    page = (files / "r.html").read_text()
    assert "What changed since the reference" in page
    assert "<b>weeks</b>" not in page
    (entry,) = list_runs(files / "runs")
    assert entry.kind == "monitoring"
    assert {json.loads(alarm.key)[0] for alarm in load_run(entry.path).alarms} >= {"drift_e_value"}


def test_fail_on_alarm_leaves_with_1_where_one_rings_only(monitor):
    monitor(*against("moved", "--fail-on-alarm"), code=1)
    monitor(*against("quiet", "--fail-on-alarm"), code=0)


def test_since_last_shows_what_rang_after_the_last_run_and_no_alarm_twice(monitor, files):
    both = ("--out", "runs", "--since-last", "--fail-on-alarm")
    monitor(*against("moved", *both), code=1)
    again = monitor(*against("moved", *both), code=0)
    assert "Drift: age" not in again.stdout
    assert "No alarm is new" in again.stdout
    assert "evenhanded alarms list" not in again.stdout
    events = (files / "runs" / "alarms.jsonl").read_text().splitlines()
    raised = [json.loads(line)["alarm"] for line in events if json.loads(line)["kind"] == "raised"]
    assert len(raised) == len(set(raised)) > 0


def test_labels_that_raise_an_alarm_in_an_old_window_are_new_and_fail(monitor, files):
    late = pd.read_csv(files / "quiet.csv")
    wrong = late["at"] >= "2026-03-16"
    late.loc[wrong, "y"] = 1 - late.loc[wrong, "said"]
    late.to_csv(files / "moved.csv", index=False)
    late["y"] = late["y"].astype("Int64")
    late.loc[wrong, "y"] = None
    late.to_csv(files / "quiet.csv", index=False)
    both = ("--out", "runs", "--since-last", "--fail-on-alarm")
    monitor(*against("quiet", *both), code=0)
    done = monitor(*against("moved", *both), code=1)
    text = " ".join(done.stdout.split())
    assert "new alarm" in text
    assert "2026-03-16" in text
    assert "accuracy" in text.lower()


def test_a_run_on_another_log_or_reference_is_no_earlier_look(monitor, files):
    some = pd.read_csv(files / "quiet.csv").iloc[::3].rename(columns={"age": "years"})
    some.to_csv(files / "moved.csv", index=False)
    pd.read_csv(files / "before.csv").rename(columns={"age": "years"}).to_csv(files / "bad.csv", index=False)
    monitor("--reference", "bad.csv", "--current", "moved.csv", *COLUMNS, "--out", "runs", code=0)
    monitor(*against("quiet", "--out", "runs", "--json", "one.json"), code=0)
    rows = json.loads((files / "one.json").read_text())["measurements"]
    assert not [row for row in rows if row["metric"] == "late_share"]
    monitor(*against("quiet", "--out", "runs", "--json", "two.json"), code=0)
    rows = json.loads((files / "two.json").read_text())["measurements"]
    assert {row["value"] for row in rows if row["metric"] == "late_share"} == {0.0}


def test_columns_of_ids_and_times_are_not_watched_and_are_named(monitor, files):
    for name in ("before", "quiet"):
        frame = pd.read_csv(files / f"{name}.csv")
        frame.assign(case="c-" + frame["id"].astype(str), known=frame["at"]).to_csv(files / f"{name}.csv", index=False)
    done = monitor(*against("quiet", "--json", "r.json"), code=0)
    text = " ".join(done.stdout.split())
    assert "Not watched: case (its texts are nearly all different), known (times). Name --features" in text
    assert "No alarm rang" in text
    given = json.loads((files / "r.json").read_text())["provenance"]["given"]
    assert {"age", "kind"} <= set(given["features"]) <= {"age", "kind", "g"}


def test_a_missing_timestamp_names_the_option_and_the_columns(monitor):
    done = monitor("--reference", "before.csv", "--current", "quiet.csv", "--y-pred", "said", code=2)
    assert "--timestamp is not named" in done.stderr
    assert "id, at, age, kind, g, y, said" in " ".join(done.stderr.split())


def test_a_saved_reference_knows_its_columns_and_says_what_to_do(monitor, files):
    monitor(*against("quiet", "--features", "age", "--save-reference", "kept"), code=0)
    done = monitor("--reference", "kept", "--current", "quiet.csv", *COLUMNS, code=0)
    assert "Not watched, since the reference does not have them: kind." in " ".join(done.stdout.split())
    asked = monitor("--reference", "kept", "--current", "quiet.csv", *COLUMNS, "--sensitive", "kind", code=2)
    text = " ".join(asked.stderr.split())
    assert text.count("'g'") == 1
    assert "sensitive feature 'g' of the reference is missing; name it" in text


def test_a_reference_with_times_gives_the_earlier_weeks_of_traffic(monitor, files):
    since = frame_of(7, 3, first=8, per_week=480).iloc[1:]
    first = frame_of(7, 1, first=7).iloc[-1:].assign(at="2026-03-01T23:30:00Z", id="x")  # Monday in Berlin
    pd.concat([first, since]).to_csv(files / "moved.csv", index=False)
    whole = frame_of(6, 12, first=-4)
    whole[whole["at"] < "2026-03-01T23:00:00Z"].to_csv(files / "before.csv", index=False)
    done = monitor(*against("moved", "--until", "2026-03-23", "--json", "r.json"), code=0)
    assert "Traffic over that of earlier windows" in " ".join(done.stdout.split())
    rows = json.loads((files / "r.json").read_text())["measurements"]
    ratios = [row for row in rows if row["metric"] == "traffic_ratio" and not row["slice"]]
    assert "left out" in ratios[1]["reason"]
    assert 3 < ratios[1]["value"] < 5


def test_a_saved_reference_gives_the_same_numbers(monitor, files):
    monitor(*against("quiet", "--save-reference", "kept", "--json", "one.json"), code=0)
    columns = [each for each in COLUMNS]
    monitor("--reference", "kept", "--current", "quiet.csv", *columns, "--json", "two.json", code=0)
    one, two = (json.loads((files / name).read_text()) for name in ("one.json", "two.json"))
    rows = [each["measurements"] for each in (one, two)]
    assert rows[0] == rows[1]
    refused = monitor(*against("quiet", "--save-reference", "kept"), code=2)
    assert "is there already" in refused.stderr


def test_the_first_part_of_a_log_can_be_its_own_reference(monitor, files):
    whole = pd.concat([pd.read_csv(files / "before.csv"), pd.read_csv(files / "moved.csv")])
    whole.to_csv(files / "whole.csv", index=False)
    done = monitor("--current", "whole.csv", "--reference-until", "2026-03-02", *COLUMNS, "--json", "a.json", code=0)
    monitor(*against("moved", "--json", "b.json"), code=0)
    assert "Drift: age" in done.stdout
    one, two = (json.loads((files / f"{name}.json").read_text()) for name in "ab")
    assert [row["value"] for row in one["measurements"]] == [row["value"] for row in two["measurements"]]


def test_versions_of_the_model_are_windows(monitor, files):
    for name in ("before", "moved"):
        frame = pd.read_csv(files / f"{name}.csv")
        frame.assign(v=np.where(frame["at"] < "2026-03-16", "1.0", "<i>2</i>")).to_csv(files / f"{name}.csv")
    done = monitor(
        *against("moved", "--model-version", "v", "--window", "model_version", "--ignore", "Unnamed: 0"), code=0
    )
    assert "model <i>2</i>" in " ".join(done.stdout.split())
    assert "Drift: age" in done.stdout


POLICY = """schema: evenhanded/policy/1
requirements:
  - id: stable-age
    metric: kolmogorov_smirnov_statistic
    max: 0.4
    window: {window}
    groups: [g]
    at: {{feature: age}}
  - id: accuracy
    metric: accuracy
    min: 0.5
    window: {window}
"""


@pytest.mark.parametrize("window", ["latest", "each"])
def test_a_policy_judges_drift_and_windowed_rates(monitor, files, window):
    (files / "p.yaml").write_text(POLICY.format(window=window))
    done = monitor(*against("moved", "--policy", "p.yaml", "--junit", "j.xml"))
    assert done.returncode in {1, 3}, done.stdout + done.stderr
    suite = ET.fromstring((files / "j.xml").read_text())  # noqa: S314 - our own output
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert any("accuracy" in name for name in cases)
    failing = [name for name, case in cases.items() if case.find("failure") is not None]
    assert any("stable-age" in name for name in failing), cases
    assert not any("accuracy" in name for name in failing)


def test_hostile_names_reach_the_terminal_and_the_page_as_text(monitor, files):
    for name, weeks, first in (("before", 8, 0), ("moved", 5, 8)):
        frame = frame_of(5, weeks, first=first, groups=NASTY, per_week=500)
        if name == "moved":
            frame.loc[frame["g"] == NASTY[0], "age"] *= 3
            frame.loc[frame["g"] == NASTY[3], "age"] *= 3
        frame.rename(columns={"age": "=cmd()<script>"}).to_csv(files / f"{name}.csv", index=False)
    done = monitor(*against("moved", "--html", "r.html"), code=0)
    assert "\u202e" not in done.stdout
    page = (files / "r.html").read_text()
    assert "<script>alert" not in page
    assert "=cmd()<script>" not in page
    assert "\u202e" not in page


def nothing(files):
    return {path.name for path in files.iterdir()} <= {"before.csv", "quiet.csv", "moved.csv", "bad.csv", "empty.csv"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--current", "quiet.csv", *COLUMNS), "nothing to compare with"),
        (against("quiet", "--reference-until", "2026-03-30"), "name one of them"),
        (against("quiet", "--since-last"), "--since-last needs the folder of runs"),
        (against("quiet", "--webhook", "https://example.org/x"), "--webhook needs the folder of runs"),
        (against("quiet", "--out", "runs", "--webhook", "http://example.org/x"), "https"),
        (against("quiet", "--until", "2026-03-30 10:00"), "no time with a zone"),
        (against("quiet", "--window", "soon", "--out", "runs"), "soon"),
        (against("quiet", "--alpha", "1", "--json", "r.json"), "alpha must lie in (0, 1)"),
        (against("quiet", "--tolerance", "2", "--html", "r.html"), "tolerance must lie in [0, 1)"),
        (against("quiet", "--features", "wealth"), "wealth"),
        (against("none"), "none.csv"),
        (against("quiet", "--junit", "j.xml"), "name a --policy"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_and_nothing_is_written(monitor, files, options, said):
    done = monitor(*options, code=2)
    assert said in " ".join(done.stderr.split())
    assert nothing(files)


def bad(frame, kind):
    if kind == "naive":
        return frame.assign(at=frame["at"].str.rstrip("Z"))
    if kind == "other columns":
        return frame.rename(columns={"age": "income"})
    if kind == "text":
        return frame.assign(age="forty")
    return frame.iloc[:0]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("naive", "at"),
        ("other columns", "feature 'age' of the reference is missing"),
        ("text", "text that spells no number"),
        ("no rows", "no row"),
    ],
)
def test_a_log_that_cannot_be_compared_is_refused_and_nothing_is_written(monitor, files, kind, said):
    bad(frame_of(2, 6, first=8), kind).to_csv(files / "bad.csv", index=False)
    done = monitor(*against("bad", "--out", "runs", "--json", "r.json", "--save-reference", "kept"), code=2)
    assert said in " ".join(done.stderr.split())
    assert nothing(files)


def test_a_damaged_reference_is_broken_evidence(monitor, files):
    monitor(*against("quiet", "--save-reference", "kept"), code=0)
    for path in (files / "kept").iterdir():
        if path.suffix == ".parquet":
            path.write_bytes(path.read_bytes()[:-20])
    before = {path.name for path in files.iterdir()}
    done = monitor("--reference", "kept", "--current", "quiet.csv", *COLUMNS, "--json", "r.json", code=4)
    assert "kept" in done.stderr
    assert {path.name for path in files.iterdir()} == before


@pytest.fixture
def log(call, files):
    """Return a prediction log with the weeks before and since, one row of it erased."""
    pytest.importorskip("deltalake")
    first = (
        "--id",
        "id",
        "--timestamp",
        "at",
        "--y-pred",
        "said",
        "--y-true",
        "y",
        "--sensitive",
        "g",
        "--features",
        "age,kind",
        "--numbers",
        "age",
    )
    call("ingest", "log", "before.csv", *first, cwd=files, code=0)
    call("ingest", "log", "moved.csv", cwd=files, code=0)
    call("ingest", "log", "--erase", "8-0", "--yes", cwd=files, code=0)
    return files / "log"


def test_a_prediction_log_is_monitored_by_version_without_rows_that_were_erased(monitor, files, log):
    done = monitor("--current", "log", "--reference-until", "2026-03-02", "--json", "r.json", code=0)
    assert "Drift: age" in done.stdout
    result = json.loads((files / "r.json").read_text())
    given = result["provenance"]["given"]
    assert given["current_version"].count(".") == 1
    traffic = [row for row in result["measurements"] if row["metric"] == "traffic" and not row["slice"]]
    assert sum(row["value"] for row in traffic) == 6 * 120 - 1
    monitor("--reference", "log", "--current", "log", "--json", "s.json", code=0)
    both = json.loads((files / "s.json").read_text())["provenance"]["given"]
    assert both["reference_version"] == both["current_version"] == given["current_version"]


def test_columns_of_a_prediction_log_are_not_named_again(monitor, log):
    done = monitor("--current", "log", "--reference-until", "2026-03-02", "--sensitive", "kind", code=2)
    assert "--sensitive names a column, and log knows its own; leave it out" in " ".join(done.stderr.split())


def test_a_prediction_log_with_a_missing_file_is_broken_evidence(monitor, files, log):
    next((log / "predictions").glob("**/*.parquet")).unlink()
    done = monitor("--current", "log", "--reference-until", "2026-03-02", "--out", "runs", code=4)
    assert "missing" in done.stderr
    assert not (files / "runs").exists()


def test_labels_that_are_missing_lead_to_how_many_to_ask_for(monitor, files):
    moved = pd.read_csv(files / "quiet.csv")
    moved["y"] = moved["y"].astype("Int64")
    moved.loc[moved["at"] >= "2026-04-01", "y"] = None
    moved.to_csv(files / "moved.csv", index=False)
    done = monitor(*against("moved"), code=0)
    assert "rows drawn at random and labelled" in " ".join(done.stdout.split())


def test_windows_end_when_the_log_was_looked_at(monitor, files):
    end = (START + timedelta(weeks=20)).date().isoformat()
    monitor(*against("quiet", "--until", end, "--json", "r.json"), code=0)
    rows = json.loads((files / "r.json").read_text())["measurements"]
    assert len([row for row in rows if row["metric"] == "traffic" and not row["slice"]]) == 12


def test_help_names_the_promise_in_words(monitor):
    done = monitor("--help", code=0)
    assert "Chance that a quiet log ever rings" in " ".join(done.stdout.split())


def raised(files):
    events = (files / "runs" / "alarms.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, events) if event["kind"].startswith("raised")]


def test_two_logs_in_one_folder_of_runs_are_told_apart(monitor, files):
    some = pd.read_csv(files / "moved.csv")
    (files / "south").mkdir()
    some[some.index % 7 != 0].to_csv(files / "south" / "moved.csv", index=False)
    both = ("--out", "runs", "--since-last", "--fail-on-alarm")
    north = ("--reference", "before.csv", "--current", "moved.csv", *COLUMNS, *both)
    south = ("--reference", "before.csv", "--current", "south/moved.csv", *COLUMNS, *both)
    monitor(*north, code=1)
    done = monitor(*south, "--json", "s.json", code=1)  # its alarms are its own
    text = " ".join(done.stdout.split())
    assert "are of another log: ../moved.csv. If this is the same log in another place, name it as there" in text
    result = json.loads((files / "s.json").read_text())
    assert result["provenance"]["given"]["log"] == "../south/moved.csv"
    assert not [row for row in result["measurements"] if row["metric"] in {"late_share", "removed_rows"}]
    monitor(*north, code=0)
    again = monitor(*south, "--json", "t.json", code=0)
    assert "another log" not in again.stdout
    rows = json.loads((files / "t.json").read_text())["measurements"]
    assert {row["value"] for row in rows if row["metric"] == "late_share"} == {0.0}
    assert {event["log"] for event in raised(files)} == {"../moved.csv", "../south/moved.csv"}
    assert len({event["alarm"] for event in raised(files)}) == len(raised(files))


def test_a_log_that_has_moved_is_the_same_log_by_its_name(monitor, files):
    both = ("--out", "runs", "--since-last", "--fail-on-alarm", "--log", "north <b>")
    monitor(*against("moved", *both), code=1)
    (files / "moved.csv").rename(files / "bad.csv")
    done = monitor(*against("bad", *both, "--json", "r.json"), code=0)
    assert "No alarm is new" in done.stdout
    assert json.loads((files / "r.json").read_text())["provenance"]["given"]["log"] == "north <b>"
    assert "--log needs the folder of runs" in monitor(*against("bad", "--log", "x"), code=2).stderr


def test_an_alarm_that_could_not_be_sent_is_sent_by_the_next_run(monitor, files, monkeypatch):
    from monitors.alarms import outbox
    from monitors.alarms.webhook import Answer

    sent = []
    monkeypatch.setattr(outbox, "send", lambda *_, **__: Answer(sent=False, note="example.org: no answer in time"))
    hook = ("--out", "runs", "--webhook", "https://example.org/secret")
    down = monitor(*against("moved", *hook), code=0)
    number = len({event["alarm"] for event in raised(files)})
    assert f"{number} alarm{'s' * (number > 1)} could not be sent; the next run with --webhook tries again" in " ".join(
        down.stdout.split()
    )
    monkeypatch.setattr(outbox, "send", lambda _, event, **__: sent.append(event) or Answer(sent=True, note="ok"))
    up = monitor(*against("moved", *hook), code=0)
    assert len(sent) == number
    assert "could not be sent" not in up.stdout
    monitor(*against("moved", *hook), code=0)
    assert len(sent) == number
    assert "secret" not in (files / "runs" / "alarms.jsonl").read_text()


def with_season(frame, share, *, warm=20):
    """Return the frame with rows of two seasons; in the warm one ages are higher by a fixed amount."""
    rng = np.random.default_rng(9)
    season = np.where(rng.random(len(frame)) < share, "warm", "cold")
    return frame.assign(season=season, age=frame["age"] + warm * (season == "warm"))


def test_a_known_context_that_explains_a_drift_is_told_from_one_that_does_not(monitor, files):
    frames = {name: frame_of(seed, 8, first=first, per_week=400)
              for name, seed, first in (("before", 1, 0), ("quiet", 2, 8), ("moved", 3, 8))}  # fmt: skip
    with_season(frames["before"], 0.2).to_csv(files / "before.csv", index=False)
    with_season(frames["quiet"], 0.8).to_csv(files / "quiet.csv", index=False)  # more warm days, each as before
    with_season(frames["moved"], 0.2, warm=45).to_csv(files / "moved.csv", index=False)
    rows = ("--within", "season", "--dispersion", "1")
    mixed = monitor(*against("quiet", *rows, "--json", "q.json", "--html", "q.html"), code=0)
    text = " ".join(mixed.stdout.split())
    assert "Within values of season no drift is shown of age: that season is mixed otherwise" in text
    assert "Within values of season no drift is shown of age" in (files / "q.html").read_text()
    alarms = json.loads((files / "q.json").read_text())["alarms"]
    assert not [alarm for alarm in alarms if "within_context" in alarm["key"]]
    real = monitor(*against("moved", *rows), code=0)
    assert "Within values of season, too, drift is shown of age." in " ".join(real.stdout.split())


def test_a_context_that_is_no_column_is_named(monitor):
    done = monitor(*against("quiet", "--within", "moon"), code=2)
    assert "moon" in done.stderr


def test_advice_on_retraining_is_measured_or_says_why_not(monitor, files):
    for name in ("before", "moved"):
        frame = frame_of({"before": 1, "moved": 2}[name], 4, first={"before": 0, "moved": 8}[name])
        turned = (frame["age"] > 40) if name == "before" else (frame["age"] <= 40)
        frame.assign(y=turned.astype(int)).to_csv(files / f"{name}.csv", index=False)
    done = monitor(*against("moved", "--retraining", "--json", "r.json", "--html", "r.html"), code=0)
    assert "mixes with 80 to 100 % new rows are left, others are shown to be worse" in " ".join(done.stdout.split())
    rows = json.loads((files / "r.json").read_text())["measurements"]
    best = [row for row in rows if row["metric"] == "retraining_best_share"]
    assert {tuple(row["slice"].items()) for row in best} == {(), (("g", "a"),), (("g", "b"),)}
    assert next(row for row in best if not row["slice"])["low"] >= 0.8
    assert "Which rows to retrain on" in (files / "r.html").read_text()
    unlabelled = [each for each in COLUMNS if each not in {"--y-true", "y"}]
    words = ("--reference", "before.csv", "--current", "moved.csv", *unlabelled, "--features", "age", "--retraining")
    assert "No advice on retraining: no labels" in monitor(*words, code=0).stdout
