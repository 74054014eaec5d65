"""Ids hashed at the door with a key that lies beside the store, never in it."""

import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from audit.errors import EvidenceError, InputError

_BYTES = 32
_DIGITS = 32
_CHECK = "evenhanded/salt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Salt:
    """A secret key for hashing ids.

    Whoever has the table alone cannot find out whose row it is by hashing all likely ids; whoever has the table and
    the key can. The key lies in a file of its own beside the store, readable by its owner only (mode 0600): copy the
    store without it, and keep it where the store is written. Without it no further batch can be appended, and no id be
    erased.

    Parameters
    ----------
    key
        32 random bytes.

    Examples
    --------
    >>> salt = Salt(key=bytes(32))
    >>> salt.hashed(pa.array(["ada", None, "ada"]), column="person").to_pylist()
    ['22bc57fdc5d189a09af800714a025973', None, '22bc57fdc5d189a09af800714a025973']
    """

    key: bytes = field(repr=False)

    def hashed(self, values: pa.Array, *, column: str) -> pa.Array:
        """Return the first 128 bits of HMAC-SHA256(key, column, NUL, value) as hexadecimal text; null stays null.

        The name of the column goes in, so that two columns with the same ids cannot be joined by accident.
        """
        encoded = values.dictionary_encode()
        digests = [self._digest(column, value) for value in encoded.dictionary.to_pylist()]
        return pa.array(digests, pa.string()).take(encoded.indices)

    def fingerprint(self) -> str:
        """Return what tells whether a key is the one that a store was made with, without telling the key."""
        return str(self._digest(_CHECK, ""))

    def _digest(self, column: str, value: str | None) -> str | None:
        if value is None:
            return None
        text = f"{column}\0{value}".encode("utf-8", "surrogatepass")
        return hmac.digest(self.key, text, "sha256").hex()[:_DIGITS]


def make_salt(path: Path) -> Salt:
    """Return a new key, written to a file with mode 0600; the key that is there already where there is one.

    Raises
    ------
    InputError
        If the file cannot be written.
    EvidenceError
        If the file is there and holds no key.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     made = make_salt(Path(folder) / "log.salt")
    ...     read_salt(Path(folder) / "log.salt") == made, oct((Path(folder) / "log.salt").stat().st_mode & 0o777)
    (True, '0o600')
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(secrets.token_bytes(_BYTES).hex().encode())
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(partial)  # whole or not at all, and never over the key of another writer
    except OSError as error:
        msg = f"cannot write the key of hashed ids to {path}: {error.strerror}; name another file"
        raise InputError([msg]) from error
    finally:
        partial.unlink(missing_ok=True)
    return read_salt(path)


def read_salt(path: Path) -> Salt:
    """Return the key in a file.

    Raises
    ------
    EvidenceError
        If the file is missing or holds no key.

    Examples
    --------
    >>> read_salt(Path("gone.salt"))
    Traceback (most recent call last):
    audit.errors.EvidenceError: the key of the hashed ids is not in gone.salt (No such file or directory); put the file
    back: without it no id can be matched with those in the log
    """
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no hexadecimal text"
        msg = (
            f"the key of the hashed ids is not in {path} ({reason}); put the file back: without it no id can be "
            f"matched with those in the log"
        )
        raise EvidenceError(msg) from error
    if len(key) != _BYTES:
        msg = f"{path} holds {len(key)} bytes, expected the {_BYTES} of a key; put the right file back"
        raise EvidenceError(msg)
    return Salt(key=key)
