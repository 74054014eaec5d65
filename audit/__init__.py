"""What a number is, and computing it: logs of predictions, tallies, measurements, results and the audit itself.

`run_audit` is loaded when it is first used: it needs scipy.special, which takes as long to import as all the rest.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from audit.errors import EvidenceError, InputError
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.provenance import Provenance
from audit.result import Alarm, Result
from audit.tally import Tally

if TYPE_CHECKING:
    from audit.run import run_audit

__all__ = [
    "Alarm",
    "EvidenceError",
    "InputError",
    "Measurement",
    "PredictionLog",
    "Provenance",
    "Result",
    "Tally",
    "run_audit",
]


def __getattr__(name: str) -> object:
    """Load `run_audit` (PEP 562)."""
    if name != "run_audit":
        msg = f"module 'audit' has no attribute {name!r}; public names are {', '.join(__all__)}"
        raise AttributeError(msg)
    return import_module("audit.run").run_audit
