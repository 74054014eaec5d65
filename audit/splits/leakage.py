"""The linter of a split: what makes a test part flatter a model.

Every check is a row with its n and interval; what could not be checked is a row that says why. `audit.splits.findings`
reads the rows: which are findings, what they mean, what to do.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.alternatives.baselines import fit_gradient_boosting
from audit.errors import raise_violations
from audit.inference.linearised import Place, auc, auc_bounds, bounds, difference, row
from audit.measurement import Measurement
from audit.provenance import Provenance, file_digests, recorded_versions
from audit.result import Result
from audit.seeds import seed_violations
from audit.splits.domain_classifier import domain_rows
from audit.splits.leak_checks import CHECKS
from audit.splits.split_checks import cluster_row, label_row, missing_rows, not_checked, shift_rows, time_row
from audit.splits.split_columns import Feature
from audit.splits.split_table import SplitTable
from audit.splits.twins import twin_rows

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
FITTED = 50_000
"""Gradient boosting is fitted to at most so many train rows, drawn at random."""

FEWEST_FOR_ID = 200
"""Among fewer train rows, values that all differ (ages, amounts) are no sign of an id."""

BOOSTED = "gradient boosting"


def lint_splits(
    table: SplitTable,
    *,
    level: float = LEVEL,
    limits: Mapping[str, float] | None = None,
    random_state: int = 0,
) -> Result:
    """Look for everything that makes a test part flatter a model.

    Parameters
    ----------
    table
        Both parts, from `audit.splits.split_table.read_splits`.
    level
        Confidence level of every interval; those of one check over many features are simultaneous.
    limits
        By metric of `audit.splits.findings.CHECKS`: from where on it is a finding; the defaults stand there.
    random_state
        Seed of the models, folds and drawn rows.

    Returns
    -------
    Result
        Rows of every check; read them with `audit.splits.findings.findings`. A finding needs the whole interval beyond
        its limit, so that each check of a clean split is wrong with probability below (1 - level) / 2.

    Raises
    ------
    InputError
        If the level, a limit or the seed is out of range or unknown, or test or train rows have no labels.

    Examples
    --------
    The label itself stands among the features, under another name.

    >>> import pyarrow as pa
    >>> from audit.splits.findings import findings
    >>> from audit.splits.split_table import read_splits
    >>> y = np.arange(400) % 2
    >>> part = pa.table({"x": np.random.default_rng(0).normal(size=400), "paid_back": y, "y": y})
    >>> result = lint_splits(read_splits(part.slice(0, 200), part.slice(200), y_true="y"))
    >>> [(found.status, found.title) for found in findings(result)][:2]
    [('found', 'A single feature suffices'), ('undecided', 'Features that know the answer')]
    """
    raise_violations([*_violations(table, level, limits or {}), *seed_violations(random_state)])
    rows = [
        cluster_row(table, level=level),
        *twin_rows(table, level=level, random_state=random_state),
        *_score_rows(table, level=level, random_state=random_state),
        *single_rows(table, level=level),
        *_missing_rows(table, level=level),
        time_row(table, level=level),
        *_distinct_rows(table, level=level),
        *domain_rows(table, level=level, random_state=random_state),
        label_row(table, level=level),
        *shift_rows(table, level=level),
        *missing_rows(table, level=level),
    ]
    return Result(measurements=tuple(rows), provenance=_provenance(table, level, limits or {}, random_state))


def single_rows(table: SplitTable, *, level: float) -> list[Measurement]:
    """Return how well each feature alone ranks the test rows (AUC, DeLong), simultaneous over features.

    The direction of a number, and the order of categories (by their share of positives), are taken from train;
    categories that train lacks count as average. The AUC is then taken on test rows, where the feature is known.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from audit.splits.split_table import read_splits
    >>> part = pa.table({"down": [4, 3, 2, 1], "y": [0, 0, 1, 1]})
    >>> single_rows(read_splits(part, part, y_true="y"), level=0.95)[0].value
    1.0
    """
    return [
        _auc_row("feature_roc_auc", feature.name, _ranked(feature, table), table, level) for feature in table.features
    ]


def _ranked(feature: Feature, table: SplitTable) -> Floats:
    """Return a feature as a score: higher means more positives in train."""
    train = ~table.test & ~np.isnan(table.y) & ~np.isnan(feature.values)
    if feature.is_text:
        codes = np.nan_to_num(feature.values, nan=0).astype(np.int64)
        size = len(feature.texts)
        positive = np.bincount(codes[train], weights=table.y[train], minlength=size)
        share = table.y[train].mean() if train.any() else 0.5
        # One row's worth of the overall share, so that a category seen once is no certainty.
        means = (positive + share) / (np.bincount(codes[train], minlength=size) + 1)
        return np.where(np.isnan(feature.values), np.nan, means[codes])
    rises = auc(table.y[train], feature.values[train]).value >= 0.5
    return feature.values if rises or not train.any() else -feature.values


def _auc_row(metric: str, name: str, scores: Floats, table: SplitTable, level: float) -> Measurement:
    known = table.test & ~np.isnan(table.y) & ~np.isnan(scores)
    cluster = None if table.cluster is None else table.cluster[known]
    found = auc(table.y[known], scores[known], cluster=cluster)
    many = len(table.features)
    interval, how = auc_bounds(found, level=level, comparisons=many)
    method = f"{how}, simultaneous over {many}" if many > 1 else how
    return row(metric, found, interval, method=method, level=level, place=Place(at=(("feature", name),)))


def _missing_rows(table: SplitTable, *, level: float) -> list[Measurement]:
    """Return how well a missing value alone ranks the test rows, for the features that have some."""
    rows = []
    for feature in table.features:
        gone = np.isnan(feature.values)
        if gone[~table.test].any() and gone[table.test].any():
            scores = _ranked(Feature(feature.name, gone.astype(np.float64)), table)
            rows.append(_auc_row("missing_indicator_roc_auc", feature.name, scores, table, level))
    return rows or [not_checked("missing_indicator_roc_auc", "no feature has missing values in both parts")]


def _distinct_rows(table: SplitTable, *, level: float) -> list[Measurement]:
    """Return the share of different values among the train rows of each text or whole number: a count, no estimate.

    Where values of their own are no sign of an id, the row has a level without bounds, so that it decides nothing.
    """
    rows = []
    for feature in table.features:
        train = feature.values[~table.test]
        train = train[~np.isnan(train)]
        if len(train) >= 2 and (feature.is_text or np.all(train == np.floor(train))):
            value = len(np.unique(train)) / len(train)
            at = (("feature", feature.name),)
            why = _no_id(feature, train)
            unsure: dict[str, Any] = {"level": level, "reason": why} if why else {}
            rows.append(Measurement(metric="distinct_rate", at=at, value=value, n=len(train), method="count", **unsure))
    return rows or [not_checked("distinct_rate", "no feature holds texts or whole numbers")]


def _no_id(feature: Feature, train: Floats) -> str | None:
    """Return why values of their own are no sign of an id; None where they are one."""
    if len(train) < FEWEST_FOR_ID:
        return f"values of few rows (fewer than {FEWEST_FOR_ID}) differ without being ids"
    known = np.unique(feature.values[~np.isnan(feature.values)])
    steps = np.diff(train)
    in_order = bool(np.all(steps > 0) or np.all(steps < 0))
    consecutive = bool(2 * len(known) > known[-1] - known[0])
    if feature.is_text or in_order or consecutive:
        return None
    return "amounts differ as ids do; these are neither in the order of the rows nor consecutive: look at them"


def _score_rows(table: SplitTable, *, level: float, random_state: int) -> list[Measurement]:
    known = table.test & ~np.isnan(table.y)
    cluster = None if table.cluster is None else table.cluster[known]
    y = table.y[known]
    boosted = auc(y, _boosted(table, known, random_state), cluster=cluster)
    interval, how = auc_bounds(boosted, level=level)
    rows = [row("boosted_roc_auc", boosted, interval, method=how, level=level)]
    scores = None if table.y_score is None else table.y_score[known]
    if scores is None or np.isnan(scores).any():
        gone = 0 if scores is None else int(np.isnan(scores).sum())
        why = f"{gone} test rows have no score" if gone else "no score column is named"
        return [
            not_checked(name, f"not checked: {why}") for name in ("score_roc_auc", "score_roc_auc_difference")
        ] + rows
    given = auc(y, scores, cluster=cluster)
    interval, how = auc_bounds(given, level=level)
    rows.insert(0, row("score_roc_auc", given, interval, method=how, level=level))
    apart = difference(given, boosted)
    place = Place(against={"kind": "model", "model_version": BOOSTED})
    interval = bounds(apart, level=level)
    rows.append(row("score_roc_auc_difference", apart, interval, method="paired_delong", level=level, place=place))
    return rows


def _boosted(table: SplitTable, known: npt.NDArray[np.bool_], random_state: int) -> Floats:
    train = np.flatnonzero(~table.test & ~np.isnan(table.y))
    train = np.sort(np.random.default_rng(random_state).permutation(train)[:FITTED])
    x = table.matrix
    return fit_gradient_boosting(x[train], table.y[train].astype(np.int64), random_state=random_state)(x[known])


def _violations(table: SplitTable, level: float, limits: Mapping[str, float]) -> list[str]:
    violations = [] if 0 < level < 1 else [f"level must lie in (0, 1); got {level}"]
    for name, limit in limits.items():
        if name not in CHECKS:
            violations.append(f"unknown check {name!r}; expected one of {', '.join(CHECKS)}")
        elif not np.isfinite(limit) or limit < 0:
            violations.append(f"the limit of {name} must be a number of at least 0; got {limit}")
    for part, side in (("train", ~table.test), ("test", table.test)):
        if np.isnan(table.y[side]).all():
            violations.append(f"no {part} row has a label; name the column that holds them")
    return violations


def _provenance(table: SplitTable, level: float, limits: Mapping[str, float], random_state: int) -> Provenance:
    files = file_digests(table.source)
    sizes = {"train": int((~table.test).sum()), "test": int(table.test.sum())}
    settings: dict[str, Any] = {
        "lint": {**sizes, "label": table.label, "files": list(files)},
        **table.settings,
        "columns": dict(table.columns),
        "features": [feature.name for feature in table.features],
    }
    usual = {name: check.limit for name, check in CHECKS.items() if name not in limits}
    given = settings | ({"limits": dict(limits)} if limits else {}) | ({"level": level} if level != LEVEL else {})
    return Provenance(
        data=files,
        versions=recorded_versions(),
        seed=random_state,
        given=given,
        defaulted={"limits": usual} | ({"level": level} if level == LEVEL else {}),
    )
