"""K models whose rows weigh otherwise in each: as K runs with these weights, and spread as statistics says."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import torch
from torch import nn

from audit.errors import InputError
from trainer.checkpoint import CheckpointError
from trainer.data.columns import Columns
from trainer.data.images import Images
from trainer.data.splits import split_given, split_rows
from trainer.data.table import Table
from trainer.evidence.training_rows import training_result
from trainer.fitting.augment import AugmentSettings
from trainer.fitting.cycle import CycleRun
from trainer.fitting.graph import GraphSteps
from trainer.fitting.objective_settings import OBJECTIVES, ObjectiveSettings
from trainer.fitting.row_weights import bootstrap_counts, model_weights, reweighing_of
from trainer.fitting.twice import train_twice
from trainer.history import Cycle, Recipe, Saving
from trainer.learner import Learner
from trainer.networks.images import CNNSettings
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), embedding=4, frequencies=4, sigma=0.5, periodic=4, dropout=0.0)
EACH = pytest.mark.parametrize("kind", list(OBJECTIVES))


class PowerCutError(Exception):
    pass


@pytest.fixture(scope="module")
def weighed(frame):
    """A table with weights of its own, one in ten of them 0."""
    rng = np.random.default_rng(1)
    weights = rng.lognormal(0, 0.5, len(frame)) * (rng.random(len(frame)) > 0.1)
    columns = Columns(y="ill", features=["angle", "site"], sensitive_features=["sex"], sample_weight="w")
    return Table.from_frame(frame.assign(w=weights), columns=columns, split=split_rows(len(frame), seed=3))


def with_weights(table, own):
    """The same rows, with the weights of one model in the column of weights: what a run alone would be given."""
    frame = table.frame.assign(w=table.frame["w"].to_numpy() if "w" in table.frame else 1.0)
    train = table.split.train
    frame.loc[frame.index[train], "w"] *= own
    columns = replace(table.spec.columns, sample_weight="w")
    return Table.from_frame(frame, columns=columns, split=table.split)


def settings_of(kind):
    groups = () if kind in ("mean", "class_balanced") else ("ill", "sex") if kind == "group_dro" else ("sex",)
    return ObjectiveSettings(kind=kind, groups=groups)


def sweep(models=2, n=900, *, seed=0):
    rng = np.random.default_rng(seed)
    return rng.lognormal(0, 1, (models, n)) * (rng.random((models, n)) > 0.2)


@EACH
@pytest.mark.parametrize("own", ["bootstrap", "sweep"])
def test_models_at_once_with_weights_of_their_own_are_runs_with_these_weights(kind, own, table, weighed):
    data = weighed if own == "sweep" else table
    given = {"resample": "bootstrap"} if own == "bootstrap" else {"row_weights": sweep()}
    recipe = Recipe(objective=settings_of(kind))
    together = Learner(data, network=SMALL, models=2, seed=5, device="cpu", **given)
    together.fit_one_cycle(2, 1e-2, batch_size=100, recipe=recipe)
    each = together.predict_each("test")
    for place, seed in enumerate((5, 6)):
        counts = sweep()[place] if own == "sweep" else bootstrap_counts(np.arange(900), seed=seed)
        alone = Learner(with_weights(data, counts), network=SMALL, seed=seed, device="cpu")
        alone.fit_one_cycle(2, 1e-2, batch_size=100, recipe=recipe)
        assert alone.predict_proba("test") == pytest.approx(each[place], abs=2e-4)
    plain = Learner(data, network=SMALL, models=2, seed=5, device="cpu")
    plain.fit_one_cycle(2, 1e-2, batch_size=100, recipe=recipe)
    assert np.abs(plain.predict_each("test") - each).max() > 0.01, "the weights of the models do something"


def test_weights_that_are_all_alike_are_none(table):
    """Of mean 1 whatever their scale; the same bits as models without weights of their own."""
    plain, own = (
        Learner(table, network=SMALL, models=2, device="cpu", row_weights=weights)
        for weights in (None, np.full((2, 900), 7.0))
    )
    for learner in (plain, own):
        learner.fit_one_cycle(1, 1e-2, batch_size=64)
    assert own.model_version == plain.model_version


@pytest.mark.parametrize("rows", [1, 200, 449, 10_000])
@pytest.mark.parametrize("data", ["table", "weighed"])
def test_streamed_models_with_weights_of_their_own_are_resident_ones(rows, data, request):
    found = []
    for number in (None, rows):
        learner = Learner(
            request.getfixturevalue(data), network=SMALL, models=3, device="cpu", streamed_rows=number,
            resample="bootstrap",
        )  # fmt: skip
        learner.fit_one_cycle(2, 5e-3, batch_size=64)
        found.append((learner.model_version, [(row.train_loss, row.valid_loss) for row in learner.history]))
    assert found[0] == found[1]


def test_validation_keeps_the_weights_of_the_data(table, weighed):
    for data in (table, weighed):
        learner = Learner(data, network=SMALL, models=2, device="cpu", resample="bootstrap")
        learner.fit_one_cycle(1, 1e-2)
        rows = data.split.valid
        truth, weights = data.frame["ill"].to_numpy()[rows], np.ones(len(rows))
        if "w" in data.frame:
            weights = data.frame["w"].to_numpy()[rows]
        losses = -np.log(np.take_along_axis(learner.predict_each("valid"), truth[None, :, None], axis=2)[..., 0])
        expected = (losses * weights).sum() / weights.sum() / 2
        assert learner.validate().loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("given", ["resample", "row_weights"])
@pytest.mark.parametrize("stop", [1, 5, 14])  # 15 batches in an epoch
def test_training_goes_on_bit_by_bit_where_it_was_broken_off(table, tmp_path, given, stop):
    own = {"row_weights": sweep()} if given == "row_weights" else {}
    made = own or {"resample": "bootstrap"}
    network = replace(SMALL, dropout=0.2)
    whole, broken = (Learner(table, network=network, seed=4, models=2, device="cpu", **made) for _ in range(2))
    whole.fit_one_cycle(2, 5e-3, batch_size=64)

    def cut(row):
        raise PowerCutError

    with pytest.raises(PowerCutError):
        broken.fit_one_cycle(2, 5e-3, batch_size=64, on_epoch=cut, saving=Saving(tmp_path, stop))
    resumed = Learner.load(tmp_path, data=table, device="cpu", **own)
    resumed.resume(saving=Saving(tmp_path, stop))
    assert resumed.model_version == whole.model_version
    assert [row.train_loss for row in resumed.history] == [row.train_loss for row in whole.history]
    training = json.loads((tmp_path / "config.json").read_text())["training"]
    assert (training["resample"], training["row_weights"]) == (made.get("resample"), whole.reweighing.digest)


def test_what_was_trained_with_is_asked_for_when_training_goes_on(table, tmp_path):
    own = Learner(table, network=SMALL, models=2, device="cpu", row_weights=sweep())
    own.save(tmp_path / "own")
    plain = Learner(table, network=SMALL, models=2, device="cpu")
    plain.save(tmp_path / "plain")
    drawn = Learner(table, network=SMALL, models=2, device="cpu", resample="bootstrap")
    drawn.save(tmp_path / "drawn")
    expected = [
        ("own", None, "row_weights of their own, which are not saved: pass them"),
        ("own", sweep(seed=1), "not those that the models were trained with"),
        ("own", sweep(3), r"must have the shape \(models, train rows\), here \(2, 900\); came \(3, 900\)"),
        ("plain", sweep(), "were trained without row_weights"),
        ("drawn", sweep(), "drew samples of their own"),
    ]
    for name, weights, said in expected:
        with pytest.raises(InputError, match=said):
            Learner.load(tmp_path / name, data=table, device="cpu", row_weights=weights)
    assert Learner.load(tmp_path / "own", device="cpu").predict_proba(table.frame[:2]).shape == (2, 2)
    again = Learner.load(tmp_path / "own", data=table, device="cpu", row_weights=3.0 * sweep())  # the same shares
    again.save(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "config.json").read_text())["training"]["row_weights"] == (
        own.reweighing.digest
    )


def test_a_strange_way_of_drawing_in_a_record_is_refused(table, tmp_path):
    learner = Learner(table, network=SMALL, models=2, device="cpu")
    learner.reweighing = replace(learner.reweighing, resample="jackknife")
    learner.save(tmp_path)
    with pytest.raises(CheckpointError, match="resample is 'bootstrap' or null; came 'jackknife'"):
        Learner.load(tmp_path, device="cpu")


@EACH
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_step_with_weights_of_each_model_never_waits(kind, accumulate, weighed, never_waiting):
    if accumulate > 1 and kind in ("group_dro", "demographic_parity", "equalized_odds"):
        with pytest.raises(InputError, match="cannot be cut"):
            Recipe(objective=settings_of(kind), accumulate=accumulate)
        return
    learner = Learner(weighed, network=SMALL, models=3, device="cpu", resample="bootstrap")
    recipe = Recipe(objective=settings_of(kind), accumulate=accumulate)
    run = CycleRun(learner.model, learner.plan(Cycle(epochs=1, lr=1e-2, batch_size=32, recipe=recipe)))
    data, places = next(iter(learner.training_data()[1].pieces(run.order(0), 32)))
    data = replace(data, groups=next(iter(run._plan.source.pieces(run.order(0), 32)))[0].groups)
    run.stepper.take(data, places, size=32)
    with never_waiting() as watch:
        run.stepper.take(data, places, size=32)
    assert watch.operations > 20


def test_replayed_steps_take_the_weights_of_each_model(table, monkeypatch):
    """With work that is repeated in place of a graph: the same weights, bit by bit."""
    found = []
    for captured in (False, True):
        if captured:
            monkeypatch.setattr(
                "trainer.fitting.cycle.fastest",
                lambda stepper, allowed=True: GraphSteps(stepper, capture=lambda work: work) if allowed else stepper,
            )
        learner = Learner(table, network=SMALL, models=2, device="cpu", resample="bootstrap")
        learner.fit_one_cycle(2, 1e-2, batch_size=64)
        found.append(learner.model_version)
    assert found[0] == found[1]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("rows", [None, 200])
def test_on_a_gpu_models_with_weights_of_their_own_are_close(table, rows):
    found = []
    for device in ("cpu", "cuda"):
        learner = Learner(
            table, network=SMALL, models=3, device=device, resample="bootstrap",
            streamed_rows=rows if device == "cuda" else None,
        )  # fmt: skip
        learner.fit_one_cycle(2, 5e-3, batch_size=64)
        found.append(learner.validate("test").loss)
    assert found[1] == pytest.approx(found[0], abs=0.05)


def test_a_bootstrap_is_a_pure_function_of_the_seed():
    """The counts of seed 7, written down: another version, device or process must draw the same."""
    counts = bootstrap_counts(np.arange(12), seed=7)
    assert counts.tolist() == [1, 0, 0, 1, 2, 1, 1, 0, 2, 1, 0, 3]
    assert counts.sum() == 12
    assert not np.array_equal(counts, bootstrap_counts(np.arange(12), seed=8))


def test_counts_are_those_of_draws_with_replacement():
    """Mean 1, variance 1 - 1/n, covariance -1/n, and shares of 0, 1, 2 of the binomial (n, 1/n)."""
    n, samples = 40, 4000
    counts = np.stack([bootstrap_counts(np.arange(n), seed=seed) for seed in range(samples)])
    assert (counts.sum(axis=1) == n).all()
    assert counts.mean(axis=0) == pytest.approx(1.0, abs=5 / np.sqrt(samples))
    assert counts.var() == pytest.approx(1 - 1 / n, abs=0.02)
    covariance = np.cov(counts.T)
    off = covariance[~np.eye(n, dtype=bool)]
    assert off.mean() == pytest.approx(-1 / n, abs=1e-3)
    assert np.abs(off + 1 / n).max() < 5 / np.sqrt(samples)
    for k, share in enumerate([0.3632, 0.3725, 0.1863]):  # scipy.stats.binom(40, 1 / 40).pmf
        assert (counts == k).mean() == pytest.approx(share, abs=0.005)


def test_large_samples_have_no_pattern():
    """Neighbouring rows, and rows a power of two apart, are drawn as if apart."""
    counts = bootstrap_counts(np.arange(200_000), seed=3) - 1.0
    assert counts.var() == pytest.approx(1.0, abs=0.02)
    for step in (1, 2, 64, 4096, 65536):
        assert abs((counts[step:] * counts[:-step]).mean()) < 5 / np.sqrt(len(counts) - step)


def test_clusters_are_drawn_whole(frame):
    columns = Columns(y="ill", features=["angle"], cluster="person")
    table = Table.from_frame(frame, columns=columns, split=split_rows(len(frame), seed=3))
    weights = model_weights(table, reweighing_of("bootstrap", None), seeds=(5, 6)).numpy()[:, table.split.train]
    by_person = pd.DataFrame(weights.T).groupby(frame["person"].iloc[table.split.train].to_numpy())
    assert (by_person.nunique() == 1).all(axis=None)
    assert weights.mean(axis=1) == pytest.approx(1.0, abs=1e-4)  # float32
    assert 0.3 < (by_person.first() == 0).mean(axis=None) < 0.45  # of many draws 1 / e


class Line(nn.Module):
    """A straight line in the one normal score."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, *inputs):
        return self.layer(inputs[1])


