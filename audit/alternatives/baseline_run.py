"""Baselines on the rows of a split: from two files to what a simple alternative achieves on the test rows."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.alternatives.baseline_rows import EVERY_BASELINE, baseline_rows
from audit.alternatives.baseline_task import BaselineTask
from audit.alternatives.baselines import Baseline, one_rule
from audit.alternatives.prototypes import group_rate
from audit.errors import raise_violations
from audit.measurement import Measurement
from audit.provenance import Provenance, file_digests, recorded_versions
from audit.result import Result
from audit.seeds import seed_violations
from audit.splits.split_columns import Feature
from audit.splits.split_table import SplitTable

LEVEL = 0.95
THRESHOLD = 0.5
MODEL = "the model"
"""What the rows call the model that the scores come from."""

FEWEST = 10
"""A value of a text column that fewer train rows have is no value of its own."""

MOST_VALUES = 50
"""Of a text column, at most so many values (the commonest in train) become columns."""

Floats = npt.NDArray[np.float64]


class Design(NamedTuple):
    """The features as numbers: columns of numbers first, then codes of texts, then one column per value of a text.

    Examples
    --------
    >>> Design(np.zeros((3, 5)), numbers=2, texts=1).x.shape
    (3, 5)
    """

    x: Floats
    numbers: int
    texts: int


def run_baselines(
    table: SplitTable,
    *,
    threshold: float = THRESHOLD,
    score_max: float = 1.0,
    level: float = LEVEL,
    random_state: int = 0,
) -> Result:
    """Learn every baseline on the train rows and judge it, beside the model, on the same test rows.

    Parameters
    ----------
    table
        Both parts, from `audit.splits.split_table.read_splits`; its scores, where there are any, are the model's.
    threshold
        The model predicts positive where score / `score_max` reaches this, in [0, 1].
    score_max
        The score that means 1, above 0.
    level
        Level of the intervals, in (0, 1); those of the differences hold together over the baselines.
    random_state
        Seed of what the baselines draw.

    Returns
    -------
    Result
        The rows of `audit.alternatives.baseline_rows.baseline_rows`. Rows without a label are left out and counted in
        the provenance.

    Raises
    ------
    InputError
        If labels of a part are all missing, train labels all alike, scores outside [0, `score_max`] or missing, or an
        option lies outside its range.

    Notes
    -----
    The value of a text column is a column of its own (one of at most `MOST_VALUES`, each of at least `FEWEST` train
    rows); to the one rule it is a single column, each value standing for the share of positives that it has in train.

    Examples
    --------
    The label follows the text; the model knows nothing.

    >>> import pyarrow as pa
    >>> from audit.splits.split_table import read_splits
    >>> part = pa.table({"g": ["a", "b", "c", "a"] * 30, "y": [1, 0, 1, 1] * 30, "s": [0.25] * 120})
    >>> result = run_baselines(read_splits(part, part, y_true="y", y_score="s"))
    >>> [(row.at[0][1], row.value) for row in result.measurements if row.metric == "accuracy"][:3]
    [('the model', 0.25), ('majority', 0.75), ('one rule', 1.0)]
    """
    raise_violations([*_violations(threshold, score_max, level), *seed_violations(random_state)])
    known = np.isfinite(table.y)
    train, test = known & ~table.test, known & table.test
    design = design_of(table, train)
    labels = np.where(known, table.y, 0).astype(np.int64)
    task = BaselineTask(
        x_train=design.x[train],
        y_train=labels[train],
        x_test=design.x[test],
        y_test=labels[test],
        cluster=None if table.cluster is None else table.cluster[test],
    )
    scores = None if table.y_score is None else table.y_score[test] / score_max
    named = {name: _on_its_columns(name, make, design) for name, make in EVERY_BASELINE.items()}
    rows = baseline_rows(
        task, scores, threshold=threshold, name=MODEL, baselines=named, level=level, random_state=random_state
    )
    n = int(test.sum())
    everyone = Measurement(metric="count", value=n, n=n, method="count")
    asked = {"threshold": threshold, "score_max": score_max, "level": level}
    return Result(measurements=(everyone, *rows), provenance=_provenance(table, known, asked, random_state))


def design_of(table: SplitTable, train: npt.NDArray[np.bool_]) -> Design:
    """Return the features of a split as numbers; `train` says which rows the values of texts are counted in.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.splits.split_table import read_splits
    >>> part = pa.table({"g": ["a", "b"] * 20, "x": list(range(40)), "y": [0, 1] * 20})
    >>> table = read_splits(part, part, y_true="y")
    >>> design = design_of(table, ~table.test)
    >>> design.x[0].tolist(), design.numbers, design.texts  # x; the code of g; g = a, g = b
    ([0.0, 0.0, 1.0, 0.0], 1, 1)
    """
    numbers = [each.values for each in table.features if not each.is_text]
    texts = [each for each in table.features if each.is_text]
    codes = [np.where(np.isnan(each.values), -1.0, each.values) for each in texts]
    hot = [column for each in texts for column in _columns_of(each, train)]
    return Design(np.column_stack([*numbers, *codes, *hot]), len(numbers), len(texts))


def _columns_of(feature: Feature, train: npt.NDArray[np.bool_]) -> list[Floats]:
    known = feature.values[train & ~np.isnan(feature.values)].astype(np.int64)
    counts = np.bincount(known, minlength=len(feature.texts))
    common = np.argsort(-counts, kind="stable")[:MOST_VALUES]
    return [(feature.values == code).astype(np.float64) for code in common.tolist() if counts[code] >= FEWEST]


def _on_its_columns(name: str, make: Baseline, design: Design) -> Baseline:
    """Return a baseline that reads the columns that suit it: the one rule the codes of texts, others their values."""
    if name == "one rule":
        return partial(_ruled, design.numbers, design.texts)
    hot = [*range(design.numbers), *range(design.numbers + design.texts, design.x.shape[1])]
    return partial(_others, make, hot)


def _others(
    make: Baseline, columns: list[int], x_train: Floats, y_train: npt.NDArray[np.int64], x_test: Floats, seed: int = 0
) -> Floats:
    one = columns or [0]  # only texts without a common value are left: their codes, which say nothing
    return make(x_train[:, one], y_train, x_test[:, one], seed)


def _ruled(
    numbers: int, texts: int, x_train: Floats, y_train: npt.NDArray[np.int64], x_test: Floats, seed: int = 0
) -> Floats:
    train, test = x_train[:, : numbers + texts].copy(), x_test[:, : numbers + texts].copy()
    for place in range(numbers, numbers + texts):
        codes, found = np.unique(x_train[:, place], return_counts=True)
        rare = codes[found < FEWEST]
        groups = [np.where(np.isin(x[:, place], rare), -1.0, x[:, place]) for x in (x_train, x_test)]
        train[:, place] = group_rate(groups[0], y_train, groups[0])
        test[:, place] = group_rate(groups[0], y_train, groups[1])
    return one_rule(train, y_train, test, seed)


def _violations(threshold: float, score_max: float, level: float) -> list[str]:
    violations = [] if 0 <= threshold <= 1 else [f"threshold must lie in [0, 1]; got {threshold}"]
    violations += [] if 0 < score_max < np.inf else [f"score_max must be a number above 0; got {score_max}"]
    return violations + ([] if 0 < level < 1 else [f"level must lie in (0, 1); got {level}"])


def _provenance(
    table: SplitTable, known: npt.NDArray[np.bool_], asked: Mapping[str, Any], random_state: int
) -> Provenance:
    files = file_digests(table.source)
    usual = MappingProxyType({"threshold": THRESHOLD, "score_max": 1.0, "level": LEVEL})
    sizes = {"train": int((known & ~table.test).sum()), "test": int((known & table.test).sum())}
    facts = {"label": table.label, "rows_without_label": int((~known).sum()), "files": list(files)}
    given: dict[str, Any] = {
        "baselines": {**sizes, **facts},
        **table.settings,
        "columns": dict(table.columns),
        "features": [feature.name for feature in table.features],
    }
    return Provenance(
        data=files,
        versions=recorded_versions(),
        seed=random_state,
        given=given | {name: value for name, value in asked.items() if value != usual[name]},
        defaulted={name: value for name, value in asked.items() if value == usual[name]},
    )
