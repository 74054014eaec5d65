"""Writing to a Delta table: a file that no version names, and a commit that is made whole and first or not at all."""

import json
import time
import uuid
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, Field, Schema
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction
from pyarrow import fs

from monitors.log_store.columns import ARROW_TYPES, Kind
from monitors.log_store.delta import COLUMNS_KEY, DataFile, Place, Snapshot, snapshot

_ROW_GROUP = 200_000
_COMPACTIONS = 5


def write_file(place: Place, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> DataFile:
    """Write rows to a new file that no version names yet.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> rows = pa.table({"id": ["a", "b"]})
    >>> with TemporaryDirectory() as folder:
    ...     write_file(Place(folder), rows.to_batches(), rows.schema).rows
    2
    """
    name = f"part-{uuid.uuid4()}.parquet"
    files, rows = place.storage(), 0
    with (
        files.open_output_stream(name) as stream,
        pq.ParquetWriter(stream, schema, compression="zstd") as writer,
    ):
        for batch in batches:
            if batch.num_rows:
                writer.write_batch(batch.cast(schema), row_group_size=_ROW_GROUP)
                rows += batch.num_rows
    return DataFile(name, files.get_file_info(name).size, rows)


def drop_file(place: Place, file: DataFile) -> None:
    """Delete a file that was written and that no version came to name.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> rows = pa.table({"id": ["a", "b"]})
    >>> with TemporaryDirectory() as folder:
    ...     drop_file(Place(folder), write_file(Place(folder), rows.to_batches(), rows.schema))
    ...     list(Path(folder).iterdir())
    []
    """
    place.storage().delete_file(file.path)


def commit(found: Snapshot, *, add: Sequence[DataFile], remove: Sequence[DataFile] = ()) -> bool:
    """Make the next version of a table: all of it, or nothing.

    Returns
    -------
    bool
        False where the table is no longer at the version of the snapshot: somebody else was first. Nothing has changed
        then, and what the caller knew of the table must be looked at again.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from monitors.log_store.delta import make_table
    >>> rows = pa.table({"id": ["a", "b"]})
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), rows.schema, {})
    ...     one, other = snapshot(Place(folder)), snapshot(Place(folder))
    ...     file = write_file(Place(folder), rows.to_batches(), rows.schema)
    ...     commit(one, add=[file]), commit(other, add=[file]), snapshot(Place(folder)).version
    (True, False, 1)
    """
    now = int(time.time() * 1000)
    actions: list[AddAction | RemoveAction] = [
        AddAction(file.path, file.size, {}, now, data_change=True, stats=json.dumps({"numRecords": file.rows}))
        for file in add
    ]
    actions += [RemoveAction(file.path, data_change=True, deletion_timestamp=now, size=file.size) for file in remove]
    try:
        found.table.create_write_transaction(
            actions, "append", found.table.schema(), commit_properties=_first_or_not_at_all()
        )
    except CommitFailedError:
        return False
    return True


def set_columns(found: Snapshot, name: str, kind: Kind, columns: str) -> bool:
    """Add a column to a table, and say in its settings what its columns are now; False as in `commit`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from monitors.log_store.delta import make_table, settings
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), pa.schema([("id", pa.string())]), {})
    ...     set_columns(snapshot(Place(folder)), "age", "number", "id and age")
    ...     settings(snapshot(Place(folder)))[COLUMNS_KEY]
    True
    'id and age'
    """
    present = {field.name for field in found.table.schema().fields}
    try:
        if name not in present:
            schema = pa.schema([pa.field(name, ARROW_TYPES[kind])])
            found.table.alter.add_columns(_fields(schema), commit_properties=_first_or_not_at_all())
            found = snapshot(found.place)
        found.table.alter.set_table_properties(
            {COLUMNS_KEY: columns}, raise_if_not_exists=False, commit_properties=_first_or_not_at_all()
        )
    except CommitFailedError:
        return False
    return True


def compact(place: Place) -> int:
    """Write small files together; return how many files became fewer: 0 where others always changed them first.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from monitors.log_store.delta import make_table
    >>> rows = pa.table({"id": ["a", "b"]})
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), rows.schema, {})
    ...     for _ in range(3):
    ...         file = write_file(Place(folder), rows.to_batches(), rows.schema)
    ...         _ = commit(snapshot(Place(folder)), add=[file])
    ...     compact(Place(folder))
    2
    """
    for _ in range(_COMPACTIONS):
        try:
            done = snapshot(place).table.optimize.compact()
        except CommitFailedError:  # somebody replaced a file that was being put together
            continue
        return int(done["numFilesRemoved"]) - int(done["numFilesAdded"])
    return 0


def sweep(place: Place) -> int:
    """Delete every data file that the newest version does not name, at once; return how many.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from monitors.log_store.delta import make_table
    >>> rows = pa.table({"id": ["a", "b"]})
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), rows.schema, {})
    ...     _ = write_file(Place(folder), rows.to_batches(), rows.schema)
    ...     sweep(Place(folder))
    1
    """
    gone = unnamed(place)
    snapshot(place).table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False, full=True)
    return len(gone)


def unnamed(place: Place) -> tuple[str, ...]:
    """Return the data files that the newest version does not name and that are there.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from monitors.log_store.delta import make_table
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), pa.schema([("id", pa.string())]), {})
    ...     unnamed(Place(folder))
    ()
    """
    found = snapshot(place).table.vacuum(retention_hours=0, dry_run=True, enforce_retention_duration=False, full=True)
    here = place.storage().get_file_info(list(dict.fromkeys(found)))
    return tuple(info.path for info in here if info.type == fs.FileType.File)


def _first_or_not_at_all() -> CommitProperties:
    # With retries the library would put a commit on top of whatever came first, also where both bring the same ids.
    return CommitProperties(max_commit_retries=0)


def _fields(schema: pa.Schema) -> list[Field]:
    return list(Schema.from_arrow(schema).fields)
