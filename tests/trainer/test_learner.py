import random
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from audit.counting import count
from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.resident import Resident
from trainer.data.splits import split_given, split_groups, split_rows
from trainer.data.table import Table
from trainer.fitting import epoch
from trainer.fitting.epoch import Evaluation
from trainer.fitting.memory import fitted_cycle
from trainer.fitting.sampler import epoch_order
from trainer.fitting.step import Stepper
from trainer.history import Recipe
from trainer.learner import Learner, Saving
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(32, 32), embedding=4, frequencies=8, sigma=0.5, periodic=8)
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")],
    ),
]


def fitted(table, *, seed=1, epochs=2, **options):
    learner = Learner(table, network=SMALL, seed=seed, device="cpu")
    learner.fit_one_cycle(epochs, 5e-3, batch_size=64, **options)
    return learner


@pytest.fixture(scope="module")
def learner(table):
    return fitted(table)


@pytest.mark.parametrize("device", DEVICES)
def test_it_learns_what_a_line_cannot(table, frame, device):
    learner = Learner(table, network=SMALL, seed=1, device=device)
    history = learner.fit_one_cycle(15, 1e-2, batch_size=64)
    train, test = table.part("train"), table.part("test")
    baseline = (
        LogisticRegression().fit(train[["angle", "age"]], train["ill"]).score(test[["angle", "age"]], test["ill"])
    )
    assert baseline < 0.65
    assert learner.validate("test").accuracy > 0.93
    assert history[-1].train_loss < history[0].train_loss / 2


def test_same_seed_same_bits_whatever_ran_before(table, learner):
    torch.manual_seed(5)
    torch.rand(1000)
    np.random.default_rng(1).random(10)
    random.random()
    Learner(table, network=SMALL, seed=8, device="cpu").fit_one_cycle(1)
    again = fitted(table)
    assert again.model_version == learner.model_version
    assert (again.predict_proba("test") == learner.predict_proba("test")).all()
    assert [row.train_loss for row in again.history] == [row.train_loss for row in learner.history]


def test_another_seed_is_another_model(table, learner):
    assert fitted(table, seed=2).model_version != learner.model_version


def test_the_process_is_left_as_it_was(table):
    torch_before, numpy_before, python_before = (
        torch.get_rng_state(),
        np.random.get_state()[1].copy(),  # noqa: NPY002
        random.getstate(),
    )
    threads, grad = torch.get_num_threads(), torch.is_grad_enabled()
    fitted(table).predict_log("test")
    assert torch.equal(torch_before, torch.get_rng_state())
    assert (numpy_before == np.random.get_state()[1]).all()  # noqa: NPY002
    assert python_before == random.getstate()
    assert not torch.are_deterministic_algorithms_enabled()
    assert (threads, grad) == (torch.get_num_threads(), torch.is_grad_enabled())


def test_history_agrees_with_scikit_learn(table, learner):
    valid = table.part("valid")
    probabilities = learner.predict_proba("valid")
    row = learner.history[-1]
    assert row.valid_loss == pytest.approx(log_loss(valid["ill"], probabilities), rel=1e-5)
    assert row.valid_accuracy == pytest.approx((learner.predict("valid") == valid["ill"]).mean())
    assert [row.epoch for row in learner.history] == [1, 2]
    assert all(row.samples_per_s > 0 and row.skipped_steps == 0 for row in learner.history)


def test_order_of_rows_and_size_of_batch_do_not_change_answers(table, learner):
    frame = table.part("test")
    plain = learner.predict_proba(frame)
    order = np.random.default_rng(0).permutation(len(frame))
    assert learner.predict_proba(frame.iloc[order]) == pytest.approx(plain[order], abs=1e-6)
    one_by_one = np.concatenate([learner.predict_proba(frame.iloc[[row]]) for row in range(40)])
    assert one_by_one == pytest.approx(plain[:40], abs=1e-6)
    inputs = learner.inputs(frame)
    in_sevens = epoch.outputs_of(learner.model, inputs, batch_size=7)
    assert in_sevens.softmax(1).numpy() == pytest.approx(plain, abs=1e-6)


