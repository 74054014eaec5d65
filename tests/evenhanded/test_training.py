"""Options and a YAML file are the same settings; whatever is wrong in the file is named with its line and key."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from audit.errors import InputError
from evenhanded.training import Training, network_of, read_training, recipe_of
from evenhanded.training_data import data_of
from trainer.data.ratings import Ratings
from trainer.networks.tabular import MLPSettings

PATIENTS = pd.DataFrame(
    {
        "visits": range(300), "site": ["a", "b", "c"] * 100, "sex": ["f", "m"] * 150, "person": np.arange(300) // 3,
        "day": pd.date_range("2026-01-01", periods=300).strftime("%Y-%m-%d"), "ill": [0, 0, 1, 1] * 75,
    }
)  # fmt: skip
CONFIG = """
data: patients.csv
target: ill
features: [visits, site]
sensitive: [sex]
group: person
epochs: 2
network: {architecture: tabular_mlp, hidden: [8], frequencies: 2, periodic: 2, dropout: 0.0}
recipe: {weight_decay: 0.1, objective: {kind: group_balanced, groups: [sex]}}
models: 2
seed: 3
device: cpu
"""


def settings(folder, text):
    (folder / "train.yaml").write_text(text, encoding="utf-8")
    return read_training(folder / "train.yaml", {})


def faults(folder, text):
    with pytest.raises(InputError) as caught:
        settings(folder, text)
    return [each.removeprefix(f"{folder}/") for each in caught.value.violations]


def test_a_file_trains_saves_and_predicts(call, tmp_path):
    PATIENTS.to_csv(tmp_path / "patients.csv", index=False)
    (tmp_path / "train.yaml").write_text(CONFIG)
    done = call("train", "train.yaml", cwd=tmp_path, code=0)
    table = pq.read_table(tmp_path / "predictions.parquet")
    assert table.num_rows == 60
    assert "model: model   predictions of 60 untouched rows" in done.stdout
    assert "--sensitive sex --cluster cluster" in " ".join(done.stdout.split())


def test_options_say_the_same_and_win_over_the_file(call, tmp_path):
    PATIENTS.to_csv(tmp_path / "patients.csv", index=False)
    (tmp_path / "train.yaml").write_text(CONFIG.replace("network", "#").replace("recipe", "#"))
    call("train", "train.yaml", "--predictions", "a.parquet", "--seed", "5", cwd=tmp_path, code=0)
    call("train", "patients.csv", "--target", "ill", "--features", "visits,site", "--sensitive", "sex",
         "--group", "person", "--epochs", "2", "--models", "2", "--seed", "5", "--device", "cpu",
         "--predictions", "b.parquet",
         cwd=tmp_path, code=0)  # fmt: skip
    first, second = (pq.read_table(tmp_path / name) for name in ("a.parquet", "b.parquet"))
    assert first.equals(second)


def test_a_file_asks_for_samples_of_the_rows(call, tmp_path):
    PATIENTS.to_csv(tmp_path / "patients.csv", index=False)
    (tmp_path / "train.yaml").write_text(f"{CONFIG}resample: bootstrap\n")
    call("train", "train.yaml", "--out", "runs", cwd=tmp_path, code=0)
    training = json.loads((tmp_path / "model" / "config.json").read_text())["training"]
    assert training["resample"] == "bootstrap"
    (saved,) = (tmp_path / "runs").glob("*/result.json")
    given = json.loads(saved.read_text())["provenance"]["given"]
    assert (given["resample"], given["row_weights"]) == ("bootstrap", training["row_weights"])


def test_every_fault_has_a_line_and_a_key(tmp_path):
    text = """data: t.csv
target: ill
epoch: 3
epochs: many
split: time
network:
  architecture: tabular_mlp
  hiden: [8]
recipe:
  smoothing: 2
  objective:
    kinds: mean
