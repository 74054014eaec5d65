import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LinearRegression

from audit.errors import InputError
from audit.run import run_audit
from trainer.data.columns import Columns
from trainer.data.splits import split_given, split_rows
from trainer.data.table import Table
from trainer.learner import Learner
from trainer.networks.tabular import MLPSettings
from trainer.predict import label_texts

SMALL = MLPSettings(hidden=(32,), frequencies=8, sigma=0.3, periodic=8)
SPLIT = split_given(train=[0, 1, 2, 3], valid=[4], test=[5])


def made(y, *, columns, **more):
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], **more})
    return Table.from_frame(frame if y is None else frame.assign(y=y), columns=columns, split=SPLIT)


def priced(n=2000):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), "sex": rng.choice(["f", "m"], n)})
    frame["price"] = 1000 + 200 * frame["a"] - 100 * frame["b"] + rng.normal(0, 20, n)
    return frame


@pytest.mark.parametrize(
    ("loss", "limits"), [(None, None), ("absolute", None), ("squared", (0, 2500)), ("log", (0, 2500))]
)
def test_a_number_is_learnt_as_well_as_by_a_line(loss, limits):
    frame = priced()
    columns = Columns(
        y="price", features=["a", "b"], task="number", loss=loss, range=limits, sensitive_features=["sex"]
    )
    table = Table.from_frame(frame, columns=columns, split=split_rows(len(frame), seed=1))
    train, test = table.part("train"), table.part("test")
    line = LinearRegression().fit(train[["a", "b"]], train["price"])
    best = np.abs(line.predict(test[["a", "b"]]) - test["price"]).mean()
    learner = Learner(table, network=SMALL, device="cpu")
    learner.fit_one_cycle(15, 1e-2, batch_size=64)
    found = learner.validate("test")
    assert found.metric == "mean_absolute_error"
    assert found.value < 2.0 * best < 0.25 * (test["price"] - train["price"].mean()).abs().mean()
    if limits is not None:
        assert learner.predict("test").min() >= limits[0]
        assert learner.predict("test").max() <= limits[1]
    result = run_audit(learner.predict_log("test"))
    assert result.find("mean_absolute_error").value == pytest.approx(found.value, rel=1e-5)


def test_center_and_scale_are_those_of_the_train_rows():
    table = made([1.0, 2.0, 3.0, 6.0, 900.0, -900.0], columns=Columns(y="y", task="number"))
    assert (table.spec.target.center, table.spec.target.scale) == (3.0, pytest.approx(np.std([1.0, 2.0, 3.0, 6.0])))
    assert table.resident.target.dtype == torch.float32
    card = {row.name: row for row in table.card()}
    assert (card["y"].kind, card["y"].note) == ("number", "mean 3, standard deviation 1.87083 in the train rows")


def test_numbers_that_cannot_be_learnt_are_refused_with_their_rows():
    wrong = [1.0, np.nan, np.inf, 4.0, -np.inf, 30.0]
    with pytest.raises(InputError) as caught:
        made(wrong, columns=Columns(y="y", task="number", range=(0, 10)))
    text = str(caught.value)
    assert "label 'y' is missing at row 1, counted from 0" in text
    assert "label 'y' must be a finite number; not so at rows 2, 4" in text
    assert "label 'y' lies outside of the range 0 to 10 at rows 2, 4, 5" in text
    with pytest.raises(InputError, match="'y' has the one value 2 in the train rows"):
        made([2.0, 2.0, 2.0, 2.0, 1.0, 3.0], columns=Columns(y="y", task="number"))
    with pytest.raises(InputError, match="must hold numbers for the task 'number'; came str"):
        made(list("abcdef"), columns=Columns(y="y", task="number"))


@pytest.mark.parametrize("limits", [(10, 0), (1.0, 1.0), (0, float("inf")), (0, float("nan")), (1, 2, 3)])
def test_a_range_that_is_none_is_refused(limits):
    with pytest.raises(InputError, match="range is two finite numbers, the low end first"):
        Columns(y="y", task="number", range=limits)


def test_every_option_that_does_not_go_with_the_task_is_named():
    with pytest.raises(InputError) as caught:
        Columns(y="y", task="labels", positive="cat", loss="squared", separator="")
    assert len(caught.value.violations) == 3
    with pytest.raises(InputError, match=r"loss 'log' compares shares of a range: give range=\(low, high\)"):
        Columns(y="y", task="number", loss="log")
    with pytest.raises(InputError, match="name what to learn by y or by labels, one of them"):
        Columns(features=["x"])
    with pytest.raises(InputError, match='task is "classes", "labels" or "number"; came \'guess\''):
        Columns(y="y", task="guess")
    with pytest.raises(InputError, match="'cat' is the label and cannot be a feature"):
        Columns(labels=["cat", "dog"], features=["x", "cat"])


def tagged(n=1200):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), "sex": rng.choice(["f", "m"], n)})
    frame["cat"], frame["dog"] = (frame["a"] > 0).astype(int), frame["b"] > 0.5
    frame["tags"] = [
        "|".join(name for name, has in zip(("cat", "dog"), row, strict=True) if has)
        for row in frame[["cat", "dog"]].to_numpy()
    ]
    return frame


