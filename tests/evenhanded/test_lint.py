"""``evenhanded lint`` and ``evenhanded sealed`` as their users meet them: real processes, files, exit codes."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest


def run(*arguments, cwd, code):
    command = [sys.executable, "-m", "evenhanded", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def parts(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=600), "b": rng.normal(size=600), "who": np.arange(600) // 2})
    frame["y"] = (frame["a"] + 0.3 * rng.normal(size=600) > 0).astype(int)
    frame["=paid\x1b[31m"] = frame["y"] + 0.1 * rng.normal(size=600)
    frame.iloc[:400].to_csv(tmp_path / "train.csv", index=False)
    frame.iloc[350:].to_csv(tmp_path / "test.csv", index=False)
    return tmp_path


def test_lint_says_what_was_found_worst_first_and_saves_it(parts):
    done = run(
        "lint", "train.csv", "test.csv", "--y-true", "y", "--cluster", "who", "--json", "r.json", "--html", "r.html",
        "--labels", "labels.csv", "--out", "runs", "--strict", cwd=parts, code=1,
    )  # fmt: skip
    shown = done.stdout
    assert shown.index("✕ Clusters in both parts") < shown.index("✕ A single feature suffices")
    assert "20.0 % of the test rows belong to a cluster that train knows" in shown
    assert "Not checked: Too good to be true (no score column is named)" in " ".join(shown.split())
    assert "\x1b" not in shown
    assert done.stderr == ""
    result = json.loads((parts / "r.json").read_text())
    assert result["provenance"]["given"]["lint"]["files"] == ["train.csv", "test.csv"]
    page = (parts / "r.html").read_text()
    assert "Can this split be trusted?" in page
    assert "<script" not in page
    assert (parts / "labels.csv").read_text().startswith("row_id,given_label,suggested_label")
    (saved,) = (path for path in (parts / "runs").iterdir() if path.is_dir())
    assert {path.name for path in saved.iterdir()} == {"result.json", "report.html", "label_errors.csv"}


def test_without_strict_the_exit_code_is_0_and_one_file_may_hold_both_parts(call, parts):
    both = pd.concat(
        [pd.read_csv(parts / "train.csv").assign(part="a"), pd.read_csv(parts / "test.csv").assign(part="b")]
    )
    both.to_csv(parts / "all.csv", index=False)
    done = call(
        "lint", "all.csv", "--split", "part=b", "--y-true", "y", "--features", "a,b", "--limit", "split_roc_auc=0.9",
        cwd=parts, code=0,
    )  # fmt: skip
    assert "400 train and 250 test rows, 2 features" in done.stdout
    assert "✕ Copied rows" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train.csv", "gone.csv", "--y-true", "y"), "does not exist"),
        (("train.csv", "--y-true", "y"), "not both, not neither"),
        (("train.csv", "test.csv", "--y-true", "no"), "missing in train"),
        (("train.csv", "test.csv", "--y-true", "y", "--seed", "-1"), "Invalid value for '--seed'"),
        (("train.csv", "test.csv", "--y-true", "y", "--limit", "a=b"), "expected a number"),
        (("train.csv", "test.csv", "--y-true", "y", "--limit", "speed=1"), "unknown check 'speed'"),
        (("train.csv", "test.csv", "--y-true", "y", "--json", "."), "is a folder"),
        (("train.csv", "test.csv", "--y-true", "y", "--out", "train.csv"), "is no folder"),
    ],
)
def test_wrong_use_is_2_and_writes_nothing(call, parts, arguments, says):
    before = sorted(parts.iterdir())
    assert says in call("lint", *arguments, cwd=parts, code=2).stderr
    assert sorted(parts.iterdir()) == before


POLICY = "schema: evenhanded/policy/1\nrequirements:\n  - {{id: accurate, metric: accuracy, min: {limit}}}\n"
SEALED = ("--policy", "policy.yaml", "--folder", "box", "--id", "case", "--y-true", "y", "--by", "A\x1b[31m")


def test_sealed_new_open_status(call, parts):
    test = pd.read_csv(parts / "test.csv").assign(case=lambda frame: [f"c{place}" for place in range(len(frame))])
    test.to_csv(parts / "cases.csv", index=False)
    (parts / "policy.yaml").write_text(POLICY.format(limit=0.99))
    made = call("sealed", "new", "cases.csv", *SEALED, cwd=parts, code=0).stdout
    assert "give away only: box/vendor/unlabelled.parquet" in made
    assert "\x1b" not in made
    digest = made.strip().splitlines()[-1].strip()
    assert "closed" in call("sealed", "status", "box", cwd=parts, code=0).stdout
    given = pd.read_parquet(parts / "box/vendor/unlabelled.parquet")
    assert "y" not in given
    sent = given[["case"]].assign(y_pred=(given["a"].astype(float) > 0).astype(int))
    sent.iloc[1:].to_csv(parts / "sent.csv", index=False)
    done = call("sealed", "open", "box", "sent.csv", "--by", "B", cwd=parts, code=2)
    assert "1 rows have no prediction" in done.stderr
    sent.to_csv(parts / "sent.csv", index=False)
    opened = ("sealed", "open", "box", "sent.csv", "--by", "B", "--seal")
    assert "has the digest" in call(*opened, "0" * 64, cwd=parts, code=4).stderr
    assert "accurate" in call(*opened, digest, "--out", "runs", cwd=parts, code=1).stdout
    assert "was opened before: by B" in call(*opened, digest, cwd=parts, code=4).stderr
    told = call("sealed", "status", "box", cwd=parts, code=0).stdout
    assert told.count("attempt at") == 4
    assert "intact" in told
    (saved,) = (path for path in (parts / "runs").iterdir() if path.is_dir())
    page = call("report", saved.name, "--html", "r.html", cwd=parts, code=0)
    assert "r.html" in page.stdout
    text = (parts / "r.html").read_text()
    assert "A sealed test" in text
    assert "2 attempts to open it had been refused before" in text
    assert "the seal itself was not compared: pass --seal" in told
    assert "not compared" not in call("sealed", "status", "box", "--seal", digest, cwd=parts, code=0).stdout
    assert "CHANGED" in call("sealed", "status", "box", "--seal", "0" * 64, cwd=parts, code=4).stdout
    (parts / "box/opened.json").unlink()
    assert "opened.json is missing" in call("sealed", "status", "box", "--seal", digest, cwd=parts, code=4).stdout
    assert "opened.json is missing" in call(*opened, digest, cwd=parts, code=4).stderr
    (parts / "box/keep/policy.yaml").write_text("")
    assert "CHANGED" in call("sealed", "status", "box", cwd=parts, code=4).stdout


def test_a_policy_that_cannot_be_read_is_not_sealed(parts):
    (parts / "policy.yaml").write_text("requirements: 7")
    assert "policy.yaml" in run("sealed", "new", "test.csv", *SEALED, cwd=parts, code=2).stderr
    assert not (parts / "box").exists()


def test_what_was_not_checked_of_many_features_is_said_once(tmp_path, call):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(400, 6)), columns=list("abcdef"))
    frame["y"] = np.where(np.arange(400) < 300, rng.integers(0, 2, 400), 0)  # one class in the test part
    frame[:300].to_csv(tmp_path / "tr.csv", index=False)
    frame[300:].to_csv(tmp_path / "te.csv", index=False)
    shown = " ".join(call("lint", "tr.csv", "te.csv", "--y-true", "y", cwd=tmp_path, code=0).stdout.split())
    assert shown.count("A single feature suffices") == 1
    assert "A single feature suffices (6 features: no rows, or labels of one class only)" in shown
