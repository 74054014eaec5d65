import copy
import hashlib
import json
import os
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch

from audit.errors import EvidenceError, InputError
from audit.measurement import canonical_json
from trainer.checkpoint import CheckpointError, load_checkpoint
from trainer.fitting.objective_settings import ObjectiveSettings
from trainer.history import Recipe, Saving
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(16,), frequencies=4, periodic=4)


@pytest.fixture(scope="module")
def learner(table):
    learner = Learner(table, network=SMALL, seed=1, device="cpu")
    learner.fit_one_cycle(1, batch_size=64)
    return learner


@pytest.fixture
def folder(learner, tmp_path):
    learner.save(tmp_path / "model")
    return tmp_path / "model"


def weights_file(folder):
    (path,) = folder.glob("weights-*.safetensors")
    return path


def sealed(config):
    """Recompute the digests, as a careful forger or another version would."""
    body = {key: config[key] for key in ("model", "training", "state")}
    config["digest"] = hashlib.sha256(canonical_json(body).encode()).hexdigest()
    config["model_version"] = hashlib.sha256(canonical_json(body["model"]).encode()).hexdigest()
    return json.dumps(config)


def test_a_loaded_model_is_the_saved_one_bit_by_bit(learner, folder, table):
    loaded = Learner.load(folder, device="cpu")
    frame = table.part("test")
    assert (loaded.predict_proba(frame) == learner.predict_proba(frame)).all()
    assert (loaded.predict(frame) == learner.predict(frame)).all()
    assert loaded.model_version == learner.model_version
    assert (loaded.spec, loaded.network, loaded.history) == (learner.spec, learner.network, learner.history)
    assert (loaded.seed, loaded.deterministic) == (learner.seed, learner.deterministic)


def test_saving_a_loaded_model_writes_the_same_bytes(folder, tmp_path):
    Learner.load(folder, device="cpu").save(tmp_path / "again")
    assert (tmp_path / "again" / "config.json").read_bytes() == (folder / "config.json").read_bytes()
    assert weights_file(tmp_path / "again").read_bytes() == weights_file(folder).read_bytes()


def test_the_version_is_free_of_clocks(table, learner):
    again = Learner(table, network=SMALL, seed=1, device="cpu")
    again.fit_one_cycle(1, batch_size=64)
    assert again.history != learner.history
    assert again.model_version == learner.model_version


def test_loading_leaves_the_generators_alone(folder):
    before = torch.get_rng_state()
    Learner.load(folder, device="cpu")
    assert torch.equal(before, torch.get_rng_state())


def test_a_loaded_model_has_no_table_to_train_on(folder):
    loaded = Learner.load(folder, device="cpu")
    for use in (loaded.fit_one_cycle, loaded.validate, lambda: loaded.predict_log("test")):
        with pytest.raises(InputError, match="loaded without data"):
            use()


def test_nothing_in_the_folder_is_a_pickle(folder):
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".safetensors"]
    json.loads((folder / "config.json").read_text())
    assert safetensors.torch.load(weights_file(folder).read_bytes())


def test_saving_again_replaces_the_old_model_and_leaves_no_remains(learner, folder, table):
    other = Learner(table, network=SMALL, seed=2, device="cpu")
    other.save(folder)
    assert len(list(folder.iterdir())) == 2
    assert Learner.load(folder, device="cpu").model_version == other.model_version != learner.model_version


def test_a_save_that_breaks_off_leaves_the_old_model(learner, folder, table, monkeypatch):
    other = Learner(table, network=SMALL, seed=2, device="cpu")
    plain_fsync, calls = os.fsync, []

    def full_disk(number):
        calls.append(number)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        plain_fsync(number)

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        other.save(folder)
    monkeypatch.undo()
    assert Learner.load(folder, device="cpu").model_version == learner.model_version


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.999])
def test_cut_short_weights_are_refused(folder, keep):
    path = weights_file(folder)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(CheckpointError, match="cut short or changed"):
        load_checkpoint(folder)