def test_a_part_and_its_frame_get_the_same_answers(table, learner):
    assert (learner.predict_proba("test") == learner.predict_proba(table.part("test"))).all()


def test_probabilities_add_up(learner):
    probabilities = learner.predict_proba("test")
    assert probabilities.dtype == np.float64
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_new_categories_and_missing_values_get_an_answer(learner):
    new = pd.DataFrame({"angle": [0.5, None], "age": [30, 40], "site": ["elsewhere", None]})
    assert np.isfinite(learner.predict_proba(new)).all()


def test_a_step_with_nan_is_skipped_and_counted(table, monkeypatch):
    calls = []
    plain_loss = Stepper.loss

    def spoiled(self, batch):
        calls.append(len(batch.target))
        loss = plain_loss(self, batch)
        return loss * float("nan") if len(calls) in (3, 20) else loss

    monkeypatch.setattr(Stepper, "loss", spoiled)
    learner = fitted(table)
    assert [row.skipped_steps for row in learner.history] == [1, 1]
    assert all(np.isfinite(row.train_loss) for row in learner.history)
    assert np.isfinite(learner.predict_proba("test")).all()


def test_an_epoch_without_any_finite_step_stops_training(table, monkeypatch):
    plain_loss = Stepper.loss
    monkeypatch.setattr(Stepper, "loss", lambda self, batch: plain_loss(self, batch) * float("inf"))
    with pytest.raises(InputError, match="no step of epoch 1 had a finite gradient: lower lr"):
        fitted(table)


def test_every_train_row_is_seen_once_per_epoch_and_no_other(table, monkeypatch):
    seen, seeds = [], []
    plain_take = Resident.take

    def watched(self, rows):
        if torch.is_grad_enabled() and len(rows) <= 64:
            seen.append(rows.clone())
            seeds.append(torch.initial_seed())
        return plain_take(self, rows)

    monkeypatch.setattr(Resident, "take", watched)
    learner = Learner(table, network=SMALL, seed=1, device="cpu")
    monkeypatch.setattr(Learner, "validate", lambda _: Evaluation(loss=None, metric="accuracy", value=None, n=0))
    learner.fit_one_cycle(2, 5e-3, batch_size=64)
    steps = len(seen) // 2
    train = torch.tensor(table.split.train)
    for number, rows in enumerate((seen[:steps], seen[steps:])):
        order = epoch_order(len(train), seed=1, epoch=number, device=torch.device("cpu"))
        assert torch.equal(torch.cat(rows), train[order])
        assert sorted(torch.cat(rows).tolist()) == table.split.train.tolist()
        assert [len(batch) for batch in rows[:-1]] == [64] * (steps - 1)
    assert set(seeds[:steps]).isdisjoint(seeds[steps:]), "each epoch draws other dropout masks"


def test_a_batch_larger_than_the_data_is_one_step(table):
    learner = Learner(table, network=SMALL, device="cpu")
    assert len(learner.fit_one_cycle(3, batch_size=10**6)) == 3


def test_a_second_cycle_goes_on_from_the_first(table):
    learner = fitted(table)
    first = learner.model_version
    rows = learner.fit_one_cycle(1, 1e-3)
    assert [row.epoch for row in rows] == [3]
    assert len(learner.history) == 3
    assert learner.model_version != first


def test_each_epoch_is_reported_as_it_ends(table):
    heard = []
    learner = fitted(table, on_epoch=heard.append)
    assert tuple(heard) == learner.history


def test_without_validation_rows_there_is_no_validation_number(frame, columns):
    table = Table.from_frame(frame, columns=columns, split=split_rows(len(frame), valid=0, test=0.5))
    learner = fitted(table, epochs=1)
    assert learner.history[0].valid_loss is None
    assert learner.history[0].valid_accuracy is None
    assert learner.validate().n == 0


