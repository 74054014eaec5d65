"""A reference on disk: strict JSON and Parquet in one folder, written whole or not at all, checked when it is read."""

import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import EvidenceError, InputError
from audit.measurement import Slice, canonical_json
from audit.tally import Tally
from monitors.counts.binning import Binning
from monitors.counts.digests import SCHEMA, digest_of, part_digests
from monitors.counts.kept_windows import KeptWindows, stored_windows
from monitors.counts.profile import Profile
from monitors.counts.traffic import Traffic, cells_of, stored_traffic

FACTS = "reference.json"
COUNTS = "counts.parquet"
TALLY = "tally.parquet"
TRAFFIC = "traffic.parquet"
BY_WINDOW = "tally_by_window.parquet"
_COLUMNS = pa.schema([("feature", pa.string()), ("slice", pa.int32()), ("bin", pa.int32()), ("n", pa.int64())])
_STEPS = ("step", "slice", "n")
_AGAIN = "make the reference again"


class Stored(NamedTuple):
    """What is stored of a reference: the fields of `monitors.counts.reference.Reference`.

    Examples
    --------
    >>> profile = Profile(windows=(None,), slices=((),), binnings={}, counts={}, rows=np.array([[4]]))
    >>> Stored(profile, ("sex",), None, "ab12").sensitive_features
    ('sex',)
    """

    profile: Profile
    sensitive_features: tuple[str, ...]
    tally: Tally | None
    digest: str
    traffic: Traffic | None = None
    clusters: float = 1.0
    windows: KeptWindows | None = None


def write(stored: Stored, path: Path) -> Path:
    """Write a reference as a folder; see `monitors.counts.reference.Reference.save`.

    Raises
    ------
    InputError
        If the folder cannot be written, or holds something else.

    Examples
    --------
    >>> profile = Profile(windows=(None,), slices=((),), binnings={}, counts={}, rows=np.array([[4]]))
    >>> stored = Stored(profile, (), None, digest_of(part_digests(profile, ())))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write(stored, Path(folder) / "reference")
    ...     sorted(file.name for file in path.iterdir()), read(path).profile.rows.tolist()
    (['counts.parquet', 'reference.json'], [[4]])
    """
    if path.exists():
        _same_or_refused(stored, path)
        return path
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.partial-", dir=path.parent))
        _write(stored, partial)
        partial.chmod(0o755)
        partial.rename(path)
    except OSError as error:
        msg = f"cannot write a reference to {path}: {error.strerror}; name another folder"
        raise InputError([msg]) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
    return path


def read(path: Path) -> Stored:
    """Read a saved reference; see `monitors.counts.reference.Reference.load`.

    Raises
    ------
    EvidenceError
        If a file is missing or broken, the schema is another one, or something differs from what was saved.

    Examples
    --------
    >>> read(Path("no such folder"))
    Traceback (most recent call last):
    audit.errors.EvidenceError: no such folder holds no readable reference.json ([Errno 2] No such file or directory: \
'no such folder/reference.json'); name the folder of a saved reference
    """
    facts = _facts(path)
    try:
        profile = _profile(facts, path)
        sensitive = tuple(str(name) for name in facts["sensitive_features"])
        saved, digest, of_tally = dict(facts["parts"]), str(facts["digest"]), facts["tally"]
        traffic, clusters = _traffic(facts["traffic"], path, len(profile.slices)), float(facts["clusters"])
        found = part_digests(profile, sensitive, traffic, clusters)
        of_windows = facts.get("windows")
        windows = None if of_windows is None else stored_windows(of_windows, None)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"{path} is no complete reference ({type(error).__name__}: {error}); {_AGAIN}"
        raise EvidenceError(msg) from error
    changed = [name for name in found if saved.get(name) != found[name]]
    if changed or digest_of(found) != digest or _record_digest(facts) != facts.get("record"):
        what = " and ".join(changed) or FACTS
        msg = f"{path} is no longer the reference that was saved: {what} changed; {_AGAIN}"
        raise EvidenceError(msg)
    if of_windows is not None and windows is not None:
        windows = replace(windows, tally=_tally(path / BY_WINDOW, of_windows["tally"]))
    return Stored(profile, sensitive, _tally(path / TALLY, of_tally), digest, traffic, clusters, windows)


def _tally(path: Path, digest: str | None) -> Tally | None:
    tally = None if digest is None else Tally.read(path)
    if tally is not None and tally.digest() != digest:
        msg = f"{path} is not the tally that was saved with the reference: its digest differs; {_AGAIN}"
        raise EvidenceError(msg)
    return tally


