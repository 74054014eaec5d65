"""Reading a ranking log: the items of each query as arrays, checked."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import InputError, raise_violations
from audit.expressions import floats, number
from audit.predictions import PredictionLog, feature_column
from audit.tally import Codes, sorted_codes
from audit.values import canonical_array

Floats = npt.NDArray[np.float64]

_SHOWN_ROWS = 5


class Items(NamedTuple):
    """Items as arrays of one length: the query (codes from 0), the score (larger first), relevance, and features.

    Examples
    --------
    >>> frame = pa.table({"q": ["a", "a"], "s": [1.0, 2.0]})
    >>> log = PredictionLog.from_frame(frame, y_score="s", cluster="q", task="ranking")
    >>> read_items(log, query="cluster").score.tolist()
    [1.0, 2.0]
    """

    query: Codes
    score: Floats
    relevance: Floats | None
    features: Mapping[str, tuple[Codes, list[str | None]]]


def read_items(
    log: PredictionLog, *, query: str, largest_first: bool = True, query_features: Sequence[str] = ()
) -> Items:
    """Read the items of a ranking log.

    Parameters
    ----------
    log
        The log.
    query
        The role whose column names the query.
    largest_first
        Whether the largest score stands first; otherwise the smallest, and scores come back negated.
    query_features
        Sensitive features that must have one value within a query.

    Raises
    ------
    InputError
        If there are no rows, a role is missing, a number is missing or not finite, or relevance is negative.

    Examples
    --------
    >>> frame = pa.table({"q": ["a", "b"], "rank": [1, 2]})
    >>> log = PredictionLog.from_frame(frame, y_pred="rank", cluster="q", task="ranking")
    >>> read_items(log, query="cluster", largest_first=False).score.tolist()
    [-1.0, -2.0]
    """
    schema = log.table.collect_schema()
    by = "y_score" if "y_score" in log.columns else "y_pred"
    raise_violations(_role_violations(log, query, by))
    numeric = {name: number(name, schema) for name in (by, "y_true") if name in log.columns}
    plain = [query, *(feature_column(place) for place in range(len(log.sensitive_features)))]
    wanted = {f"number_{name}": value for name, value in numeric.items()} | {name: nw.col(name) for name in plain}
    table: pa.Table = log.table.select(**wanted).collect(backend="pyarrow").to_native()
    if not table.num_rows:
        msg = "the data has no rows; expected at least one item"
        raise InputError([msg])
    score = floats(table[f"number_{by}"])
    relevance = floats(table["number_y_true"]) if "y_true" in log.columns else None
    raise_violations(_value_violations(log, by, score, relevance, table[query]))
    codes = sorted_codes(canonical_array(table[query]))[0]
    features = {
        name: sorted_codes(canonical_array(table[feature_column(place)]))
        for place, name in enumerate(log.sensitive_features)
    }
    raise_violations(_varying(codes, features, query_features))
    return Items(codes, score if largest_first else -score, relevance, features)


def _role_violations(log: PredictionLog, query: str, by: str) -> list[str]:
    known: Mapping[str, str] = {str(role): column for role, column in log.columns.items()}
    violations = []
    if query not in known:
        violations.append(f"no column names the query: give it the role {query!r}, as in {query}='search_id'")
    if by not in known:
        violations.append("no column ranks the items: name y_score (larger first) or y_pred")
    if "sample_weight" in known:
        violations.append("rankings take every query alike; leave sample_weight out")
    if log.reading.bins:
        violations.append(f"rankings cut no features into ranges; write {', '.join(log.reading.bins)} as text first")
    if log.reading.missing != "group":
        violations.append("items of a missing group hold places in a ranking: leave missing at 'group'")
    return violations


def _value_violations(
    log: PredictionLog, by: str, score: Floats, relevance: Floats | None, query: pa.ChunkedArray
) -> list[str]:
    columns: dict[str, Any] = {str(role): column for role, column in log.columns.items()}
    violations = []
    for role, values in ((by, score), ("y_true", relevance)):
        if values is None:
            continue
        low = np.zeros(len(values), dtype=bool) if role == by else values < 0
        bad = np.flatnonzero(~np.isfinite(values) | low)
        if len(bad):
            rule = "finite numbers" if role == by else "finite numbers >= 0"
            shown = ", ".join(f"row {place + 1}" for place in bad[:_SHOWN_ROWS])
            where = f"column {columns[role]!r} ({role})"
            violations.append(f"{where}: expected {rule}; {len(bad)} rows hold none: {shown}; mend or drop them")
    if missing := int(pc.sum(pc.is_null(canonical_array(query))).as_py() or 0):
        violations.append(f"{missing} rows belong to no query; complete or drop them")
    return violations


def _varying(
    query: Codes, features: Mapping[str, tuple[Codes, list[str | None]]], query_features: Sequence[str]
) -> list[str]:
    first = np.unique(query, return_index=True)[1]
    return [
        f"{name!r} is named as a feature of queries and has several values within one; name it for items, or mend it"
        for name in query_features
        if np.any(features[name][0] != features[name][0][first][query])
    ]
