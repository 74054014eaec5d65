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
    from audit.alternatives.baseline_rows import baseline_rows
    from audit.alternatives.baseline_run import run_baselines
    from audit.alternatives.baseline_task import BaselineTask
    from audit.alternatives.regression_baselines import regression_rows
    from audit.causes.adjusted import adjusted_gap_rows
    from audit.causes.bias_sources import bias_sources
    from audit.causes.learning_curves import curve_rows, learning_curve
    from audit.causes.samples import Sample
    from audit.causes.worlds import planted_world
    from audit.errors import EvidenceError, InputError
    from audit.inference.looks import level_of_look
    from audit.inference.multiplicity import (
        benjamini_hochberg,
        benjamini_yekutieli,
        e_benjamini_hochberg,
        holm,
    )
    from audit.measurement import Measurement
    from audit.paired.comparison import run_compare
    from audit.paired.several_models import run_models
    from audit.predictions import PredictionLog
    from audit.provenance import Provenance
    from audit.publishing.impact_ratios import disagreements, impact_ratios
    from audit.publishing.representation import representation
    from audit.publishing.suppression import suppressed
    from audit.result import Alarm, Result
    from audit.run import run_audit
    from audit.scores.calibration import reliability, with_reliability
    from audit.scores.concentration import concentration, concentration_rows
    from audit.scores.threshold_run import run_thresholds
    from audit.scores.utility import Payoff
    from audit.sealing.seal_record import SealedColumns
    from audit.sealing.sealed import seal
    from audit.sealing.sealed_opening import open_sealed
    from audit.search.slice_line import slice_line
    from audit.search.slices import run_slices
    from audit.splits.contributions import contributions
    from audit.splits.findings import findings
    from audit.splits.importance import permutation_importance
    from audit.splits.label_errors import label_errors, top_losses
    from audit.splits.leakage import lint_splits
    from audit.splits.out_of_bag import out_of_bag_rows
    from audit.splits.partial_dependence import partial_dependence
    from audit.splits.split_table import read_splits
    from audit.store import list_runs, load_run, save_run
    from audit.stress.before_after import LabelledRows
    from audit.stress.flips import counterfactual_flips
    from audit.stress.matched_pairs import matched_pair_flips
    from audit.stress.mitigation import constrained_mixture, group_thresholds, reweighed
    from audit.stress.prediction_sets import run_prediction_sets
    from audit.stress.robustness import Subjects, run_robustness
    from audit.tally import Tally
    from audit.tasks.custom_metrics import MetricColumns, run_custom_metric
    from audit.tasks.deciders import run_deciders
    from audit.tasks.exposure import run_ranking
    from audit.tasks.regression import run_regression
    from audit.unknowns.attribute_bounds import attribute_bound_rows, attribute_coverage_rows
    from audit.unknowns.bounds import label_bound_rows
    from audit.unknowns.misrecorded import misrecorded_rows
    from audit.unknowns.outcome_coverage import outcome_coverage_rows
    from checklists.gate import GateError, GateResult, Judgement, judge
    from checklists.planning import plan
    from checklists.policy import Policy, load_policy
    from checklists.requirement import Requirement
    from dashboards.report import render_report, write_report
    from monitors.actions import watch_actions
    from monitors.feedback.possible_loops import LoopAnswers, plan_loops
    from monitors.feedback.run import run_loops
    from monitors.feedback.settings import LoopSettings
    from monitors.log_store.columns import LogColumns
    from monitors.log_store.store import LogStore
    from monitors.run import run_monitors
    from monitors.settings import MonitorSettings
    from monitors.shift.retraining_advice import retraining_advice
    from monitors.weekly_actions import WeeklyActions
    from trainer.checkpoint import CheckpointError
    from trainer.data.columns import Columns
    from trainer.data.images import Images
    from trainer.data.ratings import Ratings
    from trainer.data.sealing import open_test, seal_test, sealed_split
    from trainer.data.splits import split_groups, split_rows, split_time
    from trainer.data.table import Table
    from trainer.evidence.energy import emission
    from trainer.evidence.prices import prices
    from trainer.fitting.augment import AugmentSettings
    from trainer.fitting.objective_settings import ObjectiveSettings
    from trainer.history import Recipe, Saving
    from trainer.learner import Learner
    from trainer.networks.images import CNNSettings
    from trainer.networks.tabular import MLPSettings

