"""Making an empty prediction log."""

from pathlib import Path

from audit.errors import InputError
from monitors.log_store.columns import EVENTS, LABELS, LogColumns, schema_of
from monitors.log_store.delta import COLUMNS_KEY, SALT_KEY, Place, make_table
from monitors.log_store.hashing import make_salt
from monitors.log_store.opened import Tables, described, exists, salt_path

_PARTS = frozenset({"labels", "events", "predictions", ".lock"})
"""What a process that ended while it made a log may have left in the folder."""


def make_store(place: Place, columns: LogColumns, salt_file: str | Path | None) -> None:
    """Make the tables of a log, the predictions last: with them the log is there.

    Raises
    ------
    InputError
        If there is something at the place, or the key of hashed ids cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from monitors.log_store.opened import exists
    >>> columns = LogColumns(roles={"prediction_id": "id", "timestamp": "at", "y_pred": "said"})
    >>> with TemporaryDirectory() as folder:
    ...     make_store(Place(folder), columns, None)
    ...     exists(Place(folder))
    True
    """
    _need_room(place)
    known = {COLUMNS_KEY: columns.to_json()}
    if columns.hashed:
        known[SALT_KEY] = make_salt(salt_path(place, salt_file)).fingerprint()
    made = Tables(place)
    try:
        make_table(made.labels, schema_of(LABELS, required=tuple(LABELS)[:4]), {})
        make_table(made.events, schema_of(EVENTS), {})
        make_table(made.predictions, columns.schema(), known)
    except OSError as error:
        msg = f"cannot write a prediction log to {place.uri}: {error}; name another place"
        raise InputError([msg]) from error
    if described(place)[0].to_json() != columns.to_json():
        msg = f"{place.uri} was made by somebody else at the same time, with other columns; open it instead"
        raise InputError([msg])


def _need_room(place: Place) -> None:
    if exists(place):
        msg = f"{place.uri} is a prediction log already; open it, or name another place"
        raise InputError([msg])
    folder = place.folder
    if folder is None or not folder.exists():
        return
    if not folder.is_dir() or {entry.name for entry in folder.iterdir()} - _PARTS:
        msg = f"{folder} is there and is no prediction log; name a new folder, or an empty one"
        raise InputError([msg])
