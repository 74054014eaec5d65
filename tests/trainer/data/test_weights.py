"""Weights count as they are given, are checked on the rows that matter, and are lost nowhere on the way to float32."""

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.images import Images
from trainer.data.ratings import Ratings
from trainer.data.splits import split_given
from trainer.data.table import Table

SPLIT = split_given(train=range(4), valid=[4, 5], test=[6])


def table(weights):
    frame = pd.DataFrame({"x": np.arange(8.0), "y": [0, 1] * 4, "w": weights})
    return Table.from_frame(frame, columns=Columns(y="y", features=["x"], sample_weight="w"), split=SPLIT)


def images(weights):
    frame = pd.DataFrame({"y": [0, 1] * 4, "w": weights})
    pixels = np.arange(32, dtype=np.uint8).reshape(8, 2, 2)
    return Images.from_arrays(pixels, frame, columns=Columns(y="y", sample_weight="w"), split=SPLIT)


def ratings(weights):
    frame = pd.DataFrame({"u": [1, 2] * 4, "i": list("aabb") * 2, "y": np.arange(8.0), "w": weights})
    columns = Columns(y="y", task="number", sample_weight="w")
    return Ratings.from_frame(frame, columns=columns, user="u", item="i", split=SPLIT)


KINDS = pytest.mark.parametrize("made", [table, images, ratings])


@KINDS
@pytest.mark.parametrize("unit", [1.0, 3.0, 1e308 / 3, 5e-324, 1e-300])
def test_only_the_ratio_of_weights_matters(made, unit):
    found = made(np.array([1.0, 2.0, 0.0, 1.0, 1.0, 0.0, 3.0, np.inf]) * unit).resident.weights.tolist()
    assert found == [1.0, 2.0, 0.0, 1.0, 1.0, 0.0, 3.0, 0.0]  # the last row is in no part, and needs no weight


@KINDS
def test_train_rows_without_weight_are_refused_whatever_the_others_have(made):
    with pytest.raises(InputError, match="sample weight 'w' is 0 in every train row: nothing would be learnt"):
        made([0.0, 0.0, 0.0, 0.0, 3.0, 3.0, 3.0, 3.0])
    assert made([1.0] * 4 + [0.0] * 4).resident.weights.tolist() == [1.0] * 4 + [0.0] * 4


@KINDS
def test_weights_that_float32_cannot_hold_beside_each_other_are_refused_with_their_rows(made):
    with pytest.raises(InputError, match=r"spans more than float32 holds.* at rows 0, 2, 3, 4, 5 and 1 more"):
        made([1.0, 1e300, *[1.0] * 6])
    with pytest.raises(InputError, match=r"spans more than float32 holds.* at row 4, counted"):
        made([*[1.0] * 4, 1e60, *[1.0] * 3])
    with pytest.raises(InputError, match="must be a finite number of at least 0; not so at rows 1, 5"):
        made([1.0, -1.0, 1.0, 1.0, 1.0, np.nan, 1.0, np.nan])


@pytest.mark.parametrize("made", [table, images])
def test_rows_of_one_class_with_all_the_weight_are_one_class(made):
    with pytest.raises(InputError, match="is 0 in every train row but those of the class 1 of 'y'; at least two"):
        made([0.0, 1.0, 0.0, 2.0, 1.0, 1.0, 1.0, 1.0])
    assert made([1.0, 1.0, 0.0, 2.0, 0.0, 1.0, 1.0, 1.0]).resident.weights[2] == 0


def test_numbers_need_no_two_classes():
    assert ratings([0.0, 1.0, 0.0, 2.0, 1.0, 1.0, 1.0, 1.0]).resident.weights[3] > 0
