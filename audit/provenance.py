"""Where a result comes from: enough to make it again and to notice that something changed."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from os.path import commonpath
from pathlib import Path
from typing import Any

RECORDED = ("evenhanded", "numpy", "scipy", "pyarrow", "narwhals", "duckdb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What a result was made from and with.

    Parameters
    ----------
    tally
        SHA-256 of the tally (`audit.tally.Tally.digest`): free of engine and order. None where there is none.
    data
        SHA-256 of each file that was read, by the name of the file.
    versions
        Versions of the libraries that made it.
    seed
        Seed of whatever was drawn; None where nothing was.
    given, defaulted
        Settings that the user gave, and those left at their defaults.

    Examples
    --------
    >>> Provenance(tally="ab12", given={"y_true": "label"}).to_json()["given"]
    {'y_true': 'label'}
    """

    tally: str | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    defaulted: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {
            "tally": self.tally,
            "data": dict(self.data),
            "versions": dict(self.versions),
            "seed": self.seed,
            "given": dict(self.given),
            "defaulted": dict(self.defaulted),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Provenance":
        """Read a record back; the inverse of `to_json`.

        Raises
        ------
        ValueError
            If a field is missing or unknown.
        """
        if set(record) != set(cls.__slots__):
            msg = f"provenance has the fields {sorted(cls.__slots__)}; got {sorted(record)}"
            raise ValueError(msg)
        return cls(**record)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises
    ------
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     (Path(folder) / "empty.csv").touch()
    ...     file_digest(Path(folder) / "empty.csv") == hashlib.sha256(b"").hexdigest()
    True
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_digests(paths: Sequence[Path]) -> dict[str, str]:
    """Return the SHA-256 of files by their names; by their paths below a common folder where names repeat.

    Raises
    ------
    OSError
        If a file cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     (Path(folder) / "empty.csv").touch()
    ...     {name: digest[:8] for name, digest in file_digests([Path(folder) / "empty.csv"]).items()}
    {'empty.csv': 'e3b0c442'}
    """
    files = list(dict.fromkeys(path.absolute() for path in paths))
    names = [path.name for path in files]
    if len(set(names)) < len(names):
        folder = commonpath(files)
        names = [path.relative_to(folder).as_posix() for path in files]
    return {name: file_digest(path) for name, path in zip(names, files, strict=True)}


def recorded_versions() -> dict[str, str]:
    """Return the versions of the libraries that a number rests on.

    Examples
    --------
    >>> "numpy" in recorded_versions()
    True
    """
    return {name: _installed(name) for name in RECORDED}


@cache
def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "not installed"