@pytest.fixture(scope="module")
def tags():
    frame = tagged()
    named = {"features": ["a", "b"], "sensitive_features": ["sex"]}
    learners = []
    for columns in (Columns(labels=["cat", "dog"], **named), Columns(y="tags", task="labels", **named)):
        table = Table.from_frame(frame, columns=columns, split=split_rows(len(frame), seed=1))
        learners.append(Learner(table, network=SMALL, device="cpu"))
        learners[-1].fit_one_cycle(8, 1e-2, batch_size=64)
    return learners


def test_columns_of_labels_and_sets_of_labels_are_the_same_task(tags):
    one, other = tags
    assert one.spec.target == other.spec.target
    assert torch.equal(one.data.resident.target, other.data.resident.target)
    assert (one.predict_proba("test") == other.predict_proba("test")).all()
    assert one.validate("test").value > 0.95


def test_none_of_the_above_is_reported(tags):
    learner = tags[0]
    chosen = learner.predict("test")
    assert chosen.shape == (240, 2)
    assert chosen.dtype == bool
    texts = label_texts(chosen, classes=learner.spec.target.classes)
    assert texts.count("none of the above") == int((~chosen.any(axis=1)).sum()) > 20
    train = learner.data.part("train")
    none = int(((train["cat"] == 0) & ~train["dog"]).sum())
    card = {row.name: row for row in learner.data.card()}
    assert card["cat"].note == f"none of the above: {none} of {len(train)} train rows"
    assert (card["cat"].kind, card["dog"].note) == ("labels", "")


def test_the_log_of_several_labels_is_read_by_an_audit(tags):
    for learner in tags:
        test, chosen = learner.data.part("test"), learner.predict("test")
        right = (chosen == test[["cat", "dog"]].to_numpy(dtype=bool)).all(axis=1)
        result = run_audit(learner.predict_log("test"))
        assert result.find("accuracy").value == pytest.approx(right.mean())


def test_lists_and_empty_texts_are_sets_of_labels():
    columns = Columns(y="y", task="labels")
    texts = made(["a|b", "", "b", "a", "", "b"], columns=columns)
    lists = made([["b", "a"], [], ("b",), {"a"}, [], ["b"]], columns=columns)
    assert torch.equal(texts.resident.target, lists.resident.target)
    assert texts.resident.target.tolist()[:2] == [[1.0, 1.0], [0.0, 0.0]]
    other = made(["a;b", "", "b", "a", "", "b"], columns=Columns(y="y", task="labels", separator=";"))
    assert torch.equal(texts.resident.target, other.resident.target)


def test_malformed_sets_of_labels_are_refused_with_their_rows():
    columns = Columns(y="y", task="labels")
    with pytest.raises(InputError, match=r"must hold sets of labels.*not so at rows 0, 1, 2, 3, 4"):
        made(["a||b", 7, "a|a", ["a", None], ["a|b"], "b"], columns=columns)
    with pytest.raises(InputError, match="label 'y' is missing at row 2"):
        made(["a|b", "", None, "b", "a", "a"], columns=columns)
    with pytest.raises(InputError) as caught:
        made(["a|b", "a", "a", "a", "a|<script>", "b"], columns=columns)
    assert "the label 'a' stands in every train row" in str(caught.value)
    assert "the label '<script>' stands in valid or test rows but in no train row" in str(caught.value)
    with pytest.raises(InputError, match="no train row has any label"):
        made([""] * 6, columns=columns)


def test_label_columns_that_are_no_flags_are_refused():
    with pytest.raises(InputError) as caught:
        made(
            None,
            columns=Columns(labels=["cat", "d|og", "cow"]),
            cat=[0, 1, 2, 0, 1, 0],
            **{"d|og": [0, 1, 0, 1, 0, 1], "cow": list("010101")},
        )
    assert "label column 'cat' must hold 0/1 or booleans; not so at row 2" in str(caught.value)
    assert "label column 'cow' must hold 0/1 or booleans; came str" in str(caught.value)
    assert "the name of label column 'd|og' holds the separator '|'" in str(caught.value)
    with pytest.raises(InputError, match="the label 'cat' stands in no train row"):
        made(None, columns=Columns(labels=["cat", "dog"]), cat=[0] * 6, dog=[0, 1] * 3)


def test_one_missing_cell_is_refused_where_none_may_be():
    frame = pd.DataFrame({"x": [1.0, 2.0, np.nan, 4.0, 5.0, 6.0], "c": ["a", "b"] * 3, "y": [0, 1] * 3})
    with pytest.raises(InputError, match="feature 'x' has no value at row 2, counted from 0: fill it in"):
        Table.from_frame(frame, columns=Columns(y="y", missing="refuse"), split=SPLIT)
    table = Table.from_frame(frame.fillna({"x": 3.0}), columns=Columns(y="y", missing="refuse"), split=SPLIT)
    learner = Learner(table, network=SMALL, device="cpu")
    with pytest.raises(InputError, match="feature 'c' has no value at row 0"):
        learner.predict(pd.DataFrame({"x": [1.0], "c": [None]}))
    with pytest.raises(InputError, match='missing is "flag" or "refuse"; came \'drop\''):
        Columns(y="y", missing="drop")


