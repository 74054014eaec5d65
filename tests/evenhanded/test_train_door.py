"""The front door of training: nothing of the user's is overwritten, every next line runs, faults come all at once."""

import shlex

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.errors import InputError
from audit.measurement import Measurement
from audit.store import list_runs, load_run
from evenhanded.commands.train import command
from evenhanded.frames import Columns as Reading
from evenhanded.frames import read_frame
from evenhanded.next_steps import command_line
from evenhanded.prediction_files import target_violations, written_at_the_end
from evenhanded.training_data import MOST_CLASSES

TOLD = {"epochs": "2", "device": "cpu"}
POLICY = "schema: evenhanded/policy/1\nrequirements: [{id: a, metric: accuracy, min: 0.5}]\n"


def patients(n=420, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"age": rng.integers(18, 90, n), "bp": rng.normal(120, 10, n).round(1)})
    frame["sex"], frame["person"] = rng.choice(["f", "m"], n), np.arange(n) // 3
    ill = frame["age"] + rng.normal(0, 15, n) > 55
    frame["ill"] = np.where(ill, ">50K", "it's no")
    frame["kind"] = np.where(frame["age"] < 40, "x", np.where(frame["age"] < 65, "y", "z"))
    frame["cost"] = (frame["age"] * 1.37 + rng.normal(size=n)).round(4)
    frame["tags"] = np.where(frame["age"] < 50, "young", np.where(frame["bp"] > 120, "old|ripe", "ripe"))
    frame["day"] = pd.date_range("2026-01-01", periods=n).strftime("%Y-%m-%d")
    return frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("door")
    patients().to_csv(path / "patients.csv", index=False)
    return path


def trained(call, folder, *arguments, code=0, data="patients.csv"):
    fixed = [text for name, value in TOLD.items() for text in (f"--{name}", value)]
    return call("train", data, "--features", "age,bp", *fixed, *arguments, cwd=folder, code=code)


def next_words(done):
    """Return the words of the next command, as a shell reads them."""
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("next: evenhanded ")]
    return shlex.split(line.removeprefix("next: "))


@pytest.mark.parametrize(
    "options",
    [
        ["--target", "ill", "--positive", ">50K", "--sensitive", "sex", "--group", "person"],
        ["--target", "ill", "--positive", "it's no", "--sensitive", "sex", "--models", "2"],
        ["--target", "kind", "--sensitive", "sex"],
        ["--target", "cost", "--task", "number", "--sensitive", "sex"],
        ["--target", "tags", "--task", "labels", "--sensitive", "sex"],
    ],
    ids=["clusters", "quotes", "multiclass", "number", "labels"],
)
def test_the_next_line_of_every_task_runs_and_so_does_that_of_predict(call, folder, options):
    done = trained(call, folder, *options, "--predictions", "my test.parquet")
    words = next_words(done)
    call(*words[1:], cwd=folder, code=0)
    assert "my test.parquet" in words
    predicted = call("predict", "model", "patients.csv", cwd=folder, code=0)
    again = next_words(predicted)
    assert again[2] == "patients-predictions.parquet", "the untouched rows of train are left alone"
    assert "--cluster" not in again or again[again.index("--cluster") + 1] == "person"
    call(*again[1:], cwd=folder, code=0)


def test_ratings_and_images_of_no_groups(call, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"u": rng.integers(0, 20, 200), "i": rng.integers(0, 9, 200), "r": rng.integers(1, 6, 200)})
    frame.to_csv(tmp_path / "r.csv", index=False)
    done = call("train", "r.csv", "--target", "r", "--user", "u", "--item", "i", "--range", "0.5", "5.5",
                "--device", "cpu", "--epochs", "1", cwd=tmp_path, code=0)  # fmt: skip
    call(*next_words(done)[1:], cwd=tmp_path, code=0)


def test_without_groups_the_next_step_is_to_carry_some(call, folder):
    done = trained(call, folder, "--target", "kind")
    assert "next: train with --sensitive COLUMN" in done.stdout
    assert "next: predict again with --keep COLUMN" in call("predict", "model", "patients.csv", cwd=folder).stdout
    patients(9).drop(columns="kind").to_csv(folder / "unlabelled.csv", index=False)
    done = call("predict", "model", "unlabelled.csv", cwd=folder, code=0)
    assert "no row has a label yet" in done.stdout


