"""What the model's own decisions would have brought, told from decisions that were made with known chances."""

from typing import Any, NamedTuple

import narwhals.stable.v2 as nw
import numpy as np

from audit.measurement import Measurement, Slice
from audit.predictions import PredictionLog
from audit.reading import Role
from monitors.feedback.agreement_rounds import CANNOT
from monitors.feedback.blocks import first_time, one_where
from monitors.feedback.decisions import decisions
from monitors.feedback.metric import Family, LoopMetric
from monitors.feedback.moment_estimates import evidence_of, of_estimate
from monitors.feedback.moment_sums import Moments, group_moments, unit_of
from monitors.feedback.off_policy_counts import MOMENTS, OffPolicy, off_policy_of
from monitors.feedback.settings import Evidence, LoopRows, LoopSettings
from monitors.timestamps import collected

VALUE, INVERSE, GAIN, SHARE = (
    "off_policy_value",
    "off_policy_value_ips",
    "off_policy_gain",
    "effective_sample_share",
)
NAMES = (VALUE, INVERSE, GAIN, SHARE)

SMALLEST_SHARE = 0.1
"""Of effective rows: below it a handful of rows speaks for all, and no value is given."""

FEWEST_ROWS = 30
_FARTHEST, _NEAR = 5.0, 0.05
_UNLIKE = 0.05  # by so much the shares of known outcomes of the two actions may differ
"""Standard errors, and distance, by which weights may miss their mean of 1 before chances are called wrong."""

_DECIDED = ("model", "explore")
_METHOD = "linearised"


_NUMBERS = (
    f"{CANNOT} y_pred holds numbers, not decisions. Log what the model would do (1 or 0) as y_pred, and name the task "
    "'watch' or 'binary'."
)


def measure_off_policy(log: PredictionLog, settings: LoopSettings) -> LoopRows:
    """Return the value of the model's own decisions, for everyone and by group.

    Of a log with arms, rows that the model or chance decided about are used. Rows without an outcome are left out, and
    said to be.
    """
    facts = _facts(log)
    fault = _NUMBERS if log.reading.task in {"regression", "ranking"} else facts.fault()
    if fault:
        return LoopRows(tuple(_refused(name, fault, facts.used) for name in NAMES))
    table = _rows(log)
    unit = unit_of(log)
    weight = one_where(nw.col("action") == nw.col("y_pred")) / nw.col("propensity")
    columns = {"one": nw.lit(1.0), "weight": weight, "weighted": weight * nw.col("truth"), "outcome": nw.col("truth")}
    groups = [f"feature_{place}" for place in range(len(log.sensitive_features))]
    known = table.filter(~nw.col("truth").is_null())
    kept = known.select(*groups, *([unit] if unit else []), **columns, squared=weight * weight)
    found = group_moments(log, kept, MOMENTS)
    parts = [_of_slice(slice_, moments, settings, facts.caveat()) for slice_, _, moments in found]
    rows = tuple(row for part in parts for row in part)
    return LoopRows(rows, _evidence(rows, found[0][2], log, settings))


def _evidence(
    rows: tuple[Measurement, ...], everyone: Moments, log: PredictionLog, settings: LoopSettings
) -> tuple[Evidence, ...]:
    gain = next(row for row in rows if row.metric == GAIN)
    if gain.value is None:
        return ()
    limit = settings.limits.get(GAIN, 0.0)
    value = evidence_of(off_policy_of(everyone).gain, limit=limit, side="below")
    return (Evidence(gain.key(), value, first_time(log)),)


def _of_slice(slice_: Slice, moments: Moments, settings: LoopSettings, caveat: str | None) -> list[Measurement]:
    found = off_policy_of(moments)
    fault = _unfit(found, moments.n)
    share = None if np.isnan(found.share) else min(found.share, 1.0)
    why = None if share is not None else "no row did what the model would do"
    rows = [Measurement(metric=SHARE, slice=slice_, value=share, n=moments.n, method="count", reason=why)]
    for name, each in ((VALUE, found.value), (INVERSE, found.inverse), (GAIN, found.gain)):
        if fault:
            rows.append(_refused(name, fault, moments.n, slice_))
        else:
            rows.append(of_estimate(name, each, level=settings.level, method=_METHOD, of=slice_, reason=caveat))
    return rows


