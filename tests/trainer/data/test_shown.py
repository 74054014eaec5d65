"""What a person sees who prints a table: a page at most, whatever it holds."""

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from trainer.data.columns import Columns
from trainer.data.splits import split_groups, split_rows, split_time
from trainer.data.table import Table


def test_a_table_is_printed_in_short():
    rng = np.random.default_rng(0)
    n = 5000
    frame = pd.DataFrame({f"x{place}": rng.normal(size=n) for place in range(8)})
    frame["job"], frame["note"], frame["y"] = rng.integers(0, 300, n).astype(str), "some words", rng.integers(0, 2, n)
    columns = Columns(y="y", text=["note"])
    table = Table.from_frame(frame, columns=columns, split=split_rows(n, seed=3))
    shown = repr(table)
    assert len(shown) < 4000
    assert "Split(train=3,000 rows, valid=1,000, test=1,000, method='rows', seed=3, digest='" in shown
    assert "TableEncoder(numeric=['x0', 'x1'" in shown
    assert "Encoded(codes=(5000, 1), numerics=(5000, 8)" in shown
    assert "Resident((5000, 1) int16, (5000, 8) float32" in shown
    assert repr(table.spec) in shown


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (lambda: split_rows("x"), "n_rows must be a whole number; came 'x'"),
        (lambda: split_rows(0), "n_rows must be at least 1; came 0"),
        (lambda: split_rows(10, valid="0.2"), "valid and test are shares in"),
        (lambda: split_rows(10, seed=-1), "seed must be a whole number from 0"),
        (lambda: split_groups(["a", "b", "c"], seed=None), "seed must be a whole number from 0"),
        (lambda: split_time(["soon", "late"]), "times, the column to split by, holds 'soon', which is no date, at row"),
    ],
)
def test_a_split_of_the_wrong_things_is_refused(split, said):
    with pytest.raises(InputError) as caught:
        split()
    assert caught.value.violations[0].startswith(said), caught.value.violations


def test_rows_are_named_in_order():
    frame = pd.DataFrame({"x": range(40), "y": [0, 1] * 20}).astype({"y": object})
    frame.loc[[3, 17, 30], "y"] = None
    with pytest.raises(InputError, match=r"missing at rows 3, 17, 30, counted from 0"):
        Table.from_frame(frame, columns=Columns(y="y"), split=split_rows(40, seed=5))
