"""``evenhanded monitor --loops``: which columns it takes, what it says, keeps, judges and refuses."""

import json
from functools import partial

import numpy as np
import pandas as pd
import pytest

from audit.store import list_runs, load_run
from monitors.feedback.catalog import CATALOG, FIRST
from monitors.simulators.hidden_loop_log import hidden_loop_log
from monitors.simulators.policing import policing_log

LOOP = ("--loops", "--current", "patrols.csv")
NASTY = ("<script>alert(1)</script>", "=1+1", "line\nbreak", "\u202egnp.exe", "[red]x[/red]")
GAIN = """schema: evenhanded/policy/1
requirements:
  - {id: gain, metric: METRIC, max: 1.0}
"""


@pytest.fixture(scope="module")
def patrols():
    return policing_log(seed=1).to_pandas()


@pytest.fixture
def folder(tmp_path, patrols):
    patrols.to_csv(tmp_path / "patrols.csv", index=False)
    return tmp_path


@pytest.fixture
def monitor(call, folder):
    return partial(call, "monitor", cwd=folder)


def flat(done):
    return " ".join(done.stdout.split())


def rows_of(folder, name):
    return json.loads((folder / name).read_text())["measurements"]


def value_of(folder, name, metric):
    return next(row["value"] for row in rows_of(folder, name) if row["metric"] == metric and not row["at"])


def test_loops_alone_need_no_reference_and_answer_three_questions(monitor, folder):
    done = monitor(*LOOP, "--json", "r.json", "--html", "r.html", "--out", "runs", code=0)
    text = flat(done)
    assert "Taken by their names: timestamp, place, exposure, propensity, dither, outcome, outcome_source" in text
    assert text.index("Is there a loop?") < text.index("How strong is it?") < text.index("What do we do?")
    assert "Yes: what the model did comes back to it. 1 alarm rings." in text
    assert "of every extra bit of attention" in text.lower()
    assert "1 new alarm: evenhanded alarms list --runs runs" in text
    assert "at most 5 %, in this one run" in text
    measured = {row["metric"] for row in rows_of(folder, "r.json")}
    assert {metric.name for metric in CATALOG if metric.of_a_log} <= measured
    assert "<h1>" in (folder / "r.html").read_text(encoding="utf-8")
    (entry,) = list_runs(folder / "runs")
    assert entry.kind == "loops"
    given = load_run(entry.path).provenance.given
    assert given["log"] == "../patrols.csv"
    assert "loop_gain" in given["loops"]


def test_the_first_six_are_told_and_all_says_why_for_every_other(monitor):
    short, long = flat(monitor(*LOOP, code=0)), flat(monitor(*LOOP, "--all", code=0))
    assert "The first six numbers" in short
    assert "How much of the world the model touches: the log names no exposed." in short
    assert "--all says why" in short
    assert "What to log from tomorrow, what tells most first:" in short
    assert "All that was measured" in long
    assert "--all says why" not in long
    assert "Whether the score finds those whom the action helps: the log names no action and no y_score." in long
    assert "off_policy_value" not in short


def test_alarms_of_loops_are_events_in_words_and_new_only_once(call, monitor, folder):
    both = (*LOOP, "--out", "runs", "--since-last", "--fail-on-alarm")
    monitor(*both, code=1)
    again = monitor(*both, code=0)
    assert "Yes: what the model did" in flat(again), "the answer does not depend on when one looks"
    assert "None of 1 alarm of loops is new." in flat(again)
    assert "How much of its own attention" in flat(call("alarms", "list", "--runs", "runs", cwd=folder, code=0))
    (alarm,) = json.loads(call("alarms", "list", "--runs", "runs", "--json", cwd=folder, code=0).stdout)
    call("alarms", "ack", alarm["alarm"], "--by", "A. Person", "--runs", "runs", cwd=folder, code=0)
    (alarm,) = json.loads(call("alarms", "list", "--runs", "runs", "--json", cwd=folder, code=0).stdout)
    assert (alarm["status"], alarm["by"]) == ("acknowledged", "A. Person")


