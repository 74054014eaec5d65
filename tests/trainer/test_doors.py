"""What is passed to a learner is refused at its door, all of it at once, in words that name the mend."""

import numpy as np
import pandas as pd
import pytest
from torch import nn

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.splits import split_given, split_rows
from trainer.data.table import Table
from trainer.fitting.objective_settings import ObjectiveSettings
from trainer.history import Cycle, Recipe, Saving
from trainer.learner import Learner
from trainer.networks.images import CNNSettings
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(4,), frequencies=2, periodic=2)


def refused(call):
    with pytest.raises(InputError) as caught:
        call()
    return caught.value.violations


@pytest.fixture(scope="module")
def learner(table):
    return Learner(table, network=SMALL, device="cpu")


def test_a_learner_of_the_wrong_things_lists_them_all(frame):
    found = refused(lambda: Learner(frame, network="mlp", models="3", seed=-1, device=0, deterministic="yes"))
    assert [text.partition(" ")[0] for text in found] == [
        "data", "network", "models", "seed", "device", "deterministic",
    ]  # fmt: skip
    assert found[0].endswith("came DataFrame")
    assert "came 'mlp'" in found[1]


@pytest.mark.parametrize("seed", [None, "3", 1.5, -1, True])
def test_a_seed_is_a_whole_number(table, seed):
    (found,) = refused(lambda: Learner(table, network=SMALL, seed=seed, device="cpu"))
    assert found.startswith("seed must be a whole number from 0 to")


def test_numbers_of_numpy_and_a_module_are_taken(table):
    assert Learner(table, network=SMALL, models=np.int64(2), seed=np.int64(4), device="cpu").seeds == (4, 5)

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(2, 2)

    Learner(table, network=Own(), device="cpu")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": "5"}, "epochs must be a whole number; came '5'"),
        ({"epochs": 2.5}, "epochs must be a whole number; came 2.5"),
        ({"lr": "0.1"}, "lr must be a number; came '0.1'"),
        ({"batch_size": 0}, "batch_size must be at least 1; came 0"),
        ({"recipe": {"ema": 0.9}}, "recipe must be a Recipe, such as Recipe(); came {'ema': 0.9}"),
        ({"saving": "sv"}, "saving must be Saving(folder), with every=n for each n batches; came 'sv'"),
        ({"saving": Saving(3)}, "saving.folder must be a folder; came 3"),
        ({"on_epoch": 3}, "on_epoch must be a function that takes the row of an epoch; came 3"),
    ],
)
def test_a_fit_refuses_and_stays_as_it_was(learner, settings, said):
    assert refused(lambda: learner.fit_one_cycle(**settings)) == (said,)
    assert (learner.cycles, learner.history) == ((), ())


def test_a_fit_lists_everything(learner):
    found = refused(lambda: learner.fit_one_cycle("5", "fast", batch_size=True, recipe=3, saving=3, on_epoch=3))
    assert len(found) == 6


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Recipe(objective="group_dro"),
            ["objective must be ObjectiveSettings(kind=..., groups=...); came 'gr"],
        ),
        (lambda: Recipe(clip="high", ema=True, weight_decay=None), ["clip must be a number", "weight_decay", "ema is"]),
        (
            lambda: Recipe(accumulate=1.5, augment=3, layers="x"),
            ["accumulate must be a whole", "augment", "layers must"],
        ),
        (lambda: Cycle(epochs=1, lr=float("nan"), batch_size=1), ["lr must be above 0 and finite; came nan"]),
        (
            lambda: MLPSettings(hidden=[-3], dropout=2),
            ["hidden is a list of whole numbers from 1 on; came [-3]", "drop"],
        ),
        (lambda: MLPSettings(hidden=[0]), ["hidden is a list"]),
        (lambda: MLPSettings(hidden=8), ["hidden is a list of whole numbers from 1 on; came 8"]),
        (lambda: MLPSettings(hidden="88", sigma=0, periodic=2.0), ["hidden", "periodic must be a whole", "sigma must"]),
        (lambda: MLPSettings(dropout=float("nan")), ["dropout is a share in [0, 1); came nan"]),
        (lambda: MLPSettings(embedding=True), ["embedding must be a whole number; came True"]),
        (lambda: CNNSettings(widths=[], dropout=1), ["widths must name at least one", "dropout"]),
        (lambda: CNNSettings(widths=3), ["widths is a list of whole numbers from 1 on; came 3"]),
    ],
)
def test_settings_of_another_type_or_out_of_range(make, said):
    found = refused(make)
    assert len(found) == len(said)
    assert all(text.startswith(begin) for text, begin in zip(found, said, strict=True)), found


def test_objectives_that_are_settings_are_taken():
    assert Recipe(objective=ObjectiveSettings(kind="class_balanced")).accumulate == 1


def test_a_split_of_fewer_rows_than_there_are_is_refused(frame, columns):
    table = Table.from_frame(frame, columns=columns, split=split_rows(100))
    (found,) = refused(lambda: Learner(table, device="cpu"))
    assert found.startswith("the split by rows was made of 100 rows and the data have 1,500: 1,400 would be in no part")
    some = split_given(train=range(60), valid=range(60, 80), test=range(80, 100))
    Learner(Table.from_frame(frame, columns=columns, split=some), network=SMALL, device="cpu")


def test_loading_and_saving_elsewhere(learner, frame, tmp_path):
    learner.save(tmp_path / "model")
    assert refused(lambda: Learner.load(tmp_path / "model", data=frame))[0].endswith("came DataFrame")
    (tmp_path / "file").write_text("")
    assert refused(lambda: learner.save(tmp_path / "file")) == (f"{tmp_path / 'file'} is a file; name a folder",)
    assert refused(lambda: learner.predict({"age": [3]}))[0].endswith("came dict")


def test_a_column_has_one_role():
    twice = refused(lambda: Columns(y="y", sensitive_features=["sex", "sex"]))
    assert twice == ("sensitive_features names 'sex' twice",)
    both = refused(lambda: Columns(y="y", features=["x", "id"], prediction_id="id"))
    assert both == ("column 'id' is the prediction id and cannot be a feature as well",)
    assert "'y_true'" in refused(lambda: Columns(labels=["cat", "dog"], sensitive_features=["y_true"]))[0]
    assert Columns(y="y_true", sensitive_features=["sex"]).truth == ("y_true",)
    same = refused(lambda: Columns(y="y", cluster="y", sample_weight="y"))
    assert len(same) == 2
    assert Columns(y="y", features=["site"], cluster="site").cluster == "site"


def test_frames_without_rows_in_no_part_pass():
    frame = pd.DataFrame({"x": range(20), "y": [0, 1] * 10})
    Learner(Table.from_frame(frame, columns=Columns(y="y"), split=split_rows(20)), network=SMALL, device="cpu")


def test_whole_numbers_beyond_any_float_are_refused_in_words(learner):
    huge = 10**400
    assert "lr must be above 0 and finite" in refused(lambda: learner.fit_one_cycle(1, huge))[0]
    found = refused(lambda: Recipe(weight_decay=huge, clip=huge))
    assert [text.partition(" ")[0] for text in found] == ["clip", "weight_decay"]
