"""The audit: from a log, in one pass, to every rate of every group with its interval, and the gaps between groups."""

from collections.abc import Mapping, Sequence
from typing import Any

from audit.counting import BINS, counted
from audit.errors import raise_violations
from audit.predictions import PredictionLog
from audit.provenance import Provenance, file_digests, recorded_versions
from audit.reading import SEPARATOR
from audit.result import Result
from audit.tally_rows import LEVEL, MAX_PAIRED, depth_of, depth_violations, measure
from audit.tasks.exposure import run_ranking
from audit.tasks.regression import run_regression

__all__ = ["LEVEL", "MAX_PAIRED", "log_settings", "measure", "run_audit"]


def run_audit(
    log: PredictionLog,
    *,
    level: float = LEVEL,
    reference: Mapping[str, str] | None = None,
    metrics: Sequence[str] | None = None,
    all_pairs: bool = False,
    baseline: Result | None = None,
    intersections: int | None = None,
) -> Result:
    """Audit a log of predictions.

    Parameters
    ----------
    log
        The predictions.
    level
        Confidence level of every interval, in (0, 1).
    reference
        The reference group by feature: ``{"race": "White"}``; each other group is compared with it. Never inferred.
    metrics
        Names of metrics; None = all that the columns allow (`audit.views.metric_names` lists them).
    all_pairs
        Also compare every pair of groups of a feature; at most `MAX_PAIRED` groups.
    baseline
        The result of an earlier run: differences to it are added.
    intersections
        How many features are crossed at most: 1 = no intersections. None = all of up to `ALL_UP_TO` features, pairs of
        more.

    Returns
    -------
    Result
        Plain values of every observed slice (everyone, each group, every intersection); for each feature every group
        against the rest and against the reference, simultaneous over the pairs of that feature and metric, and the
        largest gap; for each intersection the largest gap of what has a name (demographic parity, equal opportunity,
        equalized odds). Metrics of calibration stand for everyone and single features; for intersections, too, where
        they are named in `metrics`. The tally is attached: `audit.gaps.extreme` rolls up any other gap.

        Of several labels: accuracy and metrics over all labels (`audit.metrics.multiclass`), the confusion matrix of
        "multiclass", and every metric of each label against the rest, ``at`` that class; simultaneous over the pairs of
        groups, not over the labels: each label is a question of its own. Of more than twenty labels, labels against the
        rest are written out without intersections. With deferral: see `audit.tasks.deferral`.

    Raises
    ------
    InputError
        If the log holds what it should not, or an option names what does not exist: every violation at once.
    TypeError
        If `log` is a table rather than a log.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"label": [1, 1, 0, 0] * 10, "flagged": [1, 0, 0, 1] * 10, "sex": ["F", "M"] * 20})
    >>> log = PredictionLog.from_frame(frame, y_true="label", y_pred="flagged", sensitive_features=["sex"])
    >>> row = run_audit(log).find("true_positive_rate", {"sex": "F"})
    >>> row.value, round(row.low, 3), row.n
    (1.0, 0.692, 10)
    """
    _need_log(log)
    if log.reading.task not in {"binary", "multiclass", "multilabel"}:
        extra = {"all_pairs": all_pairs, "baseline": baseline is not None, "intersections": intersections is not None}
        return _without_tally(log, level, reference, metrics, [name for name, given in extra.items() if given])
    raise_violations(depth_violations(intersections, len(log.sensitive_features)))
    tally, dropped = counted(log)
    options = {"level": level, "reference": reference, "metrics": metrics, "all_pairs": all_pairs}
    given, defaulted = log_settings(log, options)
    (defaulted if intersections is None else given)["intersections"] = depth_of(intersections, len(tally.features))
    if dropped:
        given["rows_dropped_for_missing_sensitive_value"] = dropped
    if log.unmatched:
        given["rows_without_attributes"] = log.unmatched
    provenance = Provenance(
        tally=tally.digest(),
        data=file_digests(log.source),
        versions=recorded_versions(),
        given=given,
        defaulted=defaulted,
    )
    rows = measure(
        tally,
        level=level,
        reference=reference,
        metrics=metrics,
        all_pairs=all_pairs,
        baseline=baseline,
        intersections=intersections,
    )
    return Result(measurements=rows, provenance=provenance, tally=tally)


def _need_log(log: object) -> None:
    if not isinstance(log, PredictionLog):
        msg = (
            f"run_audit takes a PredictionLog; got {type(log).__name__}: make one with "
            f"PredictionLog.from_frame(data, y_true=..., y_pred=..., sensitive_features=[...])"
        )
        raise TypeError(msg)
    if log.reading.task == "watch":
        raise_violations(["the log's task is 'watch', without labels to audit by; name y_true, and leave the task out"])


def _without_tally(
    log: PredictionLog,
    level: float,
    reference: Mapping[str, str] | None,
    metrics: Sequence[str] | None,
    extra: Sequence[str],
) -> Result:
    """Return the audit of numbers or of rankings, which rest on other sums than a tally of labels."""
    task = log.reading.task
    if task == "ranking":
        given = {"reference": reference is not None, "metrics": metrics is not None}
        extra = [*extra, *(name for name, there in given.items() if there)]
    raise_violations(
        [f"{name} is given in vain: it means nothing for the task {task!r}; leave it out" for name in extra]
    )
    if task == "ranking":
        return run_ranking(log, level=level)
    return run_regression(log, level=level, reference=reference, metrics=metrics)


def log_settings(log: PredictionLog, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings that a result records: those that were given, and those left at their defaults.

    Parameters
    ----------
    log
        The log that was read.
    options
        Further settings by name; ``metrics`` among them.

    Examples
    --------
    >>> import pyarrow as pa
    >>> log = PredictionLog.from_frame(pa.table({"y": [1], "p": [1]}), y_true="y", y_pred="p")
    >>> given, defaulted = log_settings(log, {"metrics": None, "seed": 7})
    >>> given["seed"], defaulted["missing"]
    (7, 'group')
    """
    reading = log.reading
    settings = {
        **options,
        "metrics": None if options.get("metrics") is None else list(options["metrics"]),
        "task": reading.task,
        "labels": list(reading.labels),
        "abstain": reading.abstain,
        "separator": reading.separator,
        "columns": dict(log.columns),
        "sensitive_features": list(log.sensitive_features),
        "positive": reading.positive,
        "threshold": reading.threshold,
        "score_max": reading.score_max,
        "bins": {name: list(edges) for name, edges in reading.bins.items()},
        "missing": reading.missing,
        "weights": reading.weights,
        "score_bins": BINS,
    }
    defaults: dict[str, Any] = {
        "level": LEVEL, "reference": None, "metrics": None, "all_pairs": False, "positive": None, "threshold": None,
        "score_max": 1.0, "bins": {}, "missing": "group", "weights": "none", "score_bins": BINS, "task": "binary",
        "labels": [], "abstain": None, "separator": SEPARATOR,
    }  # fmt: skip
    defaulted = {name: value for name, value in settings.items() if name in defaults and value == defaults[name]}
    return {name: value for name, value in settings.items() if name not in defaulted}, defaulted