def test_columns_of_other_names_give_the_same_numbers(monitor, folder, patrols):
    other = {"dither": "delta", "place": "district", "outcome": "finds", "training_weight": "w", "round": "week"}
    patrols.rename(columns=other).to_csv(folder / "renamed.csv", index=False)
    monitor(*LOOP, "--json", "one.json", code=0)
    roles = ("--role", "dither=delta", "--role", "outcome=finds", "--role", "training_weight=w", "--role", "round=week")
    done = monitor("--loops", "--current", "renamed.csv", "--place", "district", *roles, "--json", "two.json", code=0)
    assert "Taken by their names: timestamp, exposure, propensity, outcome_source." in flat(done)
    assert rows_of(folder, "one.json") == rows_of(folder, "two.json")


def test_what_is_ignored_or_named_otherwise_is_not_taken_by_its_name(monitor, folder):
    done = monitor(*LOOP, "--ignore", "dither,round", "--sensitive", "outcome_source", "--json", "r.json", code=0)
    taken = flat(done).partition("Taken by their names: ")[2].partition(".")[0].split(", ")
    assert not {"dither", "round", "outcome_source"} & set(taken)
    assert value_of(folder, "r.json", "loop_gain") is None


def test_a_file_of_options_names_roles_and_limits(monitor, folder):
    (folder / "o.yaml").write_text(
        "loops: true\ncurrent: patrols.csv\nrole: {dither: dither}\nloop-limit: {loop_gain: 5}\n", encoding="utf-8"
    )
    done = monitor("-c", "o.yaml", code=0)
    assert "No alarm of a loop rings" in flat(done)


def test_another_limit_is_the_one_that_rings_and_is_kept(monitor, folder):
    quiet = monitor(*LOOP, "--loop-limit", "loop_gain=2", "--fail-on-alarm", "--json", "r.json", code=0)
    assert "it rings above 2" in flat(quiet)
    assert json.loads((folder / "r.json").read_text())["provenance"]["given"]["limits"] == {"loop_gain": 2.0}


def decisions(seed, weeks, first=0):
    """Return decisions of some weeks in which nothing changes, and half of which touch people."""
    rng = np.random.default_rng(seed)
    rows = 150 * weeks
    start = pd.Timestamp("2026-01-05", tz="UTC") + pd.Timedelta(weeks=first)
    at = start + pd.to_timedelta(np.sort(rng.integers(0, weeks * 604_800, rows)), unit="s")
    return pd.DataFrame(
        {
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "age": rng.normal(40, 10, rows).round(1),
            "y_pred": rng.integers(0, 2, rows),
            "exposed": (rng.random(rows) < 0.9).astype(int),
            "user": [f"u{number}" for number in rng.integers(0, 300, rows)],
        }
    )


def test_with_a_reference_what_changed_and_loops_stand_in_one_result(monitor, folder):
    decisions(1, 9).to_csv(folder / "before.csv", index=False)
    since = decisions(2, 5, first=9)
    since.loc[since["timestamp"] > "2026-03-23", "age"] *= 2
    since.to_csv(folder / "since.csv", index=False)
    done = monitor("--loops", "--reference", "before.csv", "--current", "since.csv", "--out", "runs", code=0)
    text = flat(done)
    assert "Drift: age" in text
    assert text.index("Drift: age") < text.index("Is there a loop?")
    assert "How much of the world the model touches" in text
    (entry,) = list_runs(folder / "runs")
    assert entry.kind == "monitoring"
    result = load_run(entry.path)
    given = result.provenance.given
    assert given["alpha"] == given["loop_settings"]["alpha"] == 0.025, "each has half of what may ring falsely"
    assert given["monitors"]
    assert "usage" in given["loops"]
    assert given["loop_settings"]["columns"]["exposed"] == "exposed"
    assert set(given["features"]) == {"age"}, "what plays a role is no feature"
    rang = {json.loads(alarm.key)[0] for alarm in result.alarms}
    assert {"drift_e_value", "usage"} <= rang
    events = [json.loads(line) for line in (folder / "runs" / "alarms.jsonl").read_text().splitlines()]
    assert {json.loads(event["key"])[0] for event in events if event["kind"] == "raised"} == rang


