"""The same windows through Evidently: its report beside our measurements, and why its verdicts differ from ours."""

import warnings
from dataclasses import dataclass
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from audit.errors import raise_violations
from audit.measurement import EVERYONE, Against, Measurement, Window, utc_text
from audit.predictions import PredictionLog
from audit.result import Result
from audit.seeds import seed_violations
from monitors.evidently_door import (
    DataDefinition,
    DataDriftPreset,
    Dataset,
    DataSummaryPreset,
    Report,
    Workspace,
)
from monitors.evidently_frames import Frames, columns_of, frames
from monitors.evidently_metrics import metrics_of
from monitors.evidently_verdicts import Compared, compared
from monitors.found import Found
from monitors.shift.samples import Drawn, drawn
from monitors.windows import Windows

METRIC = "evidently_drift_score"

PROJECT = "evenhanded"

_FEWEST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidentlySettings:
    """What Evidently is given.

    Parameters
    ----------
    rows
        Rows of the reference and of each window that are drawn at most; it takes two minutes for a million.
    last
        Only so many of the last windows that have rows; None = all.
    random_state
        Seed of the rows drawn, and of the reshuffles that check an explanation.

    Examples
    --------
    >>> EvidentlySettings().rows
    20000
    """

    rows: int = 20_000
    last: int | None = None
    random_state: int = 0


class EvidentlyFound(NamedTuple):
    """Evidently's verdicts as rows, both verdicts with the reasons, and where its snapshots and page lie.

    `snapshots` is the number written into the workspace `folder`; `html` the page of the newest window, None where no
    window has rows.

    Examples
    --------
    >>> EvidentlyFound(Found(), (), Path("folder"), None, 0).snapshots
    0
    """

    found: Found
    verdicts: tuple[Compared, ...]
    folder: Path
    html: Path | None
    snapshots: int


def evidently_report(
    reference: PredictionLog,
    current: PredictionLog,
    *,
    windows: Windows,
    result: Result,
    folder: str | Path,
    settings: EvidentlySettings | None = None,
) -> EvidentlyFound:
    """Run Evidently's drift and summary on the windows of a log, and write a snapshot of each with our measurements.

    Each snapshot of the workspace holds DataDriftPreset, DataSummaryPreset and our rows of the window
    (`monitors.evidently_metrics`), so that Evidently's own pages show both. Its verdicts come back as rows of ours,
    with the reasons where they differ from our alarms in `result` (`monitors.evidently_reasons`). No alarm of ours
    rests on it: with no drift it flags 22 to 74 % of columns by chi-square, and one of 25 columns or more in 98.5 % of
    runs.

    Its metrics by subgroup are not used: its GroupBy gives every group the overall value of a classification or
    regression metric. Nothing is sent anywhere (`monitors.evidently_door`).

    Parameters
    ----------
    reference, current
        Logs; their watched columns are read.
    windows
        Where the current log is cut.
    result
        Our result on the same windows.
    folder
        Workspace: a folder that is made, or a workspace that gets one project more.
    settings
        None = the defaults.

    Returns
    -------
    EvidentlyFound
        Rows ``evidently_drift_score`` of each column and window: its score (a p-value or a distance, as `method`
        says), with threshold, verdict and reasons in `reason`; no value where a side has none.

    Raises
    ------
    InputError
        If the folder is a file, nothing is watched, or a setting is out of range.
    MissingExtraError
        On import, where Evidently is not installed or pandas is too new for it.

    References
    ----------
    Evidently 0.7, docs.evidentlyai.com (accessed 2026-11): methods and thresholds are its defaults.

    Examples
    --------
    Every value moved by 1,000: Kolmogorov and Smirnov's p-value is 0.

    >>> from datetime import UTC, datetime
    >>> from tempfile import TemporaryDirectory
    >>> import pyarrow as pa
    >>> def log(first):
    ...     table = pa.table({"y": [0] * 90, "x": range(first, first + 90), "t": ["2026-01-05T12:00Z"] * 90})
    ...     return PredictionLog.from_frame(table, y_true="y", y_score="x", threshold=0.5, score_max=1e4, timestamp="t")
    >>> days = Windows(edges=(datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)), regular=True,
    ...                complete=1)
    >>> with TemporaryDirectory() as folder:
    ...     found = evidently_report(log(0), log(1000), windows=days, result=Result(measurements=()), folder=folder)
    >>> score = found.verdicts[0]
    >>> score.feature, score.theirs.method, round(score.theirs.score, 6), score.theirs.drifted, score.ours
    ('y_score', 'K-S p_value', 0.0, True, False)
    """
    chosen, place = settings or EvidentlySettings(), Path(folder)
    raise_violations(_violations(chosen, place))
    columns = columns_of(reference)
    draw = partial(drawn, most=chosen.rows, random_state=chosen.random_state)
    of_table = {name: item.column for name, item in columns.items()}
    then = next(draw(reference, columns=of_table))[EVERYONE]
    in_current = {name: item.column for name, item in columns_of(current).items() if name in of_table}
    parts = [each[EVERYONE] for each in draw(current, columns=in_current, windows=windows)]
    pairs = [pair for pair in zip(windows.windows, parts, strict=True) if pair[1].rows >= _FEWEST]
    pairs = pairs[-chosen.last :] if chosen.last else pairs
    against = _against(result)
    workspace = Workspace.create(str(place))
    project = workspace.create_project(PROJECT)
    rows: list[Measurement] = []
    verdicts: list[Compared] = []
    html = None
    for window, now in pairs:
        both = frames(then.columns, now.columns, columns)
        snapshot = _snapshot(both, window, result)
        workspace.add_run(project.id, snapshot)
        found = list(compared(snapshot, both, result, window, windows=len(pairs), random_state=chosen.random_state))
        verdicts += found
        rows += [_row(each, then, now, against) for each in found]
        rows += [_empty_row(name, window, against) for name in both.empty]
        html = place / f"evidently-{utc_text(window[0]).replace(':', '')}.html"
    if html is not None:
        snapshot.save_html(str(html))
    return EvidentlyFound(Found(tuple(rows)), tuple(verdicts), place, html, len(pairs))


