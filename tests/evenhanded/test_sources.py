"""``evenhanded sources`` as its user meets it: real processes, real files, exit codes, words."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from audit.causes.worlds import hiring_world, planted_world
from audit.result import Result

ROLES = ("--y-true", "rating", "--sensitive", "sex")


def run(*arguments, cwd, code=0):
    command = [sys.executable, "-m", "evenhanded", "sources", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def frame_of(sample):
    frame = pd.DataFrame(sample.features, columns=[f"x{place}" for place in range(sample.features.shape[1])])
    return frame.assign(sex=sample.group, rating=sample.y, audited=pd.Series(sample.audited).astype("Int64"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    frame_of(hiring_world(n=1600)).to_csv(folder / "hiring.csv", index=False)
    (folder / "census.csv").write_text("sex,count\nman,500\nwoman,500\n")
    return folder


def features(folder):
    header = (folder / "hiring.csv").read_text().splitlines()[0].split(",")
    return ",".join(name for name in header if name.startswith("x"))


def test_the_hiring_example_names_the_label_and_not_the_size_of_the_sample(folder):
    done = run(
        "hiring.csv", *ROLES, "--features", features(folder), "--audited-label", "audited", "--population",
        "census.csv", "--json", "r.json", "--html", "r.html", "--out", "runs", cwd=folder,
    )  # fmt: skip
    assert done.stderr == ""
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert any(line.startswith("measurement supported") for line in lines)
    assert any(line.startswith("representation not supported") for line in lines)
    assert any(line.startswith("deployment not testable") for line in lines)
    assert "mend the label, not the size of the sample" in done.stdout
    assert "not testable because no rows from deployment were given" in " ".join(lines)
    result = Result.from_json((folder / "r.json").read_text())
    assert set(result.provenance.data) == {"hiring.csv", "census.csv"}
    assert result.provenance.given["model"] == "logistic"
    page = (folder / "r.html").read_text()
    assert "Where the gap of woman comes from" in page
    assert "Unbiased data is not unbiased decisions" in page
    assert "<svg" in page
    again = run("hiring.csv", *ROLES, "--features", features(folder), "--audited-label", "audited", "--population",
                "census.csv", "--json", "again.json", cwd=folder)  # fmt: skip
    assert again.returncode == 0
    assert (folder / "again.json").read_bytes() == (folder / "r.json").read_bytes()


def test_deployment_and_benchmark_files_answer_their_questions(call, tmp_path):
    world = planted_world("deployment", n=1200)
    frame_of(world.data).to_csv(tmp_path / "d.csv", index=False)
    frame_of(world.benchmark).to_csv(tmp_path / "b.csv", index=False)
    used = pd.DataFrame(
        {"sex": world.deployment.group, "said": world.deployment.predicted, "done": world.deployment.decision}
    )
    used.to_csv(tmp_path / "u.csv", index=False)
    names = ",".join(f"x{place}" for place in range(world.data.features.shape[1]))
    done = call(
        "sources", "d.csv", *ROLES, "--features", names, "--deployment", "u.csv", "--benchmark", "b.csv",
        "--y-pred", "said", "--decision", "done", cwd=tmp_path, code=0,
    )  # fmt: skip
    assert "decisions on B overrule the model more often than those on others" in " ".join(done.stdout.split())


def test_texts_missing_values_and_hostile_names(call, tmp_path):
    rng = np.random.default_rng(0)
    size = 300
    frame = pd.DataFrame({
        "sex": rng.choice(["<script>alert(1)</script>", "=1+1"], size),
        "job": rng.choice(["a", "b", None], size),
        "age": np.where(rng.random(size) < 0.2, np.nan, rng.integers(18, 70, size)),
        "rating": np.where(rng.random(size) < 0.1, None, rng.choice(["yes", "no"], size)),
    })  # fmt: skip
    frame.to_csv(tmp_path / "d.csv", index=False)
    done = call(
        "sources",
        "d.csv",
        *ROLES,
        "--features",
        "job,age",
        "--positive",
        "yes",
        "--html",
        "r.html",
        "--model",
        "boosting",
        cwd=tmp_path,
        code=0,
    )
    assert "Sources of bias" in done.stdout
    assert "<script>alert" not in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--features", "x0,zz"), "column 'zz' is missing; there is 'x0'"),
        (("--features", "x0", "--seed", "-1"), "Invalid value for '--seed'"),
        (("--features", "x0", "--group", "X"), "there is no group 'X'; expected one of ['man', 'woman']"),
        (("--features", "x0", "--population", "none.csv"), "none.csv cannot be read"),
        (("--features", "x0", "--population", "census.csv", "--level", "2"), "level must lie in (0, 1); got 2.0"),
        (("--features", "x0", "--html", "none/r.html"), "none does not exist"),
        (("--features", "x0", "--population", "hiring.csv"), "line 2: expected group,share"),
        (
            ("--features", "x0", "--population", "names.csv"),
            "shares no group with the data: it names ['male', 'female']",
        ),
        (("--features", "x0", "--deployment", "census2.csv"), "column 'sex' is missing"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_to_do(call, arguments, said, folder):
    (folder / "census2.csv").write_text("gender,count\nman,5\n")
    (folder / "names.csv").write_text("sex,proportion\nmale,0.5\nfemale,0.5\n")
    assert said in call("sources", "hiring.csv", *ROLES, *arguments, cwd=folder, code=2).stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rating,sex,x\n1,F,1\n", "all 1 labels are the same"),
        ("rating,sex,x\n1,F,1\n0,F,2\n", "expected at least two groups"),
        ("rating,sex,x\nyes,F,1\nno,M,2\n", "say which label is positive (--positive)"),
        ("rating,sex,x\n,F,1\n,M,2\n", "every label in 'rating' is missing"),
        ("rating,sex,x\n", "no rows"),
    ],
)
def test_files_without_a_question_are_refused(call, text, said, tmp_path):
    (tmp_path / "d.csv").write_text(text)
    assert said in call("sources", "d.csv", *ROLES, "--features", "x", cwd=tmp_path, code=2).stderr


def test_rows_in_use_without_an_outcome_count_in_who_is_there(call, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"sex": [*"FM"] * 300, "x": rng.normal(size=600), "rating": rng.integers(0, 2, 600)})
    frame.to_csv(tmp_path / "d.csv", index=False)
    known = rng.random(600) < np.where(frame["sex"] == "M", 0.9, 0.1)
    frame.assign(rating=frame["rating"].astype("Int64").where(known)).to_csv(tmp_path / "u.csv", index=False)
    done = call("sources", "d.csv", *ROLES, "--features", "x", "--deployment", "u.csv", cwd=tmp_path, code=0)
    assert "the group's share differs by +0.0 points" in " ".join(done.stdout.split())
