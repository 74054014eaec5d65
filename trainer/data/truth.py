"""What the rows of a frame say is right: classes, sets of labels, or numbers; checked, and as a tensor."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from audit.values import BINARY
from trainer.data.columns import Columns, Label
from trainer.data.numeric import as_floats, is_number_column, row_list
from trainer.data.splits import Split
from trainer.data.target import Target

Rows = npt.NDArray[np.int64]
LabelSet = frozenset[str]

LARGEST = float(np.finfo(np.float32).max)
"""Beyond it a number, in standard deviations from the mean, is infinite as training sees it."""
MOST_CLASSES = 20
"""Different numbers, some with a fraction, from which on labels of classes are taken for measurements."""
MOST_STEPS = 2**16
"""Steps between distinct numbers of which half must be left in float32; with more of them rounding is no loss."""


def fit_target(train: pd.DataFrame, *, columns: Columns) -> Target:
    """Return what a model of these rows answers; the rows must be the train rows and no others.

    Parameters
    ----------
    train
        The train rows, without violations.
    columns
        Roles of the columns.

    Returns
    -------
    Target
        With the classes or labels of the train rows, sorted; of a number, with mean and standard deviation.

    Examples
    --------
    >>> fit_target(pd.DataFrame({"y": ["cat|dog", "", "dog"]}), columns=Columns(y="y", task="labels")).classes
    ('cat', 'dog')
    >>> found = fit_target(pd.DataFrame({"y": [1.0, 3.0]}), columns=Columns(y="y", task="number"))
    >>> found.center, found.scale, found.loss
    (2.0, 1.0, 'squared')
    """
    if columns.task == "classes":
        return Target(kind="classes", classes=class_list(train[columns.y]))
    if columns.task == "labels":
        return Target(kind="labels", classes=_label_names(train, columns))
    return _number_target(as_floats(train[columns.y]), columns)


def target_tensor(frame: pd.DataFrame, *, columns: Columns, target: Target, used: Rows) -> Tensor:
    """Return what is right in each row, as a loss takes it.

    Parameters
    ----------
    frame
        All rows.
    columns, target
        Roles of the columns, and what the model answers.
    used
        Rows in a part of the split; only these need a label.

    Returns
    -------
    Tensor
        Shape (n_rows,): int64 class numbers, or float32 numbers as they are learnt (`Target.learnt`); or
        (n_rows, n_labels), float32. Rows that are not used hold -1.

    Examples
    --------
    >>> frame = pd.DataFrame({"y": ["dog", "", "dog|cat"]})
    >>> target = Target(kind="labels", classes=("cat", "dog"))
    >>> target_tensor(frame, columns=Columns(y="y", task="labels"), target=target, used=np.arange(3)).tolist()
    [[0.0, 1.0], [0.0, 0.0], [1.0, 1.0]]
    """
    if target.kind == "labels":
        flags = np.full((len(frame), len(target.classes)), -1.0, dtype=np.float32)
        sets = label_sets(frame.iloc[used], columns=columns)
        flags[used] = [[name in labels for name in target.classes] for labels in sets]
        return torch.from_numpy(flags)
    truth = frame[columns.y]
    if target.kind == "number":
        numbers = np.full(len(frame), -1.0, dtype=np.float32)
        numbers[used] = target.learnt(as_floats(truth)[used])
        return torch.from_numpy(numbers)
    place = {label: code for code, label in enumerate(target.classes)}
    codes = np.full(len(frame), -1, dtype=np.int64)
    codes[used] = [place[label] for label in truth.iloc[used].tolist()]
    return torch.from_numpy(codes)


def label_sets(frame: pd.DataFrame, *, columns: Columns) -> list[LabelSet]:
    """Return the labels of each row; an empty set is "none of the above".

    Examples
    --------
    >>> columns = Columns(labels=["cat", "dog"])
    >>> [sorted(labels) for labels in label_sets(pd.DataFrame({"cat": [1, 0], "dog": [1, 0]}), columns=columns)]
    [['cat', 'dog'], []]
    """
    if columns.labels:
        flags = np.stack([as_floats(frame[name]) > 0.5 for name in columns.labels], axis=1)
        return [frozenset(np.array(columns.labels)[row].tolist()) for row in flags]
    return [_set_of(cell, columns.separator) for cell in frame[columns.y]]


def truth_violations(frame: pd.DataFrame, *, columns: Columns, split: Split) -> list[str]:
    """Return a sentence for everything that keeps a model from learning what is right, or nothing.

    Parameters
    ----------
    frame
        All rows, with the columns named.
    columns
        Roles of the columns.
    split
        Parts of the rows; only rows in a part need a label.

    Examples
    --------
    >>> from trainer.data.splits import split_given
    >>> split = split_given(train=[0, 1], valid=[2], test=[])
    >>> frame = pd.DataFrame({"y": [1.0, 2.0, float("inf")]})
    >>> truth_violations(frame, columns=Columns(y="y", task="number"), split=split)
    ["label 'y' must be a finite number; not so at row 2, counted from 0: correct the rows or drop them"]
    """
    used = np.concatenate([split.train, split.valid, split.test])
    absent: list[str] = []
    for name in columns.truth:
        missing = used[frame[name].iloc[used].isna().to_numpy()]
        if len(missing):
            absent.append(f"label {name!r} is missing at {row_list(missing)}: drop the rows or label them")
    checks: dict[str, Callable[[], list[str]]] = {
        "classes": lambda: _class_violations(frame[columns.y], split=split, used=used, positive=columns.positive),
        "labels": lambda: _label_violations(frame, columns=columns, split=split, used=used),
        "number": lambda: _number_violations(frame[columns.y], columns=columns, split=split, used=used),
    }
    return absent + checks[columns.task]()


def class_list(labels: pd.Series) -> tuple[Label, ...]:
    """Return the distinct labels as plain Python values, sorted: numbers and booleans by value, then texts.

    Raises
    ------
    TypeError
        If a label is neither text nor a finite number nor a boolean, and so could not be written to a file.

    Examples
    --------
    >>> class_list(pd.Series([1, 0, 1])), class_list(pd.Series([True, 0], dtype=object))
    ((0, 1), (0, True))
    """
    values = [value.item() if isinstance(value, np.generic) else value for value in labels.dropna().unique().tolist()]
    strange = [value for value in values if not isinstance(value, str | int | float) or value in (np.inf, -np.inf)]
    if strange:
        message = f"labels must be text, finite numbers or booleans; found {strange[0]!r}"
        raise TypeError(message)
    return tuple(sorted(values, key=lambda value: (isinstance(value, str), value)))


def _class_violations(labels: pd.Series, *, split: Split, used: Rows, positive: Label | None) -> list[str]:
    name = str(labels.name)
    try:
        classes = class_list(labels.iloc[split.train])
        every = class_list(labels.iloc[used])
    except TypeError as error:
        return [f"label {name!r}: {error}"]
    violations = _measured(name, every)
    if violations:
        return violations
    if len(classes) == 1:
        violations.append(
            f"label {name!r} has the one class {classes[0]!r} in the train rows; at least two are needed to learn"
        )
    unknown = [value for value in every if value not in classes]
    violations += [
        f"label {name!r} has the class {value!r} in valid or test rows but in no train row: split again or merge it"
        for value in unknown
    ]
    return violations + _positive_violations(name, classes, positive=positive)


def _measured(name: str, classes: tuple[Label, ...]) -> list[str]:
    """Return one sentence where labels look like measurements, in place of one for each of them."""
    numbers = [value for value in classes if not isinstance(value, str)]
    if len(numbers) < len(classes) or len(numbers) <= MOST_CLASSES or all(value == int(value) for value in numbers):
        return []
    told = f"label {name!r} holds {len(numbers):,} different numbers, which would be as many classes"
    return [f'{told}: to learn the number itself, say Columns(..., task="number"); else put the numbers into ranges']


def _positive_violations(name: str, classes: tuple[Label, ...], *, positive: Label | None) -> list[str]:
    listed = ", ".join(repr(value) for value in classes)
    if positive is not None and positive not in classes:
        return [f"the positive label {positive!r} occurs in no train row; found {listed}"]
    if positive is None and len(classes) == 2 and all(isinstance(each, str) and each in BINARY for each in classes):
        mend = "make numbers or booleans of them, or name the one that counts as positive, positive=..."
        return [f"label {name!r} holds the texts {listed}: {mend}"]
    if positive is None and len(classes) == 2 and set(classes) != {0, 1}:
        return [f"two classes other than 0/1 need `positive`, the label that counts as positive; found {listed}"]
    return []


def _label_violations(frame: pd.DataFrame, *, columns: Columns, split: Split, used: Rows) -> list[str]:
    malformed = _flag_violations(frame, columns, used) if columns.labels else _set_violations(frame, columns, used)
    if malformed:
        return malformed
    known = frame[list(columns.truth)].notna().all(axis=1).to_numpy()
    train = split.train[known[split.train]]
    sets = label_sets(frame.iloc[train], columns=columns)
    names = _label_names(frame.iloc[train], columns)
    violations = [] if names else ["no train row has any label: at least one label is needed to learn"]
    for name in names:
        having = sum(name in labels for labels in sets)
        if having in (0, len(sets)):
            share = "no train row" if having == 0 else "every train row"
            violations.append(f"the label {name!r} stands in {share}: rows with and without it are needed to learn")
    held_out = used[known[used]]
    later = {name for labels in label_sets(frame.iloc[held_out], columns=columns) for name in labels} - set(names)
    return violations + [
        f"the label {name!r} stands in valid or test rows but in no train row: split again or merge it"
        for name in sorted(later)
    ]


def _flag_violations(frame: pd.DataFrame, columns: Columns, used: Rows) -> list[str]:
    violations = []
    for name in columns.labels:
        column = frame[name].iloc[used]
        if not (is_number_column(column) or pd.api.types.is_bool_dtype(column.dtype)):
            violations.append(f"label column {name!r} must hold 0/1 or booleans; came {column.dtype}")
            continue
        bad = used[(~column.isna() & ~column.isin([0, 1])).to_numpy()]
        if len(bad):
            violations.append(f"label column {name!r} must hold 0/1 or booleans; not so at {row_list(bad)}")
        if columns.separator in name:
            violations.append(f"the name of label column {name!r} holds the separator {columns.separator!r}: rename it")
    return violations


def _set_violations(frame: pd.DataFrame, columns: Columns, used: Rows) -> list[str]:
    """Return which rows hold no set of labels: neither a text nor a list of texts, or a label twice or empty."""
    bad = [int(row) for row in used if not _is_set(frame[columns.y].iloc[row], columns.separator)]
    if not bad:
        return []
    shape = f"texts such as 'cat{columns.separator}dog' or lists of texts, each label once and none empty"
    return [f"label {columns.y!r} must hold sets of labels: {shape}; not so at {row_list(bad)}"]


def _number_violations(labels: pd.Series, *, columns: Columns, split: Split, used: Rows) -> list[str]:
    name = str(labels.name)
    if not is_number_column(labels):
        return [f"label {name!r} must hold numbers for the task 'number'; came {labels.dtype}: convert it"]
    values = as_floats(labels)
    violations = []
    infinite = used[np.isinf(values[used])]
    if len(infinite):
        where = row_list(infinite)
        violations.append(f"label {name!r} must be a finite number; not so at {where}: correct the rows or drop them")
    if columns.range is not None:
        low, high = columns.range
        outside = used[(values[used] < low) | (values[used] > high)]
        if len(outside):
            violations.append(f"label {name!r} lies outside of the range {low} to {high} at {row_list(outside)}")
    train = values[split.train]
    if len(np.unique(train[~np.isnan(train)])) == 1:
        violations.append(f"label {name!r} has the one value {train[0]:g} in the train rows; nothing is to be learnt")
    return violations if violations or not len(train) or np.isnan(train).any() else _lossy(values, columns, split, used)


def _lossy(values: npt.NDArray[np.float64], columns: Columns, split: Split, used: Rows) -> list[str]:
    """Return what float32 cannot hold of finite numbers once they are brought to mean 0 and standard deviation 1."""
    target, name = _number_target(values[split.train], columns), str(columns.y)
    known = used[~np.isnan(values[used])]
    large = known[~np.isfinite(target.learnt(values[known]))]
    violations = []
    if len(large) or not np.isfinite(target.scale):
        where = row_list(large) if len(large) else "the train rows"
        violations.append(
            f"label {name!r} lies more than {LARGEST:.2g} standard deviations of the train rows from their mean, which "
            f"float32 cannot hold, at {where}: correct the rows, or learn the logarithm"
        )
    distinct = np.unique(values[split.train])
    steps, left = (len(np.unique(some)) - 1 for some in (distinct, target.learnt(distinct)))
    if not large.size and 2 * left <= min(steps, MOST_STEPS):
        far = split.train[[int(np.abs(values[split.train] - np.median(values[split.train])).argmax())]]
        violations.append(
            f"label {name!r} holds numbers so far from the others that float32 cannot tell these apart: of "
            f"{steps + 1:,} distinct numbers of the train rows {left + 1:,} are left; the furthest stands at "
            f"{row_list(far)}: correct it, or learn the logarithm"
        )
    return violations


def _number_target(values: npt.NDArray[np.float64], columns: Columns) -> Target:
    low, high = columns.range or (None, None)
    # By a power of two, which changes no digit: squares of numbers such as 1e200 would not be finite.
    power = int(np.frexp(np.abs(values).max())[1])
    unit = np.ldexp(values, -power)
    return Target(
        kind="number",
        loss=columns.loss,
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        center=float(np.ldexp(unit.mean(), power)),
        scale=float(np.ldexp(unit.std(), power)) or 1.0,
    )


def _label_names(train: pd.DataFrame, columns: Columns) -> tuple[str, ...]:
    if columns.labels:
        return tuple(columns.labels)
    return tuple(sorted({name for labels in label_sets(train, columns=columns) for name in labels}))


def _is_set(cell: Any, separator: str) -> bool:  # noqa: ANN401 - what a cell of a frame holds
    if isinstance(cell, str):
        labels: Sequence[object] = cell.split(separator) if cell else []
    elif isinstance(cell, list | tuple | set | frozenset | np.ndarray):
        labels = list(cell)
    else:
        return bool(pd.isna(cell))  # told apart, as a missing label
    texts = [label.strip() for label in labels if isinstance(label, str) and separator not in label]
    return len(texts) == len(labels) == len(set(texts)) and all(texts)


def _set_of(cell: str | Iterable[str], separator: str) -> LabelSet:
    labels = cell.split(separator) if isinstance(cell, str) else cell
    return frozenset(label.strip() for label in labels if label.strip())
