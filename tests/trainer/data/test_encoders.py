import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import QuantileTransformer

from audit.errors import InputError
from trainer.data.encoders import MAX_KNOTS, encode, fit_encoder


def test_normal_scores_agree_with_scikit_learn():
    values = np.random.default_rng(0).gamma(2.0, 3.0, 20_000)
    frame = pd.DataFrame({"x": values})
    ours = encode(frame, encoder=fit_encoder(frame, features=["x"])).numerics[:, 0]
    theirs = QuantileTransformer(output_distribution="normal", n_quantiles=2000, subsample=None, random_state=0)
    reference = theirs.fit_transform(values[:, None])[:, 0]
    inner = (values > np.quantile(values, 0.005)) & (values < np.quantile(values, 0.995))
    assert np.abs(ours - reference)[inner].max() < 0.02
    assert abs(ours.mean()) < 0.01
    assert ours.std() == pytest.approx(1.0, abs=0.02)


def test_knots_are_few_and_keep_both_ends():
    values = np.random.default_rng(1).normal(size=50_000)
    encoder = fit_encoder(pd.DataFrame({"x": values}), features=["x"]).numeric[0]
    assert len(encoder.values) <= MAX_KNOTS
    assert (encoder.values[0], encoder.values[-1]) == (values.min(), values.max())
    assert list(encoder.scores) == sorted(encoder.scores)


def test_numbers_beyond_the_train_range_get_the_end_score():
    encoder = fit_encoder(pd.DataFrame({"x": [1.0, 2.0, 3.0]}), features=["x"])
    numerics = encode(pd.DataFrame({"x": [-1e300, 1.0, 3.0, 1e300]}), encoder=encoder).numerics[:, 0]
    assert numerics[0] == numerics[1]
    assert numerics[2] == numerics[3]
    assert np.isfinite(numerics).all()


def test_missing_numbers_get_the_median_and_a_flag():
    frame = pd.DataFrame({"x": [1.0, np.nan, 3.0, 5.0]})
    encoded = encode(frame, encoder=fit_encoder(frame, features=["x"]))
    assert encoded.codes[:, 0].tolist() == [1, 0, 1, 1]
    assert encoded.numerics[1, 0] == 0.0
    assert encoded.missing == {"x": 1}


def test_without_missing_numbers_in_training_there_is_no_flag_but_a_count():
    encoder = fit_encoder(pd.DataFrame({"x": [1.0, 2.0]}), features=["x"])
    encoded = encode(pd.DataFrame({"x": [None, 1.5]}), encoder=encoder)
    assert encoded.codes.shape == (2, 0)
    assert encoded.missing == {"x": 1}


def test_unseen_and_missing_categories_are_code_zero_and_counted_apart():
    encoder = fit_encoder(pd.DataFrame({"job": ["cook", "smith", "cook"]}), features=["job"])
    encoded = encode(pd.DataFrame({"job": ["smith", "pilot", None, "", "pilot", "cook"]}), encoder=encoder)
    assert encoded.codes[:, 0].tolist() == [2, 0, 0, 0, 0, 1]
    assert encoded.unseen == {"job": 2}
    assert encoded.missing == {"job": 2}


def test_a_category_is_the_same_in_every_spelling_of_its_type():
    encoder = fit_encoder(pd.DataFrame({"code": [1, 2, 3]}), features=["code"], categorical=["code"])
    for column in (pd.Series([3, 1]), pd.Series([3.0, 1.0]), pd.Series(["3", "1"]), pd.Series([3, 1], dtype="Int64")):
        assert encode(pd.DataFrame({"code": column}), encoder=encoder).codes[:, 0].tolist() == [3, 1]


@pytest.mark.parametrize("kind", ["bool", "category", "object", "string"])
def test_columns_of_these_types_are_categories(kind):
    values = [True, False, True] if kind == "bool" else ["b", "a", "b"]
    frame = pd.DataFrame({"x": pd.Series(values, dtype=kind)})
    encoded = encode(frame, encoder=fit_encoder(frame, features=["x"]))
    assert encoded.codes[:, 0].tolist() == [2, 1, 2]


@pytest.mark.parametrize(("n_categories", "dtype"), [(255, np.uint8), (256, np.int16), (40_000, np.int32)])
def test_codes_take_the_smallest_type_that_holds_them(n_categories, dtype):
    frame = pd.DataFrame({"x": [f"c{number:05d}" for number in range(n_categories)]})
    codes = encode(frame, encoder=fit_encoder(frame, features=["x"])).codes
    assert codes.dtype == dtype
    assert codes[:, 0].tolist() == list(range(1, n_categories + 1))


def test_order_of_rows_does_not_matter(frame):
    shuffled = frame.sample(frac=1.0, random_state=1)
    features = ["angle", "age", "site"]
    assert fit_encoder(frame, features=features) == fit_encoder(shuffled, features=features)


def test_a_constant_column_has_the_score_zero():
    frame = pd.DataFrame({"x": [4.0, 4.0, 4.0]})
    assert encode(frame, encoder=fit_encoder(frame, features=["x"])).numerics.ravel().tolist() == [0.0, 0.0, 0.0]


def test_every_fault_of_a_new_frame_is_named_at_once():
    train = pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0], "c": [1.0, 2.0]})
    encoder = fit_encoder(train, features=["a", "b", "c"])
    with pytest.raises(InputError) as caught:
        encode(pd.DataFrame({"b": ["x", "y"], "c": [0.0, -np.inf]}), encoder=encoder)
    assert len(caught.value.violations) == 3
    assert "feature 'a' is missing" in str(caught.value)
    assert "feature 'b' held numbers in training" in str(caught.value)
    assert "feature 'c' holds an infinite number at row 1" in str(caught.value)
