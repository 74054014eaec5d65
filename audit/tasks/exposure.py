"""The audit of rankings: quality by the group of who is served, and exposure by the group of what is shown.

Unlike counts, ranks depend on the other items of a query, so the columns are read into memory and ranked there; all
variances take whole queries for the independent units.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.measurement import At, Measurement, as_slice
from audit.predictions import PredictionLog
from audit.provenance import Provenance, file_digests, recorded_versions
from audit.result import Result
from audit.tally import Codes
from audit.tasks.exposure_shares import exposure_rows
from audit.tasks.query_items import Items, read_items
from audit.tasks.shares import number_rows

Floats = npt.NDArray[np.float64]
Gains = Literal["linear", "exponential"]
Order = Literal["score", "rank"]


class Ranked(NamedTuple):
    """Per item: the discount 1 / log2(1 + rank) of its place (0 beyond k), and of its place in the ideal order.

    Items that share a score share the mean discount of the places that they fill.

    Examples
    --------
    >>> found = ranked(np.array([0, 0, 0]), np.array([0.9, 0.5, 0.5]), np.array([0.0, 1.0, 0.0]), k=None)
    >>> found.discount.round(3).tolist()  # 1, and twice the mean of .631 and .5
    [1.0, 0.565, 0.565]
    """

    discount: Floats
    ideal: Floats


def run_ranking(
    log: PredictionLog,
    *,
    query: str = "cluster",
    k: int | None = None,
    level: float = 0.95,
    order: Order = "score",
    gains: Gains = "linear",
    query_features: Sequence[str] = (),
) -> Result:
    r"""Audit rankings of items within queries.

    Parameters
    ----------
    log
        One row per item shown for a query, read with ``task="ranking"``: `y_score` (or `y_pred`) ranks the items,
        `y_true` is their relevance (>= 0; may be left out, then only exposure is measured).
    query
        The role whose column names the query; its rows are one ranking.
    k
        Places beyond k are not seen: they have no exposure and no gain. None = all places count.
    level
        Confidence level, in (0, 1).
    order
        "score": the largest stands first; "rank": the smallest.
    gains
        "linear": the gain is the relevance, as in scikit-learn; "exponential": 2^relevance - 1 (Burges et al. 2005).
    query_features
        Sensitive features of whom the query is from; each has one value within a query. All others are of the items.

    Returns
    -------
    Result
        ``ndcg`` in [0, 1], larger is better: the mean over queries, for everyone and by the groups of
        `query_features`, with gaps; queries without a relevant item have none and are counted
        (``queries_without_relevance``). By the groups of each item feature, shares in [0, 1]: ``exposure_share``,
        ``item_share``, ``relevance_share``; ``exposure_to_relevance_ratio``, exposure share over relevance share (1 is
        exposure by merit), and the largest such ratio between two groups. `at.k` is k, where it is given.

    Raises
    ------
    InputError
        If a score or relevance is missing or not finite, relevance is negative, or a query feature varies in a query.

    Notes
    -----
    DCG@k = sum over places r <= k of gain_r / log2(1 + r), NDCG = DCG / DCG of the ideal order: Jarvelin & Kekalainen
    2002, Cumulated gain-based evaluation of IR techniques, doi:10.1145/582415.582418. Items with equal scores share the
    mean discount of their places, the expectation under a random order (McSherry & Najork 2008,
    doi:10.1007/978-3-540-78646-7_38), as in scikit-learn; unlike there, a query without relevant items is undefined and
    not 0. Exposure 1 / log2(1 + rank), and exposure against merit: Singh & Joachims 2018, Fairness of exposure in
    rankings, arXiv:1802.07281, sections 3 and 4.2, with shares over all queries. Intervals: of NDCG the t interval of
    the mean over queries; shares and ratios are linearised with queries as units (g / (g - 1), g - 1 degrees of
    freedom, g queries), shares on the logit and ratios on the log scale. With fewer than about 30 queries, or a group
    that few queries show, they are rough.

    Examples
    --------
    Two queries of two items; group A always stands first, though B is as relevant: 1 / (1 + .631) of the exposure.

    >>> import pyarrow as pa
    >>> frame = pa.table({"q": [1, 1, 2, 2], "s": [0.9, 0.1, 0.8, 0.3], "y": [1, 0, 0, 1], "g": ["A", "B", "A", "B"]})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_score="s", cluster="q", sensitive_features=["g"],
    ...                                task="ranking")
    >>> found = run_ranking(log)
    >>> round(found.find("exposure_share", {"g": "A"}).value, 3), round(found.find("ndcg").value, 3)
    (0.613, 0.815)
    """
    raise_violations(_violations(k, level, order, gains, query_features, log))
    items = read_items(log, query=query, largest_first=order == "score", query_features=query_features)
    gain = None if items.relevance is None else _gain(items.relevance, gains)
    places = ranked(items.query, items.score, np.zeros(len(items.query)) if gain is None else gain, k=k)
    at: At = () if k is None else (("k", k),)
    rows = list(_counts(items))
    unjudged = 0
    if gain is not None:
        found, unjudged = _ndcg_rows(items, gain, places, query_features, level, at)
        rows += found
    for feature in log.sensitive_features:
        if feature not in query_features:
            rows += exposure_rows(items, gain, places.discount, feature, level=level, at=at)
    given = {
        "task": "ranking", "columns": dict(log.columns), "query": query, "k": k, "level": level, "order": order,
        "gains": gains, "query_features": list(query_features), "sensitive_features": list(log.sensitive_features),
        "queries_without_relevance": unjudged,
    }  # fmt: skip
    provenance = Provenance(data=file_digests(log.source), versions=recorded_versions(), given=given)
    return Result(measurements=tuple(rows), provenance=provenance)


def ranked(query: Codes, score: Floats, gain: Floats, *, k: int | None) -> Ranked:
    """Return the discounts of items within their queries.

    Parameters
    ----------
    query
        The query of each item, codes from 0, shape (n_items,).
    score
        Scores, larger first, shape (n_items,).
    gain
        Gains, shape (n_items,): the ideal order is by them.
    k
        Places beyond k count nothing; None = none does.

    Examples
    --------
    >>> ranked(np.array([0, 0]), np.array([0.1, 0.2]), np.array([1.0, 0.0]), k=1)
    Ranked(discount=array([0., 1.]), ideal=array([1., 0.]))
    """
    return Ranked(_discount(query, score, k), _discount(query, gain, k))


def _discount(query: Codes, score: Floats, k: int | None) -> Floats:
    order = np.lexsort((-score, query))
    sizes = np.bincount(query)
    place = np.arange(len(query)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1
    discount = np.where(place <= (k or len(query)), 1 / np.log2(1 + place), 0.0)
    new = np.ones(len(query), dtype=bool)
    new[1:] = (query[order][1:] != query[order][:-1]) | (score[order][1:] != score[order][:-1])
    tie = np.cumsum(new) - 1
    mean = np.bincount(tie, weights=discount) / np.bincount(tie)
    shared = np.empty(len(query))
    shared[order] = mean[tie]
    return shared


def _gain(relevance: Floats, gains: Gains) -> Floats:
    return relevance if gains == "linear" else np.exp2(relevance) - 1


def _violations(
    k: int | None, level: float, order: str, gains: str, query_features: Sequence[str], log: PredictionLog
) -> list[str]:
    violations = [] if 0 < level < 1 else [f"level must lie in (0, 1); got {level}"]
    if k is not None and (isinstance(k, bool) or not isinstance(k, int) or k < 1):
        violations.append(f"k must be a whole number of places, at least 1; got {k!r}")
    if order not in {"score", "rank"}:
        violations.append(f"order must be 'score' or 'rank'; got {order!r}")
    if gains not in {"linear", "exponential"}:
        violations.append(f"gains must be 'linear' or 'exponential'; got {gains!r}")
    known = list(log.sensitive_features)
    violations += [
        f"{name!r} is no sensitive feature; expected some of {known}" for name in query_features if name not in known
    ]
    return violations


def _counts(items: Items) -> Iterator[Measurement]:
    n = len(items.query)
    yield Measurement(metric="count", value=n, n=n, method="count")
    for feature, (codes, values) in items.features.items():
        for code, value in enumerate(values):
            rows = int(np.sum(codes == code))
            yield Measurement(metric="count", slice=as_slice({feature: value}), value=rows, n=rows, method="count")


def _ndcg_rows(
    items: Items, gain: Floats, places: Ranked, query_features: Sequence[str], level: float, at: At
) -> tuple[list[Measurement], int]:
    queries = int(items.query.max()) + 1
    reached, best = (np.bincount(items.query, weights=gain * side, minlength=queries) for side in places)
    judged = best > 0
    first = np.unique(items.query, return_index=True)[1]
    unjudged = int(queries - judged.sum())
    if not judged.any():
        reason = f"no relevant items in any of {queries} queries"
        return [Measurement(metric="ndcg", at=at, value=None, n=0, level=level, method="none", reason=reason)], unjudged
    groups = {
        feature: np.array(items.features[feature][1], dtype=object)[items.features[feature][0][first]][judged]
        for feature in query_features
    }
    values = np.minimum(reached[judged] / best[judged], 1.0)
    return list(number_rows("ndcg", values, groups, scale="logit", level=level, at=at)), unjudged
