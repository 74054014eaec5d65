"""What `train` writes holds the same groups and labels as `audit` finds in the file itself."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from evenhanded.commands.train import _speed, command
from trainer.history import EpochRow

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
