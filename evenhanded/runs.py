"""Finding a saved run by what a person types."""

from pathlib import Path

from audit.errors import EvidenceError, InputError
from audit.result import Result
from audit.store import RESULT, TALLY, list_runs, load_run


def find_run(name: str, folder: Path) -> Path:
    """Return the folder of a run: a path, the id of a run in `folder`, or "latest".

    Raises
    ------
    InputError
        If there is no such run.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from audit.store import save_run
    >>> with TemporaryDirectory() as folder:
    ...     path = save_run(Result(measurements=[]), Path(folder))
    ...     find_run("latest", Path(folder)) == path, find_run(path.name, Path(folder)) == path
    (True, True)
    """
    if name == "latest":
        runs = list_runs(folder)
        if not runs:
            raise InputError([f"{folder} holds no runs; make one with: evenhanded audit DATA ... --out {folder}"])
        return runs[0].path
    for candidate in (Path(name), folder / name):
        if (candidate / RESULT).is_file():
            return candidate
    raise InputError(
        [f"{name!r} is no saved run (a folder with {RESULT}), nor the id of one in {folder}, nor 'latest'"]
    )


def open_run(name: str, folder: Path) -> Result:
    """Return a saved run, with its tally.

    A single file may be named too: ``result.json`` beside its tally stands for the whole run, and is checked like it;
    any other is read alone, without a tally.

    Raises
    ------
    InputError
        If there is no such run.
    EvidenceError
        If it is broken.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from audit.store import save_run
    >>> result = Result(measurements=[])
    >>> with TemporaryDirectory() as folder:
    ...     _ = save_run(result, Path(folder))
    ...     open_run("latest", Path(folder)).digest() == result.digest()
    True
    """
    path = Path(name)
    if path.is_file():
        # Resolved, so that the name of the folder, which holds the digest of the result, is known for "." too.
        whole = path.resolve()
        if whole.name == RESULT and (whole.parent / TALLY).is_file():
            return load_run(whole.parent)
        return Result.from_json(_text(path))
    return load_run(find_run(name, folder).resolve())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} is no result: {error}; name a run, or a result.json"
        raise EvidenceError(msg) from error