def test_weights_of_zero_leave_rows_out(frame, columns):
    marked = frame.assign(weight=np.where(frame["age"] < 50, 1.0, 0.0))
    marked["flipped"] = np.where(frame["age"] < 50, frame["ill"], 1 - frame["ill"])
    weighted = Columns(y="flipped", features=["angle", "age", "site"], sample_weight="weight")
    table = Table.from_frame(marked, columns=weighted, split=split_rows(len(frame), seed=3))
    learner = Learner(table, network=SMALL, seed=1, device="cpu")
    learner.fit_one_cycle(15, 1e-2, batch_size=64)
    test = table.part("test")
    agrees = learner.predict("test") == test["ill"]
    assert agrees[test["age"] < 50].mean() > 0.9
    assert agrees[test["age"] >= 50].mean() > 0.8


def test_equal_weights_change_nothing(frame, table, learner):
    weighted = Columns(y="ill", features=["angle", "age", "site"], sample_weight="weight")
    other = Table.from_frame(frame.assign(weight=2.5), columns=weighted, split=table.split)
    assert fitted(other).predict_proba("test") == pytest.approx(learner.predict_proba("test"), abs=1e-4)


def test_three_classes_by_name():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.uniform(-3, 3, 900)})
    frame["kind"] = np.select([frame["x"] < -1, frame["x"] < 1], ["low", "middle"], "high")
    table = Table.from_frame(frame, columns=Columns(y="kind"), split=split_rows(900, seed=0))
    learner = Learner(table, network=SMALL, device="cpu")
    learner.fit_one_cycle(10, 1e-2, batch_size=64)
    assert learner.spec.classes == ("high", "low", "middle")
    assert learner.validate("test").accuracy > 0.95
    assert learner.predict(pd.DataFrame({"x": [-2.5, 0.0, 2.5]})).tolist() == ["low", "middle", "high"]
    assert "y_score" not in learner.predict_log("test").columns


def test_the_log_counts_to_the_same_accuracy(table, learner):
    tally = count(learner.predict_log("test"))
    cells = tally.cells.to_pandas()
    assert tally.rows == len(table.split.test)
    right = cells.loc[cells["y_true"] == cells["y_pred"], "n"].sum()
    assert right / tally.rows == pytest.approx(learner.validate("test").accuracy)
    assert set(cells["slice.sex"]) == {"f", "m"}
    assert set(cells["model_version"]) == {learner.model_version}
    assert cells["score"].sum() == pytest.approx(learner.predict_proba("test")[:, 1].sum())


def test_the_log_of_a_frame_carries_cluster_and_positive_label(frame):
    named = frame.assign(ill=np.where(frame["ill"] == 1, "yes", "no"), row=np.arange(len(frame)))
    columns = Columns(
        y="ill",
        features=["angle", "site"],
        sensitive_features=["sex"],
        cluster="person",
        prediction_id="row",
        positive="no",
    )
    split = split_groups(named["person"], seed=0)
    learner = fitted(Table.from_frame(named, columns=columns, split=split))
    log = learner.predict_log(named.iloc[split.test])
    assert log.columns["cluster"] == "person"
    assert log.columns["prediction_id"] == "row"
    tally = count(log)
    assert tally.positive == "no"
    assert tally.cells.to_pandas()["score"].sum() == pytest.approx(learner.predict_proba("test")[:, 0].sum())


def test_a_log_without_the_sensitive_column_is_refused(frame, learner):
    with pytest.raises(InputError, match=r"column 'sex' \(sensitive feature\) is missing"):
        learner.predict_log(frame.drop(columns="sex"))


def test_settings_out_of_range_are_all_named(table):
    learner = Learner(table, network=SMALL, device="cpu")
    with pytest.raises(InputError) as caught:
        learner.fit_one_cycle(0, -1.0, batch_size=0)
    assert len(caught.value.violations) == 3
    with pytest.raises(InputError, match="came 'holdout'"):
        learner.validate("holdout")