@pytest.mark.parametrize("name", ["sex; touch pwned", "a\x1b[31mb", "\u202eevil", "$(touch pwned)", "it's"])
def test_a_hostile_name_neither_runs_nor_colours(call, tmp_path, name):
    patients(120).rename(columns={"sex": name}).to_csv(tmp_path / "t.csv", index=False)
    done = call("train", "t.csv", "--target", "ill", "--positive", ">50K", "--sensitive", name, "--features",
                "age,bp", "--device", "cpu", "--epochs", "1", cwd=tmp_path, code=0)  # fmt: skip
    assert all(mark.isprintable() or mark == "\n" for mark in done.stdout)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("next: ")]
    if name.isprintable():
        assert name in shlex.split(line)
    else:
        assert " $'" in line
    hostile = call("predict", "model", "t.csv", "--keep", name, cwd=tmp_path, code=0)
    assert all(mark.isprintable() or mark == "\n" for mark in hostile.stdout)


def test_quoting_is_that_of_the_shell():
    assert command_line(["a b", "\x07'\\", "🙂"]) == "'a b' $'\\u0007\\'\\\\' '🙂'"


def test_data_and_settings_are_never_overwritten(call, folder):
    (folder / "link.parquet").unlink(missing_ok=True)
    (folder / "link.csv").symlink_to(folder / "patients.csv")
    before = (folder / "patients.csv").read_bytes()
    for name in ("patients.csv", "./patients.csv", "link.csv"):
        done = trained(call, folder, "--target", "kind", "--predictions", name, code=2)
        assert "is patients.csv itself, which is read" in done.stderr
    (folder / "link.csv").unlink()
    (folder / "t.yaml").write_text("data: patients.csv\ntarget: kind\npredictions: t.yaml\n")
    done = call("train", "t.yaml", cwd=folder, code=2)
    assert "--predictions t.yaml is t.yaml itself" in done.stderr
    assert (folder / "patients.csv").read_bytes() == before
    for name in ("patients.csv", "p.txt", "p"):
        done = call("predict", "model", "patients.csv", "--out", name, cwd=folder, code=2)
        assert "--out" in done.stderr


def test_a_name_gets_the_format_that_it_promises(call, folder):
    options = ["--target", "ill", "--positive", ">50K", "--sensitive", "sex"]
    trained(call, folder, *options, "--predictions", "q.csv")
    found = pd.read_csv(folder / "q.csv")
    assert {"y_true", "y_pred", "y_score", "sex"} <= set(found.columns)
    trained(call, folder, *options, "--predictions", "q.parquet")
    pd.testing.assert_frame_equal(found, pq.read_table(folder / "q.parquet").to_pandas(), check_dtype=False)
    call("predict", "model", "patients.csv", "--out", "r.csv", "--rows", "100", cwd=folder, code=0)
    assert len(pd.read_csv(folder / "r.csv")) == 420
    for name in ("q.xlsx", "q.parquett", "q"):
        assert "predictions are written as .parquet or .csv" in trained(call, folder, *options, "--predictions", name,
                                                                        code=2).stderr  # fmt: skip
    done = trained(call, folder, "--target", "tags", "--task", "labels", "--sensitive", "sex", "--predictions",
                   "l.csv", code=2)  # fmt: skip
    assert "l.csv can hold one label per row only" in done.stderr
    assert not (folder / "l.csv").exists()