def _same_or_refused(stored: Stored, path: Path) -> None:
    try:
        there = read(path)
    except EvidenceError as error:
        msg = f"{path} is there already and is no reference; name another folder"
        raise InputError([msg]) from error
    if there.digest != stored.digest:
        msg = f"{path} holds another reference ({there.digest[:8]}, not {stored.digest[:8]}); name another folder"
        raise InputError([msg])
    if _windows_record(there) != _windows_record(stored):
        msg = f"{path} holds this reference cut into other windows; name another folder"
        raise InputError([msg])


def _windows_record(stored: Stored) -> dict[str, Any] | None:
    return None if stored.windows is None else stored.windows.record()


def _write(stored: Stored, folder: Path) -> None:
    profile = stored.profile
    facts = {
        "schema": SCHEMA,
        "digest": stored.digest,
        "parts": part_digests(profile, stored.sensitive_features, stored.traffic, stored.clusters),
        "sensitive_features": list(stored.sensitive_features),
        "features": list(profile.binnings),
        "binnings": {name: asdict(binning) for name, binning in profile.binnings.items()},
        "slices": [list(map(list, slice_)) for slice_ in profile.slices],
        "rows": profile.rows[0].tolist(),
        "tally": None if stored.tally is None else stored.tally.digest(),
        "traffic": None if stored.traffic is None else stored.traffic.record(),
        "clusters": stored.clusters,
        "windows": _windows_record(stored),
    }
    facts["record"] = _record_digest(facts)
    (folder / FACTS).write_text(canonical_json(facts), encoding="utf-8")
    tables = [_long(name, counts[0]) for name, counts in profile.counts.items()]
    pq.write_table(pa.concat_tables(tables) if tables else _COLUMNS.empty_table(), folder / COUNTS, compression="zstd")
    if stored.traffic is not None:
        columns = dict(zip(_STEPS, cells_of(stored.traffic), strict=True))
        pq.write_table(pa.table(columns), folder / TRAFFIC, compression="zstd")
    if stored.tally is not None:
        stored.tally.write(folder / TALLY)
    if stored.windows is not None and stored.windows.tally is not None:
        stored.windows.tally.write(folder / BY_WINDOW)


def _record_digest(facts: dict[str, Any]) -> str:
    rest = {name: value for name, value in facts.items() if name != "record"}
    return hashlib.sha256(canonical_json(rest).encode()).hexdigest()


def _long(name: str, counts: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Table:
    slices, bins = np.nonzero(counts)
    columns = [[name] * len(slices), slices.astype(np.int32), bins.astype(np.int32), counts[slices, bins]]
    return pa.table(columns, schema=_COLUMNS)


def _facts(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads((path / FACTS).read_text(encoding="utf-8"), parse_constant=_refuse)
    except (OSError, ValueError) as error:
        msg = f"{path} holds no readable {FACTS} ({error}); name the folder of a saved reference"
        raise EvidenceError(msg) from error
    schema = facts.get("schema") if isinstance(facts, dict) else None
    if schema != SCHEMA:
        msg = f"{path / FACTS} is of schema {schema!r}; expected {SCHEMA!r}; {_AGAIN}"
        raise EvidenceError(msg)
    return dict(facts)


def _refuse(text: str) -> NoReturn:
    msg = f"{text} is no JSON number"
    raise ValueError(msg)


def _profile(facts: dict[str, Any], path: Path) -> Profile:
    binnings = {name: _binning(facts["binnings"][name]) for name in facts["features"]}
    slices: tuple[Slice, ...] = tuple(tuple((pair[0], pair[1]) for pair in slice_) for slice_ in facts["slices"])
    rows = np.array([facts["rows"]], dtype=np.int64).reshape(1, len(slices))
    counts = {name: np.zeros((1, len(slices), item.size), dtype=np.int64) for name, item in binnings.items()}
    table = pq.read_table(path / COUNTS, schema=_COLUMNS)
    names = table["feature"].to_numpy()
    for name, found in counts.items():
        some = table.filter(pa.array(names == name))
        at, bins = some["slice"].to_numpy(), some["bin"].to_numpy()
        if len(at) and (at.min() < 0 or bins.min() < 0 or at.max() >= len(slices) or bins.max() >= found.shape[2]):
            msg = f"counts of {name!r} lie outside its bins"
            raise ValueError(msg)
        found[0, at, bins] = some["n"].to_numpy()
    return Profile(windows=(None,), slices=slices, binnings=binnings, counts=counts, rows=rows)


def _traffic(record: dict[str, Any] | None, path: Path, slices: int) -> Traffic | None:
    if record is None:
        return None
    table = pq.read_table(path / TRAFFIC)
    steps, at, n = (table[name].to_numpy().astype(np.int64) for name in _STEPS)
    return stored_traffic(record, (steps, at, n), slices)


def _binning(record: dict[str, Any]) -> Binning:
    lists = {"edges": tuple(map(float, record["edges"])), "categories": tuple(map(str, record["categories"]))}
    return Binning(**{**record, **lists})