def test_only_what_was_asked_for_is_measured(monitor, folder):
    decisions(1, 9).to_csv(folder / "before.csv", index=False)
    done = monitor(
        "--reference", "before.csv", "--current", "before.csv", "--timestamp", "timestamp", "--json", "r.json", code=0
    )
    assert "Is there a loop?" not in flat(done)
    assert "loops" not in json.loads((folder / "r.json").read_text())["provenance"]["given"]


def test_numbers_are_a_task_of_their_own(monitor, folder):
    hidden_loop_log(seed=1, rounds=4).to_pandas().to_csv(folder / "prices.csv", index=False)
    asked = ("--loops", "--current", "prices.csv", "--json", "r.json")
    monitor(*asked, "--task", "regression", code=0)
    methods = {row["method"] for row in rows_of(folder, "r.json") if row["metric"] == "self_agreement_gap"}
    assert any("r2_score" in method for method in methods)


def test_an_ingested_log_knows_its_columns_and_gives_the_same_numbers(call, monitor, folder, patrols):
    pytest.importorskip("deltalake")
    named = patrols.assign(id=[f"d{row}" for row in range(len(patrols))], said=1)
    names = {"dither": "delta", "outcome": "finds"}
    named.rename(columns=names).to_csv(folder / "days.csv", index=False)
    plain = ("exposure", "propensity", "outcome_source", "training_weight", "round")
    roles = [word for name in plain for word in ("--role", f"{name}={name}")]
    call(
        "ingest", "log", "days.csv", "--id", "id", "--timestamp", "timestamp", "--y-pred", "said", "--place", "place",
        "--role", "dither=delta", "--role", "outcome=finds", *roles, "--leave-out", "allocation", cwd=folder, code=0,
    )  # fmt: skip
    monitor("--loops", "--current", "log", "--json", "log.json", code=0)
    monitor(*LOOP, "--json", "file.json", code=0)
    for metric in ("loop_gain", "observation_elasticity", "outcome_coverage"):
        assert value_of(folder, "log.json", metric) == pytest.approx(value_of(folder, "file.json", metric)), metric
    assert value_of(folder, "log.json", "loop_gain") is not None
    assert "_version" in str(json.loads((folder / "log.json").read_text())["provenance"]["given"])
    refused = monitor("--loops", "--current", "log", "--role", "arm=finds", code=2)
    assert "--role names a column, and log knows its own; leave it out" in " ".join(refused.stderr.split())


def test_a_role_that_ingest_does_not_know_is_refused(call, folder):
    pytest.importorskip("deltalake")
    columns = ("--id", "id", "--timestamp", "timestamp", "--y-pred", "said", "--role", "dithers=dither")
    done = call("ingest", "log", "patrols.csv", *columns, cwd=folder, code=2)
    assert "unknown role 'dithers'" in done.stderr


@pytest.mark.parametrize(
    ("metric", "limit", "drop", "verdict", "code"),
    [
        ("loop_gain", "max: 1.2", (), "PASS", 0),
        ("loop_gain", "max: 0.2", (), "FAIL", 1),
        ("loop_gain", "max: 1.0", (), "INSUFFICIENT", 3),
        ("loop_gain", "max: 1.0", ("dither",), "INSUFFICIENT", 3),
        ("our_own_number", "max: 1.0", (), "INVALID", 4),
        ("performative_sensitivity", "max: 1.0", (), "INVALID", 4),
    ],
)
def test_a_policy_judges_rows_of_loops(monitor, folder, patrols, metric, limit, drop, verdict, code):
    patrols.drop(columns=list(drop)).to_csv(folder / "patrols.csv", index=False)
    text = GAIN.replace("METRIC", metric).replace("max: 1.0", limit)
    (folder / "policy.yaml").write_text(text, encoding="utf-8")
    done = monitor(*LOOP, "--policy", "policy.yaml", "--junit", "v.xml", "--out", "runs", code=code)
    (entry,) = list_runs(folder / "runs")
    assert entry.verdict == verdict
    if metric == "our_own_number":
        assert "the result holds no our_own_number" in flat(done)
    if drop:
        assert "cannot be measured, because the log names no dither" in (folder / "v.xml").read_text(encoding="utf-8")


