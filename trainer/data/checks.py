"""What a frame must satisfy before anything is learnt from it: every violation is listed, none is only the first."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainer.data.category import spelled
from trainer.data.columns import Columns
from trainer.data.dates import date_violations, is_date_column
from trainer.data.encoders import missing_violations
from trainer.data.numeric import infinite_rows, is_number_column, row_list
from trainer.data.splits import Split
from trainer.data.text import fit_text, text_violations
from trainer.data.truth import class_list, truth_violations
from trainer.data.weights import weight_violations, weightless_violations

__all__ = ["class_list", "table_violations"]

Rows = npt.NDArray[np.int64]


def table_violations(frame: pd.DataFrame, *, columns: Columns, split: Split) -> list[str]:
    """Return a sentence for everything about the frame that training could not survive or would hide.

    Parameters
    ----------
    frame
        All rows.
    columns
        Roles of the columns.
    split
        Parts of the rows; only rows in a part need a label.

    Returns
    -------
    list of str
        Empty where the frame can be used.

    Examples
    --------
    >>> from trainer.data.splits import split_given
    >>> frame = pd.DataFrame({"x": [1.0, 2.0], "y": [1, 1]})
    >>> table_violations(frame, columns=Columns(y="y"), split=split_given(train=[0, 1], valid=[], test=[]))
    ["label 'y' has the one class 1 in the train rows; at least two are needed to learn"]
    """
    shape = _shape_violations(frame, columns=columns, split=split)
    if shape:
        return shape
    used = np.concatenate([split.train, split.valid, split.test])
    violations = []
    features = columns.inputs(list(frame.columns))
    for name in features:
        violations += _feature_violations(frame[name], name=name, columns=columns, train=split.train)
    if columns.missing == "refuse":
        violations += missing_violations(frame, features)
    violations += _order_violations(frame, columns=columns, used=used)
    violations += _cluster_violations(frame, columns=columns, used=used)
    truth = truth_violations(frame, columns=columns, split=split)
    return violations + truth + _weight_violations(frame, columns=columns, split=split, known=not truth)


def _cluster_violations(frame: pd.DataFrame, *, columns: Columns, used: Rows) -> list[str]:
    """Return which rows belong to no cluster: to draw them as one would be wrong, and no audit would take them."""
    if columns.cluster is None:
        return []
    missing = used[frame[columns.cluster].iloc[used].isna().to_numpy()]
    where = f"cluster {columns.cluster!r} is missing at {row_list(missing)}"
    return [f"{where}: complete it, or drop the rows"] if len(missing) else []


def _weight_violations(frame: pd.DataFrame, *, columns: Columns, split: Split, known: bool) -> list[str]:
    """Return what is wrong with weights, alone and, where the labels are `known`, beside these."""
    if columns.sample_weight is None:
        return []
    weights = frame[columns.sample_weight]
    found = weight_violations(weights, split=split)
    if found or not known or columns.task != "classes":
        return found
    return weightless_violations(weights, frame[columns.y], split=split)


def _shape_violations(frame: pd.DataFrame, *, columns: Columns, split: Split) -> list[str]:
    names = list(frame.columns)
    violations = [
        f"column {name!r} is missing; the data has {', '.join(map(str, names))}"
        for name in columns.named()
        if name not in names
    ]
    repeated = sorted({str(name) for name in names if names.count(name) > 1})
    violations += [f"column {name!r} occurs more than once: rename one" for name in repeated]
    nameless = [name for name in names if not isinstance(name, str)]
    violations += [f"column names must be text; came {name!r}: rename the column" for name in nameless]
    last = max((int(rows.max()) for rows in (split.train, split.valid, split.test) if len(rows)), default=-1)
    if last >= len(frame):
        violations.append(f"the split names row {last}, counted from 0, but the data has {len(frame)} rows")
    features = columns.inputs(names)
    if not features:
        violations.append("no column is left to learn from: name at least one in `features`")
    ways = {"categorical": columns.categorical, "ordered": dict(columns.ordered), "a date": columns.dates}
    violations += [
        f"column {name!r} is listed as {way} but is not a feature"
        for way, listed in (ways | {"text": columns.text}).items()
        for name in listed
        if name in names and name not in features
    ]
    return violations


def _order_violations(frame: pd.DataFrame, *, columns: Columns, used: Rows) -> list[str]:
    """Return which values stand outside of the order that was named for their feature."""
    violations = []
    for name, levels in dict(columns.ordered).items():
        texts = {spelled(level) for level in levels}
        found = frame[name].iloc[used]
        strange = [value for value in found.dropna().unique().tolist() if spelled(value) not in texts]
        if strange:
            rows = used[found.isin(strange).to_numpy()]
            what = f"{strange[0]!r}, which is none of its levels, at {row_list(rows)}"
            violations.append(f"ordered feature {name!r} holds {what}: add it to the order or correct it")
    return violations


def _feature_violations(column: pd.Series, *, name: str, columns: Columns, train: Rows) -> list[str]:
    kind = column.dtype
    if pd.api.types.is_timedelta64_dtype(kind):
        return [f"feature {name!r} holds durations: turn them into numbers (days, say), or leave it out"]
    if pd.api.types.is_complex_dtype(kind):
        return [f"feature {name!r} holds complex numbers: pass real ones"]
    if column.iloc[train].isna().all():
        return [f"feature {name!r} has no value in any train row: leave it out"]
    if name in columns.text:
        return text_violations(column, name=name) or _word_violations(column.iloc[train], columns.min_count)
    if name in columns.dates or is_date_column(column):
        return date_violations(column, name=name)
    return _value_violations(column, name)


def _value_violations(column: pd.Series, name: str) -> list[str]:
    if column.dtype == object and (found := _container(column)) is not None:
        return [f"feature {name!r} holds {found!r}, which is no single value: make columns or text of it"]
    rows = infinite_rows(column) if is_number_column(column) else []
    return [f"feature {name!r} holds infinite numbers at {row_list(rows)}: correct or blank them"] if rows else []


def _container(column: pd.Series) -> object:
    """Return the first list, mapping or the like in a column; None where every value is single."""
    containers = (list, tuple, set, frozenset, dict, bytes, np.ndarray)
    return next((value for value in column if isinstance(value, containers)), None)


def _word_violations(texts: pd.Series, min_count: int) -> list[str]:
    if fit_text(texts, min_count=min_count).vocabulary:
        return []
    name = str(texts.name)
    return [
        f"text feature {name!r} has no word that stands in {min_count} train rows: lower min_count, or leave it out"
    ]
