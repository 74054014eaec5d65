import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.encoders import encode, fit_encoder
from trainer.data.splits import split_given
from trainer.data.table import Table

SIZES = ["s", "m", "l", "xl"]
SPLIT = split_given(train=[0, 1, 2, 3], valid=[4], test=[5])


def sized(values, **more):
    return pd.DataFrame({"size": values, "y": [0, 1, 0, 1, 0, 1], **more})


def test_an_order_is_kept_as_codes_and_as_a_number():
    frame = pd.DataFrame({"size": ["s"] * 2 + ["m"] * 4 + ["xl"] * 4})
    encoder = fit_encoder(frame, features=["size"], ordered={"size": SIZES})
    encoded = encode(pd.DataFrame({"size": [*SIZES, "huge", None]}), encoder=encoder)
    assert encoded.codes[:, 0].tolist() == [1, 2, 0, 3, 0, 0]
    # The middles of the ranks are 1/10, 4/10 and 8/10; "l", which no row has, lies between its neighbours.
    scores = norm.ppf([0.1, 0.4, 0.8])
    expected = [scores[0], scores[1], (scores[1] + scores[2]) / 2, scores[2], 0.0, 0.0]
    assert encoded.numerics[:, 0] == pytest.approx(np.array(expected), abs=1e-6)
    assert (encoded.missing, encoded.unseen) == ({"size": 1}, {"size": 2})


def test_an_ordered_pandas_categorical_needs_no_naming():
    values = pd.Categorical(["l", "s", "m", "s", "m", "l"], categories=SIZES, ordered=True)
    table = Table.from_frame(sized(values), columns=Columns(y="y"), split=SPLIT)
    (item,) = table.spec.encoder.ordered
    assert (item.levels, item.codes) == (("s", "m", "l", "xl"), (1, 2, 3, 0))
    texts = Table.from_frame(sized(list(values)), columns=Columns(y="y", ordered={"size": SIZES}), split=SPLIT)
    assert texts.spec.encoder == table.spec.encoder
    plain = sized(values).astype({"size": "str"})
    assert Table.from_frame(plain, columns=Columns(y="y"), split=SPLIT).spec.encoder.category[0].column == "size"


def test_levels_may_be_numbers():
    table = Table.from_frame(
        sized([3, 1, 2, 1, 3, 2]), columns=Columns(y="y", ordered={"size": [1, 2, 3]}), split=SPLIT
    )
    assert table.encoded.codes[:, 0].tolist() == [3, 1, 2, 1, 3, 2]
    assert np.argsort(table.encoded.numerics[:4, 0], kind="stable").tolist() == [1, 3, 2, 0]


def test_a_value_outside_of_the_order_is_refused_with_its_row():
    with pytest.raises(InputError, match="'size' holds 'tiny', which is none of its levels, at row 4"):
        Table.from_frame(
            sized(["s", "m", "l", "xl", "tiny", "s"]), columns=Columns(y="y", ordered={"size": SIZES}), split=SPLIT
        )


def test_every_wrong_order_is_named():
    with pytest.raises(InputError) as caught:
        Columns(y="y", ordered={"size": ["s"], "rank": ["a", "a"]}, categorical=["size"])
    text = str(caught.value)
    assert "feature 'size' is named as categorical and as ordered" in text
    assert "ordered feature 'size' needs two levels or more" in text
    assert "ordered feature 'rank' needs two levels or more, each once; came ('a', 'a')" in text
    with pytest.raises(InputError, match="'size' is listed as ordered but is not a feature"):
        columns = Columns(y="y", features=["x"], ordered={"size": SIZES})
        Table.from_frame(sized(["s"] * 6, x=range(6)), columns=columns, split=SPLIT)