def test_a_constant_column_is_allowed(frame):
    flat = frame.assign(constant=7)
    columns = Columns(y="ill", features=["angle", "constant"])
    table = Table.from_frame(flat, columns=columns, split=split_given(train=range(500), valid=[], test=[600]))
    assert np.isfinite(fitted(table).predict_proba("test")).all()


@pytest.mark.parametrize("models", [None, 2])
@pytest.mark.parametrize("stop", [1, 5, 14])  # 900 train rows in batches of 64: 15 per epoch
def test_training_goes_on_bit_by_bit_where_it_was_broken_off(table, tmp_path, models, stop):
    def fresh():
        return Learner(table, network=SMALL, seed=4, device="cpu", models=models)

    whole, broken = fresh(), fresh()
    whole.fit_one_cycle(3, 5e-3, batch_size=64)

    class PowerCutError(Exception):
        pass

    def cut(row):
        if row.epoch == 2:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        broken.fit_one_cycle(3, 5e-3, batch_size=64, on_epoch=cut, saving=Saving(tmp_path, stop))
    torch.rand(7)
    resumed = Learner.load(tmp_path, data=table, device="cpu")
    rows = resumed.resume(saving=Saving(tmp_path, stop))
    assert resumed.model_version == whole.model_version
    assert [(row.epoch, row.train_loss, row.valid_loss) for row in rows] == [
        (row.epoch, row.train_loss, row.valid_loss) for row in whole.history
    ]
    with pytest.raises(InputError, match="no cycle is unfinished"):
        Learner.load(tmp_path, data=table, device="cpu").resume()


def test_other_data_are_refused_on_loading(table, frame, columns, learner, tmp_path):
    learner.save(tmp_path)
    other = Table.from_frame(frame.iloc[:1400], columns=columns, split=split_rows(1400, seed=3))
    with pytest.raises(InputError, match="the split of the data is"):
        Learner.load(tmp_path, data=other, device="cpu")


def test_models_at_once_are_the_models_one_by_one(table):
    plain = replace(SMALL, dropout=0.0)
    together = Learner(table, network=plain, seed=5, models=3, device="cpu")
    together.fit_one_cycle(2, 5e-3, batch_size=64)
    each = together.predict_each("test")
    for place in range(3):
        alone = Learner(table, network=plain, seed=5 + place, device="cpu")
        alone.fit_one_cycle(2, 5e-3, batch_size=64)
        assert alone.predict_proba("test") == pytest.approx(each[place], abs=2e-4)
    assert np.abs(each[0] - each[1]).max() > 0.02
    assert together.predict_proba("test") == pytest.approx(each.mean(axis=0))


def test_accumulating_parts_takes_the_step_of_the_whole_batch(table):
    plain = replace(SMALL, dropout=0.0)
    losses = []
    for parts in (1, 3):
        learner = Learner(table, network=plain, seed=5, device="cpu")
        rows = learner.fit_one_cycle(1, 5e-3, batch_size=64, recipe=Recipe(accumulate=parts))
        losses.append((rows[0].train_loss, learner.predict_proba("test")))
    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-5)
    assert losses[0][1] == pytest.approx(losses[1][1], abs=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_gpu_starts_from_the_same_weights_and_ends_close(table, learner):
    on_gpu = Learner(table, network=SMALL, seed=1, device="cuda")
    on_gpu.fit_one_cycle(2, 5e-3, batch_size=64)
    assert on_gpu.validate("test").loss == pytest.approx(learner.validate("test").loss, abs=0.1)


def test_what_the_last_cycle_holds_is_released_before_a_step_is_tried(table, monkeypatch):
    held = []
    learner = Learner(table, network=SMALL, device="cpu")

    def watched(model, cycle, plan, **options):
        held.append(learner._run)
        return fitted_cycle(model, cycle, plan, **options)

    monkeypatch.setattr("trainer.learner.fitted_cycle", watched)
    learner.fit_one_cycle(1, batch_size=256)
    learner.fit_one_cycle(1, batch_size=256)
    assert held == [None, None]
    assert len(learner.history) == 2