_HOMES = {
    "audit.causes.adjusted": ("adjusted_gap_rows",),
    "audit.unknowns.attribute_bounds": ("attribute_bound_rows", "attribute_coverage_rows"),
    "audit.alternatives.baseline_rows": ("baseline_rows",),
    "audit.alternatives.baseline_run": ("run_baselines",),
    "audit.alternatives.baseline_task": ("BaselineTask",),
    "audit.stress.before_after": ("LabelledRows",),
    "audit.causes.bias_sources": ("bias_sources",),
    "audit.unknowns.bounds": ("label_bound_rows",),
    "audit.scores.calibration": ("reliability", "with_reliability"),
    "audit.paired.comparison": ("run_compare",),
    "audit.scores.concentration": ("concentration", "concentration_rows"),
    "audit.splits.contributions": ("contributions",),
    "audit.tasks.custom_metrics": ("MetricColumns", "run_custom_metric"),
    "audit.tasks.deciders": ("run_deciders",),
    "audit.errors": ("EvidenceError", "InputError"),
    "audit.tasks.exposure": ("run_ranking",),
    "audit.splits.findings": ("findings",),
    "audit.stress.flips": ("counterfactual_flips",),
    "audit.publishing.impact_ratios": ("disagreements", "impact_ratios"),
    "audit.splits.importance": ("permutation_importance",),
    "audit.splits.label_errors": ("label_errors", "top_losses"),
    "audit.inference.looks": ("level_of_look",),
    "audit.inference.multiplicity": (
        "benjamini_hochberg",
        "benjamini_yekutieli",
        "e_benjamini_hochberg",
        "holm",
    ),
    "audit.alternatives.regression_baselines": ("regression_rows",),
    "audit.splits.leakage": ("lint_splits",),
    "audit.causes.learning_curves": ("curve_rows", "learning_curve"),
    "audit.stress.matched_pairs": ("matched_pair_flips",),
    "audit.measurement": ("Measurement",),
    "audit.unknowns.misrecorded": ("misrecorded_rows",),
    "audit.stress.mitigation": ("constrained_mixture", "group_thresholds", "reweighed"),
    "audit.splits.out_of_bag": ("out_of_bag_rows",),
    "audit.unknowns.outcome_coverage": ("outcome_coverage_rows",),
    "audit.splits.partial_dependence": ("partial_dependence",),
    "audit.stress.prediction_sets": ("run_prediction_sets",),
    "audit.predictions": ("PredictionLog",),
    "audit.provenance": ("Provenance",),
    "audit.tasks.regression": ("run_regression",),
    "audit.publishing.representation": ("representation",),
    "audit.result": ("Alarm", "Result"),
    "audit.stress.robustness": ("Subjects", "run_robustness"),
    "audit.run": ("run_audit",),
    "audit.causes.samples": ("Sample",),
    "audit.sealing.seal_record": ("SealedColumns",),
    "audit.sealing.sealed": ("seal",),
    "audit.sealing.sealed_opening": ("open_sealed",),
    "audit.paired.several_models": ("run_models",),
    "audit.search.slice_line": ("slice_line",),
    "audit.search.slices": ("run_slices",),
    "audit.splits.split_table": ("read_splits",),
    "audit.store": ("list_runs", "load_run", "save_run"),
    "audit.publishing.suppression": ("suppressed",),
    "audit.tally": ("Tally",),
    "audit.scores.threshold_run": ("run_thresholds",),
    "audit.scores.utility": ("Payoff",),
    "audit.causes.worlds": ("planted_world",),
    "checklists.gate": ("GateError", "GateResult", "Judgement", "judge"),
    "checklists.planning": ("plan",),
    "checklists.policy": ("Policy", "load_policy"),
    "checklists.requirement": ("Requirement",),
    "dashboards.report": ("render_report", "write_report"),
    "monitors.actions": ("watch_actions",),
    "monitors.feedback.possible_loops": ("LoopAnswers", "plan_loops"),
    "monitors.feedback.run": ("run_loops",),
    "monitors.feedback.settings": ("LoopSettings",),
    "monitors.log_store.columns": ("LogColumns",),
    "monitors.log_store.store": ("LogStore",),
    "monitors.run": ("run_monitors",),
    "monitors.settings": ("MonitorSettings",),
    "monitors.shift.retraining_advice": ("retraining_advice",),
    "monitors.weekly_actions": ("WeeklyActions",),
    "trainer.data.columns": ("Columns",),
    "trainer.data.images": ("Images",),
    "trainer.data.ratings": ("Ratings",),
    "trainer.learner": ("Learner",),
    "trainer.data.sealing": ("open_test", "seal_test", "sealed_split"),
    "trainer.data.splits": ("split_groups", "split_rows", "split_time"),
    "trainer.data.table": ("Table",),
    "trainer.evidence.energy": ("emission",),
    "trainer.evidence.prices": ("prices",),
    "trainer.fitting.objective_settings": ("ObjectiveSettings",),
    "trainer.history": ("Recipe", "Saving"),
    "trainer.fitting.augment": ("AugmentSettings",),
    "trainer.checkpoint": ("CheckpointError",),
    "trainer.networks.images": ("CNNSettings",),
    "trainer.networks.tabular": ("MLPSettings",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Alarm",
    "AugmentSettings",
    "BaselineTask",
    "CNNSettings",
    "CheckpointError",
    "Columns",
    "EvidenceError",
    "GateError",
    "GateResult",
    "Images",
    "InputError",
    "Judgement",
    "LabelledRows",
    "Learner",
    "LogColumns",
    "LogStore",
    "LoopAnswers",
    "LoopSettings",
    "MLPSettings",
    "Measurement",
    "MetricColumns",
    "MonitorSettings",
    "ObjectiveSettings",
    "Payoff",
    "Policy",
    "PredictionLog",
    "Provenance",
    "Ratings",
    "Recipe",
    "Requirement",
    "Result",
    "Sample",
    "Saving",
    "SealedColumns",
    "Subjects",
    "Table",
    "Tally",
    "WeeklyActions",
    "adjusted_gap_rows",
    "attribute_bound_rows",
    "attribute_coverage_rows",
    "baseline_rows",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "bias_sources",
    "concentration",
    "concentration_rows",
    "constrained_mixture",
    "contributions",
    "counterfactual_flips",
    "curve_rows",
    "disagreements",
    "e_benjamini_hochberg",
    "emission",
    "findings",
    "group_thresholds",
    "holm",
    "impact_ratios",
    "judge",
    "label_bound_rows",
    "label_errors",
    "learning_curve",
    "level_of_look",
    "lint_splits",
    "list_runs",
    "load_policy",
    "load_run",
    "matched_pair_flips",
    "misrecorded_rows",
    "open_sealed",
    "open_test",
    "out_of_bag_rows",
    "outcome_coverage_rows",
    "partial_dependence",
    "permutation_importance",
    "plan",
    "plan_loops",
    "planted_world",
    "prices",
    "read_splits",
    "regression_rows",
    "reliability",
    "render_report",
    "representation",
    "retraining_advice",
    "reweighed",
    "run_audit",
    "run_baselines",
    "run_compare",
    "run_custom_metric",
    "run_deciders",
    "run_loops",
    "run_models",
    "run_monitors",
    "run_prediction_sets",
    "run_ranking",
    "run_regression",
    "run_robustness",
    "run_slices",
    "run_thresholds",
    "save_run",
    "seal",
    "seal_test",
    "sealed_split",
    "slice_line",
    "split_groups",
    "split_rows",
    "split_time",
    "suppressed",
    "top_losses",
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
