"""Finding a saved run by what a person types."""

import sys
from pathlib import Path

from audit.errors import EvidenceError, InputError
from audit.result import Result
from audit.store import RESULT, TALLY, list_runs, load_run
from dashboards.labels import safe_label

LATEST = "latest"


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
    if name == LATEST:
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
    """Return a saved run, with its tally; say on standard error which one it is, where "latest" was asked for.

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
    found = find_run(name, folder).resolve()
    result = load_run(found)
    if name == LATEST:
        sys.stderr.write(f"run {found.name}: {told(result)}\n")
    return result


def told(result: Result) -> str:
    """Return what kind of run a result is, of which files, in a few words.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> told(Result(measurements=[], provenance=Provenance(data={"compas.csv": "00"})))
    'audit of compas.csv'
    """
    files = ", ".join(safe_label(name, target="terminal", limit=60) for name in result.provenance.data)
    return f"{kind_of(result)} of {files}" if files else kind_of(result)


def kind_of(result: Result) -> str:
    """Return which command makes such a run, in a word or two.

    Examples
    --------
    >>> kind_of(Result(measurements=[]))
    'audit'
    """
    # Loaded here: each knows its own rows, and only "latest" has to tell them apart.
    from dashboards.baseline_rows import is_baselines
    from dashboards.changes import candidates
    from dashboards.lint_rows import is_lint
    from dashboards.robustness import checks
    from dashboards.slice_findings import searched_row
    from dashboards.source_words import source_verdicts
    from dashboards.threshold_rows import best_rows
    from dashboards.training import is_training

    kinds = {
        "comparison": candidates(result),
        "lint": is_lint(result),
        "search for slices": searched_row(result),
        "robustness check": checks(result),
        "sources of bias": source_verdicts(result),
        "training": is_training(result),
        "baselines": is_baselines(result),
        "thresholds": best_rows(result.measurements),
    }
    return next((kind for kind, found in kinds.items() if found), "audit")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} is no result: {error}; name a run, or a result.json"
        raise EvidenceError(msg) from error