def test_a_policy_with_a_misspelt_metric_is_refused_with_the_nearest(monitor, folder):
    (folder / "policy.yaml").write_text(GAIN.replace("METRIC", "loop_gains"), encoding="utf-8")
    done = monitor(*LOOP, "--policy", "policy.yaml", code=2)
    assert "there is no metric 'loop_gains'; did you mean 'loop_gain'?" in done.stderr


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--role", "arm=place"), "--role is said of feedback loops; add --loops, or leave it out"),
        (("--all",), "--all is said of feedback loops"),
        (("--loops", "--role", "arms=place"), "there is no role 'arms'; did you mean 'arm'?"),
        (("--loops", "--role", "arm=x", "--role", "arm=y"), "--role arm=y: arm is 'x' already; name it once"),
        (("--loops", "--place", "place", "--role", "place=round"), "place is 'place' already"),
        (("--loops", "--role", "arm"), "expected ROLE=COLUMN; got 'arm'"),
        (("--loops", "--role", "arm=nowhere"), "nowhere"),
        (("--loops", "--within", "place"), "--within holds the log against a reference; name --reference"),
        (("--loops", "--save-reference", "kept"), "--save-reference holds the log against a reference"),
        (("--loops", "--loop-limit", "loop_gain=much"), "--loop-limit loop_gain=much: expected a number"),
        (("--loops", "--loop-limit", "usage=nan"), "expected a number, as in usage=0.5"),
        (("--loops", "--loop-limit", "use=0.1"), "limits names 'use'; expected one of"),
        (("--loops", "--loop-limit", "performative_sensitivity=2"), "limits names 'performative_sensitivity'"),
        (("--loops", "--alpha", "2"), "alpha must lie in (0, 1); got 2"),
        (("--loops", "--window", "soon"), "window 'soon'"),
    ],
)
def test_wrong_use_is_told_and_leaves_nothing(monitor, folder, asked, told):
    before = {path.name for path in folder.iterdir()}
    done = monitor("--current", "patrols.csv", *asked, "--out", "runs", code=2)
    assert told in " ".join(done.stderr.split())
    assert {path.name for path in folder.iterdir()} == before


def test_a_log_without_any_role_says_which_there_are(monitor, folder):
    pd.DataFrame({"a": [1, 2], "b": [3, 4]}).to_csv(folder / "plain.csv", index=False)
    done = monitor("--loops", "--current", "plain.csv", code=2)
    assert "names none of the columns that feedback loops are measured by" in " ".join(done.stderr.split())


def test_faulty_propensities_and_arms_of_one_kind_are_answers_not_numbers(monitor, folder):
    frame = hidden_loop_log(seed=1, rounds=4, rows=80).to_pandas().assign(arm="model")
    frame.loc[3, "propensity"] = 0.0
    frame.to_csv(folder / "faulty.csv", index=False)
    done = monitor("--loops", "--current", "faulty.csv", "--task", "regression", "--all", "--json", "r.json", code=0)
    reasons = {row["metric"]: row["reason"] for row in rows_of(folder, "r.json") if row["value"] is None}
    assert reasons["self_agreement_gap"].startswith("cannot be measured, because")
    assert "1 of" in reasons["off_policy_value"]
    assert "hold no number in (0, 1]" in flat(done)
    assert {"self_agreement_gap", "off_policy_value"} <= set(reasons)
    assert set(FIRST) <= {row["metric"] for row in rows_of(folder, "r.json")}


def test_hostile_names_of_groups_and_columns_are_shown_as_text(monitor, folder, patrols):
    hostile = patrols.assign(group=[NASTY[row % len(NASTY)] for row in range(len(patrols))])
    hostile.rename(columns={"dither": "[bold]d[/bold]"}).to_csv(folder / "patrols.csv", index=False)
    asked = ("--role", "dither=[bold]d[/bold]", "--sensitive", "group", "--all", "--html", "r.html")
    done = monitor(*LOOP, *asked, code=0)
    assert "[red]x[/red]" in done.stdout
    assert "\u202e" not in done.stdout
    assert "<script>alert(1)" not in (folder / "r.html").read_text(encoding="utf-8")
