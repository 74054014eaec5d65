"""`predict` answers as the model did in training, in pieces, on rows that it never saw; or writes nothing."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainer.data.columns import Columns
from trainer.data.ratings import Ratings
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.device import cpu_threads
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(8,), periodic=2, frequencies=2)


def patients(rows=300):
    """Return a table whose texts are easily misread: numbers with a leading zero, words that look missing."""
    return pd.DataFrame(
        {
            "id": [f"{row:04}" for row in range(rows)],
            "age": [20 + row % 50 for row in range(rows)],
            "code": [["01", "2", "A"][row % 3] for row in range(rows)],
            "ward": [["07", "11"][row % 2] for row in range(rows)],
            "sex": [["01", "1", "NA"][row % 3] for row in range(rows)],
            "ill": [int(row % 50 > 25) for row in range(rows)],
        }
    )


@pytest.fixture(scope="module")
def trained(call, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    patients().to_csv(folder / "all.csv", index=False)
    call("train", "all.csv", "--target", "ill", "--sensitive", "sex", "--features", "age,code,ward",
         "--categorical", "ward", "--id", "id", "--epochs", "2", "--device", "cpu", cwd=folder, code=0)  # fmt: skip
    return folder


def predicted(call, folder, frame, *options, name="new.csv", code=0):
    path = folder / name
    frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(path, index=False)
    done = call("predict", "model", name, "--out", "out.parquet", *options, cwd=folder, code=code)
    return done, (pq.read_table(folder / "out.parquet") if code == 0 else None)


def test_the_same_answers_as_after_training(call, trained):
    kept = pq.read_table(trained / "predictions.parquet").to_pandas().set_index("prediction_id").sort_index()
    _, table = predicted(call, trained, patients(), "--rows", "77")
    found = table.to_pandas().set_index("id").loc[kept.index]
    assert found["y_pred"].tolist() == kept["y_pred"].tolist()
    assert found["y_score"].to_numpy() == pytest.approx(kept["y_score"].to_numpy(), abs=1e-6)
    assert found["sex"].tolist() == kept["sex"].tolist()
    assert set(found["sex"]) == {"01", "1", "NA"}
    assert set(found["model_version"]) == set(kept["model_version"])
    assert list(table.column_names) == ["y_true", "sex", "id", "y_pred", "y_score", "model_version"]


@pytest.mark.parametrize("rows", ["1", "7", "100000"])
def test_the_size_of_the_pieces_changes_nothing(call, trained, rows):
    whole = predicted(call, trained, patients(60))[1]
    pieces = predicted(call, trained, patients(60), "--rows", rows)[1]
    assert pieces.drop_columns("y_score").equals(whole.drop_columns("y_score"))
    scores = (table["y_score"].to_numpy() for table in (pieces, whole))
    np.testing.assert_allclose(*scores, rtol=0, atol=1e-6)  # a product with one row rounds in another order


def test_categories_that_were_never_seen_are_counted(call, trained):
    frame = patients(40).assign(code=["01"] * 20 + ["Z"] * 15 + [None] * 5)
    done, _ = predicted(call, trained, frame, "--rows", "9")
    assert "code" in done.stdout
    assert "15" in done.stdout
    assert "37.5%" in done.stdout
    assert "Read as unknown" not in predicted(call, trained, patients(40))[0].stdout


def test_numbers_that_are_missing_only_here_are_counted_and_are_the_median(call, trained):
    frame = patients(40)
    frame["age"] = frame["age"].astype(float).where(frame.index >= 6)
    done, table = predicted(call, trained, frame, "--rows", "9")
    said = " ".join(done.stdout.split())
    assert "Missing here and never in training: read as the median" in said
    assert "age" in said
    assert "15.0%" in said
    assert "read as the median" not in predicted(call, trained, patients(40))[0].stdout
    assert len(table) == 40


def test_rows_without_labels_and_groups_are_predicted_and_others_kept(call, trained):
    _, table = predicted(call, trained, patients(20).drop(columns=["ill", "sex", "id"]).assign(x="=1+1"), "--keep", "x")
    assert table.column_names == ["x", "y_pred", "y_score", "model_version"]
    assert set(table["x"].to_pylist()) == {"=1+1"}


def test_parquet_keeps_its_types_even_where_a_piece_has_no_value(call, trained):
    frame = patients(30).assign(ward=lambda rows: rows["ward"].astype(int), score=[None] * 15 + [1.5] * 15)
    _, table = predicted(call, trained, frame, "--keep", "score,age", "--rows", "10", name="new.parquet")
    assert (table.schema.field("score").type, table.schema.field("age").type) == (pa.float64(), pa.int64())
    assert table["score"].null_count == 15
    from_csv = predicted(call, trained, patients(30))[1]
    assert table["y_score"].to_pylist() == pytest.approx(from_csv["y_score"].to_pylist())


def test_everything_wrong_is_said_at_once_and_nothing_is_written(call, trained, tmp_path):
    done = call("predict", tmp_path / "none", "none.csv", "--out", tmp_path / "no" / "p.parquet", cwd=trained, code=2)
    for part in ("holds no model", "none.csv does not exist", f"folder {tmp_path / 'no'} does not exist"):
        assert part in done.stderr
    frame = patients(40).astype({"age": float})
    frame.loc[3, "age"] = np.inf
    frame.loc[35, "age"] = -np.inf
    before = sorted(trained.iterdir())
    (trained / "out.parquet").unlink(missing_ok=True)
    done, _ = predicted(call, trained, frame.drop(columns="code"), "--rows", "20", "--keep", "x", code=2)
    assert "feature 'code' is missing" in done.stderr
    assert "column 'x' (keep) is missing" in done.stderr
    done, _ = predicted(call, trained, frame, "--rows", "20", code=2)
    assert "feature 'age' holds an infinite number at row 3" in done.stderr
    assert "rows from 20 on: feature 'age' holds an infinite number at row 15" in done.stderr
    assert sorted(trained.iterdir()) == [path for path in before if path.name != "out.parquet"]


def test_an_empty_file_and_no_table_at_all(call, trained):
    done, _ = predicted(call, trained, patients(0), code=2)
    assert "new.csv has no rows" in done.stderr
    done, _ = predicted(call, trained, patients(0), name="new.parquet", code=2)
    assert "new.parquet has no rows" in done.stderr
    (trained / "bad.parquet").write_bytes(b"PAR1 no")
    done = call("predict", "model", "bad.parquet", cwd=trained, code=2)
    assert "bad.parquet cannot be read" in done.stderr
    (trained / "bad.parquet").unlink()
    done = call("predict", "model", "all.csv", "--out", "all.csv", cwd=trained, code=2)
    assert "--out all.csv is all.csv itself, which is read" in done.stderr


def test_a_model_that_was_tampered_with_is_broken_evidence(call, trained, tmp_path):
    config = (trained / "model" / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"age"', '"aga"'))
    done = call("predict", tmp_path, trained / "all.csv", "--out", tmp_path / "p.parquet", cwd=trained, code=4)
    assert "does not match its own digest" in done.stderr
    assert not (tmp_path / "p.parquet").exists()


def test_ratings_flag_newcomers(call, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"u": rng.integers(0, 20, 200), "i": rng.integers(0, 9, 200), "r": rng.integers(1, 6, 200)})
    columns = Columns(y="r", task="number", range=(0.5, 5.5))
    learner = Learner(
        Ratings.from_frame(frame, columns=columns, user="u", item="i", split=split_rows(200)), device="cpu"
    )
    with cpu_threads(1):
        learner.fit_one_cycle(1)
    learner.export(tmp_path / "model")
    new = pd.DataFrame({"u": [1, 99, 2], "i": [1, 2, 77], "r": [3, 4, None]})
    done, table = predicted(call, tmp_path, new)
    assert table["new_user"].to_pylist() == ["false", "true", "false"]
    assert table["new_item"].to_pylist() == ["false", "false", "true"]
    assert table["y_pred"].to_numpy() == pytest.approx(learner.predict(new))
    assert table["y_true"].to_pylist() == [3, 4, None]
    assert "u " in done.stdout
    assert "33.3%" in done.stdout


@pytest.mark.parametrize("task", ["number", "labels", "classes"])
def test_every_kind_of_answer(call, tmp_path, task):
    frame = pd.DataFrame({"x": range(60), "y": range(60)})
    if task == "labels":
        frame["y"] = ["", "cat", "dog", "cat|dog"] * 15
    elif task == "classes":
        frame["y"] = ["a", "b", "c"] * 20
    data = Table.from_frame(frame, columns=Columns(y="y", task=task), split=split_rows(60))
    learner = Learner(data, network=SMALL, device="cpu")
    with cpu_threads(1):
        learner.fit_one_cycle(1)
    learner.export(tmp_path / "model")
    _, table = predicted(call, tmp_path, frame)
    assert table.column_names == ["y_true", "y_pred", "model_version"]
    expected = learner.predict(frame)
    if task == "labels":
        expected = ["|".join(np.array(["cat", "dog"])[row]) for row in expected]
    assert table["y_pred"].to_pylist() == list(expected)
