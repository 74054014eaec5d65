"""Finding a saved run by what a person types."""

from pathlib import Path

from audit.errors import InputError
from audit.result import Result
from audit.store import RESULT, list_runs, load_run


def find_run(name: str, folder: Path) -> Path:
    """Return the folder of a run: a path, the id of a run in `folder`, or "latest".

    Raises
    ------
    InputError
        If there is no such run.
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
    """Return a saved run; a single ``result.json`` may be named too (it holds no tally).

    Raises
    ------
    InputError
        If there is no such run.
    EvidenceError
        If it is broken.
    """
    path = Path(name)
    if path.is_file():
        return Result.from_json(path.read_text(encoding="utf-8"))
    return load_run(find_run(name, folder))
