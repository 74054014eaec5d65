"""Evidence as rows, and the alarms that belong to them."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.measurement import Against, Measurement
from audit.result import Alarm
from monitors.found import Found
from monitors.performance.evidence import LARGEST_LOG_E, Evidence, Rang
from monitors.performance.streams import Streams
from monitors.sequential.detectors import first_window, log_e_detector

FloatArray = npt.NDArray[np.float64]

Kind = Literal["risk", "gap", "rectifier", "detector"]

_ENDINGS: dict[Kind, str] = {
    "risk": "_e_value",
    "gap": "_gap_e_value",
    "rectifier": "_e_value",
    "detector": "_e_detector",
}
_METHODS: dict[Kind, str] = {
    "risk": "beta mixture, e-BH",
    "gap": "beta mixture of two groups, e-BH",
    "rectifier": "betting, e-BH",
    "detector": "Shiryaev-Roberts e-detector",
}


class Held(NamedTuple):
    """What evidence is held against, and in which windows it may ring, shape (n_windows,).

    Examples
    --------
    >>> Held._fields
    ('streams', 'against', 'settled')
    """

    streams: Streams
    against: Against
    settled: npt.NDArray[np.bool_]


def evidence_rows(kind: Kind, evidence: Evidence, rejected: Rang, held: Held) -> Found:
    """Return evidence as rows: of risks after every window with rows, of all else after the last one and where it rang.

    Parameters
    ----------
    kind
        What it is evidence of: it says what follows the name of the metric.
    evidence, rejected, held
        The running evidence, when it rang, and what it is about.
    """
    rows, alarms = [], []
    totals = evidence.rows.cumsum(axis=0)
    for column in range(len(evidence.streams)):
        first = int(rejected.window[column])
        with_rows = np.flatnonzero(evidence.rows[:, column] > 0).tolist()
        wanted = with_rows if kind == "risk" else with_rows[-1:]
        for place in sorted({*wanted, first} - {-1}):
            row = _row(kind, evidence, (place, column), held, n=int(totals[place, column]))
            rows.append(row)
            if place == first:
                since = held.streams.windows[place][0]
                e_value, limit = float(row.value or 0.0), float(rejected.limit[column])
                alarms.append(Alarm(key=row.key(), e_value=e_value, limit=limit, since=since))
    return Found(tuple(rows), tuple(alarms))


def detector_rows(alone: FloatArray, risk: Evidence, held: Held, *, windows: int) -> Found:
    """Return detectors of a change after a long good time, each with its share of one false alarm in so many windows.

    Parameters
    ----------
    alone
        Log evidence of each window alone, shape (n_windows, n_streams); NaN where a slice has no rows.
    risk
        The running evidence of the same streams.
    held
        What it is about; windows that are not settled are passed over.
    windows
        N: all detectors together ring falsely once in N windows at most.
    """
    limit = float(windows) * max(len(risk.streams), 1)
    log_m = log_e_detector(np.where(held.settled[:, None], alone, np.nan))
    shown = Evidence(risk.streams, log_m, np.where(np.isfinite(log_m), risk.rows, 0.0), risk.limit)
    found = Rang(first_window(log_m, limit=limit), np.full(len(risk.streams), limit))
    return evidence_rows("detector", shown, found, held)


def _row(kind: Kind, evidence: Evidence, where: tuple[int, int], held: Held, *, n: int) -> Measurement:
    place, column = where
    stream = evidence.streams[column]
    log_e = float(np.clip(evidence.log_e[where], -LARGEST_LOG_E, LARGEST_LOG_E))
    return Measurement(
        metric=stream.metric + _ENDINGS[kind], slice=stream.slice, against=held.against,
        window=held.streams.windows[place], value=float(np.exp(log_e)), n=n, method=_METHODS[kind],
        reason=f"tolerated up to {evidence.limit[column]:.4g}; {_assumed(held.streams)}{_labels(held.streams)}",
    )  # fmt: skip


def _labels(streams: Streams) -> str:
    return "" if streams.right is None else "; rows without a label count as no loss, in the reference as losses"


def _assumed(streams: Streams) -> str:
    if streams.dispersion is None:
        return "assumed: rows are independent of each other, where clusters are named those within a window"
    top = float(streams.dispersion.max(initial=1.0))
    return f"assumed: windows scatter as those of the reference did (dispersion up to {top:.3g})"