@pytest.mark.parametrize(
    ("loss", "around"),
    [(None, None), ("absolute", None), ("squared", 10.0), ("log", 10.0)],
)
@pytest.mark.parametrize("models", [None, 2])
@pytest.mark.parametrize("base", [1e9, 2e7, -5e12])
def test_what_a_large_number_says_beyond_its_first_digits_is_learnt(base, models, loss, around, tmp_path):
    """The same small differences around 0 and around a base: the same steps, the same answers, apart by the base."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=400)})
    small = np.round(2 * np.tanh(frame["x"]) + rng.integers(-1, 2, 400) / 4, 2)
    learners = []
    for add in (0.0, base):
        limits = None if around is None else (add - around, add + around)
        columns = Columns(y="y", task="number", features=["x"], loss=loss, range=limits)
        table = Table.from_frame(frame.assign(y=small + add), columns=columns, split=split_rows(400, seed=1))
        learners.append(Learner(table, network=SMALL, device="cpu", models=models))
        learners[-1].fit_one_cycle(2, 1e-2, batch_size=64)
    plain, far = learners
    truth = (small + base).to_numpy()[far.data.split.valid]
    answers = far.predict("valid")
    noise = 1e-3 if abs(base) < 1e12 else 0.1  # of -5e12 float64 holds steps of 0.001
    assert answers - base == pytest.approx(plain.predict("valid"), abs=noise)
    assert far.history[-1].valid_loss == pytest.approx(plain.history[-1].valid_loss, rel=0.1)
    apart = np.abs(far.predict_each("valid")[..., 0] - truth).mean()
    assert far.history[-1].valid_value == pytest.approx(apart, rel=1e-3)
    assert apart < 2.0
    logged = run_audit(far.predict_log("valid"), metrics=["mean_absolute_error"]).find("mean_absolute_error")
    assert logged.value == pytest.approx(np.abs(answers - truth).mean(), rel=1e-6)
    worst = far.top_losses("valid", k=3)
    assert worst["answer"].tolist() == pytest.approx(far.predict(frame.iloc[worst["row"]]).tolist(), abs=noise)
    assert worst["loss"].iloc[0] > far.history[-1].valid_loss
    far.export(tmp_path / "model")
    assert (Learner.load(tmp_path / "model", device="cpu").predict(frame) == far.predict(frame)).all()
    card = {row.name: row.value for row in far.health()}
    assert card["mean_absolute_error on validation"] == pytest.approx(far.history[-1].valid_value, rel=1e-6)


def test_seconds_since_1970_keep_their_seconds():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=600)})
    frame["t"] = 1.7e9 + 60 * np.round(20 * frame["x"]) + rng.integers(0, 60, 600)
    columns = Columns(y="t", task="number", features=["x"])
    table = Table.from_frame(frame, columns=columns, split=split_rows(600, seed=1))
    assert len(table.resident.target.unique()) == frame["t"].nunique()
    learner = Learner(table, network=SMALL, device="cpu")
    learner.fit_one_cycle(8, 1e-2, batch_size=64)
    apart = np.abs(learner.predict("valid") - table.part("valid")["t"]).mean()
    assert learner.history[-1].valid_value == pytest.approx(apart, rel=1e-5)
    assert apart < 0.2 * frame["t"].std()


@pytest.mark.parametrize("unit", [1e-300, 1e-30, 1.0, 1e30, 1e200, 1e307])
def test_the_unit_of_a_number_does_not_matter(unit):
    table = made(np.array([1.0, 2.0, 3.0, 6.0, 9.0, -9.0]) * unit, columns=Columns(y="y", task="number"))
    assert table.spec.target.center == pytest.approx(3.0 * unit)
    assert table.spec.target.scale == pytest.approx(np.std([1.0, 2.0, 3.0, 6.0]) * unit)
    assert table.resident.target[:4].numpy() == pytest.approx((np.array([1, 2, 3, 6]) - 3) / np.std([1, 2, 3, 6]))


@pytest.mark.parametrize("rest", [[0.0, 1.0, 2.0], [0.1, 0.2, 0.2], [5.0, -5.0, 3.0]])
def test_numbers_that_one_far_off_makes_all_alike_are_refused_with_its_row(rest):
    with pytest.raises(InputError, match=r"float32 cannot tell these apart.* furthest stands at row 1, counted from 0"):
        made([rest[0], 1e30, *rest[1:], 1.0, 2.0], columns=Columns(y="y", task="number"))


def test_a_number_in_another_world_than_the_train_rows_is_refused_with_its_row():
    with pytest.raises(InputError, match=r"more than 3\.4e\+38 standard deviations .*, at row 5, counted"):
        made([1.0, 2.0, 3.0, 4.0, 5.0, 1e300], columns=Columns(y="y", task="number"))