valid: 0.5
test: 0.6
"""
    found = faults(tmp_path, text)
    assert found == [
        "train.yaml:3: epoch: unknown key; did you mean 'epochs'?",
        "train.yaml:4: epochs: expected a whole number; got 'many'",
        "train.yaml:8: network.hiden: unknown key; did you mean 'hidden'?",
        "train.yaml:12: recipe.objective.kinds: unknown key; did you mean 'kind'?",
        "train.yaml:5: split: a split by time needs time, the column that says when",
        "train.yaml:14: test: valid and test together stay below 1; came 0.5 and 0.6",
    ]
    mended = text.replace("epoch: 3\nepochs: many", "epochs: 3").replace("hiden", "hidden").replace("kinds", "kind")
    assert faults(tmp_path, mended) == [
        "train.yaml:9: recipe.smoothing: smoothing is a share in [0, 1); came 2.0",
        "train.yaml:4: split: a split by time needs time, the column that says when",
        "train.yaml:13: test: valid and test together stay below 1; came 0.5 and 0.6",
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("target: ill", "train.yaml:1: data: this key is missing"),
        ("data: t.csv", "train.yaml:1: target: name what to learn: target, or labels for several columns of 0/1"),
        ("data: t.csv\ntarget: y\nuser: u", "train.yaml:3: user: user and item go together: name both"),
        ("data: t.csv\ntarget: y\nresample: bootstrap", "train.yaml:3: resample: draws a sample for each of several"),
        ("data: t.csv\ntarget: y\nresample: jackknife", "train.yaml:3: resample: expected 'bootstrap'"),
        ("data: t.csv\ntarget: y\ntest: 0", "train.yaml:3: test: predictions are those of the test part"),
        ("data: t.csv\ntarget: y\nnetwork: {architecture: x}", "train.yaml:3: network: architecture must be one of"),
        ("data: t.csv\ntarget: y\nnetwork: {hidden: [8]}", "train.yaml:3: network: architecture must be one of"),
        ("data: t.csv\ntarget: y\nnetwork: {architecture: tabular_mlp, hidden: wide}", "train.yaml:3: network.hidden"),
        ("data: t.csv\ntarget: y\nrecipe: {clip: high}", "train.yaml:3: recipe.clip"),
        ("data: t.csv\ntarget: [y]", "train.yaml:2: target: expected"),
        ("data: t.csv\ntarget: y\nfeatures: age", "train.yaml:3: features: expected a list"),
        ("data: t.csv\ntarget: y\ntarget: z", "train.yaml:3: target: this key stands on line 2 already; keep one"),
        ("- data", "train.yaml:1: expected settings as `name: value`; got a list"),
        ("data: *x", "anchors and aliases"),
        ("data: !!python/object:os.system x", "the tag"),
    ],
)  # fmt: skip
def test_a_fault(tmp_path, text, fault):
    assert fault in "\n".join(faults(tmp_path, text))


def test_a_file_that_is_not_there_and_a_table_without_a_target(call, tmp_path):
    with pytest.raises(InputError, match=r"train\.yaml does not exist"):
        read_training(tmp_path / "train.yaml", {})
    assert "--target COLUMN" in call("train", "t.csv", cwd=tmp_path, code=2).stderr
    assert "--target COLUMN" not in call("train", "t.csv", "--target", "y", cwd=tmp_path, code=2).stderr


def test_what_cannot_be_written_is_said_before_training(call, tmp_path):
    PATIENTS.to_csv(tmp_path / "patients.csv", index=False)
    (tmp_path / "file").write_text("")
    (tmp_path / "empty.yaml").write_text("")
    targets = ("--model", "file", "--predictions", ".")
    done = call("train", "patients.csv", "--target", "ill", *targets, cwd=tmp_path, code=2)
    assert "file cannot be written" in done.stderr
    assert "--predictions . is a folder; name a file" in done.stderr
    assert "is empty; expected settings" in call("train", "empty.yaml", cwd=tmp_path, code=2).stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.yaml", "file", "patients.csv"]


def test_the_split_and_the_column_of_time(tmp_path):
    frame = PATIENTS.sample(frac=1, random_state=0).reset_index(drop=True)
    by_time = Training(data=Path("t.csv"), target="ill", time="day", group="person", sensitive=("sex",))
    assert by_time.method == "time"
    data = data_of(by_time, frame)
    assert data.spec.encoder.features == ("visits", "site"), "when it happened is no feature unless named"
    assert frame["day"].iloc[data.split.train].max() < frame["day"].iloc[data.split.valid].min()
    assert frame["day"].iloc[data.split.valid].max() < frame["day"].iloc[data.split.test].min()
    named = Training(data=Path("t.csv"), target="ill", time="day", features=("day", "visits"), dates=("day",))
    assert data_of(named, frame).spec.encoder.features == ("visits", "day")
    with pytest.raises(InputError, match="column 'when' \\(time\\) is missing"):
        data_of(Training(data=Path("t.csv"), target="ill", time="when"), frame)


def test_network_and_recipe_are_those_that_the_file_names(tmp_path):
    found = settings(tmp_path, CONFIG)
    assert network_of(found) == MLPSettings(hidden=(8,), frequencies=2, periodic=2, dropout=0.0)
    assert recipe_of(found).objective.groups == ("sex",)
    assert recipe_of(found).weight_decay == 0.1
    assert network_of(Training(data=Path("t.csv"), target="y")) is None


def test_ratings_and_numbers(call, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"u": rng.integers(0, 9, 90), "i": rng.integers(0, 9, 90), "r": rng.integers(1, 6, 90)})
    frame.assign(t=range(90)).to_csv(tmp_path / "r.csv", index=False)
    done = call("train", "r.csv", "--target", "r", "--user", "u", "--item", "i", "--range", "0.5", "5.5", "--time", "t",
                "--epochs", "1", "--device", "cpu", cwd=tmp_path, code=0)  # fmt: skip
    assert "validation mean absolute error" in done.stdout
    assert "--task regression --sensitive new_user,new_item" in " ".join(done.stdout.split())
    words = done.stdout.partition("next: evenhanded ")[2].split()
    call(*words, cwd=tmp_path, code=0)
    rated = Training(data=Path("r.csv"), target="r", user="u", item="i", range=(0.5, 5.5))
    assert isinstance(data_of(rated, frame), Ratings)


def test_labels_of_a_file_may_be_written_as_yaml_has_them(tmp_path):
    frame = pd.DataFrame({"x": range(40), "ok": ["NO", "yes"] * 20})
    found = settings(tmp_path, "data: t.csv\ntarget: ok\npositive: NO\n")
    assert data_of(found, frame).spec.positive == "NO"
    with pytest.raises(InputError, match="the positive label 'maybe' does not occur in 'ok'; it has"):
        data_of(Training(data=Path("t.csv"), target="ok", positive="maybe"), frame)
