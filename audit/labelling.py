"""One spelling for the labels of a log, by its task: of two, of several, any number of them; and deferred rows."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import InputError, raise_violations
from audit.expressions import NUMBER
from audit.label_sets import NONE_OF_THE_ABOVE, read_set, spelled_set
from audit.predictions import PredictionLog, Reading
from audit.spellings import quoted, two_label_violations
from audit.tally import SLICE, CountedTask
from audit.values import BINARY, canonical, canonical_array

MAX_LABELS = 100
"""Of more labels nobody reads a table, and each is audited against the rest in every group."""

_ROLES = ("y_true", "y_pred")


class Labels(NamedTuple):
    """What the labels of a log are: of two, which one is positive; of several, which there are.

    Examples
    --------
    >>> Labels("binary", "1").labels, Labels("multiclass", None, ("cat", "dog")).positive
    ((), None)
    """

    task: CountedTask
    positive: str | None
    labels: tuple[str, ...] = ()


def spelled_cells(log: PredictionLog, raw: pa.Table) -> tuple[pa.Table, Labels]:
    """Return raw cells with one spelling for every value, and what their labels are.

    The prediction of a deferred row is null; a set of labels is a sorted JSON list (`audit.label_sets.spelled_set`).

    Raises
    ------
    InputError
        If labels are not what the log says: all violations at once.

    Examples
    --------
    >>> raw = pa.table({"y_true": ["cat", "dog"], "y_pred": ["dog", "dog"], "n": [2, 1]})
    >>> log = PredictionLog.from_frame(raw, y_true="y_true", y_pred="y_pred", task="multiclass")
    >>> spelled_cells(log, raw)[1]
    Labels(task='multiclass', positive=None, labels=('cat', 'dog'))
    """
    columns = {name: raw[name] for name in raw.column_names}
    sets = log.reading.task == "multilabel"
    for name in raw.column_names:
        if name.startswith(SLICE) or name == "model_version" or (name in _ROLES and not sets):
            columns[name] = _canonical(columns[name], name)
    if sets:
        columns |= {role: label_lists(columns[role], role, log.reading.separator) for role in _ROLES}
        return pa.table(columns), _labels_of_sets(columns, log.reading)
    if log.reading.abstain is not None:
        columns["y_pred"] = _decided(columns, log.reading.abstain)
    if log.reading.task == "multiclass":
        found = {role: _distinct(columns[role]) for role in _ROLES}
        return pa.table(columns), Labels("multiclass", None, _all_labels(found, log.reading))
    mapped, positive = _labels({role: columns[role] for role in _ROLES}, log)
    return pa.table(columns | mapped), Labels("binary", positive)


def label_lists(column: pa.ChunkedArray, role: str, separator: str) -> pa.Array:
    """Return each row's set of labels as one text; null where a list column says nothing about a row.

    In a text column labels stand between separators, spaces around them do not count, and an empty or missing text is
    no label at all; in a list column an empty list is.

    Raises
    ------
    InputError
        If a row holds "(none of the above)" beside other labels.

    Examples
    --------
    >>> label_lists(pa.chunked_array([["b|a", "", None]]), "y_true", "|").to_pylist()
    ['["a","b"]', '[]', '[]']
    >>> label_lists(pa.chunked_array([[["b", "a"], [], None]]), "y_true", "|").to_pylist()
    ['["a","b"]', '[]', None]
    """
    nested = pa.types.is_nested(column.type)
    texts: list[str | None] = []
    mixed = 0
    for value in column.to_pylist() if nested else _canonical(column, role).to_pylist():
        if nested and value is None:
            texts.append(None)
            continue
        parts = value if nested else (value or "").split(separator)
        held = {label for part in parts if (label := (canonical(part) or "").strip())}
        mixed += NONE_OF_THE_ABOVE in held and len(held) > 1
        texts.append(spelled_set([label for label in held if label != NONE_OF_THE_ABOVE]))
    if mixed:
        msg = f"{role}: {NONE_OF_THE_ABOVE!r} stands beside other labels; a row has either: mend it"
        raise InputError([msg])
    return pa.array(texts, pa.string())


def _canonical(column: pa.ChunkedArray, name: str) -> pa.Array:
    try:
        return canonical_array(column)
    except TypeError as error:
        msg = f"column {name.removeprefix(SLICE)!r}: {error}; convert it to text"
        raise InputError([msg]) from error


def _distinct(column: pa.Array) -> set[str]:
    return set(pc.unique(column.drop_null()).to_pylist())


def _decided(columns: Mapping[str, pa.Array], abstain: str) -> pa.Array:
    """Return the predictions with null where the row is deferred."""
    if abstain in _distinct(columns["y_true"]):
        msg = f"abstain is {abstain!r}, which y_true has as a label; name the prediction that means no decision"
        raise InputError([msg])
    predicted = columns["y_pred"]
    gone = pc.fill_null(pc.equal(predicted, abstain), fill_value=True)
    return pc.if_else(gone, pa.scalar(None, pa.string()), predicted)


def _labels_of_sets(columns: Mapping[str, pa.Array], reading: Reading) -> Labels:
    found = {
        role: set().union(
            *((label for label in read_set(text) if label != NONE_OF_THE_ABOVE) for text in _distinct(columns[role]))
        )
        for role in _ROLES
    }
    return Labels("multilabel", None, tuple(sorted({*_all_labels(found, reading), NONE_OF_THE_ABOVE})))


def _all_labels(found: Mapping[str, set[str]], reading: Reading) -> tuple[str, ...]:
    true, predicted = found["y_true"], found["y_pred"]
    shown = ", ".join(f"{role} has {quoted(values) or 'none'}" for role, values in found.items())
    declared = set(reading.labels)
    violations = []
    if declared:
        violations += [
            f"{role} has labels that are not among those declared: {quoted(values - declared)}; declare or mend them"
            for role, values in found.items()
            if values - declared
        ]
    elif true and predicted and not true & predicted:
        violations.append(f"y_true and y_pred share no label: {shown}; write the same labels in both")
    elif true and predicted - true:
        way = (
            ", or say which one means no decision (abstain=..., --abstain LABEL)"
            if reading.task == "multiclass"
            else ""
        )
        violations.append(
            f"y_pred has labels that y_true never has: {quoted(predicted - true)}; mend them, declare every label "
            f"(labels=[...], --labels A,B){way}"
        )
    every = declared or true
    if len(every) > MAX_LABELS:
        violations.append(
            f"y_true has {len(every):,} labels, more than {MAX_LABELS}; merge labels that belong together, or "
            f"audit the ones that matter against the rest"
        )
    if not violations and true and len(every | predicted) < 2 and reading.task == "multiclass":
        violations.append(
            f"expected at least two labels; found {shown}; declare every label (labels=[...], --labels A,B)"
        )
    raise_violations(violations)
    return tuple(sorted(every | predicted))


def _labels(columns: Mapping[str, pa.Array], log: PredictionLog) -> tuple[dict[str, pa.Array], str]:
    positive = log.reading.positive
    found = {role: set(pc.unique(column.drop_null()).to_pylist()) for role, column in columns.items()}
    distinct = set().union(*found.values())
    binary = distinct <= set(BINARY)
    thresholded = "y_pred" not in log.columns
    if binary and (positive is None or positive in BINARY):
        wanted = BINARY[positive or "1"]
        other = "0" if wanted == "1" else "1"
        of_score = {"true": wanted, "false": other} if thresholded else BINARY
        return {"y_true": _mapped(columns["y_true"], BINARY), "y_pred": _mapped(columns["y_pred"], of_score)}, wanted
    labels = found["y_true"] if thresholded else distinct
    raise_violations(_declared_violations(labels, positive, found))
    if thresholded:  # true and false of the threshold, in the words of y_true
        others = sorted(labels - {positive}) or [f"not {positive}"]
        words = {"true": str(positive), "false": others[0]}
        return {"y_true": columns["y_true"], "y_pred": _mapped(columns["y_pred"], words)}, str(positive)
    return dict(columns), str(positive)


def _declared_violations(labels: set[str], positive: str | None, found: Mapping[str, set[str]]) -> list[str]:
    if len(labels) > 2:
        of_labels = {role: values for role, values in found.items() if values <= labels}  # not what a threshold says
        return _unlike(labels, found) or two_label_violations(of_labels)
    shown = ", ".join(f"{role} has {quoted(values)}" for role, values in found.items())
    if positive is None:
        return [f"the positive label is not known: {shown}; say which one is positive (positive=..., --positive ...)"]
    if labels and positive not in labels and not _without_positives(labels, positive):
        return [f"the positive label {positive!r} does not occur: {shown}; name one of these"]
    true, predicted = found["y_true"], found["y_pred"]
    digits = [label for label in labels if re.match(NUMBER, label)]
    if labels == true | predicted and not true & predicted and len(digits) == 1 and digits[0] in BINARY:
        return [f"y_true and y_pred are spelled in two ways: {shown}; write the same labels in both"]
    return []


def _unlike(labels: set[str], found: Mapping[str, set[str]]) -> list[str]:
    """Return what is wrong where two labels are words and the predictions, none of them among these, are numbers."""
    true, predicted = found["y_true"], found["y_pred"]
    numbers = predicted <= labels and all(re.match(NUMBER, label) for label in predicted)
    if true & predicted or len(true) > 2 or not numbers or all(re.match(NUMBER, label) for label in true):
        return []
    shown = ", ".join(f"{role} has {quoted(values)}" for role, values in found.items())
    wrong = f"expected two labels; found {len(labels)}: {shown}"
    return [f"{wrong}; they share none: write both alike, or name y_score if they are scores"]


def _without_positives(labels: set[str], positive: str) -> bool:
    """Return whether labels can be those of a log in which nothing is positive, and not another spelling of it."""
    only = next(iter(labels))
    return len(labels) == 1 and only not in BINARY and only.strip().casefold() != positive.strip().casefold()


def _mapped(column: pa.Array, words: Mapping[str, str]) -> pa.Array:
    encoded = column.dictionary_encode()
    return pa.array([words[value] for value in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)
