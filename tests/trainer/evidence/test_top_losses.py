import numpy as np
import pytest

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.splits import split_rows
from trainer.data.table import Table
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings

SMALL = MLPSettings(hidden=(32,), frequencies=8, sigma=0.5, periodic=8)


@pytest.fixture(scope="module")
def learner(table):
    learner = Learner(table, network=SMALL, seed=1, device="cpu")
    learner.fit_one_cycle(6, 1e-2, batch_size=64)
    return learner


def test_the_rows_with_the_largest_losses_come_first(learner, table):
    found = learner.top_losses("valid", 7)
    truth = table.part("valid")["ill"].to_numpy()
    losses = -np.log(learner.predict_proba("valid")[np.arange(len(truth)), truth])
    assert found["loss"].to_numpy() == pytest.approx(np.sort(losses)[::-1][:7])
    assert np.exp(-found["loss"]).to_numpy() == pytest.approx(found["probability"].to_numpy())
    assert (table.frame["angle"].iloc[found["row"]].to_numpy() == found["angle"].to_numpy()).all()
    assert (found["answer"] != found["ill"]).all()
    assert list(found.columns[:4]) == ["row", "answer", "probability", "loss"]
    assert set(table.frame.columns) <= set(found.columns)


def test_their_mean_is_the_loss_of_the_part(table):
    for models in (None, 2):
        learner = Learner(table, network=SMALL, models=models, device="cpu")
        assert learner.top_losses("test", 10**6)["loss"].mean() == pytest.approx(
            learner.validate("test").loss, rel=1e-5
        )


def test_planted_wrong_labels_come_to_the_top(frame, columns):
    rng, split = np.random.default_rng(0), split_rows(len(frame), seed=3)
    planted = rng.choice(split.valid, 15, replace=False)
    wrong = frame.copy()
    wrong.loc[planted, "ill"] = 1 - wrong.loc[planted, "ill"]
    learner = Learner(Table.from_frame(wrong, columns=columns, split=split), network=SMALL, device="cpu")
    learner.fit_one_cycle(12, 1e-2, batch_size=64)
    found = set(learner.top_losses("valid", 30)["row"])
    assert len(found & set(planted)) >= 12


def test_a_column_with_a_name_that_is_taken_keeps_its_values(frame):
    named = frame.rename(columns={"age": "loss"})
    table = Table.from_frame(named, columns=Columns(y="ill", features=["angle"]), split=split_rows(len(frame)))
    found = Learner(table, network=SMALL, device="cpu").top_losses("valid", 3)
    assert (found["loss'"] == named["loss"].iloc[found["row"]]).all()


def test_what_cannot_be_listed_is_refused(learner, frame, columns):
    with pytest.raises(InputError, match="k must be at least 1; came 0"):
        learner.top_losses("valid", 0)
    table = Table.from_frame(frame, columns=columns, split=split_rows(len(frame), valid=0.0))
    with pytest.raises(InputError, match='the part "valid" has no rows'):
        Learner(table, network=SMALL, device="cpu").top_losses()
