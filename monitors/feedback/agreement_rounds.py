"""The retraining rounds of a decision log, and which rows the model influenced and which nobody touched."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import narwhals.stable.v2 as nw

from audit.measurement import At, Window
from audit.predictions import PredictionLog
from audit.reading import Role
from monitors.feedback.decisions import decisions
from monitors.timestamps import EPOCH, collected, moment

CANNOT = "cannot be measured, because"


class Round(NamedTuple):
    """One retraining round: its name, None in a log without rounds, and from when to when it decided.

    Examples
    --------
    >>> Round("3", None).at
    (('round', '3'),)
    """

    name: str | None
    window: Window | None

    @property
    def at(self) -> At:
        """What marks the round's rows."""
        return () if self.name is None else (("round", self.name),)

    @property
    def since(self) -> datetime:
        """When the round began; 1970 where the log has no times."""
        return EPOCH if self.window is None else self.window[0]


class Rounds(NamedTuple):
    """Rounds in their order, or why they have none.

    Examples
    --------
    >>> Rounds((), "because").fault
    'because'
    """

    rounds: tuple[Round, ...]
    fault: str | None = None


def round_role(log: PredictionLog) -> Role | None:
    """Return the role that names rounds: round, else the version of the model; None where there is neither.

    Examples
    --------
    >>> import pyarrow as pa
    >>> round_role(PredictionLog.from_frame(pa.table({"v": ["a"]}), task="watch", model_version="v"))
    'model_version'
    """
    roles: tuple[Role, ...] = ("round", "model_version")
    return next((role for role in roles if role in log.columns), None)


def round_column(log: PredictionLog) -> nw.Expr:
    """Return the name of each row's round as the column "round_name"; "" in a log without rounds.

    Examples
    --------
    >>> import pyarrow as pa
    >>> log = PredictionLog.from_frame(pa.table({"r": [2]}), task="watch", round="r")
    >>> decisions(log).select(round_column(log)).collect(backend="pyarrow").to_native().to_pylist()
    [{'round_name': '2'}]
    """
    role = round_role(log)
    return (nw.lit("") if role is None else nw.col(role)).alias("round_name")


def rounds_of(log: PredictionLog) -> Rounds:
    """Return the rounds of a log in the order of their first times; without times by number, else by name.

    Rounds that are numbered, and whose times say another order, are a fault: a clock that went backwards.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"r": [10, 9], "at": ["2026-01-05T00:00Z", "2026-01-12T00:00Z"]})
    >>> rounds_of(PredictionLog.from_frame(table, task="watch", round="r", timestamp="at")).fault[:58]
    'cannot be measured, because round 10 begins before round 9'
    """
    role = round_role(log)
    timed = "timestamp" in log.columns
    rows = decisions(log).with_columns(round_column(log)).filter(~nw.col("round_name").is_null())
    ends = {"first": nw.col("micros").min(), "last": nw.col("micros").max()} if timed else {}
    found = collected(log, rows.group_by("round_name").agg(n=nw.len(), **ends)).to_pylist()
    ordered = sorted(found, key=lambda row: (row["first"] if timed else 0, *_natural(row["round_name"])))
    if role == "round" and timed and (fault := _backwards(ordered)):
        return Rounds((), fault)
    return Rounds(tuple(Round(row["round_name"] or None, _window(row) if timed else None) for row in ordered))


def _window(row: dict[str, Any]) -> Window:
    return moment(row["first"]), moment(row["last"]) + timedelta(microseconds=1)


def _natural(name: str) -> tuple[int, float, str]:
    """Sort numbers by their value, before other names."""
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name


def _backwards(ordered: list[dict[str, Any]]) -> str | None:
    keys = [_natural(row["round_name"]) for row in ordered]
    if any(key[0] for key in keys):
        return None
    for earlier, later in pairwise(keys):
        if earlier > later:
            return (
                f"{CANNOT} round {earlier[2]} begins before round {later[2]} by its timestamps: a clock went backwards,"
                " or rounds are mixed up. Mend the times or the numbers of the rounds."
            )
    return None


def influenced(log: PredictionLog) -> nw.Expr:
    """Return the side of each row as the column "side": "closed", "holdout", or null for neither.

    Closed are rows of the arm "model" and those in which the model's output was seen or used (`exposed`), whatever
    their arm; the arm "holdout" is the hold-out. Rows that the earlier process or chance decided about, and that did
    not see the model, are on neither side.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"arm": ["model", "holdout", "manual", "manual"], "seen": [0, 0, 1, 0]})
    >>> log = PredictionLog.from_frame(table, task="watch", arm="arm", exposed="seen")
    >>> decisions(log).select(influenced(log)).collect(backend="pyarrow").to_native()["side"].to_pylist()
    ['closed', 'holdout', 'closed', None]
    """
    arm = nw.col("arm")
    closed = arm == "model"
    if "exposed" in log.columns:
        closed = (~arm.is_null() & closed) | (~nw.col("exposed").is_null() & (nw.col("exposed") == 1))
    held = ~arm.is_null() & (arm == "holdout")
    return nw.when(held).then(nw.lit("holdout")).otherwise(nw.when(closed).then(nw.lit("closed"))).alias("side")


class HoldOut(NamedTuple):
    """How many rows of a log are held out, and what is wrong with them.

    Examples
    --------
    >>> HoldOut(100, None, None).rows
    100
    """

    rows: int
    fault: str | None
    caveat: str | None


def hold_out(log: PredictionLog) -> HoldOut:
    """Return whether a log has a hold-out that nobody acted on; it must have the role arm.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"arm": ["model", "holdout"], "acted": [0, 1]})
    >>> hold_out(PredictionLog.from_frame(table, task="watch", arm="arm", action="acted")).fault[:79]
    'cannot be measured, because 1 of 1 hold-out rows were acted on or saw the model'
    """
    watched = [role for role in ("action", "exposed") if role in log.columns]
    held = decisions(log).filter(nw.col("arm") == "holdout")
    touched = nw.lit(0)
    for role in watched:
        touched = nw.when(~nw.col(role).is_null() & (nw.col(role) == 1)).then(nw.lit(1)).otherwise(touched)
    counts = collected(log, held.with_columns(touched=touched).select(n=nw.len(), bad=nw.col("touched").sum()))
    row = counts.to_pylist()[0]
    n, bad = int(row["n"]), int(row["bad"] or 0)
    if bad:
        fault = (
            f"{CANNOT} {bad:,} of {n:,} hold-out rows were acted on or saw the model: what happened to them is no "
            "longer what happens without it. Draw a new hold-out by chance and keep the model's output away from it."
        )
        return HoldOut(n, fault, None)
    blind = None if watched else "the log does not say whether anyone acted on the hold-out: log action or exposed"
    return HoldOut(n, None, blind)
