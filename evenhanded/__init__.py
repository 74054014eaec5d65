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
    from audit.adjusted import adjusted_gap_rows
    from audit.attribute_bounds import attribute_bound_rows, attribute_coverage_rows
    from audit.baseline_rows import baseline_rows
    from audit.baseline_task import BaselineTask
    from audit.before_after import LabelledRows
    from audit.bias_sources import bias_sources
    from audit.bounds import label_bound_rows
    from audit.calibration import reliability, with_reliability
    from audit.comparison import run_compare
    from audit.concentration import concentration, concentration_rows
    from audit.contributions import contributions
    from audit.custom_metrics import MetricColumns, run_custom_metric
    from audit.deciders import run_deciders
    from audit.errors import EvidenceError, InputError
    from audit.exposure import run_ranking
    from audit.findings import findings
    from audit.flips import counterfactual_flips
    from audit.impact_ratios import disagreements, impact_ratios
    from audit.importance import permutation_importance
    from audit.label_errors import label_errors
    from audit.leakage import lint_splits
    from audit.learning_curves import curve_rows, learning_curve
    from audit.matched_pairs import matched_pair_flips
    from audit.measurement import Measurement
    from audit.misrecorded import misrecorded_rows
    from audit.mitigation import constrained_mixture, group_thresholds, reweighed
    from audit.out_of_bag import out_of_bag_rows
    from audit.outcome_coverage import outcome_coverage_rows
    from audit.partial_dependence import partial_dependence
    from audit.prediction_sets import run_prediction_sets
    from audit.predictions import PredictionLog
    from audit.provenance import Provenance
    from audit.regression import run_regression
    from audit.representation import representation
    from audit.result import Alarm, Result
    from audit.robustness import Subjects, run_robustness
    from audit.run import run_audit
    from audit.samples import Sample
    from audit.seal_record import SealedColumns
    from audit.sealed import seal
    from audit.sealed_opening import open_sealed
    from audit.several_models import run_models
    from audit.slices import run_slices
    from audit.split_table import read_splits
    from audit.store import list_runs, load_run, save_run
    from audit.suppression import suppressed
    from audit.tally import Tally
    from audit.threshold_run import run_thresholds
    from audit.utility import Payoff
    from audit.worlds import planted_world
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
    "audit.adjusted": ("adjusted_gap_rows",),
    "audit.attribute_bounds": ("attribute_bound_rows", "attribute_coverage_rows"),
    "audit.baseline_rows": ("baseline_rows",),
    "audit.baseline_task": ("BaselineTask",),
    "audit.before_after": ("LabelledRows",),
    "audit.bias_sources": ("bias_sources",),
    "audit.bounds": ("label_bound_rows",),
    "audit.calibration": ("reliability", "with_reliability"),
    "audit.comparison": ("run_compare",),
    "audit.concentration": ("concentration", "concentration_rows"),
    "audit.contributions": ("contributions",),
    "audit.custom_metrics": ("MetricColumns", "run_custom_metric"),
    "audit.deciders": ("run_deciders",),
    "audit.errors": ("EvidenceError", "InputError"),
    "audit.exposure": ("run_ranking",),
    "audit.findings": ("findings",),
    "audit.flips": ("counterfactual_flips",),
    "audit.impact_ratios": ("disagreements", "impact_ratios"),
    "audit.importance": ("permutation_importance",),
    "audit.label_errors": ("label_errors",),
    "audit.leakage": ("lint_splits",),
    "audit.learning_curves": ("curve_rows", "learning_curve"),
    "audit.matched_pairs": ("matched_pair_flips",),
    "audit.measurement": ("Measurement",),
    "audit.misrecorded": ("misrecorded_rows",),
    "audit.mitigation": ("constrained_mixture", "group_thresholds", "reweighed"),
    "audit.out_of_bag": ("out_of_bag_rows",),
    "audit.outcome_coverage": ("outcome_coverage_rows",),
    "audit.partial_dependence": ("partial_dependence",),
    "audit.prediction_sets": ("run_prediction_sets",),
    "audit.predictions": ("PredictionLog",),
    "audit.provenance": ("Provenance",),
    "audit.regression": ("run_regression",),
    "audit.representation": ("representation",),
    "audit.result": ("Alarm", "Result"),
    "audit.robustness": ("Subjects", "run_robustness"),
    "audit.run": ("run_audit",),
    "audit.samples": ("Sample",),
    "audit.seal_record": ("SealedColumns",),
    "audit.sealed": ("seal",),
    "audit.sealed_opening": ("open_sealed",),
    "audit.several_models": ("run_models",),
    "audit.slices": ("run_slices",),
    "audit.split_table": ("read_splits",),
    "audit.store": ("list_runs", "load_run", "save_run"),
    "audit.suppression": ("suppressed",),
    "audit.tally": ("Tally",),
    "audit.threshold_run": ("run_thresholds",),
    "audit.utility": ("Payoff",),
    "audit.worlds": ("planted_world",),
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
    "BaselineTask",
    "Columns",
    "EvidenceError",
    "GateError",
    "GateResult",
    "InputError",
    "Judgement",
    "LabelledRows",
    "Learner",
    "Measurement",
    "MetricColumns",
    "Payoff",
    "Policy",
    "PredictionLog",
    "Provenance",
    "Requirement",
    "Result",
    "Sample",
    "SealedColumns",
    "Subjects",
    "Table",
    "Tally",
    "WeeklyActions",
    "adjusted_gap_rows",
    "attribute_bound_rows",
    "attribute_coverage_rows",
    "baseline_rows",
    "bias_sources",
    "concentration",
    "concentration_rows",
    "constrained_mixture",
    "contributions",
    "counterfactual_flips",
    "curve_rows",
    "disagreements",
    "findings",
    "group_thresholds",
    "impact_ratios",
    "judge",
    "label_bound_rows",
    "label_errors",
    "learning_curve",
    "lint_splits",
    "list_runs",
    "load_policy",
    "load_run",
    "matched_pair_flips",
    "misrecorded_rows",
    "open_sealed",
    "out_of_bag_rows",
    "outcome_coverage_rows",
    "partial_dependence",
    "permutation_importance",
    "plan",
    "planted_world",
    "read_splits",
    "reliability",
    "render_report",
    "representation",
    "reweighed",
    "run_audit",
    "run_compare",
    "run_custom_metric",
    "run_deciders",
    "run_models",
    "run_prediction_sets",
    "run_ranking",
    "run_regression",
    "run_robustness",
    "run_slices",
    "run_thresholds",
    "save_run",
    "seal",
    "split_groups",
    "split_rows",
    "suppressed",
    "watch_actions",
    "with_reliability",
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
