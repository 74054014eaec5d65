"""Results made of counts, for gates."""

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
import pytest

from audit.provenance import Provenance
from audit.result import Result
from audit.tally import SLICE, collapse

Confusion = tuple[int, int, int, int]
"""True positives, false positives, false negatives, true negatives."""

ResultOf = Callable[..., Result]


@pytest.fixture
def result_of() -> ResultOf:
    """Return a function that makes a result with a tally from the confusion counts of each group."""
    return _result


def _result(
    groups: Mapping[Sequence[str | None] | str | None, Confusion], features: Sequence[str] = ("race",)
) -> Result:
    columns: dict[str, list[object]] = {SLICE + name: [] for name in features}
    columns |= {"y_true": [], "y_pred": [], "n": []}
    for group, confusion in groups.items():
        values = group if isinstance(group, tuple) else (group,)
        for count, y_true, y_pred in zip(confusion, "1010", "1100", strict=True):
            if not count:
                continue
            for name, value in zip(features, values, strict=True):
                columns[SLICE + name].append(value)
            columns["y_true"].append(y_true)
            columns["y_pred"].append(y_pred)
            columns["n"].append(count)
    weight = pa.array(columns["n"], pa.float64())
    texts = {name: pa.array(values, pa.string()) for name, values in columns.items() if name != "n"}
    table = pa.table({**texts, "n": pa.array(columns["n"], pa.int64()), "w": weight, "w2": weight})
    tally = collapse(table, features=features, positive="1", bins=None, weights="none")
    return Result(measurements=(), provenance=Provenance(tally=tally.digest()), tally=tally)
