"""Rows whose labels are worth a second look: likely label errors and the largest losses, as a list to act on."""

import csv
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.inference.linearised import mean, rate_bounds, row
from audit.measurement import Measurement

Floats = npt.NDArray[np.float64]

COLUMNS = ("given_label", "suggested_label", "probability_of_given", "loss", "why", "decision")
"""The columns of a list of suspects, behind those that say where a row stands."""

ROW_ID, ROW = "row_id", "row (from 1)"
DECISIONS = "relabel / keep / drop"

_FORMULA_STARTS = tuple("=+-@＝＋－＠\t\r")


class Suspect(NamedTuple):
    """A row for a person to look at.

    Parameters
    ----------
    row_id
        Its id; its place, counted from 1, where it has none.
    given, suggested
        The label that it has, and the one that the model is surer of.
    probability
        Of the given label, by a model that did not see this row, in [0, 1].
    loss
        -ln(probability).
    margin
        Probability of the given label minus the largest of the others, in [-1, 1]: the smaller, the more suspicious.
    why
        In one sentence.
    where
        Where it stands, as pairs of column and value: ``(("part", "test"), ("line_in_file", "18"), ("id", "A17"))``;
        empty = at its `row_id`.

    Examples
    --------
    >>> Suspect("17", "no", "yes", 0.02, 3.9, -0.96, "the model is sure of yes").suggested
    'yes'
    """

    row_id: str
    given: str
    suggested: str
    probability: float
    loss: float
    margin: float
    why: str
    where: tuple[tuple[str, str], ...] = ()


def label_errors(
    y: Sequence[object] | npt.NDArray[np.generic],
    probabilities: npt.ArrayLike,
    *,
    classes: Sequence[object],
    row_ids: Sequence[object] | None = None,
) -> tuple[Suspect, ...]:
    """Return the rows whose label is likely wrong, the most suspicious first.

    Parameters
    ----------
    y
        Given labels, shape (n_rows,).
    probabilities
        Of each class by models that did not see the row (`audit.splits.cross_fit`), shape (n_rows, n_classes); of two
        classes the probabilities of the second may stand alone, shape (n_rows,).
    classes
        The class of each column.
    row_ids
        Ids that a person can find the rows by; None = their places, counted from 1.

    Returns
    -------
    tuple of Suspect
        Rows that count off the diagonal of the confident joint. Not proof: hard cases, rare groups and a poor model
        look like errors too. Looking at them, and at as many others, tells.

    Notes
    -----
    Confident learning (Northcutt, Jiang & Chuang 2021, doi:10.1613/jair.1.12125, arXiv:1911.00068): the threshold of a
    class is the mean of its probability over the rows that carry it; a row counts for the class with the largest
    probability among those that reach their threshold; it is a suspect where that is not the given one. Order: the
    normalised margin (their "self-confidence" breaks ties).

    Raises
    ------
    InputError
        If shapes differ, probabilities are not in [0, 1] or do not sum to 1, or a label is none of the classes.

    Examples
    --------
    >>> given, sure = [0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.9, 0.8, 0.9, 0.7]
    >>> [(found.row_id, found.given, found.suggested) for found in label_errors(given, sure, classes=[0, 1])]
    [('3', '0', '1')]
    """
    matrix = _matrix(probabilities)
    raise_violations(_violations(y, matrix, classes, row_ids))
    places = {label: place for place, label in enumerate(classes)}
    given = np.array([places[_plain(label)] for label in y], dtype=np.int64)
    ids = _ids(row_ids, len(given))
    confident = _confident(given, matrix)
    suspects = [
        _suspect(ids[place], given[place], int(confident[place]), matrix[place], classes)._replace(
            where=() if row_ids is not None else ((ROW, ids[place]),)
        )
        for place in np.flatnonzero((confident >= 0) & (confident != given))
    ]
    return tuple(sorted(suspects, key=lambda found: (found.margin, found.probability)))


def top_losses(
    y: Sequence[object] | npt.NDArray[np.generic],
    probabilities: npt.ArrayLike,
    *,
    classes: Sequence[object],
    row_ids: Sequence[object] | None = None,
    k: int = 20,
) -> tuple[Suspect, ...]:
    """Return the k rows with the largest log loss, the largest first: where the model is most wrong.

    Parameters are those of `label_errors`; k the number of rows.

    Raises
    ------
    InputError
        As `label_errors`, or if k is no whole number of at least 1.

    Examples
    --------
    >>> top_losses([0, 1], [0.9, 0.8], classes=["no", "yes"][:2] and [0, 1], k=1)[0].why
    'the model gives 0 a probability of 0.100'
    """
    matrix = _matrix(probabilities)
    fine = isinstance(k, int) and not isinstance(k, bool) and k >= 1
    few = [] if fine else [f"k must be a whole number of rows, at least 1; got {k}"]
    raise_violations([*few, *_violations(y, matrix, classes, row_ids)])
    places = {label: place for place, label in enumerate(classes)}
    given = np.array([places[_plain(label)] for label in y], dtype=np.int64)
    ids = _ids(row_ids, len(given))
    order = np.argsort(matrix[np.arange(len(given)), given], kind="stable")[:k]
    found = []
    for place in order.tolist():
        one = _suspect(ids[place], given[place], int(np.argmax(matrix[place])), matrix[place], classes)
        why = f"the model gives {one.given} a probability of {one.probability:.3f}"
        found.append(one._replace(why=why, where=() if row_ids is not None else ((ROW, ids[place]),)))
    return tuple(found)


