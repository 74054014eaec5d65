"""Delta tables to read: where they are, which files a version has, and whether they are all there."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs

from audit.errors import EvidenceError

COLUMNS_KEY = "evenhanded.columns"
SALT_KEY = "evenhanded.salt"

_SETTINGS: Mapping[str, str | None] = {
    "delta.dataSkippingNumIndexedCols": "0",  # the least and greatest id of a file are ids: they stay out of the log
    "delta.enableExpiredLogCleanup": "false",  # a version that an audit cites must not expire
    "delta.deletedFileRetentionDuration": "interval 3650 days",
    "delta.checkpointInterval": "20",  # opening a table reads every commit since the last one
}


class Place(NamedTuple):
    """Where a Delta table is: its folder or URL, and what the object storage needs to be told.

    Examples
    --------
    >>> Place("/data/log/labels").folder, Place("s3://bucket/log/labels").folder
    (PosixPath('/data/log/labels'), None)
    """

    uri: str
    options: Mapping[str, str] | None = None

    @property
    def folder(self) -> Path | None:
        """The local folder; None on object storage."""
        return None if "://" in self.uri else Path(self.uri)

    def below(self, name: str) -> "Place":
        """Return the place of a table below this one."""
        return Place(f"{self.uri.rstrip('/')}/{name}", self.options)

    def storage(self) -> fs.FileSystem:
        """Return what reads and writes the files below this place."""
        if self.folder is not None:
            return fs.SubTreeFileSystem(str(self.folder), fs.LocalFileSystem())
        options = None if self.options is None else dict(self.options)
        return fs.PyFileSystem(DeltaStorageHandler(self.uri, options))


class DataFile(NamedTuple):
    """A data file of a table: its path below the table, its bytes and its rows (None where another engine wrote it).

    Examples
    --------
    >>> DataFile("part-1.parquet", 512, 3).rows
    3
    """

    path: str
    size: int
    rows: int | None


class Snapshot(NamedTuple):
    """One version of a Delta table.

    Examples
    --------
    >>> Snapshot(Place("/log/labels"), None, 0, ()).files
    ()
    """

    place: Place
    table: DeltaTable
    version: int
    files: tuple[DataFile, ...]


def is_table(place: Place) -> bool:
    """Tell whether there is a Delta table at a place.

    Examples
    --------
    >>> is_table(Place("/no/such/folder"))
    False
    """
    return bool(DeltaTable.is_deltatable(place.uri, _options(place)))


def make_table(place: Place, schema: pa.Schema, settings: Mapping[str, str]) -> None:
    """Make an empty table; nothing where there is one already.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), pa.schema([("id", pa.string())]), {})
    ...     is_table(Place(folder))
    True
    """
    if place.folder is not None:
        place.folder.mkdir(parents=True, exist_ok=True)
    DeltaTable.create(
        place.uri,
        schema,
        mode="ignore",
        configuration={**_SETTINGS, **settings},
        storage_options=_options(place),
        raise_if_key_not_exists=False,
    )


def snapshot(place: Place, version: int | None = None) -> Snapshot:
    """Return a version of a table, the newest where none is named; no data file is looked at.

    Raises
    ------
    EvidenceError
        If the log of the table is missing or broken, or has no such version.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), pa.schema([("id", pa.string())]), {})
    ...     found = snapshot(Place(folder))
    >>> found.version, found.files
    (0, ())
    """
    try:
        table = DeltaTable(place.uri, version=version, storage_options=_options(place))
        actions = pa.table(table.get_add_actions(flatten=True))
    except (DeltaError, OSError, ValueError) as error:
        which = "" if version is None else f" at version {version}"
        reason = str(error).strip().splitlines()[0]
        msg = f"the Delta log of {place.uri}{which} cannot be read ({reason}); is the folder whole? restore it"
        raise EvidenceError(msg) from error
    _check_plain(place, table)
    rows = zip(*(actions[name].to_pylist() for name in ("path", "size_bytes", "num_records")), strict=True)
    return Snapshot(place, table, table.version(), tuple(DataFile(unquote(path), size, n) for path, size, n in rows))


def check_files(found: Snapshot, files: Iterable[DataFile] | None = None) -> None:
    """Do nothing where every data file of a version is there and as long as it was; otherwise name them.

    Raises
    ------
    EvidenceError
        If files are missing, or of another length.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), pa.schema([("id", pa.string())]), {})
    ...     check_files(snapshot(Place(folder)))
    """
    files = list(found.files if files is None else files)
    infos = found.place.storage().get_file_info([file.path for file in files])
    faults = []
    for file, info in zip(files, infos, strict=True):
        if info.type == fs.FileType.NotFound:
            faults.append(f"{found.place.uri}/{file.path} is missing")
        elif info.size is not None and info.size != file.size:
            faults.append(f"{found.place.uri}/{file.path} has {info.size:,} bytes, its log says {file.size:,}")
    if faults:
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        msg = (
            f"version {found.version} of the log cannot be read: {'; '.join(faults[:5])}{more}; restore the files, or "
            f"name a later version: erasing and retention remove the files of earlier ones for good"
        )
        raise EvidenceError(msg)


def settings(found: Snapshot) -> Mapping[str, str]:
    """Return the settings of a table.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), pa.schema([("id", pa.string())]), {"made.by": "us"})
    ...     settings(snapshot(Place(folder)))["made.by"]
    'us'
    """
    return found.table.metadata().configuration


def local_files(found: Snapshot) -> tuple[Path, ...]:
    """Return the commits that begin and make a version, and its data files, as local paths; empty on object storage.

    The name of the last commit is the number of the version, so that whoever hashes these files cites it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     make_table(Place(folder), pa.schema([("id", pa.string())]), {})
    ...     [path.name for path in local_files(snapshot(Place(folder)))]
    ['00000000000000000000.json']
    """
    folder = found.place.folder
    if folder is None:
        return ()
    commits = [folder / "_delta_log" / f"{number:020d}.json" for number in sorted({0, found.version})]
    return tuple([path for path in commits if path.is_file()] + [folder / file.path for file in sorted(found.files)])


def _check_plain(place: Place, table: DeltaTable) -> None:
    """Refuse a table whose files alone do not say what its rows are: another engine changed how it is kept."""
    protocol = table.protocol()
    if protocol.min_reader_version > 1:
        named = ", ".join(protocol.reader_features or ()) or f"reader version {protocol.min_reader_version}"
        msg = (
            f"{place.uri} was changed by another engine so that readers need more than its files ({named}); restore "
            f"the table, or rewrite it without that"
        )
        raise EvidenceError(msg)


def _options(place: Place) -> dict[str, str] | None:
    return None if place.options is None else dict(place.options)
