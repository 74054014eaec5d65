"""Earlier runs of the monitors in a folder of runs: which of them looked at the same log."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from audit.result import Result
from audit.store import list_runs, load_run

_ALIKE = ("reference", "columns", "sensitive_features", "features", "task", "positive")


def log_name(options: Mapping[str, Any]) -> str | None:
    """Return the name of a log: what `--log` says, else the path from the folder of runs to it; None without that.

    A path from the folder of runs is the same from wherever the command is called.

    Examples
    --------
    >>> log_name({"log": None, "out": Path("runs"), "current": Path("data/log.csv")})
    '../data/log.csv'
    >>> log_name({"log": "north", "out": Path("runs"), "current": Path("log.csv")})
    'north'
    """
    if options["log"] is not None or options["out"] is None:
        return None if options["log"] is None else str(options["log"])
    current, runs = Path(options["current"]).absolute(), Path(options["out"]).absolute()
    try:
        return Path(os.path.relpath(current, runs)).as_posix()
    except ValueError:  # another drive of Windows
        return current.as_posix()


class EarlierLooks:
    """The runs of the monitors in a folder of runs, the newest first, read one at a time.

    Parameters
    ----------
    runs
        The folder; None = there are none.

    Examples
    --------
    >>> list(EarlierLooks(None))
    []
    """

    def __init__(self, runs: Path | None) -> None:
        self.runs = runs
        self.seen: list[Mapping[str, Any]] = []

    def __iter__(self) -> Iterator[Result]:
        """Yield the runs."""
        for entry in [] if self.runs is None else list_runs(self.runs):
            if entry.kind == "monitoring":
                run = load_run(entry.path)
                self.seen.append(run.provenance.given)
                yield run

    def sentence(self, result: Result) -> str:
        """Return that runs of a log of another name are held for runs of another log; empty where there are none.

        Examples
        --------
        >>> EarlierLooks(None).sentence(Result(measurements=()))
        ''
        """
        own = result.provenance.given
        alike = [given for given in self.seen if all(given.get(name) == own.get(name) for name in _ALIKE)]
        names = list(dict.fromkeys(str(given.get("log")) for given in alike if given.get("log") is not None))
        if not names or own.get("log") in names:
            return ""
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        return (
            f"Earlier runs in {self.runs} with this reference and these columns are of another log: {shown}. If this "
            f"is the same log in another place, name it as there: --log {names[0]}."
        )
