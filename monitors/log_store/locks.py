"""Who may delete files of a local store, and when: never while somebody writes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: there, erase and retain only while nobody writes
    fcntl = None  # type: ignore[assignment]

_NAME = ".lock"


@contextmanager
def writing(folder: Path | None, *, alone: bool = False) -> Iterator[None]:
    """Hold a store while something is written; several may, unless one deletes files and needs to be alone.

    A file that is written and not yet committed looks like one that nobody needs, so whoever sweeps must wait for all
    writers. The lock is the operating system's: it ends with the process, however that ends. Readers take none.

    Parameters
    ----------
    folder
        The folder of the store; None on object storage, where there is no such lock: erase only while nobody writes.
    alone
        Wait until nobody else writes, and keep others out.

    Examples
    --------
    >>> with writing(None, alone=True):
    ...     pass
    """
    if folder is None or fcntl is None:
        yield
        return
    with (folder / _NAME).open("a", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
