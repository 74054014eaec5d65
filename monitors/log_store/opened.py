"""A store that is open: its tables, what their columns are, and the key of its hashed ids."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from audit.errors import EvidenceError, InputError
from audit.values import canonical_array
from monitors.log_store.appending import Rule
from monitors.log_store.columns import EVENTS, LABELS, Kind, LogColumns
from monitors.log_store.delta import COLUMNS_KEY, SALT_KEY, Place, Snapshot, is_table, settings, snapshot
from monitors.log_store.door import Wanted
from monitors.log_store.hashing import Salt, read_salt

EVENT_RULE = Rule(EVENTS, (), (), "")
_CORRECT = "correct what is there on purpose, or send the rows under ids of their own"


class Tables(NamedTuple):
    """The three tables of a store.

    Examples
    --------
    >>> Tables(Place("/log")).labels.uri
    '/log/labels'
    """

    place: Place

    @property
    def predictions(self) -> Place:
        """The table of predictions."""
        return self.place.below("predictions")

    @property
    def labels(self) -> Place:
        """The table of labels."""
        return self.place.below("labels")

    @property
    def events(self) -> Place:
        """The table of what was corrected, erased and left behind."""
        return self.place.below("events")


class Opened(NamedTuple):
    """A store that is open to be written.

    Examples
    --------
    >>> columns = LogColumns(roles={"prediction_id": "id", "timestamp": "at", "y_pred": "said"})
    >>> Opened(Tables(Place("/log")), columns, None).id
    'id'
    """

    tables: Tables
    columns: LogColumns
    salt: Salt | None

    @property
    def id(self) -> str:
        """The column of ids."""
        return self.columns.roles["prediction_id"]

    def predictions_rule(self) -> Rule:
        """Return what the table of predictions demands: a row that comes again agrees in every column."""
        kinds = self.columns.kinds()
        return Rule(kinds, tuple(kinds)[:2], tuple(kinds)[1:], f"{_CORRECT} (--correct)")

    def labels_rule(self) -> Rule:
        """Return what the table of labels demands: a label that comes again is the same label."""
        return Rule(LABELS, tuple(LABELS)[:4], ("y_true",), f"{_CORRECT} (--labels --correct)")

    def wanted(self, kinds: Mapping[str, Kind], *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> Wanted:
        """Return what a batch of this store must and may hold; declared columns are hashed by their own names."""
        hashed = {name: name for name in self.columns.hashed}
        return Wanted(kinds, required, optional, self.columns.left_out, hashed, self.salt)

    def ids(self, values: pa.Array, *, column: str | None = None) -> pa.Array:
        """Return ids as the store holds them: in one spelling, and hashed where the column is."""
        name = self.id if column is None else column
        spelled = canonical_array(values)
        return self.salt.hashed(spelled, column=name) if self.salt and name in self.columns.hashed else spelled


def place_of(path: str | Path, options: Mapping[str, str] | None = None) -> Place:
    """Return the place of a path or URL; paths are made absolute.

    Examples
    --------
    >>> place_of("s3://bucket/log/").uri
    's3://bucket/log'
    """
    text = str(path)
    return Place(text.rstrip("/") if "://" in text else str(Path(text).absolute()), options)


def salt_path(place: Place, named: str | Path | None) -> Path:
    """Return the file of the key: beside the folder of the store where none is named.

    Raises
    ------
    InputError
        If the store is on object storage and no file is named.

    Examples
    --------
    >>> salt_path(Place("/data/log"), None).as_posix()
    '/data/log.salt'
    """
    if named is not None:
        return Path(named)
    if place.folder is None:
        msg = f"ids of {place.uri} are hashed with a key in a local file; name it: salt_file (--salt FILE)"
        raise InputError([msg])
    return place.folder.with_name(f"{place.folder.name}.salt")


def exists(place: Place) -> bool:
    """Tell whether there is a store at a place.

    Examples
    --------
    >>> exists(Place("/no/such/folder"))
    False
    """
    return is_table(place.below("predictions"))


def opened(place: Place, salt_file: str | Path | None) -> Opened:
    """Open a store to write to it.

    Raises
    ------
    InputError
        If there is no store.
    EvidenceError
        If its columns cannot be told, or ids are hashed and the key is missing or another.

    Examples
    --------
    >>> from monitors.log_store.example import small_store
    >>> with small_store(empty=True) as store:
    ...     opened(store.tables.place, None).id
    'id'
    """
    columns, fingerprint = described(place)
    if not columns.hashed:
        return Opened(Tables(place), columns, None)
    path = salt_path(place, salt_file)
    salt = read_salt(path)
    if salt.fingerprint() != fingerprint:
        msg = f"{path} is not the key that {place.uri} was made with; put the right file back"
        raise EvidenceError(msg)
    return Opened(Tables(place), columns, salt)


def need(place: Place) -> None:
    """Do nothing where there is a store.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> need(Place("/no/such/folder"))
    Traceback (most recent call last):
    audit.errors.InputError: /no/such/folder is no prediction log; make one with LogStore.create or `evenhanded ingest`
    """
    if not exists(place):
        msg = f"{place.uri} is no prediction log; make one with LogStore.create or `evenhanded ingest`"
        raise InputError([msg])


def described(place: Place) -> tuple[LogColumns, str | None]:
    """Return what the columns of a store are, and the fingerprint of the key of its hashed ids.

    Examples
    --------
    >>> from monitors.log_store.example import small_store
    >>> with small_store(empty=True) as store:
    ...     described(store.tables.place) == (store.columns, None)
    True
    """
    need(place)
    found = snapshot(Tables(place).predictions)
    return columns_of(found), settings(found).get(SALT_KEY)


def columns_of(predictions: Snapshot) -> LogColumns:
    """Return what the columns were in a version of the table of predictions.

    Raises
    ------
    EvidenceError
        If the table does not say so.

    Examples
    --------
    >>> from monitors.log_store.example import small_store
    >>> with small_store(empty=True) as store:
    ...     columns_of(snapshot(store.tables.predictions)) == store.columns
    True
    """
    known = settings(predictions)
    if COLUMNS_KEY not in known:
        msg = f"{predictions.place.uri} is a Delta table without {COLUMNS_KEY!r}: something else than this made it"
        raise EvidenceError(msg)
    return LogColumns.from_json(known[COLUMNS_KEY])
