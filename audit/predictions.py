"""The one door for data: a table of predictions and what each of its columns means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypedDict, Unpack

import narwhals.stable.v2 as nw

from audit.errors import raise_violations
from audit.reading import ROLES, Missing, Reading, Role, Task, option_violations, reading_of
from audit.tables import Table, open_file, open_frame, place_column, with_attributes

__all__ = ["ROLES", "Missing", "PredictionLog", "Reading", "Role", "RoleColumns", "Task", "feature_column"]


class RoleColumns(TypedDict, total=False):
    """Which column plays which `Role`; each value is the name of a column.

    Examples
    --------
    >>> import pandas as pd
    >>> roles: RoleColumns = {"y_true": "label", "y_pred": "flagged"}
    >>> log = PredictionLog.from_frame(pd.DataFrame({"label": [1, 0], "flagged": [1, 1]}), **roles)
    >>> log.columns["y_true"]
    'label'
    """

    prediction_id: str
    y_true: str
    y_pred: str
    y_score: str
    sample_weight: str
    cluster: str
    timestamp: str
    label_timestamp: str
    model_version: str
    place: str
    exposure: str
    action: str
    propensity: str
    arm: str
    dither: str
    human_decision: str
    outcome: str
    outcome_observed: str
    outcome_source: str
    training_weight: str
    user: str
    item: str
    round: str
    exposed: str
    earlier_score: str
    proxy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionLog:
    """A lazy table of predictions and what its columns mean.

    Nothing is read when a log is made, except the names and types of its columns; values are checked by the same pass
    that counts them (`audit.counting.count`).

    Parameters
    ----------
    table
        The lazy table, restricted to the columns that play a part and renamed by it: roles by their own names,
        sensitive features to `feature_column` and other features to `input_column` of their place, so that no name from
        the data reaches an engine.
    columns
        Column name by `Role`.
    sensitive_features
        Names of the columns whose groups are compared.
    reading
        How the columns are to be read.
    source
        The files it was read from; empty for tables in memory.
    unmatched
        How many rows found nobody in the second table; their sensitive values are missing.
    features
        Names of the columns whose distribution is watched: inputs of the model, and what is known beside them.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"label": [1, 0], "flagged": [1, 1], "sex": ["F", "M"]})
    >>> log = PredictionLog.from_frame(frame, y_true="label", y_pred="flagged", sensitive_features=["sex"])
    >>> log.columns["y_pred"], log.sensitive_features
    ('flagged', ('sex',))
    """

    table: nw.LazyFrame[Any]
    columns: Mapping[Role, str]
    sensitive_features: tuple[str, ...]
    reading: Reading
    source: tuple[Path, ...] = ()
    unmatched: int = 0
    features: tuple[str, ...] = ()

    @classmethod
    def from_frame(  # noqa: PLR0913 - the one door: every way of reading a log is named here
        cls,
        data: Any,  # noqa: ANN401 - any table that narwhals reads
        *,
        sensitive_features: Sequence[str] = (),
        features: Sequence[str] = (),
        task: Task = "binary",
        positive: str | int | float | bool | None = None,
        threshold: float | None = None,
        score_max: float = 1.0,
        bins: Mapping[str, Sequence[float]] | None = None,
        missing: Missing = "group",
        weights: Literal["sampling", "frequency"] = "sampling",
        labels: Sequence[str | int | float | bool] | None = None,
        abstain: str | int | float | bool | None = None,
        separator: str | None = None,
        attributes: Any = None,  # noqa: ANN401 - as `data`
        on: str | None = None,
        **roles: Unpack[RoleColumns],
    ) -> "PredictionLog":
        """Make a log from a pandas, Polars or Arrow table, a DuckDB relation, a Spark or Ibis table.

        Parameters
        ----------
        data
            The table, one row per prediction.
        sensitive_features
            Columns whose groups are compared.
        features
            Columns whose distribution is watched over time; an audit leaves them alone.
        task
            "binary", "multiclass", "multilabel", "regression" or "ranking": what `y_true` and `y_pred` hold; "watch":
            no labels, for monitors alone.
        positive
            The label that counts as positive; required unless labels are 0/1 or true/false.
        threshold
            Predict positive where ``y_score / score_max >= threshold``; instead of `y_pred`.
        score_max
            The score that means 1 (10 for deciles).
        bins
            Edges that cut a numeric feature into left-closed ranges: ``{"age": [25, 45]}``.
        missing
            "group": a missing sensitive value is a group of its own; "raise"; "drop" (counted).
        weights
            What `sample_weight` means: rows stand for that many people ("sampling"), or were repeated ("frequency").
        labels
            Every label that may occur, for "multiclass" and "multilabel"; None = those of `y_true`, and a prediction
            that is none of them is refused.
        abstain
            The prediction that means "left to a person"; an empty prediction means the same then. Deferred rows never
            count as right. For "binary" and "multiclass".
        separator
            What stands between the labels of a row in a text column, "|" where None; "multilabel" only. An empty text
            is "none of the above"; a list column needs no separator (an empty list is "none of the above", null is no
            label yet).
        attributes, on
            A second table with the sensitive features, joined on the column `on`. Rows whose id does not stand there
            fall into the missing group; they are counted in `unmatched`, and refused when they are more than half.
        **roles
            Column name by role: `y_true`, `y_pred`, `y_score`, `sample_weight`, `cluster`, `timestamp`, ...

        Raises
        ------
        InputError
            If columns are missing, doubled, of a wrong type, or the options contradict each other: all at once.
        """
        raise_violations(_keyword_violations(roles))
        sensitive, watched = _names("sensitive_features", sensitive_features), _names("features", features)
        wanted = {*map(str, roles.values()), *sensitive, *watched, str(on)}
        table = open_frame(data, wanted=wanted)
        if attributes is not None:
            table = with_attributes(table, open_frame(attributes, wanted=wanted), on)
        given: dict[str, Any] = {"task": task, "positive": positive, "threshold": threshold, "score_max": score_max}
        given |= {"missing": missing, "labels": labels, "abstain": abstain, "separator": separator}
        weighted = roles.get("sample_weight") is not None
        reading = reading_of(given, bins=bins, weights=weights, weighted=weighted)
        return _checked(cls, table, (sensitive, watched), reading, roles)

    @classmethod
    def from_file(  # noqa: PLR0913 - as from_frame
        cls,
        path: str | Path,
        *,
        sensitive_features: Sequence[str] = (),
        features: Sequence[str] = (),
        task: Task = "binary",
        positive: str | int | float | bool | None = None,
        threshold: float | None = None,
        score_max: float = 1.0,
        bins: Mapping[str, Sequence[float]] | None = None,
        missing: Missing = "group",
        weights: Literal["sampling", "frequency"] = "sampling",
        labels: Sequence[str | int | float | bool] | None = None,
        abstain: str | int | float | bool | None = None,
        separator: str | None = None,
        attributes: str | Path | None = None,
        on: str | None = None,
        **roles: Unpack[RoleColumns],
    ) -> "PredictionLog":
        """Make a log from a CSV file (read as text, may be gzipped) or a Parquet file or folder.

        Parameters are those of `from_frame`; `attributes` is a second file.

        Raises
        ------
        InputError
            As `from_frame`; also if a file is missing, empty or broken.
        """
        raise_violations(_keyword_violations(roles))
        table = open_file(Path(path))
        if attributes is not None:
            table = with_attributes(table, open_file(Path(attributes)), on)
        given: dict[str, Any] = {"task": task, "positive": positive, "threshold": threshold, "score_max": score_max}
        given |= {"missing": missing, "labels": labels, "abstain": abstain, "separator": separator}
        weighted = roles.get("sample_weight") is not None
        reading = reading_of(given, bins=bins, weights=weights, weighted=weighted)
        named = (_names("sensitive_features", sensitive_features), _names("features", features))
        return _checked(cls, table, named, reading, roles)


_KEYWORDS = (
    "sensitive_features", "features", "task", "positive", "threshold", "score_max", "bins", "missing", "weights",
    "labels", "abstain", "separator", "attributes", "on",
)  # fmt: skip
"""The keywords of `PredictionLog.from_frame` that are no roles."""


def feature_column(place: int) -> str:
    """Return the name that the sensitive feature at a place has in `PredictionLog.table`.

    Examples
    --------
    >>> feature_column(0)
    'feature_0'
    """
    return f"feature_{place}"


def input_column(place: int) -> str:
    """Return the name that the watched feature at a place has in `PredictionLog.table`.

    Examples
    --------
    >>> input_column(0)
    'input_0'
    """
    return f"input_{place}"


def _checked(
    cls: type[PredictionLog],
    table: Table,
    named: tuple[tuple[str, ...], tuple[str, ...]],
    reading: Reading,
    roles: RoleColumns,
) -> PredictionLog:
    sensitive, features = named
    columns: dict[Role, str] = {role: name for role, name in roles.items() if name is not None}  # type: ignore[misc]
    raise_violations(
        [
            *_column_violations(table, columns, sensitive, features),
            *option_violations(columns, sensitive, reading),
        ]
    )
    used = dict(columns.items()) | {feature_column(i): name for i, name in enumerate(sensitive)}
    used |= {input_column(i): name for i, name in enumerate(features)}
    return cls(
        table=table.lazy.select(**{column: nw.col(place_column(table.names.index(used[column]))) for column in used}),
        columns=MappingProxyType(columns),
        sensitive_features=sensitive,
        reading=reading,
        source=table.source,
        unmatched=table.unmatched,
        features=features,
    )


def _names(keyword: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise_violations([f"{keyword} is one text; expected a list: [{names!r}]"])
    return tuple(names)


def _keyword_violations(roles: Mapping[str, object]) -> list[str]:
    """Return which keywords are no role, with the one that was meant, and which roles name no column."""
    known = (*ROLES, *_KEYWORDS)
    violations = []
    for name, column in roles.items():
        if name not in ROLES:
            near = ["sensitive_features"] if name.startswith("sens") else get_close_matches(name, known, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            violations.append(f"unknown role {name!r}; expected one of {', '.join(ROLES)}{meant}")
        elif column is not None and not isinstance(column, str):
            violations.append(f"{name} must be the name of a column; got {type(column).__name__}")
    return violations


def _column_violations(
    table: Table, columns: Mapping[Role, str], sensitive: tuple[str, ...], features: tuple[str, ...]
) -> list[str]:
    wanted = [(name, role) for role, name in columns.items()] + [(name, "sensitive feature") for name in sensitive]
    wanted += [(name, "feature") for name in features]
    found = set(table.names)
    shown = ", ".join(map(repr, table.names[:20])) + (", ..." if len(table.names) > 20 else "")
    violations = [
        f"column {name!r} ({role}) is missing; the data has {shown}; name one of these"
        for name, role in wanted
        if name not in found
    ]
    violations += [
        f"column {name!r} ({role}) stands {table.names.count(name)} times in the data; rename the columns apart"
        for name, role in wanted
        if table.names.count(name) > 1
    ]
    violations += [
        f"{kind} {name!r} is named twice; name it once"
        for kind, names in (("sensitive feature", sensitive), ("feature", features))
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    return violations
