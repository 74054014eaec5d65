"""A log of `evenhanded ingest` that is audited: it knows its own columns, and a version of it is named."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from audit.errors import EvidenceError, InputError, raise_violations
from audit.predictions import PredictionLog, feature_column
from audit.result import Result

if TYPE_CHECKING:
    from monitors.log_store.store import LogStore

KNOWN = (
    "y_true", "y_pred", "y_score", "task", "positive", "threshold", "score_max", "labels", "separator", "abstain",
    "human", "final", "weight", "weights", "cluster", "timestamp", "model_version", "prediction_id", "attributes", "on",
    "bins", "missing",
)  # fmt: skip
"""Options that say what columns are, and how they are read: a log says so itself."""


def is_log(path: Path) -> bool:
    """Whether a path is a prediction log of `evenhanded ingest`.

    Examples
    --------
    >>> is_log(Path("spring.csv"))
    False
    """
    return (path / "predictions" / "_delta_log").is_dir()


def check_options(options: Mapping[str, Any], named: Collection[str]) -> None:
    """Refuse options that do not go with the data: columns of a log, or a version of what is none.

    Parameters
    ----------
    options
        The options of the command.
    named
        Those that somebody gave.

    Raises
    ------
    InputError
        All that do not.

    Examples
    --------
    >>> check_options({"data": Path("scored.csv"), "log_version": "1.1", "sensitive": ("sex",)}, {"log_version"})
    Traceback (most recent call last):
    audit.errors.InputError: --log-version names a version of a log of `evenhanded ingest`, and scored.csv is none
    """
    path, version = options["data"], options["log_version"]
    if is_log(path):
        raise_violations(
            [
                f"--{name.replace('_', '-') if name != 'bins' else 'bin'} is for a file, and {path} knows its own "
                f"columns; leave it out"
                for name in KNOWN
                if name in named
            ]
        )
    elif version is not None:
        raise InputError([f"--log-version names a version of a log of `evenhanded ingest`, and {path} is none"])


class AuditedLog:
    """One version of a log: the newest when it was opened, unless another is named.

    Parameters
    ----------
    path
        The folder.
    version
        As `evenhanded ingest` says it, such as "12.7"; None = the newest.

    Raises
    ------
    InputError
        If there is no log, or the text is no version.
    """

    def __init__(self, path: Path, version: str | None) -> None:
        from audit.extras import require

        require("A prediction log", modules=["deltalake"], extra="store")
        from monitors.log_store.store import LogStore

        self.path = path
        self.store: LogStore = LogStore.open(path)
        self.version: str = self.store.version if version is None else _present(self.store, version, name=str(path))

    def read(self, sensitive: tuple[str, ...]) -> PredictionLog:
        """Return the version as a log with some of its sensitive features; none named = all of them.

        Raises
        ------
        InputError
            If the log has no such sensitive feature, the version was erased, or the log holds labels with which it
            cannot be read: they are named, with the first ids.
        EvidenceError
            If a file of the version is gone.
        """
        log = self._read()
        _check_labels(log, name=str(self.path))
        return with_features(log, sensitive, name=str(self.path))

    def _read(self) -> PredictionLog:
        try:
            return self.store.read(self.version)
        except EvidenceError as error:
            removed = any(event["event"] in {"erase", "retain"} for event in self.store.events())
            if self.version == self.store.version or not removed:
                raise
            msg = (
                f"version {self.version} of {self.path} can no longer be read: erasing or retention removed rows of it "
                f"for good; audit a later version, up to {self.store.version}, the newest"
            )
            raise InputError([msg]) from error

    def named(self, result: Result) -> Result:
        """Return a result that says which version of which log it rests on."""
        given = {**result.provenance.given, "log": self.path.absolute().name, "log_version": self.version}
        return replace(result, provenance=replace(result.provenance, given=given))

    def sentence(self) -> str:
        """Return which version was audited, and how to audit it again."""
        again = f"evenhanded audit {self.path} --log-version {self.version}"
        return f"version {self.version} of {self.path}; the same bytes again: {again}"


def _present(store: "LogStore", version: str, *, name: str) -> str:
    """Return a version that a person named, where the log has ever had it."""
    from monitors.log_versions import Version

    asked, newest = Version.parse(version), Version.parse(store.version)
    if asked.predictions > newest.predictions or asked.labels > newest.labels:
        msg = (
            f"{name} never had a version {version}: its newest is {newest} (predictions 0 to {newest.predictions}, "
            f"labels 0 to {newest.labels})"
        )
        raise InputError([msg])
    return version


def _check_labels(log: PredictionLog, *, name: str) -> None:
    """Do nothing where the log can be read with the labels that it holds; each is counted before ids are looked at."""
    from monitors.log_store.label_check import check_stored, unreadable

    roles = [role for role in ("y_true", "y_pred") if role in log.columns]
    if log.reading.task not in {"binary", "multiclass"} or not roles:
        return
    counts: Counter[str] = Counter()
    for role in roles:
        found = log.table.group_by(role).agg(number=nw.len()).collect(backend="pyarrow").to_native()
        for label, number in zip(found[role].to_pylist(), found["number"].to_pylist(), strict=True):
            counts[label] += number if label is not None and label != log.reading.abstain else 0
    held = {label: number for label, number in counts.items() if number}
    if unreadable(held, log.reading):
        check_stored(log.table.select("prediction_id", *roles).collect(backend="pyarrow").to_native(), log.reading,
                     name=name)  # fmt: skip


def with_features(log: PredictionLog, sensitive: tuple[str, ...], *, name: str) -> PredictionLog:
    """Return a log whose groups are those of some of its sensitive features, in the order named; () = as it is.

    Raises
    ------
    InputError
        If the log has no such sensitive feature.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"y": [1], "p": [1], "sex": ["F"], "race": ["A"]})
    >>> log = PredictionLog.from_frame(table, y_true="y", y_pred="p", sensitive_features=["sex", "race"])
    >>> with_features(log, ("race",), name="log").sensitive_features
    ('race',)
    """
    known = log.sensitive_features
    missing = [each for each in sensitive if each not in known]
    shown = ", ".join(known) or "none"
    raise_violations(
        [f"{each!r} is no sensitive feature of {name}, which has {shown}; name one of these" for each in missing]
    )
    if not sensitive or sensitive == known:
        return log
    columns = log.table.collect_schema().names()
    groups = {feature_column(place) for place in range(len(known))}
    kept = {column: nw.col(column) for column in columns if column not in groups}
    kept |= {feature_column(at): nw.col(feature_column(known.index(each))) for at, each in enumerate(sensitive)}
    bins = {feature: cuts for feature, cuts in log.reading.bins.items() if feature in sensitive}
    reading = replace(log.reading, bins=bins)
    return replace(log, table=log.table.select(**kept), sensitive_features=sensitive, reading=reading)
