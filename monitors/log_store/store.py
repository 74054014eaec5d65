"""The prediction log: a folder or URL with predictions and the labels that come later."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from audit.errors import EvidenceError, InputError, raise_violations
from audit.measurement import Window
from audit.predictions import PredictionLog
from monitors.kinds import NUMBER, Wanted, shown, wrong_kind
from monitors.log_store.columns import EVENTS, Kind, LogColumns
from monitors.log_store.commits import compact, set_columns
from monitors.log_store.delta import Place, snapshot
from monitors.log_store.engine import connection, rows_of
from monitors.log_store.locks import writing
from monitors.log_store.making import make_store
from monitors.log_store.matching import as_table
from monitors.log_store.opened import Opened, Tables, columns_of, described, need, opened, place_of
from monitors.log_store.reading import joined
from monitors.log_store.receiving import (
    Brought,
    LabelNames,
    correct_rows,
    receive,
    receive_labels,
    record_event,
)
from monitors.log_store.removing import Removed, as_ids, erase_ids, ids_with, retain_since
from monitors.log_versions import Version

_MOST_DAYS = 36_500


class Received(NamedTuple):
    """How many rows a batch brought: new ones, and those that were there already, of predictions and of labels.

    Once it is returned, all of them are in the log, whatever becomes of the process.

    Examples
    --------
    >>> Received(new=10, repeated=0, new_labels=4, repeated_labels=0, corrected_labels=0, version="1.1").new
    10
    """

    new: int
    repeated: int
    new_labels: int
    repeated_labels: int
    corrected_labels: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStore:
    """A prediction log that is appended to in batches, read by version, corrected and erased on record.

    Two Delta Lake tables in one folder or at one URL, `predictions` and `labels` (prediction_id, y_true,
    label_timestamp, received_at, source), joined at reading; a third, `events`, counts what was corrected and removed.
    Any engine that reads Delta Lake reads them.

    **Several writers.** A batch is one commit on top of the version in which its ids were looked up; where somebody
    else commits first, the new rows are looked up, too, and it is tried again. Whatever ends a process (``kill -9``):
    a batch is in the log or it is not, and one that was acknowledged is.

    **Versions.** `version` is "12.7": predictions at 12, labels at 7. `read` with it gives the same rows from the same
    files, so an audit of it gives the same digests; `monitors.log_versions.cited` finds the version that an audit
    rested on. A version can be read until something is erased or falls under `retain`: both delete the files that held
    those rows, and earlier versions that named one of them can no longer be read (the error names the file). Nothing
    else deletes files.

    Parameters
    ----------
    place
        Where it is.
    salt_file
        The file with the key of hashed ids; None = ``<folder>.salt`` beside the folder (`monitors.log_store.hashing`).

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import pyarrow as pa
    >>> columns = LogColumns(roles={"prediction_id": "id", "timestamp": "at", "y_pred": "said"})
    >>> folder = TemporaryDirectory()
    >>> store = LogStore.create(f"{folder.name}/log", columns)
    >>> day = pa.table({"id": ["a", "b"], "at": ["2026-01-05T09:00Z"] * 2, "said": [1, 0]})
    >>> store.append(day).new, store.append(day).repeated
    (2, 2)
    >>> store.append_labels(pa.table({"id": ["a"], "y_true": [1]})).version
    '1.1'
    >>> store.read().table.collect(backend="pyarrow").to_native()["y_true"].to_pylist()
    ['1', None]
    >>> store.erase(["a"])[:2], store.events()[0]["event"]
    ((1, 1), 'erase')
    >>> folder.cleanup()
    """

    place: Place
    salt_file: Path | None = None

    @classmethod
    def create(
        cls,
        path: str | Path,
        columns: LogColumns,
        *,
        salt_file: str | Path | None = None,
        storage_options: Mapping[str, str] | None = None,
    ) -> "LogStore":
        """Make an empty log.

        Parameters
        ----------
        path
            A folder that does not exist or is empty, or a URL: ``s3://bucket/log``.
        columns
            What the columns are; the log remembers it.
        salt_file
            Where the key of hashed ids is written, where columns are hashed; needed with a URL.
        storage_options
            What the object storage needs to be told, by name, as the library `deltalake` takes it.

        Raises
        ------
        InputError
            If there is something at the path, or the key cannot be written.
        """
        place = place_of(path, storage_options)
        raise_violations(
            wrong_kind("columns", columns, Wanted("LogColumns", (LogColumns,)), then="LogColumns(roles=...)")
        )
        make_store(place, columns, salt_file)
        return cls(place=place, salt_file=None if salt_file is None else Path(salt_file))

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        salt_file: str | Path | None = None,
        storage_options: Mapping[str, str] | None = None,
    ) -> "LogStore":
        """Open a log that is there.

        Raises
        ------
        InputError
            If there is none.
        """
        store = cls(place=place_of(path, storage_options), salt_file=None if salt_file is None else Path(salt_file))
        described(store.place)
        return store

    @property
    def columns(self) -> LogColumns:
        """What the columns are, now."""
        return described(self.place)[0]

    @property
    def version(self) -> str:
        """The newest version: "12.7" is predictions at 12, labels at 7."""
        need(self.place)
        tables = Tables(self.place)
        return str(Version(snapshot(tables.predictions).version, snapshot(tables.labels).version))

    def read(self, version: str | None = None, *, between: Window | None = None) -> PredictionLog:
        """Return a version as a log: predictions left-joined with their newest labels by id, lazily.

        Parameters
        ----------
        version
            As `version` says it; None = the newest.
        between
            Only predictions made in this half-open window.

        Returns
        -------
        PredictionLog
            With `y_true` and `label_timestamp`, which are missing where no label has come. Its `source` are the commits
            that begin and make the version and all its data files (local stores only), so that the provenance of an
            audit holds the SHA-256 of every byte that it rested on, under names that tell the version.

        Raises
        ------
        InputError
            If `version` is no version.
        EvidenceError
            If the version does not exist, or a data file of it is missing or of another length: it is named.
        """
        asked = (None, None) if version is None else Version.parse(version)
        raise_violations(_wrong_window(between))
        need(self.place)
        predictions = snapshot(Tables(self.place).predictions, asked[0])
        labels = snapshot(Tables(self.place).labels, asked[1])
        return joined(predictions, labels, columns_of(predictions), between=between)

    def append(self, batch: Any) -> Received:  # noqa: ANN401 - any table, or a path
        """Append a batch of predictions, in any order of time; labels in it go to the table of labels.

        Parameters
        ----------
        batch
            A pandas, Polars or Arrow table, a DuckDB relation, a Spark or Ibis table, or the path of a file.

        Returns
        -------
        Received
            How many rows are new, and how many were there with the same content and were left out.

        Raises
        ------
        InputError
            If the batch holds what it should not: unknown columns, times without a zone, missing ids, an id that is
            known with other content (it is named). Nothing is appended then.
        EvidenceError
            If a file of the log or the key of hashed ids is missing, or others kept it busy: nothing is appended then.
        """
        with self._writing():
            rows, labels = receive(self._opened(), batch)
        return self._received(rows, labels)

    def append_labels(
        self,
        batch: Any,  # noqa: ANN401 - as `append`
        *,
        prediction_id: str | None = None,
        y_true: str = "y_true",
        label_timestamp: str | None = None,
        source: str | None = None,
        correct: bool = False,
    ) -> Received:
        """Append labels that came later; a label may come before its prediction.

        Parameters
        ----------
        batch
            As in `append`: one row per label.
        prediction_id, y_true, label_timestamp
            Its columns. The first is called as in the predictions where it is not named; without the last, a label
            counts as known since it is here.
        source
            A text that is kept with every label of the batch: who or what said so.
        correct
            Let labels that disagree with those that are there replace them; the number is put on record.

        Raises
        ------
        InputError
            As `append`; a prediction whose label is another already is refused, with the number of such rows, unless
            `correct`.
        """
        with self._writing():
            store = self._opened()
            names = LabelNames(prediction_id or store.id, y_true, label_timestamp, source)
            done = receive_labels(store, batch, names, correct=correct)
            if done.corrected:
                record_event(store, "correct", labels=done.corrected)
        return self._received(Brought(), done)

    def correct(self, batch: Any) -> int:  # noqa: ANN401 - as `append`
        """Replace what the log says of predictions; return how many.

        Parameters
        ----------
        batch
            The ids and the columns that are to be replaced; the others stay. Versions before still say what was said.

        Raises
        ------
        InputError
            As `append`; also if an id is not in the log. Nothing is changed then.
        """
        with self._writing():
            store = self._opened()
            changed = correct_rows(store, batch)
            if changed:
                record_event(store, "correct", predictions=changed)
        return changed

    def erase(self, ids: Sequence[str], *, by: str | None = None) -> Removed:
        """Remove predictions and their labels for good: from this version, from all earlier ones, and from the disk.

        The files that held them are written again without them, and every file that the newest version does not name
        is deleted at once, also what a killed process or a compaction left behind. The Delta log keeps the names of
        such files and their numbers of rows: it never held an id or another value. What is counted is put on record
        (`events`), never whose it was: an id that is sent again later is new. An earlier version that named one of the
        deleted files can no longer be read.

        On a local disk this waits for writers and keeps them out; on object storage, stop them first.

        Parameters
        ----------
        ids
            Ids of predictions, or values of `by`, as batches have them (not hashed); those that the log lacks are no
            error.
        by
            A column that holds texts: all predictions with these values go (all those of a person).

        Raises
        ------
        InputError
            If there are no ids, or no column of the name.
        EvidenceError
            If a file of the log or the key of hashed ids is missing.
        """
        wanted = as_ids(ids)
        with self._writing(alone=True):
            store = self._opened()
            return erase_ids(store, store.ids(wanted) if by is None else ids_with(store, wanted, by))

    def retain(self, days: float, *, now: datetime | None = None) -> Removed:
        """Remove predictions older than so many days, and their labels, as `erase` does.

        Parameters
        ----------
        days
            Days in (0, 36,500].
        now
            The time from which they are counted; None = the clock's.
        """
        raise_violations(wrong_kind("days", days, NUMBER))
        if not 0 < days <= _MOST_DAYS:
            msg = f"days must lie in (0, {_MOST_DAYS:,}]; got {days}"
            raise InputError([msg])
        start = (now or datetime.now(UTC)) - timedelta(days=days)
        with self._writing(alone=True):
            return retain_since(self._opened(), start)

    def compact(self) -> int:
        """Write small files together; return how many files became fewer. Rows and earlier versions stay."""
        with self._writing():
            tables = Tables(self.place)
            return compact(tables.predictions) + compact(tables.labels) + compact(tables.events)

    def add_column(self, name: str, *, kind: Kind = "text", sensitive: bool = False, hashed: bool = False) -> None:
        """Let the log keep one more column from now on; it is missing in the rows that are there.

        Raises
        ------
        InputError
            If the column is there already, or cannot be one.
        """
        with self._writing():
            store = self._opened()
            if name in store.columns.kept:
                msg = f"the log has a column {name!r} already"
                raise InputError([msg])
            columns = store.columns.with_column(name, kind=kind, sensitive=sensitive, hashed=hashed)
            if hashed and store.salt is None:
                msg = f"{name!r} cannot be hashed: the log was made without hashed columns and has no key"
                raise InputError([msg])
            if not set_columns(snapshot(store.tables.predictions), name, kind, columns.to_json()):
                msg = f"{self.place.uri} was changed by somebody else just now; add the column again"
                raise EvidenceError(msg)

    def events(self) -> list[dict[str, Any]]:
        """Return what was corrected, erased and left behind: when, what, how many rows; the oldest first."""
        need(self.place)
        found = snapshot(Tables(self.place).events)
        rows = rows_of(connection(), found, EVENTS).order("c0")
        return list(as_table(rows, EVENTS).to_pylist())

    def _writing(self, *, alone: bool = False) -> AbstractContextManager[None]:
        need(self.place)  # before a lock is written into what may be no store
        return writing(self.place.folder, alone=alone)

    def _opened(self) -> Opened:
        return opened(self.place, self.salt_file)

    def _received(self, rows: Brought, labels: Brought) -> Received:
        counts = (rows.new, rows.repeated, labels.new, labels.repeated, labels.corrected)
        return Received(*counts, version=self.version)


def _wrong_window(between: object) -> list[str]:
    fine = isinstance(between, tuple | list) and len(between) == 2
    if between is None or (fine and all(isinstance(end, datetime) and end.tzinfo for end in between)):  # type: ignore[attr-defined]
        return []
    return [f"between: expected two times with a zone, (start, end); got {shown(between)}"]