@pytest.mark.parametrize("clustered", [False, True])
def test_the_spread_of_slopes_is_their_standard_error(clustered):
    """An independent implementation: the sandwich of statsmodels, of rows and of clusters of 8 rows."""
    rng = np.random.default_rng(5)
    person = np.repeat(np.arange(60), 8)
    x, shared = rng.normal(size=60)[person], rng.normal(size=60)[person]
    frame = pd.DataFrame({"x": x + 1e-3 * rng.normal(size=480), "person": person})
    frame["y"] = frame["x"] + shared + (1 + frame["x"].abs()) * rng.normal(0, 0.5, 480)
    columns = Columns(y="y", features=["x"], task="number", cluster="person" if clustered else None)
    table = Table.from_frame(frame, columns=columns, split=split_given(train=range(480), valid=[], test=[]))
    learner = Learner(table, network=Line(), models=100, seed=1, device="cpu", resample="bootstrap")
    learner.fit_one_cycle(150, 0.1, batch_size=480, recipe=Recipe(weight_decay=0.0, clip=None))
    slopes = learner.model.layer__weight.detach().numpy().ravel() * table.spec.target.scale
    scores = table.resident.inputs[1].numpy()[:, 0]
    fitted = sm.OLS(frame["y"].to_numpy(), sm.add_constant(scores))
    options = {"cov_type": "cluster", "cov_kwds": {"groups": person}} if clustered else {"cov_type": "HC0"}
    theirs = fitted.fit(**options)
    assert slopes.std(ddof=1) == pytest.approx(theirs.bse[1], rel=0.25), "100 samples: 7 % standard error, 3.5 of them"
    assert slopes.mean() == pytest.approx(theirs.params[1], abs=4 * theirs.bse[1] / 10 + 0.02)
    if clustered:
        assert theirs.bse[1] > 1.6 * fitted.fit(cov_type="HC0").bse[1], "the two tests are of two numbers"