def test_one_changed_bit_in_the_weights_is_refused(folder):
    path = weights_file(folder)
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not those of its config"):
        load_checkpoint(folder)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_cut_short_configuration_is_refused(folder, keep):
    path = folder / "config.json"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(CheckpointError, match="not valid JSON"):
        load_checkpoint(folder)


@pytest.mark.parametrize("content", ["[" * 200_000, '{"schema": NaN}', '{"schema": -Infinity}', "\0" * 50])
def test_a_configuration_that_is_no_json_is_refused(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match="not valid JSON"):
        load_checkpoint(folder)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(folder, bad):
    weights = safetensors.torch.load(weights_file(folder).read_bytes())
    weights["dense.0.bias"][3] = bad
    raw = safetensors.torch.save(weights)
    digest = hashlib.sha256(raw).hexdigest()
    (folder / f"weights-{digest[:16]}.safetensors").write_bytes(raw)
    config = json.loads((folder / "config.json").read_text())
    config["model"]["weights"] = digest
    (folder / "config.json").write_text(sealed(config))
    with pytest.raises(CheckpointError, match=r"'dense\.0\.bias' is not finite"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["model"]["data"]["target"]["classes"].reverse(),
        lambda config: config["model"]["data"]["encoder"]["category"][0]["categories"].reverse(),
        lambda config: config["training"]["history"][0].update(valid_value=1.0),
        lambda config: config.update(model_version="0" * 64),
        lambda config: config.pop("training"),
    ],
)
def test_a_changed_configuration_is_refused(folder, change):
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="does not match its own digest"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda model: model["network"].update(hidden=[17]), "size mismatch"),
        (lambda model: model["network"].update(hidden=[16, 16]), "Missing key"),
        (lambda model: model["network"].update(depth=3), "unexpected keyword"),
        (lambda model: model["network"].update(architecture="transformer"), "came 'transformer'"),
        (lambda model: model["data"]["target"]["classes"].append(2), "size mismatch"),
        (lambda model: model["data"].pop("encoder"), "'encoder'"),
        (lambda model: model["data"].update(columns=3), "mapping"),
    ],
)
def test_weights_of_another_architecture_are_refused(folder, change, reason):
    config = json.loads((folder / "config.json").read_text())
    change(config["model"])
    (folder / "config.json").write_text(sealed(config))
    with pytest.raises(CheckpointError, match="does not describe the network") as caught:
        load_checkpoint(folder)
    assert reason in str(caught.value)


@pytest.mark.parametrize("schema", ["evenhanded/checkpoint/4", "something else", None])
def test_another_schema_is_refused(folder, schema):
    config = json.loads((folder / "config.json").read_text())
    config["schema"] = schema
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="this version reads 'evenhanded/checkpoint/3'"):
        load_checkpoint(folder)


def test_an_unreadable_record_of_training_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["training"]["history"][0]["epoch"]
    (folder / "config.json").write_text(sealed(config))
    with pytest.raises(CheckpointError, match="record of training"):
        Learner.load(folder, device="cpu")


def test_an_empty_place_is_refused_as_broken_evidence(tmp_path):
    with pytest.raises(EvidenceError, match=r"no readable config.json in .*: pass the folder that Learner.save wrote"):
        Learner.load(tmp_path / "nowhere")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_model_moves_between_devices(table, tmp_path):
    on_gpu = Learner(table, network=SMALL, seed=1, device="cuda")
    on_gpu.fit_one_cycle(1, batch_size=64)
    on_gpu.save(tmp_path)
    on_cpu = Learner.load(tmp_path, device="cpu")
    frame = table.part("test")
    assert np.allclose(on_cpu.predict_proba(frame), on_gpu.predict_proba(frame), atol=1e-4)


