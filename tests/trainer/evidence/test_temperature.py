import json

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax

from audit.errors import InputError
from trainer.checkpoint import CheckpointError
from trainer.data.columns import Columns
from trainer.data.splits import split_given, split_rows
from trainer.data.table import Table
from trainer.data.target import Target
from trainer.evidence.temperature import HIGHEST, LOWEST, Tempered, fit_temperature
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), frequencies=4, periodic=4)
CLASSES = Target(kind="classes", classes=(0, 1, 2))


def fitted(table, **options):
    learner = Learner(table, network=SMALL, seed=3, device="cpu", **options)
    learner.fit_one_cycle(4, 1e-2, batch_size=32)
    return learner


def drawn(seed, *, temperature=2.5, n=4000):
    rng = np.random.default_rng(seed)
    true = rng.normal(size=(n, 3)) * 1.5
    shares = np.exp(log_softmax(true, axis=1))
    return true * temperature, (shares.cumsum(axis=1) > rng.uniform(size=(n, 1))).argmax(axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_minimum_that_scipy_finds(seed):
    output, truth = drawn(seed)
    found = fit_temperature(output, truth, target=CLASSES)

    def loss(temperature):
        return -log_softmax(output / temperature, axis=1)[np.arange(len(truth)), truth].mean()

    best = minimize_scalar(loss, bounds=(0.05, 50), method="bounded", options={"xatol": 1e-9})
    assert found.temperatures[0] == pytest.approx(best.x, rel=1e-5)
    assert found.loss_after[0] == pytest.approx(best.fun, rel=1e-10)
    assert found.loss_before[0] == pytest.approx(loss(1.0), rel=1e-10)
    assert found.n == 4000
    assert found.reasons == (None,)


def test_it_recovers_the_temperature_that_was_put_in():
    found = [fit_temperature(*drawn(seed, temperature=2.5), target=CLASSES).temperatures[0] for seed in range(20)]
    assert np.mean(found) == pytest.approx(2.5, abs=4 * np.std(found) / np.sqrt(20) + 0.01)


def test_each_model_has_its_own():
    output, truth = drawn(0)
    both = fit_temperature(np.stack([output, output * 3]), truth, target=CLASSES).temperatures
    assert both[1] == pytest.approx(3 * both[0], rel=1e-9)


def test_labels_share_one_temperature():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3000, 4)) * 2
    y = (rng.uniform(size=z.shape) < expit(z)).astype(np.float32)
    found = fit_temperature(3 * z, y, target=Target(kind="labels", classes=tuple("abcd")))
    best = minimize_scalar(
        lambda t: np.mean(np.logaddexp(0, 3 * z / t) - y * 3 * z / t), bounds=(0.1, 30), method="bounded"
    )
    assert found.temperatures[0] == pytest.approx(best.x, rel=1e-3)
    assert found.loss_after[0] == pytest.approx(best.fun, rel=1e-6)


def test_weights_count_as_repeated_rows():
    output, truth = drawn(1, n=300)
    weights = np.random.default_rng(1).integers(0, 4, 300)
    weighed = fit_temperature(output, truth, target=CLASSES, weights=weights.astype(float))
    repeated = fit_temperature(np.repeat(output, weights, axis=0), np.repeat(truth, weights), target=CLASSES)
    assert weighed.temperatures == pytest.approx(repeated.temperatures)


def test_the_ends_of_the_range_say_why():
    right = fit_temperature(np.array([[3.0, 0.0, 0.0]] * 5), np.zeros(5, dtype=int), target=CLASSES)
    assert right.temperatures == (LOWEST,)
    assert "no row is answered wrongly" in right.reasons[0]
    wrong = fit_temperature(np.array([[3.0, 0.0, 0.0]] * 5), np.ones(5, dtype=int), target=CLASSES)
    assert wrong.temperatures == (HIGHEST,)
    assert "say less than none" in wrong.reasons[0]


def test_huge_outputs_do_not_overflow():
    found = fit_temperature(np.array([[4e3, 0.0, 0.0]] * 3), np.array([0, 0, 1]), target=CLASSES)
    assert np.isfinite([*found.loss_before, *found.loss_after]).all()


