"""Decisions that flip when only a named attribute changes, for any model.

A flip shows that a decision depends on the attribute or on what was changed with it. No flip shows only that it does
not depend on what was changed: proxies that nobody stated stay as they were (Kilbertus et al. 2017, arXiv:1706.02744).
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from audit.errors import raise_violations
from audit.provenance import Provenance, recorded_versions
from audit.result import Result
from audit.stress.answers import Predict, answers, missing_columns
from audit.tasks.shares import group_counts, number_rows, share_rows

Change = Mapping[str, Mapping[Hashable, Hashable]]
"""By column: which value becomes which. The first column is the attribute, the others are its stated proxies."""


def counterfactual_flips(
    predict: Predict,
    frame: pd.DataFrame,
    *,
    change: Change,
    sensitive_features: Sequence[str] = (),
    threshold: float | None = None,
    positive: str | None = None,
    cluster: str | None = None,
    level: float = 0.95,
) -> Result:
    """Return how often the decision about a row flips when only the named attribute, and its stated proxies, change.

    Parameters
    ----------
    predict
        The model: from a frame to one label (or score) per row.
    frame
        The rows, shape (n_rows, n_columns).
    change
        ``{"sex": {"F": "M", "M": "F"}, "title": {"Ms": "Mr", "Mr": "Ms"}}``. Rows whose attribute (the first column) is
        none of the named values are left out; proxies with another value stay as they are.
    sensitive_features
        Further columns whose groups are compared; those of the attribute always are, by the value before the change.
    threshold, positive
        As in `audit.stress.answers.answers`.
    cluster
        Column of rows that belong together.
    level
        Confidence level, in (0, 1).

    Returns
    -------
    Result
        ``counterfactual_flip_rate`` in [0, 1], nearer 0 is better, for every slice with its gaps; where a direction is
        known also ``flip_to_positive_rate`` and ``flip_to_negative_rate`` (shares of all rows; they add up to it); with
        scores ``counterfactual_score_change``, the mean of score after - before. `at.feature` is the attribute.

    Raises
    ------
    InputError
        If columns or values do not occur, a value does not fit the type of its column, or the model raises or answers
        wrongly.

    Notes
    -----
    This is the test of flipping the attribute in the input, not a causal counterfactual (Kusner et al. 2017,
    arXiv:1703.06856): what the attribute influences is changed only where it is stated as a proxy. A row keeps all its
    other values, and the changed row may be one that never occurs.

    Examples
    --------
    >>> frame = pd.DataFrame({"sex": ["F", "M", "F", "M"], "income": [10, 10, 90, 90]})
    >>> def predict(rows):
    ...     return ((rows["income"] > 50) | (rows["sex"] == "M")).astype(int)
    >>> found = counterfactual_flips(predict, frame, change={"sex": {"F": "M", "M": "F"}})
    >>> [row.value for row in found.measurements if row.metric == "counterfactual_flip_rate" and row.against is None]
    [0.5, 0.5, 0.5]
    """
    features = list(dict.fromkeys([*list(change)[:1], *sensitive_features]))
    raise_violations(_change_violations(frame, change, [*features, *([cluster] if cluster else [])]))
    attribute = next(iter(change))
    kept = frame[frame[attribute].isin(list(change[attribute]))]
    groups = {feature: kept[feature].to_numpy(copy=True) for feature in features}
    before = answers(predict, kept, len(kept), threshold=threshold, positive=positive)
    after = answers(predict, changed_rows(kept, change), len(kept), threshold=threshold, positive=positive)
    options: dict[str, Any] = {
        "cluster": None if cluster is None else kept[cluster].to_numpy(), "level": level,
        "at": (("feature", attribute),),
    }  # fmt: skip
    rows = [*group_counts(groups, len(kept))]
    rows += share_rows("counterfactual_flip_rate", before.labels != after.labels, groups, **options)
    if before.positive is not None and after.positive is not None:
        rows += share_rows("flip_to_positive_rate", ~before.positive & after.positive, groups, **options)
        rows += share_rows("flip_to_negative_rate", before.positive & ~after.positive, groups, **options)
    if before.scores is not None and after.scores is not None:
        rows += number_rows("counterfactual_score_change", after.scores - before.scores, groups, **options)
    given = {
        "check": "counterfactual flips", "level": level, "threshold": threshold, "positive": positive,
        "change": {column: {str(old): str(new) for old, new in values.items()} for column, values in change.items()},
        "sensitive_features": features, "rows_left_out": len(frame) - len(kept),
    }  # fmt: skip
    return Result(measurements=tuple(rows), provenance=Provenance(versions=recorded_versions(), given=given))


def changed_rows(frame: pd.DataFrame, change: Change) -> pd.DataFrame:
    """Return the same rows with the named values changed and everything else as it was.

    Examples
    --------
    >>> changed_rows(pd.DataFrame({"sex": ["F", "M"], "age": [1, 2]}), {"sex": {"F": "M"}}).to_dict("list")
    {'sex': ['M', 'M'], 'age': [1, 2]}
    """
    columns = {}
    for column, values in change.items():
        given = frame[column]
        new = [values.get(value, value) if isinstance(value, Hashable) else value for value in given]
        columns[column] = pd.Series(new, index=frame.index, dtype=given.dtype)
    return frame.assign(**columns)


def _change_violations(frame: pd.DataFrame, change: Change, columns: Sequence[str]) -> list[str]:
    if not change:
        return ["change names nothing: say which value becomes which, as in {'sex': {'F': 'M', 'M': 'F'}}"]
    violations = missing_columns(frame, [*change, *columns])
    if violations:
        return violations
    for place, (column, values) in enumerate(change.items()):
        same = [str(old) for old, new in values.items() if old == new]
        violations += [f"change of {column!r}: {old!r} stays what it is; name another value" for old in same]
        if place == 0 and not frame[column].isin(list(values)).any():
            found = [str(value) for value in frame[column].unique()[:10]]
            violations.append(f"no row has a value of {column!r} that changes: {list(values)}; found {found}")
        violations += _type_violations(column, values, frame[column].dtype)
        kind = frame[column].dtype
        if isinstance(kind, pd.CategoricalDtype) and (strange := {*values.values()} - {*kind.categories}):
            violations.append(f"change of {column!r}: {sorted(map(str, strange))} are no categories of that column")
    return violations


def _type_violations(column: str, values: Mapping[Hashable, Hashable], kind: Any) -> list[str]:  # noqa: ANN401 - a dtype
    """Return which new values a column of numbers or booleans cannot hold as they are."""
    if not pd.api.types.is_numeric_dtype(kind):
        return []
    strange = [str(new) for new in values.values() if not _fits(new, kind)]
    return [f"change of {column!r}: {strange} do not fit its type {kind}; name values of that type"] if strange else []


def _fits(value: Hashable, kind: Any) -> bool:  # noqa: ANN401 - a dtype
    try:
        held = pd.Series([value], dtype=kind)[0]
    except (TypeError, ValueError, OverflowError):
        return False
    gone = value is None or value is pd.NA or value != value  # noqa: PLR0124 - NaN is the number that differs
    return bool(pd.isna(held)) if gone else bool(held == value)