@pytest.mark.parametrize("path", ["\0", "../../etc/passwd", "", "a" * 63, "A" * 64, 7, None, ["x"]])
@pytest.mark.parametrize("kind", ["weights", "state"])
def test_a_file_is_named_by_its_digest_or_not_at_all(folder, path, kind):
    config = json.loads((folder / "config.json").read_text())
    if kind == "weights":
        config["model"]["weights"] = path
    elif path is not None:
        config["state"] = path
    else:
        return
    (folder / "config.json").write_text(sealed(config))
    with pytest.raises(CheckpointError, match=f"names no {kind} by their SHA-256"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda data: data["columns"].update(positive="maybe"), "positive label 'maybe' is none of the classes"),
        (lambda data: data["encoder"]["numeric"][0].update(values=["1", "2"]), "values must be ascending finite num"),
        (lambda data: data["encoder"]["numeric"][0]["values"].reverse(), "values must be ascending finite numbers"),
        (lambda data: data["encoder"]["numeric"][0]["scores"].pop(), "scores must be finite numbers, one per value"),
        (lambda data: data["encoder"]["numeric"][0].update(flagged="no"), "flagged must be true or false"),
        (lambda data: data["encoder"]["category"][0].update(categories=[1, 2, 3]), "categories must be texts"),
        (lambda data: data["encoder"]["numeric"][0]["scores"].__setitem__(0, 10**30), "scores must be finite numbers"),
        (lambda data: data["target"].update(scale=0.0), "scale above 0"),
        (lambda data: data["target"].update(center="far"), "must be finite numbers"),
    ],
)
def test_encoders_that_no_fit_could_have_made_are_refused(folder, change, wanted):
    config = json.loads((folder / "config.json").read_text())
    change(config["model"]["data"])
    (folder / "config.json").write_text(sealed(config))
    with pytest.raises(CheckpointError, match=wanted):
        load_checkpoint(folder)


def test_a_model_that_diverged_is_not_saved_and_leaves_no_folder(table, tmp_path):
    learner = Learner(table, network=SMALL, seed=1, device="cpu")
    next(learner.model.parameters()).data.flatten()[0] = float("nan")
    with pytest.raises(InputError, match=r"nothing is saved: '.*' is not finite: training diverged"):
        learner.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_history_that_json_cannot_hold_is_not_saved_and_leaves_no_folder(learner, tmp_path):
    other = copy.copy(learner)
    other.history = (replace(learner.history[0], valid_loss=float("inf")),)
    with pytest.raises(InputError, match=r"nothing is saved: training\.history\[0\]\.valid_loss is inf"):
        other.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_checkpoint_of_the_schema_before_predicts_as_it_did(learner, folder, table):
    config = json.loads((folder / "config.json").read_text())
    config["schema"] = "evenhanded/checkpoint/2"
    for row in config["training"]["history"]:
        del row["valid_reason"]
    (folder / "config.json").write_text(sealed(config))
    loaded = Learner.load(folder, device="cpu", data=table)
    assert loaded.model_version == learner.model_version
    assert (loaded.predict_proba("test") == learner.predict_proba("test")).all()


def test_weights_of_groups_of_the_schema_before_are_taken_up(table, tmp_path):
    objective = ObjectiveSettings(kind="group_dro", groups=("sex",), eta=0.5)
    learners = [Learner(table, network=SMALL, seed=1, device="cpu") for _ in range(2)]
    saving = Saving(tmp_path / "model", every=3)

    def stop(row):
        raise KeyboardInterrupt

    for learner in learners[:1]:
        with pytest.raises(KeyboardInterrupt):
            learner.fit_one_cycle(2, batch_size=64, recipe=Recipe(objective=objective), saving=saving, on_epoch=stop)
    folder = tmp_path / "model"
    config = json.loads((folder / "config.json").read_text())
    (path,) = folder.glob("state-*.safetensors")
    state = safetensors.torch.load(path.read_bytes())
    state["objective.q"] = state.pop("objective.log_q").exp().float()
    del state["groups"]
    raw = safetensors.torch.save(state)
    config |= {"schema": "evenhanded/checkpoint/2", "state": hashlib.sha256(raw).hexdigest()}
    (folder / f"state-{config['state'][:16]}.safetensors").write_bytes(raw)
    (folder / "config.json").write_text(sealed(config))
    resumed = Learner.load(folder, device="cpu", data=table)
    resumed.resume()
    learners[1].fit_one_cycle(2, batch_size=64, recipe=Recipe(objective=objective))
    assert resumed.predict_proba("valid") == pytest.approx(learners[1].predict_proba("valid"), abs=1e-4)
