"""Audit and monitor models for the people they affect. Every public name is here, loaded when it is first used.

Examples
--------
>>> import evenhanded as eh
>>> import pandas as pd
>>> frame = pd.DataFrame({"label": [1, 0] * 50, "flagged": [1, 0] * 50, "sex": ["F"] * 50 + ["M"] * 50})
>>> log = eh.PredictionLog.from_frame(frame, y_true="label", y_pred="flagged", sensitive_features=["sex"])
>>> eh.run_audit(log).find("accuracy", {"sex": "F"}).value
1.0
"""

from importlib import import_module
from typing import TYPE_CHECKING

from evenhanded import neighbours

if TYPE_CHECKING:
    from audit.errors import EvidenceError, InputError
    from audit.measurement import Measurement
    from audit.predictions import PredictionLog
    from audit.provenance import Provenance
    from audit.result import Alarm, Result
    from audit.run import run_audit
    from audit.store import list_runs, load_run, save_run
    from audit.tally import Tally
    from checklists.gate import GateError, GateResult, Judgement, judge
    from checklists.planning import plan
    from checklists.policy import Policy, load_policy
    from checklists.requirement import Requirement
    from dashboards.report import render_report, write_report
    from monitors.actions import watch_actions
    from monitors.weekly_actions import WeeklyActions
    from trainer.columns import Columns
    from trainer.learner import Learner
    from trainer.splits import split_groups, split_rows
    from trainer.table import Table

_HOMES = {
    "audit.errors": ("EvidenceError", "InputError"),
    "audit.measurement": ("Measurement",),
    "audit.predictions": ("PredictionLog",),
    "audit.provenance": ("Provenance",),
    "audit.result": ("Alarm", "Result"),
    "audit.run": ("run_audit",),
    "audit.store": ("list_runs", "load_run", "save_run"),
    "audit.tally": ("Tally",),
    "checklists.gate": ("GateError", "GateResult", "Judgement", "judge"),
    "checklists.planning": ("plan",),
    "checklists.policy": ("Policy", "load_policy"),
    "checklists.requirement": ("Requirement",),
    "dashboards.report": ("render_report", "write_report"),
    "monitors.actions": ("watch_actions",),
    "monitors.weekly_actions": ("WeeklyActions",),
    "trainer.columns": ("Columns",),
    "trainer.learner": ("Learner",),
    "trainer.splits": ("split_groups", "split_rows"),
    "trainer.table": ("Table",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Alarm",
    "Columns",
    "EvidenceError",
    "GateError",
    "GateResult",
    "InputError",
    "Judgement",
    "Learner",
    "Measurement",
    "Policy",
    "PredictionLog",
    "Provenance",
    "Requirement",
    "Result",
    "Table",
    "Tally",
    "WeeklyActions",
    "judge",
    "list_runs",
    "load_policy",
    "load_run",
    "plan",
    "render_report",
    "run_audit",
    "save_run",
    "split_groups",
    "split_rows",
    "watch_actions",
    "write_report",
]


def __getattr__(name: str) -> object:
    """Load a public name from the room that it lives in (PEP 562)."""
    if name == "__version__":
        versions = import_module("audit.provenance").recorded_versions()
        return versions["evenhanded"]
    home = _HOME_OF.get(name)
    if home is None:
        msg = f"module 'evenhanded' has no attribute {name!r}; public names are {', '.join(__all__)}"
        raise AttributeError(msg)
    neighbours.check()
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