def _unfit(found: OffPolicy, n: int) -> str | None:
    """Return why rows do not tell the value of the model's decisions."""
    if n < FEWEST_ROWS:
        return f"{CANNOT} {n} rows with an outcome are fewer than {FEWEST_ROWS}. Log more decisions."
    if np.isnan(found.share) or found.share < SMALLEST_SHARE:
        share = 0.0 if np.isnan(found.share) else found.share
        return (
            f"{CANNOT} what was done agrees too rarely with what the model would do: of {n:,} rows only "
            f"{share * n:,.0f} effectively speak for it, fewer than {SMALLEST_SHARE:.0%}. "
            "Let chance decide about more cases."
        )
    off = abs(found.weight.value - 1.0)
    if found.weight.df >= 5 and off > _NEAR and off > _FARTHEST * found.weight.error:
        return (
            f"{CANNOT} the logged chances do not fit what was done: weights average {found.weight.value:.2f} where "
            "they must average 1. Log the chance of the action that was taken, at the moment it is drawn."
        )
    return None


class _Facts(NamedTuple):
    rows: int
    used: int
    missing: int
    certain: int
    kind: str
    decided: tuple[int, int] = (0, 0)
    """Rows with prediction and action: not acted on, and acted on."""
    known: tuple[int, int] = (0, 0)
    """Those of them whose outcome is known."""

    def fault(self) -> str | None:
        if self.used == 0:
            return f"{CANNOT} none of {self.rows:,} {self.kind} has prediction, action and outcome. Log all three."
        if self.missing:
            return (
                f"{CANNOT} {self.missing:,} of {self.used:,} {self.kind} have no propensity. It cannot be made up "
                "afterwards: log the chance of the action that was taken when it is drawn."
            )
        if self.certain:
            return (
                f"{CANNOT} in {self.certain:,} of {self.used:,} {self.kind} the opposite of what the model would do "
                "was certain (propensity 1): nothing shows what its decision would have brought there. Leave every "
                "action some chance."
            )
        return self._selected()

    def _selected(self) -> str | None:
        """Return why outcomes that are known of one action more often than of the other tell no value."""
        if 0 in self.decided:
            return None
        shares = [known / decided for known, decided in zip(self.known, self.decided, strict=True)]
        if abs(shares[1] - shares[0]) <= _UNLIKE:
            return None
        return (
            f"{CANNOT} the outcome is known of {shares[1]:.0%} of the cases that were acted on and of {shares[0]:.0%} "
            "of the others: those whose outcome is known are not like all. Follow both up alike, or draw a sample of "
            "each whose outcome is found out."
        )

    def caveat(self) -> str | None:
        lost = self.rows - self.used
        return f"{lost:,} of {self.rows:,} rows have no prediction, action or outcome: left out" if lost else None


def _rows(log: PredictionLog) -> nw.LazyFrame[Any]:
    truth = "outcome" if "outcome" in log.columns else "y_true"
    rows = decisions(log).with_columns(truth=nw.col(truth))
    if "arm" in log.columns:
        rows = rows.filter(nw.col("arm").is_in(list(_DECIDED)))
    return rows.filter(~nw.col("y_pred").is_null() & ~nw.col("action").is_null())


