"""What a frame must satisfy before anything is learnt from it: every violation is listed, none is only the first."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from trainer.data.columns import Columns, Label
from trainer.data.encoders import as_floats, infinite_rows, is_number_column
from trainer.data.splits import Split


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
    for name in columns.inputs(list(frame.columns)):
        violations += _feature_violations(frame[name], name=name, train=split.train)
    violations += _label_violations(frame[columns.y], split=split, used=used, positive=columns.positive)
    if columns.sample_weight is not None:
        violations += _weight_violations(frame[columns.sample_weight], used=used)
    return violations


def class_list(labels: pd.Series) -> tuple[Label, ...]:
    """Return the distinct labels as plain Python values, sorted by type and then by value.

    Raises
    ------
    TypeError
        If a label is neither text nor a finite number nor a boolean, and so could not be written to a file.

    Examples
    --------
    >>> class_list(pd.Series([1, 0, 1]))
    (0, 1)
    """
    values = [value.item() if isinstance(value, np.generic) else value for value in labels.dropna().unique().tolist()]
    strange = [value for value in values if not isinstance(value, str | int | float) or value in (np.inf, -np.inf)]
    if strange:
        message = f"labels must be text, finite numbers or booleans; found {strange[0]!r}"
        raise TypeError(message)
    return tuple(sorted(values, key=lambda value: (type(value).__name__, value)))


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
    stray = [name for name in columns.categorical if name in names and name not in features]
    violations += [f"column {name!r} is listed as categorical but is not a feature" for name in stray]
    return violations


def _feature_violations(column: pd.Series, *, name: str, train: npt.NDArray[np.int64]) -> list[str]:
    kind = column.dtype
    if pd.api.types.is_datetime64_any_dtype(kind) or pd.api.types.is_timedelta64_dtype(kind):
        return [f"feature {name!r} holds dates or durations: turn it into numbers (an age, a month), or leave it out"]
    if pd.api.types.is_complex_dtype(kind):
        return [f"feature {name!r} holds complex numbers: pass real ones"]
    if column.iloc[train].isna().all():
        return [f"feature {name!r} has no value in any train row: leave it out"]
    rows = infinite_rows(column) if is_number_column(column) else []
    return [f"feature {name!r} holds infinite numbers at {_row_list(rows)}: correct or blank them"] if rows else []


def _label_violations(
    labels: pd.Series, *, split: Split, used: npt.NDArray[np.int64], positive: Label | None
) -> list[str]:
    name = str(labels.name)
    missing = used[labels.iloc[used].isna().to_numpy()]
    violations = []
    if len(missing):
        violations.append(f"label {name!r} is missing at {_row_list(missing.tolist())}: drop the rows or label them")
    try:
        classes = class_list(labels.iloc[split.train])
        every = class_list(labels.iloc[used])
    except TypeError as error:
        return [*violations, f"label {name!r}: {error}"]
    if len(classes) == 1:
        violations.append(
            f"label {name!r} has the one class {classes[0]!r} in the train rows; at least two are needed to learn"
        )
    unknown = [value for value in every if value not in classes]
    violations += [
        f"label {name!r} has the class {value!r} in valid or test rows but in no train row: split again or merge it"
        for value in unknown
    ]
    return violations + _positive_violations(classes, positive=positive)


def _positive_violations(classes: tuple[Label, ...], *, positive: Label | None) -> list[str]:
    listed = ", ".join(repr(value) for value in classes)
    if positive is not None and positive not in classes:
        return [f"the positive label {positive!r} occurs in no train row; found {listed}"]
    if positive is None and len(classes) == 2 and set(classes) != {0, 1}:
        return [f"two classes other than 0/1 need `positive`, the label that counts as positive; found {listed}"]
    return []


def _weight_violations(weights: pd.Series, *, used: npt.NDArray[np.int64]) -> list[str]:
    if not is_number_column(weights):
        return [f"sample weight {str(weights.name)!r} must hold numbers; came {weights.dtype}"]
    values = as_floats(weights)[used]
    bad = used[~(np.isfinite(values) & (values >= 0))]
    if len(bad):
        return [
            f"sample weight {str(weights.name)!r} must be a finite number of at least 0; not so at {_row_list(bad)}"
        ]
    return [] if values.sum() > 0 else [f"sample weight {str(weights.name)!r} is 0 in every row"]


def _row_list(rows: Sequence[int] | npt.NDArray[np.int64]) -> str:
    shown = ", ".join(str(int(row)) for row in rows[:5])
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}, counted from 0"
