"""What a number is, and computing it: logs of predictions, tallies, measurements, results and the audit itself."""

from audit.errors import EvidenceError, InputError
from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.provenance import Provenance
from audit.result import Alarm, Result
from audit.run import run_audit
from audit.tally import Tally

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
