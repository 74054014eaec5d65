"""What a loaded learner keeps of the one that was saved: its data, its unfinished cycle, its environment."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from audit.errors import InputError
from trainer.checkpoint import CheckpointError
from trainer.data.content import content_digest
from trainer.data.table import Table
from trainer.device import cpu_threads
from trainer.evidence.training_rows import training_result
from trainer.fitting.layers import freeze
from trainer.fitting.objective_settings import ObjectiveSettings
from trainer.fitting.step import Stepper
from trainer.history import EpochRow, Recipe, Saving
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings
from trainer.record import read_record
from trainer.resuming import refreeze

SMALL = MLPSettings(hidden=(8,), frequencies=4, periodic=4)


class PowerCutError(Exception):
    pass


def config_of(folder):
    return json.loads((folder / "config.json").read_text())


@pytest.fixture
def folder(table, tmp_path):
    """A model saved within its second epoch of three."""
    learner = Learner(table, network=SMALL, device="cpu")
    saves = []

    def save(path):
        Learner.save(learner, path)
        saves.append(path)
        if len(saves) == 3:  # after batches 10, 15 and 10 of 15
            raise PowerCutError

    learner.save = save
    with cpu_threads(1), pytest.raises(PowerCutError):
        learner.fit_one_cycle(3, 5e-3, batch_size=64, saving=Saving(tmp_path / "model", 10))
    return tmp_path / "model"


def changed(table, columns, **values):
    """The same table with other values in train or validation rows, and the same encoders."""
    frame = table.frame.assign(**values)
    return Table.from_frame(frame, columns=columns, split=table.split)


def test_other_labels_are_refused(table, columns, folder):
    flipped = changed(table, columns, ill=1 - table.frame["ill"])
    with pytest.raises(InputError, match="hold other inputs, labels or weights"):
        Learner.load(folder, data=flipped, device="cpu")


@pytest.mark.parametrize("part", ["train", "valid"])
def test_one_other_input_is_refused_even_where_the_encoders_are_the_same(table, folder, part):
    numbers = table.resident.inputs[1].clone()
    numbers[table.split.rows(part)[0], 0] += 1e-6
    resident = replace(table.resident, inputs=(table.resident.inputs[0], numbers))
    with pytest.raises(InputError, match="hold other inputs, labels or weights"):
        Learner.load(folder, data=replace(table, resident=resident), device="cpu")


@pytest.mark.parametrize("kind", ["group_dro", "group_balanced"])
def test_other_groups_are_refused_where_the_objective_looks_at_them(table, tmp_path, kind):
    """The column of groups is no input, no label and no weight, and decides what is minimised all the same."""
    learner = Learner(table, network=SMALL, device="cpu")
    recipe = Recipe(objective=ObjectiveSettings(kind=kind, groups=("sex",)))
    with pytest.raises(PowerCutError):
        learner.fit_one_cycle(2, 5e-3, batch_size=64, recipe=recipe, saving=Saving(tmp_path, 4), on_epoch=_cut)
    first = table.frame.index[table.split.train[0]]
    sex = table.frame["sex"].copy()
    sex[first] = "m" if sex[first] == "f" else "f"
    other = replace(table, frame=table.frame.assign(sex=sex))
    with pytest.raises(InputError, match=r"the train rows are in other groups of \['sex'\] than before"):
        Learner.load(tmp_path, data=other, device="cpu")
    assert len(Learner.load(tmp_path, data=table, device="cpu").resume()) == 2


def _cut(row):
    raise PowerCutError


@pytest.mark.parametrize("saving", [None, 4])
def test_a_cycle_that_was_broken_off_within_a_step_is_none_to_go_on_with(table, tmp_path, monkeypatch, saving):
    """As by Ctrl-C: the weights lie between two steps, so only what was saved before goes on."""
    learner, whole = (Learner(table, network=SMALL, device="cpu") for _ in range(2))
    whole.fit_one_cycle(3, 5e-3, batch_size=64)
    taken, steps = Stepper._take, []

    def interrupted(self, *args, **kwargs):
        steps.append(taken(self, *args, **kwargs))
        if len(steps) == 22:  # of 15 per epoch
            raise KeyboardInterrupt

    monkeypatch.setattr(Stepper, "_take", interrupted)
    kept = None if saving is None else Saving(tmp_path / "kept", saving)
    with pytest.raises(KeyboardInterrupt):
        learner.fit_one_cycle(3, 5e-3, batch_size=64, saving=kept)
    monkeypatch.undo()
    with pytest.raises(InputError, match="broken off halfway through a step: load what was saved of it"):
        learner.resume()
    with pytest.raises(InputError, match="the last cycle was broken off after 1 of 3 epochs"):
        learner.export(tmp_path / "exported")
    learner.save(tmp_path / "half")
    half = Learner.load(tmp_path / "half", data=table, device="cpu")
    assert half.model_version == learner.model_version
    with pytest.raises(InputError, match="no cycle is unfinished"):
        half.resume()
    if kept is not None:
        again = Learner.load(kept.folder, data=table, device="cpu")
        again.resume()
        assert again.model_version == whole.model_version
    assert len(learner.fit_one_cycle(1, batch_size=64)) == 1
    learner.export(tmp_path / "exported")


def test_a_cycle_that_lost_the_row_of_an_epoch_is_none_to_go_on_with(table, monkeypatch):
    learner = Learner(table, network=SMALL, device="cpu")

    def interrupted(self, part="valid"):
        raise KeyboardInterrupt

    monkeypatch.setattr(Learner, "validate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        learner.fit_one_cycle(3, 5e-3, batch_size=64)
    monkeypatch.undo()
    with pytest.raises(InputError, match="broken off halfway"):
        learner.resume()


def test_a_cycle_that_stopped_after_the_row_of_an_epoch_goes_on_in_the_same_process(table):
    learner, whole = (Learner(table, network=SMALL, device="cpu") for _ in range(2))
    whole.fit_one_cycle(3, 5e-3, batch_size=64)
    with pytest.raises(PowerCutError):
        learner.fit_one_cycle(3, 5e-3, batch_size=64, on_epoch=_cut)
    assert len(learner.resume()) == 3
    assert learner.model_version == whole.model_version


def test_weights_of_rows_are_part_of_the_data(table):
    weights = torch.ones(len(table.frame))
    weighted = replace(table, resident=replace(table.resident, weights=weights))
    assert content_digest(weighted) != content_digest(table)


def test_test_rows_are_not_read(table, folder):
    target = table.resident.target.clone()
    target[torch.tensor(table.split.test)] = 0
    other = replace(table, resident=replace(table.resident, target=target))
    assert content_digest(other) == content_digest(table)
    assert Learner.load(folder, data=other, device="cpu").resume()[-1].epoch == 3


def test_a_digest_in_pieces_is_that_of_the_whole(table, monkeypatch):
    whole = content_digest(table)
    monkeypatch.setattr("trainer.data.content.ROWS", 7)
    assert content_digest(table) == whole


def test_an_unfinished_cycle_is_kept_without_data(table, folder, tmp_path):
    loaded = Learner.load(folder, device="cpu")
    with pytest.raises(InputError, match="in the middle of a cycle"):
        loaded.export(tmp_path / "exported")
    with pytest.raises(InputError, match="load with data="):
        loaded.resume()
    loaded.save(tmp_path / "again")
    assert config_of(tmp_path / "again") == config_of(folder)
    rows = [Learner.load(path, data=table, device="cpu").resume() for path in (folder, tmp_path / "again")]
    assert [row.train_loss for row in rows[0]] == [row.train_loss for row in rows[1]]
    assert len(rows[0]) == 3


def test_who_loads_does_not_rewrite_the_environment(folder, tmp_path):
    with cpu_threads(2):
        Learner.load(folder, device="cpu").save(tmp_path / "again")
    (found,) = config_of(tmp_path / "again")["training"]["environments"]
    assert (found["cycle"], found["threads"], found["device"], found["deterministic"]) == (1, 1, "cpu", True)
    assert (found["torch"], found["numpy"]) == (str(torch.__version__), np.__version__)
    assert found["python"].startswith("3.")


def test_a_cycle_resumed_elsewhere_names_both_environments(table, folder):
    with cpu_threads(2):
        resumed = Learner.load(folder, data=table, device="cpu")
        resumed.resume()
        resumed.fit_one_cycle(1, batch_size=64)
    assert [(each["cycle"], each["threads"]) for each in resumed.environments] == [(1, 1), (1, 2), (2, 2)]
    given = training_result(resumed).provenance.given
    assert [each["threads"] for each in given["environments"]] == [1, 2, 2]


@pytest.mark.parametrize("asked", [None, True, False])
def test_which_kernels_were_asked_for_is_kept(table, tmp_path, asked):
    learner = Learner(table, network=SMALL, device="cpu", deterministic=asked)
    learner.save(tmp_path)
    assert config_of(tmp_path)["training"]["deterministic"] is asked
    loaded = Learner.load(tmp_path, device="cpu")
    assert loaded.deterministic is (asked is not False)
    loaded.device = torch.device("cuda", 0)
    assert loaded.deterministic is (asked is True)


def test_a_frozen_parameter_that_is_not_there_is_refused(table, tmp_path):
    learner = Learner(table, network=SMALL, device="cpu")
    freeze(learner.model)
    record = read_record(learner._checkpoint().training, tmp_path)
    assert "categories.table.weight" in record.frozen
    with pytest.raises(CheckpointError, match="'extra' is not in the module"):
        refreeze(learner.model, replace(record, frozen=("extra",)), tmp_path)


def test_a_record_of_before_is_read(table, tmp_path):
    """Content, frozen parameters and environments by cycle came later."""
    training = dict(Learner(table, network=SMALL, device="cpu")._checkpoint().training)
    for name in ("content", "frozen", "environments"):
        del training[name]
    record = read_record({**training, "environment": {"threads": 2}}, tmp_path)
    assert (record.content, record.frozen, record.environments) == (None, (), ({"threads": 2},))


@pytest.mark.parametrize("junk", [3, "yes"])
def test_a_strange_choice_of_kernels_is_refused(table, tmp_path, junk):
    training = Learner(table, network=SMALL, device="cpu")._checkpoint().training
    with pytest.raises(CheckpointError, match="deterministic is true, false or null"):
        read_record({**training, "deterministic": junk}, tmp_path)


@pytest.mark.parametrize(
    ("name", "junk"),
    [
        ("epoch", {"a": 1}),
        ("skipped_steps", "x"),
        ("skipped_steps", True),
        ("cycle", 1.5),
        ("valid_value", "0.5"),
        ("train_loss", [1]),
        ("samples_per_s", None),
        ("metric", None),
        ("group_weights", {"a": None}),
        ("group_weights", True),
        ("valid_reason", 3),
    ],
)
def test_a_row_of_the_history_that_holds_something_else_is_refused(table, tmp_path, name, junk):
    training = Learner(table, network=SMALL, device="cpu")._checkpoint().training
    row = EpochRow(
        epoch=1, train_loss=0.6, valid_loss=None, metric="accuracy", valid_value=0.5, samples_per_s=1.0, skipped_steps=0
    )
    assert read_record({**training, "history": [asdict(row)]}, tmp_path).history == (row,)
    with pytest.raises(CheckpointError, match=r"the record of training in .* cannot be read"):
        read_record({**training, "history": [{**asdict(row), name: junk}]}, tmp_path)