@pytest.mark.parametrize("name", ["p.parquet", "p.csv"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, name):
    path = tmp_path / name
    path.write_text("old")
    with pytest.raises(RuntimeError, match="full"), written_at_the_end(path) as write:
        write(pa.table({"x": [1, 2]}))
        raise RuntimeError("full")  # noqa: EM101
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_hard_link_is_the_same_file(tmp_path):
    (tmp_path / "a.csv").write_text("x\n")
    (tmp_path / "b.csv").hardlink_to(tmp_path / "a.csv")
    assert len(target_violations(tmp_path / "b.csv", read=[tmp_path / "a.csv"], option="--out")) == 1


def test_everything_wrong_with_options_targets_and_columns_is_said_at_once(call, folder):
    done = call("train", "patients.csv", "--target", "ill", "--positive", "maybe", "--features", "age,bpp",
                "--sensitive", "sexx", "--group", "prson", "--text", "note", "--lr", "-1", "--valid", "2",
                "--predictions", "p.txt", cwd=folder, code=2)  # fmt: skip
    said = done.stderr
    assert "options:1" not in said
    for text in ("--lr: expected greater than 0; got -1.0", "--valid: expected less than 1; got 2.0", "p.txt:",
                 "'bpp' (features) is missing; did you mean 'bp'?", "'sexx' (sensitive)", "'prson' (group)",
                 "'note' (text)"):  # fmt: skip
        assert text in said, text
    done = call("train", "patients.csv", "--target", "ill", "--positive", "maybe", "--features", "age,bpp",
                "--sensitive", "sexx", "--group", "prson", "--text", "note", cwd=folder, code=2)  # fmt: skip
    for text in ("'bpp'", "'sexx'", "'prson'", "'note'", "the positive label 'maybe' does not occur in 'ill'"):
        assert text in done.stderr, text


def test_what_is_wrong_in_the_data_comes_with_the_label_and_the_split(call, tmp_path):
    patients(60).assign(empty=None, inf=np.inf).to_parquet(tmp_path / "t.parquet")
    done = call("train", "t.parquet", "--target", "ill", "--positive", "maybe", "--features", "age,empty,inf",
                "--test", "0.001", cwd=tmp_path, code=2)  # fmt: skip
    for text in ("'maybe' does not occur", "'empty' has no value", "'inf' holds infinite", "the test part was to hold"):
        assert text in done.stderr, text


@pytest.mark.parametrize(("name", "options"), [
    ("cluster", ["--group", "person"]), ("y_true", []), ("y_score", []), ("prediction_id", ["--id", "day"]),
    ("training_weight", ["--weight", "bp"]),
])  # fmt: skip
def test_names_that_the_file_of_predictions_has_for_a_role_are_refused_before_training(call, tmp_path, name, options):
    patients(60).rename(columns={"sex": name}).to_csv(tmp_path / "t.csv", index=False)
    done = call("train", "t.csv", "--target", "kind", "--sensitive", f"{name},{name}", *options, cwd=tmp_path, code=2)
    assert f"'{name}' is the name of another column in the file of predictions" in done.stderr
    assert f"'{name}' is named twice" in done.stderr
    assert not (tmp_path / "model").exists()


def test_a_label_of_measurements_is_one_sentence(call, folder):
    done = call("train", "patients.csv", "--target", "cost", cwd=folder, code=2)
    assert done.stderr.count("\n") == 1
    assert "to learn the number itself, say --task number" in done.stderr
    few = patients().assign(cost=lambda frame: (frame["age"] // 20) + 0.5)
    assert few["cost"].nunique() <= MOST_CLASSES
    few.to_csv(folder / "few.csv", index=False)
    trained(call, folder, "--target", "cost", "--task", "classes", data="few.csv")


def test_how_columns_were_read_what_was_dropped_and_what_leaks(call, tmp_path):
    frame = patients().assign(leak=lambda rows: 2 * (rows["ill"] == ">50K") + 1, note="same")
    frame.to_csv(tmp_path / "t.csv", index=False)
    done = call("train", "t.csv", "--target", "ill", "--positive", ">50K", "--sensitive", "sex", "--epochs", "1",
                "--drop", "kind,cost,tags,person", "--device", "cpu", "--out", "runs", cwd=tmp_path)  # fmt: skip
    assert "reads as numbers: age, bp, leak\n" in done.stdout
    assert "reads as categories: day (252 values), note (1 values)\n" in done.stdout
    assert "note: 'day': almost a value per row: an identifier?" in done.stdout
    assert "warning, a leak? 'leak' tells the label, 252 rows: alone removes 100.0% of the errors" in done.stdout
    (entry,) = list_runs(tmp_path / "runs")
    assert load_run(entry.path).provenance.given["leaks"][0]["column"] == "leak"
    page = (entry.path / "report.html").read_text(encoding="utf-8")
    assert "A leak? “leak” tells the label" in page
    wrong = call("train", "t.csv", "--target", "ill", "--drop", "sex,kid", "--sensitive", "sex", cwd=tmp_path, code=2)
    assert "'sex' has a role of its own, so it is no feature anyway" in wrong.stderr
    assert "'kid' (drop) is missing" in wrong.stderr


def test_the_accuracy_says_whose_it_is(call, folder):
    options = ["--target", "ill", "--positive", ">50K", "--sensitive", "sex"]
    one = trained(call, folder, *options)
    assert "the ensemble" not in one.stdout
    assert "; the best constant answer: 0." in one.stdout
    done = trained(call, folder, *options, "--models", "3", "--out", "runs")
    assert ": the mean of 3 single models, loss" in done.stdout
    assert "validation accuracy of the ensemble, which is what predicts: 0." in done.stdout
    result = load_run(list_runs(folder / "runs")[0].path)
    assert result.find("valid_ensemble_accuracy", at={"round": 2}).low is not None
    assert {row.low for row in result.measurements if row.metric == "valid_accuracy"} == {None}
    number = trained(call, folder, "--target", "cost", "--task", "number", "--models", "2")
    assert "(in standard deviations of the train rows)" in number.stdout
    assert "validation mean absolute error of the ensemble" in number.stdout


def test_a_verdict_on_a_clustered_run_can_be_saved_and_read_again(call, folder):
    (folder / "policy.yaml").write_text(POLICY)
    done = trained(call, folder, "--target", "ill", "--positive", ">50K", "--sensitive", "sex", "--group", "person")
    call(*next_words(done)[1:], "--out", "audits", cwd=folder, code=0)
    before = list_runs(folder / "audits")[0]
    judged = ("gate", "latest", "--policy", "policy.yaml", "--runs", "audits", "--out", "audits")
    call(*judged, cwd=folder)
    after = next(entry for entry in list_runs(folder / "audits") if entry.verdict)
    assert after.digest == before.digest
    assert load_run(after.path).tally.digest() == load_run(before.path).tally.digest()
    assert (after.path / "tally.pairs.parquet").is_file()


def test_the_gate_says_that_a_run_is_a_training_and_its_report_is_named_so(call, tmp_path):
    patients().to_csv(tmp_path / "t.csv", index=False)
    trained(call, tmp_path, "--target", "kind", "--sensitive", "sex", "--out", "runs", data="t.csv")
    (tmp_path / "policy.yaml").write_text(POLICY)
    for more in (["--plan"], ["--policy", "policy.yaml"]):
        done = call("gate", "latest", *more, cwd=tmp_path, code=2)
        assert "latest is a training of t.csv: it holds no error rates by group" in done.stderr
        assert "audit its predictions first: evenhanded audit" in done.stderr
    assert "written: report.html\n" in call("report", "latest", cwd=tmp_path, code=0).stdout
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h1>Training on t.csv</h1>" in page
    assert "Audit of predictions" not in page
    assert page.count("<svg") == 2
    assert "largest learning rate: 0.002" in page
    assert "it was there, and is replaced" in call("report", "latest", cwd=tmp_path, code=0).stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x,x,y\n1,2,3\n", "column 'x' occurs more than once: rename one"),
        ("a,\u00e9\n1,2\n".encode("latin-1"), "is not UTF-8"),
        (b"a;b\n1;2\n", "seems to be separated by ';': save it with commas"),
    ],
)
def test_a_table_that_would_be_misread_is_refused(tmp_path, content, said):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_frame(tmp_path / "t.csv", Reading())


def test_a_measurement_without_a_known_end_is_told_plainly():
    from evenhanded.training_notes import _told

    assert _told(Measurement(metric="x", value=None, n=0, method="m", reason="none")) == "unknown"
    assert command.name == "train"
