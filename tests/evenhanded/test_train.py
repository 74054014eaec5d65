"""What `train` writes holds the same groups and labels as `audit` finds in the file itself."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.provenance import file_digest
from audit.store import list_runs, load_run
from dashboards import launch
from dashboards.training import epochs_of, is_training
from evenhanded.cli import run
from evenhanded.commands.train import _speed, command
from trainer.history import EpochRow
from trainer.learner import Learner

SITES = ["01", "1", "NA", "", "1.0", "null", "True"]


def table(labels, rows=210):
    lines = ["label,site,code,age,x"]
    for row in range(rows):
        code = ["01", "1", "2"][row % 3]
        lines.append(f"{labels[row % 2]},{SITES[row % 7]},{code},{['1', '1.0', 'NA'][row % 3]},{row % 2}.{row % 5}")
    return "\n".join(lines) + "\n"


def trained(folder, text, *arguments, name="t.csv"):
    (folder / name).write_text(text)
    fixed = [
        "--epochs",
        "1",
        "--device",
        "cpu",
        "--model",
        str(folder / "m"),
        "--predictions",
        str(folder / "p.parquet"),
    ]
    done = CliRunner().invoke(command, [str(folder / name), "--target", "label", *fixed, *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return pq.read_table(folder / "p.parquet")


def groups(path, **roles):
    log = PredictionLog.from_file(path, sensitive_features=["site", "code", "age"], **roles)
    cells = count(log).cells
    return {name: set(cells[name].to_pylist()) for name in ("slice.site", "slice.code", "slice.age", "y_true")}


@pytest.mark.parametrize(
    ("labels", "more", "positive"),
    [(("1", "0"), [], None), (("1.0", "0.0"), [], None), (("True", "False"), ["--positive", "true"], None),
     (("01", "NA"), ["--positive", "01"], "01"), (("no", "yes"), ["--positive", "yes"], "yes")],
)  # fmt: skip
def test_the_same_groups_and_labels_as_in_the_file(labels, more, positive, tmp_path):
    found = trained(tmp_path, table(labels), "--sensitive", "site,code,age", "--features", "x,age,code", *more)
    assert pa.types.is_floating(found.schema.field("y_score").type)
    straight = {"y_true": "label", "y_pred": "y_pred"}
    with_predictions = tmp_path / "with.csv"
    lines = (tmp_path / "t.csv").read_text().splitlines()
    with_predictions.write_text(
        "\n".join([lines[0] + ",y_pred", *(f"{line},{labels[0]}" for line in lines[1:])]) + "\n"
    )
    wanted = groups(with_predictions, positive=positive, **straight)
    assert groups(tmp_path / "p.parquet", y_true="y_true", y_pred="y_pred", positive=positive) == wanted


def test_the_progress_line_has_the_speed_and_its_share_of_the_roof():
    row = EpochRow(
        epoch=1, train_loss=0.5, valid_loss=0.5, metric="accuracy", valid_value=0.8, samples_per_s=12_345.6,
        skipped_steps=0, roof=0.0794,
    )  # fmt: skip
    assert _speed(row, "memory") == "12,346 rows/s, 8% of the roof (memory binds)"
    assert _speed(replace(row, roof=None), "") == "12,346 rows/s"


def test_tabs(tmp_path):
    text = table(("1", "0")).replace(",", "\t")
    assert trained(tmp_path, text, "--sensitive", "site", name="t.tsv").num_rows == 42


def test_a_positive_label_that_does_not_occur(tmp_path):
    with pytest.raises(InputError, match="the positive label 'good' does not occur in 'label'; it has"):
        trained(tmp_path, table(("yes", "no")), "--positive", "good")


def test_a_training_is_saved_as_a_run_that_report_and_page_show(tmp_path, monkeypatch):
    runs = tmp_path / "runs"
    trained(tmp_path, table(("1", "0")), "--sensitive", "site", "--models", "2", "--epochs", "2", "--out", str(runs))
    (entry,) = list_runs(runs)
    result = load_run(entry.path)
    assert is_training(result)
    assert [row.n for row in epochs_of(result, "train_loss")] == [126, 126]
    assert result.provenance.data == {"t.csv": file_digest(tmp_path / "t.csv")}
    assert result.provenance.given["model_version"] == Learner.load(tmp_path / "m", device="cpu").model_version
    assert result.provenance.given["seeds"] == [0, 1]
    page = (entry.path / "report.html").read_text(encoding="utf-8")
    assert "Training on t.csv" in page
    assert "after the last of 2 epochs" in page
    assert run(["report", entry.path.name, "--runs", str(runs), "--html", str(tmp_path / "again.html")]) == 0
    assert "after the last of 2 epochs" in (tmp_path / "again.html").read_text(encoding="utf-8")
    monkeypatch.setenv("EVENHANDED_RUNS", str(runs))
    app = AppTest.from_file(str(Path(launch.__file__).with_name("app.py")), default_timeout=60)
    app.run()
    app.switch_page("views/training.py").run()
    assert not app.exception
    assert any("after the last of 2 epochs" in text.value for text in app.markdown)


def test_the_folder_of_runs_may_stand_in_a_file_and_is_checked_before_training(tmp_path):
    (tmp_path / "t.csv").write_text(table(("1", "0")))
    lines = [f"data: {tmp_path / 't.csv'}", "target: label", "epochs: 1", "device: cpu", f"model: {tmp_path / 'm'}"]
    lines += [f"predictions: {tmp_path / 'p.parquet'}", f"out: {tmp_path / 'runs'}"]
    (tmp_path / "train.yaml").write_text("\n".join(lines))
    assert run(["train", str(tmp_path / "train.yaml")]) == 0
    assert len(list_runs(tmp_path / "runs")) == 1
    (tmp_path / "file").write_text("")
    (tmp_path / "m" / "config.json").unlink()
    with pytest.raises(InputError, match="file cannot be written"):
        CliRunner().invoke(command, [str(tmp_path / "train.yaml"), "--out", str(tmp_path / "file")],
                           catch_exceptions=False)  # fmt: skip
    assert not (tmp_path / "m" / "config.json").exists()


def test_without_a_folder_of_runs_it_says_how_to_keep_the_training(tmp_path, capsys):
    trained(tmp_path, table(("1", "0")))
    assert run(["train", str(tmp_path / "t.csv"), "--target", "label", "--epochs", "1", "--device", "cpu", "--model",
                str(tmp_path / "m"), "--predictions", str(tmp_path / "p.parquet")]) == 0  # fmt: skip
    assert "--out runs keeps it" in " ".join(str(capsys.readouterr()).split())
