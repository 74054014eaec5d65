import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.run import run_audit
from trainer import answers
from trainer.data.columns import Columns
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), frequencies=4, sigma=0.5, periodic=4)


def learner_of(frame, columns):
    learner = Learner(
        Table.from_frame(frame, columns=columns, split=split_rows(len(frame), seed=0)), network=SMALL, device="cpu"
    )
    learner.fit_one_cycle(3, 1e-2, batch_size=64)
    return learner


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.uniform(-3, 3, 900), "sex": rng.choice(["f", "m"], 900), "id": range(900)})
    return frame.assign(
        kind=np.select([frame["x"] < -1, frame["x"] < 1], ["low", "middle"], "high"),
        big=frame["x"] > 1,
        small=frame["x"] < -1,
    )


def test_three_classes_are_logged_for_an_audit_of_several_classes(frame):
    learner = learner_of(frame, Columns(y="kind", features=["x"], sensitive_features=["sex"], prediction_id="id"))
    log = learner.predict_log("test")
    assert (log.reading.task, log.reading.labels) == ("multiclass", ("high", "low", "middle"))
    assert run_audit(log).find("accuracy").value == pytest.approx(learner.validate("test").accuracy)


def test_one_of_three_classes_can_be_the_positive_one(frame):
    learner = learner_of(frame, Columns(y="kind", features=["x"], positive="low", sensitive_features=["sex"]))
    log = learner.predict_log("test")
    assert (log.reading.task, log.reading.positive) == ("binary", "low")
    assert log.columns["y_score"] == "y_score"


def test_labels_in_columns_are_logged_as_sets_and_need_their_columns(frame):
    columns = Columns(labels=["big", "small"], features=["x"], sensitive_features=["sex"], prediction_id="id")
    learner = learner_of(frame, columns)
    log = learner.predict_log(frame.iloc[:10])
    assert (log.reading.task, log.columns["y_true"], log.columns["prediction_id"]) == ("multilabel", "y_true", "id")
    with pytest.raises(InputError, match=r"column 'small' \(label\) is missing: a log needs"):
        learner.predict_log(frame.drop(columns="small"))


def test_a_row_without_a_label_is_logged_as_not_labelled(frame):
    columns = Columns(labels=["big", "small"], features=["x"], sensitive_features=["sex"])
    learner = learner_of(frame, columns)
    some = frame.iloc[:20].astype({"big": object})
    some.loc[0, "big"] = None
    right = (learner.predict(some)[1:] == frame.iloc[1:20][["big", "small"]].to_numpy()).all(axis=1)
    result = run_audit(learner.predict_log(some))
    assert result.find("accuracy").n == 19
    assert result.find("accuracy").value == pytest.approx(right.mean())


def test_rows_without_any_label_are_none_of_the_above_in_an_audit(frame):
    learner = learner_of(frame, Columns(labels=["big", "small"], features=["x"], sensitive_features=["sex"]))
    middle = frame[frame["x"].abs() < 0.3]
    assert not learner.predict(middle).any()
    assert run_audit(learner.predict_log(middle)).find("accuracy").value == 1.0


def test_a_number_is_logged_for_an_audit_of_regression(frame):
    learner = learner_of(frame.assign(y=frame["x"] * 2), Columns(y="y", features=["x"], task="number"))
    log = learner.predict_log("test")
    assert log.reading.task == "regression"
    assert "y_score" not in log.columns


@pytest.mark.parametrize("models", [None, 2])
def test_without_rows_there_are_answers_of_no_rows(frame, models):
    split = split_rows(len(frame), seed=0)
    roles = [
        Columns(y="kind", features=["x"]),
        Columns(labels=["big", "odd"], features=["x"]),
        Columns(y="z", task="number", features=["x"]),
    ]
    rows = frame.assign(odd=frame["id"] % 2 == 1, z=frame["x"] * 2)
    for columns, n_answers in zip(roles, (3, 2, 1), strict=True):
        table = Table.from_frame(rows, columns=columns, split=split)
        learner = Learner(table, network=SMALL, device="cpu", models=models)
        assert learner.predict_proba(rows.iloc[:0]).shape == (0, n_answers)
        assert learner.predict_each(rows.iloc[:0]).shape == (models or 1, 0, n_answers)
        assert len(learner.predict(rows.iloc[:0])) == 0
        assert len(learner.predict_log(rows.iloc[:0]).table.collect()) == 0


def test_every_answer_about_validation_rows_is_a_look(frame):
    columns = Columns(y="big", features=["x"], sensitive_features=["sex"])
    table = Table.from_frame(frame, columns=columns, split=split_rows(len(frame), seed=0))
    learner = Learner(table, network=SMALL, device="cpu", models=2)
    learner.fit_one_cycle(1)
    asks = [learner.predict, learner.predict_proba, learner.predict_each, learner.predict_log, learner.top_losses]
    asks += [lambda part: learner.conformal(part=part), lambda part: learner.abstain(0.6, part=part)]
    asks += [learner.disagreement, learner.validate, learner.calibrate]
    for ask in asks:
        before = learner.looks
        ask("valid")
        assert learner.looks == before + 1, "once each"
    before = learner.looks
    for part in ("train", "test"):
        for ask in asks[:-1]:
            ask(part)
    learner.predict(frame)
    assert learner.looks == before


@pytest.mark.parametrize("use", ["predict", "predict_proba", "predict_each", "predict_log"])
def test_an_answer_that_is_no_finite_number_is_no_answer(frame, use):
    columns = Columns(y="y", features=["x"])
    table = Table.from_frame(frame.assign(y=frame["x"] > 0), columns=columns, split=split_rows(900, seed=0))
    learner = Learner(table, network=MLPSettings(hidden=(8,)), device="cpu")
    learner.fit_one_cycle(1)
    list(learner.model.parameters())[-1].data.fill_(float("nan"))
    with pytest.raises(InputError, match=r"answers rows 0, 1, 2, 3, 4 and 175 more, counted from 0 with what"):
        getattr(learner, use)("test")


def test_rows_are_answered_in_pieces_with_the_bits_of_one(frame, monkeypatch):
    columns = Columns(y="y", features=["x"])
    table = Table.from_frame(frame.assign(y=frame["x"] > 0), columns=columns, split=split_rows(900, seed=0))
    found = []
    for streamed in (None, 64):
        learner = Learner(table, network=MLPSettings(hidden=(8,)), device="cpu", streamed_rows=streamed)
        learner.fit_one_cycle(1)
        found.append(learner.predict_proba("train"))
        monkeypatch.setattr(answers, "PREDICT_ROWS", 100)
        found += [learner.predict_proba("train"), learner.predict_proba(table.part("train"))]
        monkeypatch.undo()
    assert all(np.allclose(found[0], each, atol=1e-7) for each in found)
