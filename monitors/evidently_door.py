"""The one place where Evidently is imported: its presence and that of a pandas it works with checked, telemetry off.

Evidently's user interface and collector post usage events over plain HTTP unless DO_NOT_TRACK is set; it is set here,
before the import, for this process and what it starts. The pages that Evidently writes put texts into scripts as they
are, so that whatever comes from data must pass `monitors.evidently_frames.defused` first.
"""

import os
import re
import warnings
from importlib.metadata import version

from audit.extras import MissingExtraError, require

__all__ = [
    "ColumnType",
    "DataDefinition",
    "DataDriftPreset",
    "DataSummaryPreset",
    "Dataset",
    "Report",
    "SingleValueCalculation",
    "SingleValueMetric",
    "Snapshot",
    "StatTest",
    "Workspace",
    "registered_tests",
]

FEATURE = "A report of Evidently"

_TOO_NEW = (3, 1)
_DEPRECATED = (
    "numpy.core is deprecated",
    "Call to deprecated function 'Dependency'",
    "Use of deprecated class 'DependencyKwarg'",
)
"""What the libraries of Evidently 0.7 say of each other on import; no user can mend it."""


def pandas_violation(pandas: str) -> str | None:
    """Return why Evidently cannot be imported beside a version of pandas; None where it can.

    Evidently 0.7 imports `infer_dtype_from_object`, which pandas 3.1 has not.

    Examples
    --------
    >>> pandas_violation("3.0.6") is None
    True
    >>> pandas_violation("3.1.1")
    "A report of Evidently needs pandas below 3.1; 3.1.1 is installed: pip install 'pandas<3.1'"
    """
    found = re.match(r"(\d+)\.(\d+)", pandas)
    if found is None or (int(found[1]), int(found[2])) < _TOO_NEW:
        return None
    return f"{FEATURE} needs pandas below 3.1; {pandas} is installed: pip install 'pandas<3.1'"


require(FEATURE, modules=["evidently"], extra="evidently")
if (_violation := pandas_violation(version("pandas"))) is not None:
    raise MissingExtraError(_violation)
os.environ["DO_NOT_TRACK"] = "1"

with warnings.catch_warnings():
    for _message in _DEPRECATED:
        warnings.filterwarnings("ignore", message=_message, category=DeprecationWarning)
    from evidently import DataDefinition, Dataset, Report
    from evidently.core.metric_types import SingleValueCalculation, SingleValueMetric
    from evidently.core.report import Snapshot
    from evidently.legacy.calculations import stattests
    from evidently.legacy.calculations.stattests import StatTest
    from evidently.legacy.core import ColumnType
    from evidently.presets import DataDriftPreset, DataSummaryPreset
    from evidently.ui.workspace import Workspace


def registered_tests() -> dict[str, StatTest]:
    """Return the tests of drift that Evidently knows, by the name that its reports show.

    Examples
    --------
    >>> registered_tests()["Wasserstein distance (normed)"].name
    'wasserstein'
    """
    found = [value for value in vars(stattests).values() if isinstance(value, StatTest)]
    return {test.display_name: test for test in found}
