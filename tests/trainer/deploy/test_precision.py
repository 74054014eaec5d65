"""Flips are counted between what two ways to compute really answer, by group."""

import numpy as np
import pandas as pd
import pytest
import torch

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.deploy.precision import CHANGE, FLIPS, TITLES, available_ways
from trainer.device import cpu_threads
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), periodic=4, frequencies=4)


@pytest.fixture(scope="module", params=[None, 3], ids=["one", "three"])
def learner(request, table):
    learner = Learner(table, network=SMALL, models=request.param, seed=1, device="cpu")
    with cpu_threads(1):
        learner.fit_one_cycle(2)
    return learner


def test_all_ways_of_this_machine_by_group_with_n(learner):
    before = learner.model_version
    result = learner.precision_flips("test")
    test = learner.data.part("test")
    for way in ("bfloat16", "int8"):
        rows = {row.slice: row for row in result.measurements
                if row.metric == FLIPS and row.at == (("feature", TITLES[way]),) and row.against is None}  # fmt: skip
        counts = {"f": (test["sex"] == "f").sum(), "m": (test["sex"] == "m").sum()}
        assert {dict(key).get("sex"): row.n for key, row in rows.items()} == {None: len(test), **counts}
        assert all(0 <= row.low <= row.value <= row.high < 0.2 for row in rows.values())
        assert all(row.high > 0 for row in rows.values()), "no flip among n rows is not a rate of 0"
        assert 0 < result.find(CHANGE, at={"feature": TITLES[way]}).value < 0.02
    assert result.provenance.given["model_version"] == learner.model_version == before


def test_flips_in_bfloat16_are_those_of_the_networks_own_autocast(table):
    """The threshold is put where rounding decides; each flip is found again by hand."""
    learner = Learner(table, network=SMALL, seed=1, device="cpu")
    with cpu_threads(1):
        learner.fit_one_cycle(1)
    exact, inputs = learner.predict_proba("test")[:, 1], learner.inputs("test")
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = learner.model.eval()(*inputs).double().softmax(dim=1)[:, 1].numpy()
    widest = np.abs(rounded - exact).argmax()
    threshold = float(rounded[widest] + exact[widest]) / 2
    flips = (rounded >= threshold) != (exact >= threshold)
    sex = learner.data.part("test")["sex"].to_numpy()
    result = learner.precision_flips("test", ways=["bfloat16"], threshold=threshold)
    assert flips.sum() >= 1, "the threshold is where rounding decides"
    assert result.find(FLIPS, at={"feature": TITLES["bfloat16"]}).value == pytest.approx(flips.mean())
    for group in ("f", "m"):
        found = result.find(FLIPS, {"sex": group}, at={"feature": TITLES["bfloat16"]}).value
        assert found == pytest.approx(flips[sex == group].mean())


def test_int8_rounds_weights_to_256_steps_of_their_range(table):
    """The independent computation: symmetric steps of max |w| / 127.5 for weights, 7-bit inputs by batch on x86."""
    learner = Learner(table, network=MLPSettings(hidden=(), periodic=4, frequencies=4), seed=1, device="cpu")
    with cpu_threads(1):
        learner.fit_one_cycle(1)
    result = learner.precision_flips("test", ways=["int8"])
    dense = learner.model.dense[-1].weight.detach()
    step = float(dense.abs().max()) / 127.5
    rounded = (dense / step).round() * step
    exact = learner.predict_proba("test")[:, 1]
    with torch.no_grad():
        learner.model.dense[-1].weight.copy_(rounded)
    by_hand = float(np.abs(learner.predict_proba("test")[:, 1] - exact).mean())
    found = result.find(CHANGE, at={"feature": TITLES["int8"]}).value
    assert 0 < found < 10 * max(by_hand, 1e-3), "of the order of rounding, not of another model"


def test_a_recalibrated_model_is_compared_as_it_answers(learner):
    plain = learner.precision_flips("test", ways=["int8"])
    learner.temperatures = (4.0,) * (learner.models or 1)
    warm = learner.precision_flips("test", ways=["int8"])
    learner.temperatures = None
    at = {"feature": TITLES["int8"]}
    assert warm.find(CHANGE, at=at).value < plain.find(CHANGE, at=at).value
    if learner.models is None:
        assert warm.find(FLIPS, at=at).value == plain.find(FLIPS, at=at).value, "of one model no decision changes"


def test_wrong_ways_and_numbers_are_refused_at_once(learner, frame):
    with pytest.raises(InputError) as wrong:
        learner.precision_flips("test", ways=["int4", "int8", "int8"], by="race", threshold=1.0)
    text = str(wrong.value)
    for part in ("'int4' is no way to compute that this machine has", "'int8' is named twice", "column 'race' (groups)",
                 "threshold must lie in (0, 1); came 1.0"):  # fmt: skip
        assert part in text
    with pytest.raises(InputError, match="name at least one way"):
        learner.precision_flips("test", ways=[])
    numbers = Table.from_frame(
        pd.DataFrame({"x": range(30), "y": np.arange(30.0)}), columns=Columns(y="y", task="number"),
        split=split_rows(30, seed=1),
    )  # fmt: skip
    with pytest.raises(InputError, match="this model answers numbers"):
        Learner(numbers, device="cpu").precision_flips("test")


def test_the_other_device_is_offered_where_there_is_one(learner):
    assert ("cuda" in available_ways(learner)) is torch.cuda.is_available()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_between_devices(table):
    learner = Learner(table, network=SMALL, seed=1, device="cuda")
    learner.fit_one_cycle(2)
    result = learner.precision_flips("test", ways=["cpu", "bfloat16"])
    assert result.find(FLIPS, at={"feature": TITLES["cpu"]}).value < 0.01
    assert next(learner.model.parameters()).is_cuda
