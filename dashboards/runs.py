"""The saved runs that the app shows: found in one folder, opened by their entry in its list only."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.errors import EvidenceError
from audit.result import Result
from audit.store import RunEntry, load_run, read_document
from checklists.verdict import Verdict
from dashboards.judgements import read_gate
from dashboards.theme import VERDICTS, verdict_text

FOLDER_VARIABLE = "EVENHANDED_RUNS"
"""The environment variable that names the folder of runs; without it, ``runs`` in the working directory."""

NOT_JUDGED = "not judged"


def runs_folder() -> Path:
    """Return the folder whose runs are shown.

    Examples
    --------
    >>> from unittest.mock import patch
    >>> with patch.dict(os.environ, {FOLDER_VARIABLE: "audits"}):
    ...     runs_folder().name
    'audits'
    """
    return Path(os.environ.get(FOLDER_VARIABLE) or "runs")


def open_run(entry: RunEntry) -> Result:
    """Return the result of a run, with its tally attached.

    Raises
    ------
    EvidenceError
        If a file is missing or broken, or the result is no longer the one that was listed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from audit.measurement import Measurement
    >>> from audit.store import list_runs, save_run
    >>> result = Result(measurements=[Measurement(metric="count", value=3, n=3, method="count")])
    >>> with TemporaryDirectory() as folder:
    ...     _ = save_run(result, Path(folder))
    ...     open_run(list_runs(Path(folder))[0]).digest() == result.digest()
    True
    """
    result = load_run(entry.path)
    if result.digest() != entry.digest:
        msg = f"the result of run {entry.run_id} is no longer the one that was saved; run the audit again"
        raise EvidenceError(msg)
    return result


def open_gate(entry: RunEntry) -> Mapping[str, Any] | None:
    """Return the record of a run's gate; None where no policy was judged.

    Raises
    ------
    EvidenceError
        If it is broken.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from audit.measurement import Measurement
    >>> from audit.store import list_runs, save_run
    >>> result = Result(measurements=[Measurement(metric="count", value=3, n=3, method="count")])
    >>> with TemporaryDirectory() as folder:
    ...     _ = save_run(result, Path(folder))
    ...     open_gate(list_runs(Path(folder))[0]) is None
    True
    """
    text = read_document(entry.path, "gate.json")
    return None if text is None else read_gate(text)


def entry_verdict(entry: RunEntry) -> str:
    """Return the verdict of a run as shape and words: "✕ fails"; "not judged" without a policy.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> entry_verdict(RunEntry("r", Path("r"), datetime(2026, 11, 21, tzinfo=UTC), "ab", 9, (), None, "FAIL", None))
    '✕ fails'
    """
    verdicts: dict[str, Verdict] = {verdict: verdict for verdict in VERDICTS}
    if entry.verdict is None:
        return NOT_JUDGED
    return verdict_text(verdicts.get(entry.verdict, "INVALID"))