def _facts(log: PredictionLog) -> _Facts:
    truth = "outcome" if "outcome" in log.columns else "y_true"
    rows = decisions(log).with_columns(truth=nw.col(truth))
    if "arm" in log.columns:
        rows = rows.filter(nw.col("arm").is_in(list(_DECIDED)))
    decided = ~nw.col("y_pred").is_null() & ~nw.col("action").is_null()
    used = one_where(decided & ~nw.col("truth").is_null())
    acted = one_where(nw.col("action") == nw.lit(1.0))
    missing = used * one_where(nw.col("propensity").is_null())
    certain = used * one_where((nw.col("propensity") == 1.0) & (nw.col("action") != nw.col("y_pred")))
    both = one_where(decided)
    flags = {"used": used, "missing": missing, "certain": certain, "decided": both}
    flags |= {"acted": acted * both, "known": used * acted}
    sums = rows.with_columns(**flags).select(nw.len().alias("rows"), *(nw.col(name).sum() for name in flags))
    counts = {name: int(value or 0) for name, value in collected(log, sums).to_pylist()[0].items()}
    return _Facts(
        counts["rows"],
        counts["used"],
        counts["missing"],
        counts["certain"],
        "rows of arms model and explore" if "arm" in log.columns else "rows",
        (counts["decided"] - counts["acted"], counts["acted"]),
        (counts["used"] - counts["known"], counts["known"]),
    )


def _refused(name: str, reason: str, n: int, slice_: Slice = ()) -> Measurement:
    return Measurement(metric=name, slice=slice_, value=None, n=n, method="none", reason=reason)


_NEEDS: tuple[Role, ...] = ("y_pred", "action", "propensity", "outcome")
_HELPS: tuple[Role, ...] = ("y_true", "y_score", "arm", "user", "cluster", "timestamp")
_OBTAIN = (
    "Let chance decide about a part of the cases, and log with each decision what was done (action), the chance of "
    "just that (propensity), what the model would do (y_pred) and what came of it (outcome)."
)
_NOT_WHEN = (
    "Chances were reconstructed afterwards, or depend on something that also moves the outcome and is not in them; the "
    "outcome of one person depends on what others got."
)
_SOURCE = (
    "D. G. Horvitz & D. J. Thompson (1952), doi:10.1080/01621459.1952.10483446; A. Swaminathan & T. Joachims (2015), "
    "The self-normalized estimator for counterfactual learning, NeurIPS."
)

FAMILY: Family = (
    LoopMetric(
        name=VALUE,
        title="What the model's own decisions would have brought",
        question="what do we do",
        needs=_NEEDS,
        helps=_HELPS,
        meaning="The average outcome, had every decision been the model's, told from those in which chance took part.",
        why="It is the answer to 'should the model decide more?' that past outcomes alone cannot give.",
        not_when=_NOT_WHEN,
        obtain=_OBTAIN,
        source=_SOURCE,
        measure=measure_off_policy,
    ),
    LoopMetric(
        name=INVERSE,
        title="The same without rescaling of weights",
        question="what do we do",
        needs=_NEEDS,
        helps=_HELPS,
        meaning="A second way to the same number; where the two lie far apart, few rows decide and neither is safe.",
        why="It is right on average but wide; it stands beside the first as a check.",
        not_when=_NOT_WHEN,
        obtain=_OBTAIN,
        source=_SOURCE,
        measure=measure_off_policy,
    ),
    LoopMetric(
        name=GAIN,
        title="What would be won if the model decided alone",
        question="what do we do",
        needs=_NEEDS,
        helps=_HELPS,
        meaning="The average outcome had the model decided everything, less the average outcome of what was done.",
        limit=0.0,
        side="below",
        why="Below 0 the model's decisions would have brought less than what was done: do not hand it more.",
        not_when=f"A large outcome is the bad one (then turn its sign round). {_NOT_WHEN}",
        obtain=_OBTAIN,
        source=_SOURCE,
        measure=measure_off_policy,
    ),
    LoopMetric(
        name=SHARE,
        title="How much of the log speaks about the model's own decisions",
        question="what do we do",
        needs=_NEEDS,
        helps=_HELPS,
        meaning="The share of rows that a log of the model's own decisions would need to be as sure.",
        why="Below a tenth a handful of rows speaks for all: then no value is given.",
        not_when=_NOT_WHEN,
        obtain=_OBTAIN,
        source="L. Kish (1965), Survey sampling; the limit of a tenth is ours.",
        measure=measure_off_policy,
    ),
)
