"""Worlds of weeks that the tests of performance over time share."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from audit.tally import Tally, collapse

START = datetime(2026, 1, 5, tzinfo=UTC)
World = Callable[..., Tally]


def weeks_of(
    rng: np.random.Generator,
    weeks: int,
    rows: int,
    risk: Callable[[int, str], float],
    *,
    groups: str = "abc",
    scatter: float = 0.0,
    cut: bool = True,
) -> Tally:
    """Return counts of weeks in which each group errs with `risk(week, group)`, by as much more as weeks scatter."""
    cells = []
    for week in range(weeks):
        for group in groups:
            p = risk(week, group)
            if scatter:
                p = rng.beta(p * (1 / scatter - 1), (1 - p) * (1 / scatter - 1))
            positives = rng.binomial(rows, 0.4)
            wrong = rng.binomial(positives, p), rng.binomial(rows - positives, p)
            right = positives - wrong[0], rows - positives - wrong[1]
            cells += [(week, group, "1", "1", right[0]), (week, group, "1", "0", wrong[0])]
            cells += [(week, group, "0", "1", wrong[1]), (week, group, "0", "0", right[1])]
    week, group, true, predicted, n = zip(*cells, strict=True)
    columns = {"slice.g": group, "y_true": true, "y_pred": predicted, "n": n}
    if cut:
        columns |= {
            f"window_{end}": [START + timedelta(weeks=w + k) for w in week] for k, end in enumerate(("start", "end"))
        }
    table = pa.table(columns)
    weight = table["n"].cast("float64")
    table = table.append_column("w", weight).append_column("w2", weight)
    table = table.filter(pc.greater(table["n"], 0))
    return collapse(table, features=("g",), positive="1", bins=None, weights="none")


@pytest.fixture
def world() -> World:
    """Return `weeks_of`."""
    return weeks_of
