"""How much old data to keep when a model is fitted again: mixes of old and new rows, measured on the newest ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.causes.samples import Fit, Sample, fitted, predictions
from audit.errors import raise_violations
from audit.inference.intervals import quantile, rate
from audit.measurement import EVERYONE, Measurement, Slice
from audit.seeds import seed_violations
from monitors.found import Found

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

SHARES = (0.0, 0.25, 0.5, 0.8, 0.9, 1.0)
"""Shares of new rows that are tried: nothing new, the advice of 80 to 90 %, nothing old, and what lies between."""

NO_MIX = "no mix is shown to be better"

_FEWEST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class MixSettings:
    """Which mixes are tried, and how they are compared.

    Parameters
    ----------
    shares
        Shares of new rows, in [0, 1], at least two different whole percents.
    held_out
        Share of the new rows, the newest, that every mix is measured on.
    repeats
        How often the training rows of each mix are drawn and a model is fitted, at least 2.
    level
        Confidence level, joint over all pairs of mixes.
    random_state
        Seed of the rows drawn.

    Examples
    --------
    >>> MixSettings().held_out
    0.3
    """

    shares: Sequence[float] = SHARES
    held_out: float = 0.3
    repeats: int = 5
    level: float = 0.95
    random_state: int = 0


class _Compared(NamedTuple):
    """Of one slice: the error of each mix, and of each pair of mixes the difference with its joint interval."""

    errors: Floats
    difference: Floats
    half: Floats
    n: int


def retraining_mixes(
    old: Sample,
    new: Sample,
    fit: Fit,
    *,
    feature: str | None = None,
    groups: Mapping[str, Sequence[str | None]] | None = None,
    settings: MixSettings | None = None,
) -> Found:
    """Fit the model to mixes of old and new rows of one size, and measure each on the newest rows.

    Every mix has as many rows as the smaller of the old rows and the new ones that are not held out, so that it differs
    from the others in its share of new rows alone; what more rows bring, a learning curve shows
    (`audit.causes.learning_curves`). Rows are drawn without replacement, anew in each of the repeats, and every model
    predicts the same held-out rows.

    Parameters
    ----------
    old
        Labelled rows that the model in use was fitted to.
    new
        Labelled rows since, the oldest first.
    fit
        ``fit(X, y, sample_weight) -> predict``; predict gives labels, or probabilities of label 1.
    feature
        Name of the sensitive feature that `Sample.group` holds: its groups are measured, too. None = everyone alone.
    groups
        Further sensitive features, each with the group of every new row; None is the group whose value is missing.
    settings
        None = the defaults.

    Returns
    -------
    Found
        For everyone and each group of at least 50 held-out rows: ``retraining_error`` of each mix, ``at`` k = percent
        of new rows, in [0, 1], smaller is better. ``retraining_error_difference``: the error of each mix minus that of
        the mix with the smallest one, paired over the held-out rows. ``retraining_best_share``: the share of new rows
        of the mix that is shown to be better than every other, and the smallest and largest share that is not shown to
        be worse than some other; no value, with the reason "no mix is shown to be better", where several are left.

    Raises
    ------
    InputError
        If labels are missing, rows are too few, features differ in number, or a setting is out of range.

    Notes
    -----
    The interval of a difference of two mixes is that of its mean over held-out rows, each row's loss averaged over the
    repeats, widened by the spread of the mean between repeats (se^2 = s^2 / n + t^2 / r), by the quantile of Student's
    t with Satterthwaite's degrees of freedom, and simultaneous over all pairs of
    mixes (Bonferroni), so that it holds for the pairs that the data choose. Where nothing varies, rows that differ are
    as rare as log(2 pairs / (1 - level)) / n allows, and no rarer. Held-out rows are taken as independent; the
    newest block stands for the rows to come, which may have moved on.

    References
    ----------
    Which of several may be best: Hsu 1981, Simultaneous confidence intervals for all distances from the "best",
    doi:10.1214/aos/1176345582.

    Examples
    --------
    The label turned round: old rows only mislead, and a model that says what most rows say of each value shows it.

    >>> def fit(x, y, weight):
    ...     says = {value: y[x[:, 0] == value].mean() for value in (0.0, 1.0)}
    ...     return lambda new: np.array([says[value] for value in new[:, 0]])
    >>> x = np.tile([0, 1], 300)
    >>> old, new = (Sample(features=x[:, None] * 1.0, group=np.full(600, "all"), y=y) for y in (1 - x, x))
    >>> found = retraining_mixes(old, new, fit, settings=MixSettings(shares=(0.0, 1.0)))
    >>> [(row.metric, dict(row.at), row.value) for row in found.rows if row.metric != "retraining_error_difference"]
    [('retraining_error', {'k': 0}, 1.0), ('retraining_error', {'k': 100}, 0.0), ('retraining_best_share', {}, 1.0)]
    """
    chosen = settings or MixSettings()
    raise_violations([*_violations(old, new, chosen), *_group_violations(new, groups or {})])
    kept = len(new) - round(chosen.held_out * len(new))
    losses = _losses(old, new, fit, chosen, kept)
    group = new.group[kept:]
    slices: list[tuple[Slice, npt.NDArray[np.bool_]]] = [(EVERYONE, np.ones(len(group), dtype=bool))]
    if feature is not None:
        slices += [(((feature, name),), group == name) for name in sorted(set(group.tolist()))]
    for other, values in (groups or {}).items():
        held = np.array(values, dtype=object)[kept:]
        names = sorted(set(held.tolist()), key=lambda name: (name is None, str(name)))
        slices += [(((other, name),), np.array([each == name for each in held], dtype=bool)) for name in names]
    return Found(tuple(row for which, rows in slices for row in _rows(losses[:, :, rows], which, chosen)))


def _losses(old: Sample, new: Sample, fit: Fit, settings: MixSettings, kept: int) -> Floats:
    """Return whether each held-out row was predicted wrongly, shape (n_shares, n_repeats, n_rows)."""
    truth, features = new.take(np.arange(kept, len(new))), new.features[kept:]
    size = min(len(old), kept)
    rng = np.random.default_rng(settings.random_state)
    found = np.zeros((len(settings.shares), settings.repeats, len(truth)))
    for repeat in range(settings.repeats):
        # One order of rows for all mixes of a repeat: what two mixes share is the same rows.
        olds, news = rng.permutation(len(old)), rng.permutation(kept)
        for place, share in enumerate(settings.shares):
            fresh = round(share * size)
            mix = _together(old.take(olds[: size - fresh]), new.take(news[:fresh]))
            found[place, repeat] = predictions(fitted(fit, mix), features) != truth.y
    return found


def _together(first: Sample, second: Sample) -> Sample:
    labels = [part.y for part in (first, second) if part.y is not None]
    return Sample(
        features=np.concatenate([first.features, second.features]),
        group=np.concatenate([first.group, second.group]),
        y=np.concatenate(labels),
    )


def _rows(losses: Floats, which: Slice, settings: MixSettings) -> list[Measurement]:
    percents = [round(100 * share) for share in settings.shares]
    n = losses.shape[2]
    if n < _FEWEST:
        why = f"{n} held-out rows, fewer than {_FEWEST}; hold out more, or wait for more"
        return [
            Measurement(metric="retraining_best_share", slice=which, value=None, n=n, method="not_checked", reason=why)
        ]
    found = _compared(losses, settings.level)
    rows = [_error_row(found, place, percent, which, settings) for place, percent in enumerate(percents)]
    best = int(np.argmin(found.errors))
    rows += [
        _difference_row(found, place, best, percents, which, settings)
        for place in range(len(percents))
        if place != best
    ]
    return [*rows, _best_row(found, which, settings)]


def _compared(losses: Floats, level: float) -> _Compared:
    shares, repeats, n = losses.shape
    rows, means = losses.mean(axis=1), losses.mean(axis=2)
    difference, half = np.zeros((shares, shares)), np.zeros((shares, shares))
    pairs = list(combinations(range(shares), 2))
    for one, two in pairs:
        each, drawn = rows[one] - rows[two], means[one] - means[two]
        of_rows, of_draws = each.var(ddof=1) / n, drawn.var(ddof=1) / repeats
        # Satterthwaite: few repeats are no sure knowledge of their spread.
        spread = of_rows**2 / (n - 1) + of_draws**2 / (repeats - 1)
        df = (of_rows + of_draws) ** 2 / spread if spread > 0 else np.inf
        difference[one, two], difference[two, one] = each.mean(), -each.mean()
        error = np.sqrt(of_rows + of_draws)
        unseen = np.log(2 * len(pairs) / (1 - level)) / n
        width = quantile(level, df=df, comparisons=len(pairs)) * error if error > 0 else unseen
        half[one, two] = half[two, one] = float(width)
    return _Compared(rows.mean(axis=1), difference, half, n)


def _error_row(found: _Compared, place: int, percent: int, which: Slice, settings: MixSettings) -> Measurement:
    low, high = rate(found.errors[place] * found.n, found.n, level=settings.level)
    return Measurement(
        metric="retraining_error", slice=which, at=(("k", percent),), value=float(found.errors[place]),
        low=float(low), high=float(high), n=found.n, level=settings.level,
        method=f"rate, mean of {settings.repeats} models",
    )  # fmt: skip


def _difference_row(
    found: _Compared, place: int, best: int, percents: Sequence[int], which: Slice, settings: MixSettings
) -> Measurement:
    value, half = float(found.difference[place, best]), float(found.half[place, best])
    known = np.isfinite(half)
    pairs = len(percents) * (len(percents) - 1) // 2
    return Measurement(
        metric="retraining_error_difference", slice=which, at=(("k", percents[place]),),
        against={"kind": "model", "model_version": f"{percents[best]} % new"}, value=value,
        low=max(value - half, -1.0) if known else None, high=min(value + half, 1.0) if known else None, n=found.n,
        level=settings.level, method=f"paired_t, simultaneous over {pairs}" if pairs > 1 else "paired_t",
        reason=None if known else "no interval: too few repeats for their spread; repeat more often",
    )  # fmt: skip


def _best_row(found: _Compared, which: Slice, settings: MixSettings) -> Measurement:
    """Return the share that is shown to be best; the ends are those of the shares that nothing is shown to beat."""
    with np.errstate(invalid="ignore"):
        worse = np.asarray((found.difference - found.half > 0).any(axis=1))
    left = [share for share, beaten in zip(settings.shares, worse.tolist(), strict=True) if not beaten]
    reason = None
    if len(left) > 1:
        shown = ", ".join(f"{100 * share:.0f}" for share in left)
        of_all = (
            f"{len(left)} of {len(settings.shares)} are still possible" if worse.any() else "all are still possible"
        )
        reason = f"{NO_MIX}: {of_all} ({shown} % new)"
    return Measurement(
        metric="retraining_best_share", slice=which, value=left[0] if len(left) == 1 else None, low=min(left),
        high=max(left), n=found.n, level=settings.level, method="paired_t, all pairs of mixes", reason=reason,
    )  # fmt: skip


def _group_violations(new: Sample, groups: Mapping[str, Sequence[str | None]]) -> list[str]:
    return [
        f"groups of {name!r} are of {len(values)} rows, and there are {len(new)} new ones; pass one per row"
        for name, values in groups.items()
        if len(values) != len(new)
    ]


def _violations(old: Sample, new: Sample, settings: MixSettings) -> list[str]:
    violations = [
        f"{name} rows need labels; pass y"
        for name, part in (("old", old), ("new", new))
        if part.y is None or (part.labelled is not None and not part.labelled.all())
    ]
    if old.features.shape[1] != new.features.shape[1]:
        columns = f"old has {old.features.shape[1]}, new {new.features.shape[1]}"
        violations.append(f"old and new rows must have the same features; {columns}")
    percents = [round(100 * share) for share in settings.shares if 0 <= share <= 1]
    if len(percents) < len(settings.shares) or len(set(percents)) < max(len(percents), 2):
        violations.append(f"shares must be two or more different whole percents in [0, 1]; got {list(settings.shares)}")
    if not 0 < settings.held_out < 1:
        violations.append(f"held_out must lie in (0, 1); got {settings.held_out}")
    elif min(len(old), round(settings.held_out * len(new)), len(new) - round(settings.held_out * len(new))) < _FEWEST:
        violations.append(f"expected {_FEWEST} rows or more each: old, new to fit on, new held out; got {len(old)} old "
                          f"and {len(new)} new")  # fmt: skip
    if settings.repeats < 2:
        violations.append(f"repeats must be at least 2; got {settings.repeats}: one fit does not show how draws differ")
    if not 0 < settings.level < 1:
        violations.append(f"level must lie in (0, 1); got {settings.level}")
    return [*violations, *seed_violations(settings.random_state)]