def _snapshot(both: Frames, window: Window, result: Result) -> Any:  # noqa: ANN401 - Evidently ships no types
    definition = DataDefinition(numerical_columns=list(both.numeric), categorical_columns=list(both.categorical))
    names = [*both.numeric, *both.categorical]
    presets = [DataDriftPreset(columns=names), DataSummaryPreset(columns=names)] if names else []
    report = Report(
        [*presets, *metrics_of(result.measurements, window)],
        include_tests=True,
        metadata={"made by": PROJECT, "window": f"{utc_text(window[0])} to {utc_text(window[1])}"},
        tags=[PROJECT],
    )
    with warnings.catch_warnings():
        # Divisions by 0 and calls that a later pandas will refuse: in its own code, where no user can mend them.
        warnings.filterwarnings("ignore", module=r"evidently(\.|$)")
        sides = [Dataset.from_pandas(side, data_definition=definition) for side in (both.current, both.reference)]
        return report.run(sides[0], sides[1], timestamp=window[0], name=utc_text(window[0]))


def _row(each: Compared, then: Drawn, now: Drawn, against: Against) -> Measurement:
    finite = isfinite(each.theirs.score)
    ours = "our alarm is raised" if each.ours else "no alarm of ours"
    reasons = [each.theirs.text() if finite else f"{each.theirs.method} gave no number", ours]
    if each.why:
        reasons.append(f"they differ ({'; '.join(each.why)})")
    used = [len(next(iter(side.columns.values()))) for side in (then, now)]
    if used != [then.rows, now.rows]:
        reasons.append(f"on {used[0]:,} of {then.rows:,} and {used[1]:,} of {now.rows:,} rows, drawn at random")
    return Measurement(
        metric=METRIC, at=(("feature", each.feature),), window=each.window, against=against,
        value=each.theirs.score if finite else None, n=min(used), method=f"evidently, {each.theirs.method}",
        reason="; ".join(reasons),
    )  # fmt: skip


def _empty_row(name: str, window: Window, against: Against) -> Measurement:
    why = "all values are missing on one side, of which Evidently makes an error"
    return Measurement(
        metric=METRIC, at=(("feature", name),), window=window, against=against, value=None, n=0,
        method="evidently, not_checked", reason=why,
    )  # fmt: skip


def _against(result: Result) -> Against:
    """Return the reference that the rows of our result name."""
    named = (row.against for row in result.measurements if row.against and row.against["kind"] == "reference")
    return dict(next(named, {"kind": "reference"}))


def _violations(settings: EvidentlySettings, folder: Path) -> list[str]:
    violations = seed_violations(settings.random_state)
    if settings.rows < _FEWEST:
        violations.append(f"rows must be at least {_FEWEST}; got {settings.rows}")
    if settings.last is not None and settings.last < 1:
        violations.append(f"last must be at least 1, or None for all windows; got {settings.last}")
    if folder.exists() and not folder.is_dir():
        violations.append(f"{folder} is a file; name a folder for Evidently's workspace")
    return violations
