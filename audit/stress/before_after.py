"""What two sets of decisions about the same rows do to each group: values under each, paired differences, the price."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.counting import count
from audit.errors import raise_violations
from audit.inference.intervals import rate
from audit.inference.linearised import Linearised, Place, bounds, difference, mean, row
from audit.measurement import Measurement, Slice
from audit.paired.comparison import run_compare
from audit.predictions import PredictionLog
from audit.result import Result
from audit.run import measure
from audit.values import canonical

Floats = npt.NDArray[np.float64]

BEFORE = "before"
_METRICS = ("selection_rate", "accuracy", "true_positive_rate", "false_positive_rate", "precision")


class LabelledRows(NamedTuple):
    """Rows to train or to test on: features (n_rows, n_features), labels 0/1, and sensitive values by feature.

    Examples
    --------
    >>> LabelledRows(np.zeros((2, 1)), np.array([0, 1]), {"sex": ["F", "M"]}).y_true.tolist()
    [0, 1]
    """

    features: Any
    y_true: npt.NDArray[np.int64]
    sensitive_features: Mapping[str, Sequence[str]]


class Decisions(NamedTuple):
    """What a model decides about rows: labels 0/1, and the probability of label 1 where it claims one.

    `drawn` is the share of rows whose label was drawn at random.

    Examples
    --------
    >>> Decisions(np.array([0, 1]), np.array([0.2, 0.9])).drawn
    0.0
    """

    y_pred: npt.NDArray[np.int64]
    y_score: Floats | None = None
    drawn: float = 0.0


def before_and_after(
    test: LabelledRows,
    before: Decisions,
    after: Decisions,
    *,
    name: str,
    level: float = 0.95,
    random_state: int = 0,
    given: Mapping[str, Any] | None = None,
) -> Result:
    """Return what two sets of decisions about the same test rows do to each group, and the paired differences.

    Returns
    -------
    Result
        The rows of `audit.paired.comparison.run_compare` (values under ``before`` and under `name`, differences after -
        before with paired intervals, growth of gaps), the largest gaps under each at its `model_version`, and the
        price: the difference in accuracy among them, and the Brier score of everyone and of each group where scores are
        given.

    Raises
    ------
    InputError
        If labels, decisions and sensitive values differ in length, or are not what `LabelledRows` says.

    Examples
    --------
    >>> test = LabelledRows(None, np.tile([0, 1], 20), {"sex": ["F", "M"] * 20})
    >>> result = before_and_after(test, Decisions(np.ones(40, int)), Decisions(np.tile([0, 1], 20)), name="mended")
    >>> next(row.value for row in result.measurements if row.metric == "accuracy_difference" and row.slice == ())
    0.5
    """
    sides = {BEFORE: before, name: after}
    violations = row_violations(test, "test")
    violations += [
        f"no sensitive feature may be called {key!r}" for key in {"y_true", *sides} & {*test.sensitive_features}
    ]
    violations += [
        f"{side} decides about {len(made.y_pred)} rows; the test has {len(test.y_true)}"
        for side, made in sides.items()
        if len(made.y_pred) != len(test.y_true)
    ]
    raise_violations(violations)
    columns = {"y_true": test.y_true, **{side: made.y_pred for side, made in sides.items()}}
    frame = pd.DataFrame(columns | {key: np.asarray(values, object) for key, values in test.sensitive_features.items()})
    features = list(test.sensitive_features)
    compared = run_compare(
        frame, y_true="y_true", candidate=name, baseline=BEFORE, sensitive_features=features, level=level,
        metrics=_METRICS,
    )  # fmt: skip
    rows = [*compared.measurements, *_largest_gaps(frame, features, [BEFORE, name], level)]
    rows += _brier_rows(test, sides, level)
    rows.append(_drawn_row(after, name, level))
    recorded = {**compared.provenance.given, **(given or {})}
    provenance = replace(compared.provenance, seed=random_state, given=recorded)
    return Result(measurements=tuple(rows), provenance=provenance, tally=compared.tally)


def row_violations(part: LabelledRows, name: str) -> list[str]:
    """Return what is wrong with rows that are trained or tested on.

    Examples
    --------
    >>> row_violations(LabelledRows(None, np.array([0, 2]), {"sex": ["F"]}), "test")
    ['test: y_true must be 0 or 1; found [2]', "test: 'sex' has 1 values for 2 rows"]
    """
    labels = np.asarray(part.y_true)
    violations = [] if len(labels) else [f"{name} has no rows"]
    if other := sorted(set(np.unique(labels).tolist()) - {0, 1}, key=str):
        violations.append(f"{name}: y_true must be 0 or 1; found {other[:5]}")
    if not part.sensitive_features:
        violations.append(f"{name} names no sensitive feature; what changes for whom cannot be said without")
    violations += [
        f"{name}: {feature!r} has {len(values)} values for {len(labels)} rows"
        for feature, values in part.sensitive_features.items()
        if len(values) != len(labels)
    ]
    return violations


def _largest_gaps(
    frame: pd.DataFrame, features: Sequence[str], sides: Sequence[str], level: float
) -> Iterator[Measurement]:
    for side in sides:
        log = PredictionLog.from_frame(frame, y_true="y_true", y_pred=side, sensitive_features=features)
        for found in measure(count(log), level=level, metrics=["selection_rate", *_METRICS[1:4]]):
            if found.against is not None and found.against["kind"] == "groups" and not found.metric.endswith("_ratio"):
                yield replace(found, at=(("model_version", side),))


def _brier_rows(test: LabelledRows, sides: Mapping[str, Decisions], level: float) -> Iterator[Measurement]:
    (before, old), (name, new) = sides.items()
    for slice_, inside in _slices(test):
        losses: dict[str, Linearised] = {}
        for side, made in sides.items():
            if made.y_score is None:
                continue
            losses[side] = mean((np.asarray(made.y_score)[inside] - test.y_true[inside]) ** 2)
            place = Place(at=(("model_version", side),), slice=slice_)
            yield row(
                "brier_score",
                losses[side],
                bounds(losses[side], level=level),
                method="student_t",
                level=level,
                place=place,
            )
        against = {"kind": "model", "model_version": before}
        place = Place(slice=slice_, against=against)
        if len(losses) == 2:
            change = difference(losses[name], losses[before])
            ends = bounds(change, level=level)
            yield row("brier_score_difference", change, ends, method="paired_t", level=level, place=place)
        elif old.y_score is not None and new.y_score is None:
            yield Measurement(
                metric="brier_score_difference", slice=slice_, against=against, value=None, n=int(inside.sum()),
                level=level, method="none", reason=f"{name} changes decisions only, and claims no probability",
            )  # fmt: skip


def _slices(test: LabelledRows) -> Iterator[tuple[Slice, npt.NDArray[np.bool_]]]:
    yield (), np.ones(len(test.y_true), dtype=bool)
    for feature, values in test.sensitive_features.items():
        spelled = np.array([canonical(value) for value in values], dtype=object)
        for value in sorted(set(spelled.tolist()), key=lambda text: (text is not None, text or "")):
            yield ((feature, value),), np.array([each == value for each in spelled], dtype=bool)


def _drawn_row(after: Decisions, name: str, level: float) -> Measurement:
    n = len(after.y_pred)
    drawn = round(after.drawn * n)
    low, high = (float(end) for end in rate(drawn, n, level=level))
    return Measurement(
        metric="randomised_share", at=(("model_version", name),), value=after.drawn, low=low, high=high, n=n,
        level=level, method="rate", reason=None if drawn else "no decision is drawn at random",
    )  # fmt: skip
