"""Models on the same rows: what changes for whom when a candidate replaces the baseline, with paired intervals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, Literal

from audit.counting import BINS
from audit.errors import raise_violations
from audit.gaps import value_rows
from audit.measurement import Measurement
from audit.metrics.catalog import METRICS
from audit.metrics.metric import Metric
from audit.paired.paired import change
from audit.paired.paired_errors import LOG_LOSS, compare_errors
from audit.paired.paired_gaps import able_in_pairs, why_not_in_pairs
from audit.paired.paired_log import CountedTogether, count_together
from audit.paired.paired_mean_rows import mean_compare_rows, read_log_losses
from audit.paired.paired_models import SETTING, Models, joint_cells
from audit.paired.paired_rows import Sides, change_rows, extreme_change_rows, growth_rows, helped_and_harmed
from audit.paired.paired_tables import Asked, Joined, joined_tables
from audit.pairs import compared
from audit.provenance import Provenance, file_digests, recorded_versions
from audit.result import Result
from audit.rollup import Cells, partition
from audit.tally import Tally
from audit.tasks.regression import REGRESSION

LEVEL = 0.95


def run_compare(  # noqa: PLR0913 - a door: every way of reading the data is named here
    data: Any,  # noqa: ANN401 - any table that narwhals reads, or a path
    other: Any = None,  # noqa: ANN401 - as `data`
    *,
    y_true: str,
    candidate: str | Sequence[str],
    baseline: str,
    sensitive_features: Sequence[str] = (),
    on: str | None = None,
    scores: Sequence[str] = (),
    positive: str | int | float | bool | None = None,
    threshold: float | None = None,
    score_max: float = 1.0,
    bins: Mapping[str, Sequence[float]] | None = None,
    weights: Literal["sampling", "frequency"] = "sampling",
    sample_weight: str | None = None,
    cluster: str | None = None,
    level: float = LEVEL,
    reference: Mapping[str, str] | None = None,
    metrics: Sequence[str] | None = None,
) -> Result:
    """Compare one or more candidates with a baseline on the same rows.

    Both models are counted jointly in one pass, so that every difference has a paired interval: what both get right or
    wrong cancels. Two separate audits of the same rows cannot know that, and are several times too unsure.

    Parameters
    ----------
    data
        A table with the predictions of all models, or the candidates'; or the path of a CSV or Parquet file.
    other
        The baseline's table or file. Rows are matched by the id `on`; without one, by their order, which needs equally
        many rows and the same labels in both.
    y_true
        The column of true labels.
    candidate, baseline
        The columns of predictions.
    sensitive_features
        Columns whose groups are compared.
    scores
        Columns of scores, one per model, candidates first and the baseline last: ROC AUC and the Brier score are
        compared, too; the log loss where it is named.
    threshold
        The models' columns are scores; predict positive where ``score / score_max >= threshold``.
    positive, score_max, bins, weights, sample_weight, cluster
        As in `audit.predictions.PredictionLog`.
    level
        Confidence level of every interval, in (0, 1).
    reference
        The reference group by feature, for growths of gaps. Never inferred.
    metrics
        Names from `audit.metrics.METRICS`, or "log_loss"; None = all that can be compared in pairs. Where errors of a
        regression are named (`audit.tasks.regression.REGRESSION`, none but these), the models predict numbers.

    Returns
    -------
    Result
        Per slice (everyone, groups, intersections): the value under each model (at its `model_version`); the difference
        candidate - baseline (``<metric>_difference`` against ``{"kind": "model", ...}``), simultaneous over the groups
        of the same features; how many rows became right or wrong. Per feature: the largest rise or fall
        (``<metric>_difference_group_max``/``_min``) and the growth of gaps (``<metric>_change_difference``). With
        several candidates their rows stand at their `model_version`. The joint tally is attached, so that a gate can
        roll up any group at any level; means of losses are no counts, and stand as rows at this level only.

    Raises
    ------
    InputError
        If the tables hold what they should not, rows cannot be matched, or an option names what does not exist.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"label": [1] * 100, "old": [1] * 80 + [0] * 20, "new": [1] * 90 + [0] * 10})
    >>> result = run_compare(frame, y_true="label", candidate="new", baseline="old")
    >>> row = next(row for row in result.measurements if row.metric == "true_positive_rate_difference")
    >>> round(row.value, 3), round(row.low, 3), round(row.high, 3), row.n
    (0.1, 0.048, 0.175, 100)
    """
    candidates = (candidate,) if isinstance(candidate, str) else tuple(candidate)
    asked = Asked(
        y_true, candidates, baseline, tuple(sensitive_features), tuple(scores), positive, threshold, score_max, bins,
        weights, sample_weight, cluster, on,
    )  # fmt: skip
    raise_violations(list(_option_violations(asked, level, metrics, reference)))
    options = {"level": level, "reference": reference, "metrics": None if metrics is None else list(metrics)}
    if set(metrics or ()) & set(REGRESSION):
        return compare_errors(data, other, asked, options)
    counted = count_together(data, other, asked)
    of_counts = metrics if metrics is None else [name for name in metrics if name in METRICS]
    rows = compare_rows(counted.tally, counted.models, level=level, reference=reference, metrics=of_counts)
    if metrics is not None and LOG_LOSS in metrics:
        joined = Joined(data, asked) if other is None else joined_tables(data, other, asked)
        read = read_log_losses(joined.table, joined.asked, positive=str(counted.tally.positive))
        rows += tuple(mean_compare_rows(read, joined.asked, level=level, reference=reference))
    return Result(measurements=rows, provenance=_provenance(counted, asked, options), tally=counted.tally)


def compare_rows(
    tally: Tally,
    models: Models,
    *,
    level: float = LEVEL,
    reference: Mapping[str, str] | None = None,
    metrics: Sequence[str] | None = None,
) -> tuple[Measurement, ...]:
    """Return the rows of `run_compare` from a joint tally.

    Raises
    ------
    InputError
        If a reference group has no rows.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame = pa.table({"y": [1, 0] * 30, "new": [1, 0] * 30, "old": [1, 1] * 30})
    >>> counted = count_together(frame, None, Asked(y_true="y", candidates=("new",), baseline="old"))
    >>> rows = compare_rows(counted.tally, counted.models, metrics=["false_positive_rate"])
    >>> [(row.metric, row.value) for row in rows if row.against]
    [('false_positive_rate_difference', -1.0), ('became_right', 30.0), ('became_wrong', 0.0)]
    """
    coarse = joint_cells(tally, models)
    fine = joint_cells(tally, models, scores=True) if models.bins else coarse
    raise_violations(list(_reference_violations(coarse[0], reference)))
    chosen = _chosen(metrics, scored=bool(models.bins))
    rows = [Measurement(metric="count", value=tally.rows, n=tally.rows, method="count")]
    for size in range(len(models.features) + 1):
        for features in combinations(models.features, size):
            rows += _of_models(coarse, fine, models, chosen, features, level)
            for place, model in enumerate(models.candidates):
                found = [Sides(cells[place], cells[-1], models.baseline.name, level) for cells in (coarse, fine)]
                of_model = _of_candidate(found[0], found[1], chosen, features, reference or {})
                several = len(models.candidates) > 1
                rows += [replace(row, at=(("model_version", model.name),)) if several else row for row in of_model]
    return tuple(rows)


def _of_candidate(
    coarse: Sides, fine: Sides, chosen: Sequence[Metric], features: tuple[str, ...], reference: Mapping[str, str]
) -> Iterator[Measurement]:
    for metric in chosen:
        sides = fine if metric.needs_scores else coarse
        found = change(metric, sides.first, sides.second, partition(sides.first, features))
        yield from change_rows(found, sides)
        yield from extreme_change_rows(found, sides)
        if len(features) == 1:
            yield from growth_rows(found, sides, reference.get(features[0]))
    yield from helped_and_harmed(coarse, partition(coarse.first, features))


def _of_models(
    coarse: Sequence[Cells],
    fine: Sequence[Cells],
    models: Models,
    chosen: Sequence[Metric],
    features: tuple[str, ...],
    level: float,
) -> Iterator[Measurement]:
    """Yield the plain values under each model, at its `model_version`."""
    for place, model in enumerate(models.every):
        bases = []
        for metric in chosen:
            cells = (fine if metric.needs_scores else coarse)[place]
            bases.append(compared(metric, cells, partition(cells, features)))
        for row in value_rows(bases, level=level):
            yield replace(row, at=(("model_version", model.name),))


def _chosen(metrics: Sequence[str] | None, *, scored: bool) -> list[Metric]:
    names = metrics if metrics is not None else able_in_pairs()
    return [METRICS[name] for name in names if scored or not METRICS[name].needs_scores]


def _option_violations(
    asked: Asked, level: float, metrics: Sequence[str] | None, reference: Mapping[str, str] | None
) -> Iterator[str]:
    if not 0 < level < 1:
        yield f"level must lie in (0, 1); got {level}"
    scored = bool(asked.scores) or asked.threshold is not None
    for name in metrics or []:
        if name in REGRESSION:
            continue
        if name == LOG_LOSS and not scored:
            yield f"{name} needs scores; name a column of scores for each model"
        elif name != LOG_LOSS and (why := why_not_in_pairs(name)) is not None:
            yield why
        elif name != LOG_LOSS and METRICS[name].needs_scores and not scored:
            yield f"{name} needs scores; name a column of scores for each model"
    for feature in reference or {}:
        if feature not in asked.features:
            yield f"reference names {feature!r}, which is no sensitive feature; expected one of {list(asked.features)}"


def _reference_violations(cells: Cells, reference: Mapping[str, str] | None) -> Iterator[str]:
    for feature, group in (reference or {}).items():
        known = [values[0] for values in partition(cells, [feature]).groups]
        if group not in known:
            yield f"reference group {group!r} of {feature!r} has no rows; expected one of {known[:20]}"


def _provenance(counted: CountedTogether, asked: Asked, options: Mapping[str, Any]) -> Provenance:
    given: dict[str, Any] = {SETTING: counted.models.to_json(), "sensitive_features": list(asked.features)}
    columns: dict[str, Any] = {"y_true": asked.y_true, "candidate": list(asked.candidates), "baseline": asked.baseline}
    columns |= {"scores": list(asked.scores), "sample_weight": asked.sample_weight, "cluster": asked.cluster}
    given["columns"] = {name: value for name, value in columns.items() if value}
    settings: dict[str, Any] = {
        "positive": asked.positive,
        "threshold": asked.threshold,
        "score_max": asked.score_max,
        "on": asked.on,
    }
    settings["bins"] = {name: list(edges) for name, edges in (asked.bins or {}).items()}
    settings |= {"weights": counted.tally.weights, "score_bins": BINS, **options}
    defaults: dict[str, Any] = {"positive": None, "threshold": None, "score_max": 1.0, "on": None, "bins": {}}
    defaults |= {"weights": "none", "score_bins": BINS, "level": LEVEL, "reference": None, "metrics": None}
    defaulted = {name: value for name, value in settings.items() if value == defaults[name]}
    given |= {name: value for name, value in settings.items() if name not in defaulted}
    given |= {f"rows_only_in_the_{name}": rows for name, rows in counted.unmatched.items()}
    return Provenance(
        tally=counted.tally.digest(),
        data=file_digests(counted.source),
        versions=recorded_versions(),
        given=given,
        defaulted=defaulted,
    )