@pytest.mark.parametrize("models", [None, 3])
def test_a_calibrated_model_predicts_otherwise_and_ranks_the_same(table, models, tmp_path):
    learner = fitted(table, models=models)
    before, version, loss = learner.predict_each("test"), learner.model_version, learner.validate("valid").loss
    found = learner.calibrate()
    after = learner.predict_each("test")
    assert found.n == len(table.split.valid)
    assert len(found.temperatures) == (models or 1)
    logit = np.log(before[..., 1] / before[..., 0])
    cooled = expit(logit / np.reshape(found.temperatures, (-1, 1)))
    assert after[..., 1] == pytest.approx(cooled, abs=1e-5)
    assert (after.argmax(-1) == before.argmax(-1)).all()
    assert learner.model_version != version
    assert learner.validate("valid").loss <= loss
    learner.save(tmp_path)
    loaded = Learner.load(tmp_path, data=table, device="cpu")
    assert loaded.temperatures == learner.temperatures
    assert loaded.model_version == learner.model_version
    assert (loaded.predict_each("test") == after).all()


def test_calibrating_twice_changes_nothing(table):
    learner = fitted(table)
    assert learner.calibrate() == learner.calibrate()


def test_training_further_drops_the_temperature(table):
    learner = fitted(table)
    learner.calibrate()
    learner.fit_one_cycle(1)
    assert learner.temperatures is None


def test_without_rows_there_is_nothing_to_calibrate_on(frame, columns):
    table = Table.from_frame(frame, columns=columns, split=split_rows(len(frame), valid=0.0))
    learner = Learner(table, network=SMALL, device="cpu")
    with pytest.raises(InputError, match='the part "valid" has no rows to calibrate on: split off a validation part'):
        learner.calibrate()


@pytest.mark.parametrize("kind", ["few", "one class", "same labels"])
def test_too_little_to_calibrate_on_is_refused_and_changes_nothing(frame, columns, kind):
    sizes = {"train": range(60), "valid": range(60, 89 if kind == "few" else 120), "test": range(120, 160)}
    rows = frame.iloc[:160].copy()
    if kind != "few":
        rows.loc[60:119, "ill"] = 1
    if kind == "same labels":
        columns = Columns(labels=["ill", "well"], features=["angle", "age", "site"])
        rows["well"] = 1 - rows["ill"]
    learner = Learner(Table.from_frame(rows, columns=columns, split=split_given(**sizes)), network=SMALL, device="cpu")
    learner.fit_one_cycle(1)
    before, looks = learner.model_version, learner.looks
    says = {"few": 'needs 30 rows; the part "valid" has 29', "one class": '"valid" have one class'}
    with pytest.raises(InputError, match=says.get(kind, "have the same labels")):
        learner.calibrate()
    assert (learner.model_version, learner.looks, learner.temperatures) == (before, looks, None)


def test_temperatures_are_guarded_by_the_digest(table, tmp_path):
    learner = fitted(table)
    learner.calibrate()
    learner.save(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    config["model"]["temperatures"] = [9.0]
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="does not match its own digest"):
        Learner.load(tmp_path, device="cpu")


def test_several_temperatures_meet_their_models():
    model = Tempered(torch.nn.Identity(), (1.0, 4.0))
    assert model(torch.full((2, 3, 2), 4.0))[:, 0, 0].tolist() == [4.0, 1.0]


@pytest.mark.parametrize("models", [None, 2])
def test_rows_without_weight_calibrate_nothing_and_leave_what_was(frame, models):
    weights = np.ones(len(frame))
    weights[split_rows(len(frame), seed=3).valid] = 0.0
    columns = Columns(y="ill", features=["angle", "site"], sample_weight="w")
    table = Table.from_frame(frame.assign(w=weights), columns=columns, split=split_rows(len(frame), seed=3))
    learner = fitted(table, models=models)
    assert learner.history[-1].valid_loss is None
    assert learner.history[-1].valid_reason == "the weights of these rows add up to 0: no weighted loss"
    kept = learner.calibrate("train").temperatures
    with pytest.raises(InputError, match="the weights of the 300 rows add up to 0, so none counts"):
        learner.calibrate()
    assert learner.temperatures == kept


def test_a_loss_that_is_not_finite_gives_no_temperature():
    output, truth = drawn(0, n=50)
    output[3, 1] = np.nan
    with pytest.raises(InputError, match="the log loss of these rows is"):
        fit_temperature(output, truth, target=CLASSES)
    with pytest.raises(InputError, match="add up to 0"):
        fit_temperature(output, truth, target=CLASSES, weights=np.zeros(50))