def test_disagreement_over_samples_works_unchanged_and_says_what_it_is_of(table):
    found = {}
    for resample in (None, "bootstrap"):
        learner = Learner(table, network=SMALL, models=4, seed=5, device="cpu", resample=resample)
        learner.fit_one_cycle(4, 2e-2, batch_size=100)
        result = learner.disagreement("test")
        row = result.find("seed_disagreement_rate")
        assert row.low <= row.value <= row.high
        decided = learner.predict_each("test").argmax(axis=2)
        assert row.value == (decided != decided[:1]).any(axis=0).mean()
        found[resample] = result
        assert result.provenance.given.get("resample") == resample
        assert training_result(learner).provenance.given.get("resample") == resample
    assert found["bootstrap"].find("seed_disagreement_rate").value > 0


def test_just_train_twice_keeps_what_rows_weigh_in_each_model(table):
    cycle = Cycle(epochs=1, lr=5e-3, batch_size=100)
    for given in ({"resample": "bootstrap"}, {"row_weights": sweep()}):
        first = Learner(table, network=SMALL, models=2, seed=5, device="cpu", **given)
        second = train_twice(first, cycle, weight=3.0)
        own = second.learner.training_data()[1].model_weights[:, torch.tensor(table.split.train)].double()
        before = first.training_data()[1].model_weights[:, torch.tensor(table.split.train)].double()
        wrong = torch.from_numpy(np.isin(table.split.train, second.errors))
        expected = before * torch.where(wrong, 3.0, 1.0)
        assert own.numpy() == pytest.approx((expected / expected.mean(dim=1, keepdim=True)).numpy(), rel=1e-5)


def test_images_with_mixup_take_weights_of_each_model(make_digits):
    digits = make_digits(some=range(2))
    assert isinstance(digits, Images)
    learner = Learner(digits, network=CNNSettings(widths=(4, 8)), models=2, device="cpu", resample="bootstrap")
    learner.fit_one_cycle(6, 2e-2, batch_size=32, recipe=Recipe(augment=AugmentSettings(mixup=0.2)))
    right = learner.predict_each("test").argmax(axis=2) == digits.part("test")["digit"].to_numpy()
    assert (right.mean(axis=1) > 0.9).all()


def test_weights_of_a_label_are_no_weight_in_the_digest_of_the_data(table):
    """What the models' own weights are is recorded apart: the data are the same."""
    learners = [
        Learner(table, network=SMALL, models=2, device="cpu", row_weights=weights) for weights in (None, sweep())
    ]
    for learner in learners:
        learner.note_environment()
    assert learners[0]._content == learners[1]._content
    assert learners[0].reweighing.digest is None
    assert len(learners[1].reweighing.digest) == 64