def suspect_row(suspects: Sequence[Suspect], n: int, *, level: float = 0.95) -> Measurement:
    """Return the share of rows that are suspects, with its interval: `label_suspect_rate`.

    It is the share of rows worth a look, not of wrong labels.

    Examples
    --------
    >>> suspect_row([], 100).value
    0.0
    """
    flags = np.zeros(n)
    flags[: len(suspects)] = 1.0
    found = mean(flags)
    interval, how = rate_bounds(found, level=level)
    return row("label_suspect_rate", found, interval, method=how, level=level)


def suspects_csv(suspects: Sequence[Suspect]) -> str:
    """Return suspects as CSV with an empty column `decision` to fill in: relabel, keep or drop.

    The first columns say where a row stands: what `Suspect.where` names, else ``row_id``. Rows are counted from 1, and
    the name of the column says so. Texts that a spreadsheet would run as a formula get an apostrophe in front.

    Examples
    --------
    >>> print(suspects_csv([Suspect("=1+1", "no", "yes", 0.02, 3.9, -0.96, "sure")]).splitlines()[1])
    '=1+1,no,yes,0.0200,3.9000,sure,
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    named = suspects[0].where if suspects else ()
    writer.writerow(
        [*([safe_cell(name) for name, _ in named] or [ROW_ID]), *COLUMNS[:-1], f"{COLUMNS[-1]} ({DECISIONS})"]
    )
    for found in suspects:
        place = [value for _, value in found.where] or [found.row_id]
        texts = [safe_cell(text) for text in (*place, found.given, found.suggested)]
        numbers = [f"{number:.4f}" for number in (found.probability, found.loss)]
        writer.writerow([*texts, *numbers, safe_cell(found.why), ""])
    return stream.getvalue()


def safe_cell(text: str) -> str:
    """Return a text that no spreadsheet runs as a formula; control characters become U+FFFD.

    Examples
    --------
    >>> safe_cell("=cmd()"), safe_cell(" @x"), safe_cell("plain")
    ("'=cmd()", "' @x", 'plain')
    """
    clean = "".join(mark if mark.isprintable() or mark == " " else "\ufffd" for mark in text)
    return "'" + clean if clean.lstrip().startswith(_FORMULA_STARTS) else clean


def _confident(given: npt.NDArray[np.int64], matrix: Floats) -> npt.NDArray[np.int64]:
    """Return the class that each row counts for in the confident joint; -1 for none."""
    size = matrix.shape[1]
    own = [matrix[given == place, place] for place in range(size)]
    thresholds = np.array([values.mean() if len(values) else np.inf for values in own])
    reached = matrix >= thresholds - 1e-12
    best = np.where(reached, matrix, -1.0).argmax(axis=1)
    return np.where(reached.any(axis=1), best, -1).astype(np.int64)


def _ids(row_ids: Sequence[object] | None, n: int) -> list[str]:
    return [str(place + 1) for place in range(n)] if row_ids is None else [str(name) for name in row_ids]


def _suspect(row_id: str, given: int, suggested: int, row_of: Floats, classes: Sequence[object]) -> Suspect:
    others = np.delete(row_of, given)
    probability = float(row_of[given])
    name, other = str(classes[given]), str(classes[suggested])
    sure, own = f"{row_of[suggested]:.2f}", f"{probability:.2f}"
    why = f"labelled {name!r}; the model gives {other!r} a probability of {sure} and {name!r} of {own}"
    loss = float(-np.log(max(probability, 1e-15)))
    return Suspect(row_id, name, other, probability, loss, probability - float(others.max()), why)


def _matrix(probabilities: npt.ArrayLike) -> Floats:
    array = np.asarray(probabilities, dtype=np.float64)
    return np.column_stack([1 - array, array]) if array.ndim == 1 else array


def _plain(label: object) -> object:
    return label.item() if isinstance(label, np.generic) else label


def _violations(
    y: Sequence[object] | npt.NDArray[np.generic],
    matrix: Floats,
    classes: Sequence[object],
    row_ids: Sequence[object] | None,
) -> list[str]:
    violations = []
    if matrix.shape != (len(y), len(classes)):
        violations.append(
            f"probabilities have shape {matrix.shape}; expected ({len(y)}, {len(classes)}): rows and classes"
        )
    if len(classes) < 2 or len(set(classes)) < len(classes):
        violations.append(f"classes must be at least two different ones; got {list(classes)}")
    if row_ids is not None and len(row_ids) != len(y):
        violations.append(f"row_ids has {len(row_ids)} entries, y {len(y)}; give as many")
    unknown = sorted({str(_plain(label)) for label in y if _plain(label) not in set(classes)})
    if unknown:
        violations.append(f"labels {unknown[:5]} are none of the classes {list(classes)[:20]}")
    if not np.isfinite(matrix).all() or np.any(matrix < 0) or np.any(matrix > 1):
        violations.append("probabilities must lie in [0, 1]; pass those of predict_proba, not scores")
    elif np.any(np.abs(matrix.sum(axis=1) - 1) > 1e-3):
        violations.append("the probabilities of a row must sum to 1")
    return violations
