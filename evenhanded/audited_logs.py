"""A log of `evenhanded ingest` that is audited: it knows its own columns, and a version of it is named."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals.stable.v2 as nw

from audit.errors import InputError, raise_violations
from audit.predictions import PredictionLog, feature_column
from audit.result import Result

if TYPE_CHECKING:
    pass

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
        self.version: str = version or self.store.version

    def read(self, sensitive: tuple[str, ...]) -> PredictionLog:
        """Return the version as a log with some of its sensitive features; none named = all of them.

        Raises
        ------
        InputError
            If the log has no such sensitive feature.
        EvidenceError
            If the version, or a file of it, is gone.
        """
        return with_features(self.store.read(self.version), sensitive, name=str(self.path))

    def named(self, result: Result) -> Result:
        """Return a result that says which version of which log it rests on."""
        given = {**result.provenance.given, "log": self.path.absolute().name, "log_version": self.version}
        return replace(result, provenance=replace(result.provenance, given=given))

    def sentence(self) -> str:
        """Return which version was audited, and how to audit it again."""
        again = f"evenhanded audit {self.path} --log-version {self.version}"
        return f"version {self.version} of {self.path}; the same bytes again: {again}"


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
