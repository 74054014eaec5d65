"""What an objective buys and what it costs: models beside each other and against a baseline, on the same rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from audit.counting import count
from audit.errors import raise_violations
from audit.gaps import extreme
from audit.measurement import Measurement
from audit.paired.comparison import run_compare
from audit.paired.several_models import of_model
from audit.predictions import PredictionLog
from audit.provenance import Provenance, recorded_versions
from audit.result import Result
from audit.run import run_audit
from audit.values import canonical
from trainer.data.splits import Part
from trainer.evidence.origin import cluster_of, frame_of

if TYPE_CHECKING:
    from trainer.learner import Learner

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")
CALIBRATION = ("expected_calibration_error", "calibration_in_the_large")
SCORED = ("roc_auc", "brier_score")


def prices(
    learners: "Mapping[str, Learner]",
    *,
    by: Sequence[str],
    rows: pd.DataFrame | Part = "test",
    baseline: str | None = None,
    level: float = 0.95,
) -> Result:
    """Audit models on the same rows, and say what each changes against the baseline.

    Parameters
    ----------
    learners
        Models by name, at least two, of the same label with two classes; the mean loss among them.
    by
        Columns of groups. With the label's own column among them accuracy is also measured within each class: the
        groups of "group DRO" are usually label and attribute.
    rows
        A frame, or a part of the data, which must then be split alike for all.
    baseline
        The name of the model that the others are compared with; None for the first.
    level
        Confidence level, in (0, 1).

    Returns
    -------
    Result
        Of each model, at its name under ``model_version``: accuracy, selection rate, true and false positive rates,
        AUC, Brier score and calibration by group, their gaps, and the accuracy of the worst group
        (``accuracy_group_min``, over the combinations of all of `by`). Of each model against the baseline: paired
        differences (``<metric>_difference``) for every slice, and of their gaps (``<metric>_change_difference``), as
        `audit.paired.comparison.run_compare` makes them. Errors of calibration are distances, and not paired.
        Intervals are cluster-robust where the data of a model name a cluster.

    Raises
    ------
    InputError
        If there are fewer than two models, names clash, the models learn different labels or splits, or have no
        positive class.

    Notes
    -----
    Scores of balanced and robust objectives are no shares of positives: they act as if all groups were of one size. A
    temperature (`Learner.calibrate`) mends how sure such a model is, not that: on census income the expected
    calibration error of group DRO stays at 0.10, of the mean loss it is 0.01. Compare decisions, not scores.

    Examples
    --------
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.splits import split_rows
    >>> from trainer.data.table import Table
    >>> from trainer.fitting.objective_settings import ObjectiveSettings
    >>> from trainer.history import Recipe
    >>> from trainer.learner import Learner
    >>> frame = pd.DataFrame({"age": range(400), "sex": ["f", "m"] * 200}).assign(paid=[0] * 150 + [1] * 250)
    >>> columns = Columns(y="paid", features=["age"], sensitive_features=["sex"])
    >>> table = Table.from_frame(frame, columns=columns, split=split_rows(400, seed=1))
    >>> learners = {}
    >>> for name, kind in {"plain": "mean", "balanced": "class_balanced"}.items():
    ...     learners[name] = Learner(table, device="cpu")
    ...     recipe = Recipe(objective=ObjectiveSettings(kind=kind))
    ...     history = learners[name].fit_one_cycle(4, 0.01, batch_size=32, recipe=recipe)
    >>> found = prices(learners, by=["sex"])
    >>> sorted({dict(row.at).get("model_version") for row in found.measurements if row.metric == "accuracy"})
    ['balanced', 'plain']
    """
    first = next(iter(learners), None) if baseline is None else baseline
    raise_violations(_violations(learners, rows, by, first))
    base = learners[str(first)]
    frame, label = frame_of(base, rows), base.spec.columns.y
    raise_violations(
        [f"column {name!r} is missing from the rows" for name in (*by, label) if name not in frame.columns]
    )
    table, columns = _side_by_side(learners, frame, rows, tuple(by), label)
    attributes = [name for name in by if name != label]
    found = [row for name in learners for row in _of_each(table, columns, name, attributes, by, level)]
    others = [name for name in learners if name != first]
    options: dict[str, Any] = {"y_true": columns["truth"], "candidate": others, "baseline": first, "level": level}
    options |= {"positive": canonical(base.spec.positive)}
    options |= {"cluster": columns["cluster"]} if "cluster" in columns else {}
    scores = [columns[f"score of {name}"] for name in [*others, str(first)]]
    asked = [*RATES, *SCORED]
    whole = run_compare(table, metrics=["accuracy"], sensitive_features=list(by), **options)
    found += whole.measurements
    found += run_compare(table, metrics=asked, sensitive_features=attributes, scores=scores, **options).measurements
    given: dict[str, Any] = {"check": "prices of objectives", "baseline": first, "by": list(by), "level": level}
    given |= {"rows": rows if isinstance(rows, str) else "a frame", "models": _described(learners)}
    return Result(
        measurements=tuple(_once(found)),
        provenance=Provenance(tally=whole.provenance.tally, versions=recorded_versions(), seed=base.seed, given=given),
    )


def _side_by_side(
    learners: "Mapping[str, Learner]", frame: pd.DataFrame, rows: pd.DataFrame | Part, by: tuple[str, ...], label: str
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return one table with the groups, the truth and all predictions, and the names that its columns got."""
    table = frame.loc[:, list(dict.fromkeys(by))].copy()
    columns: dict[str, str] = {}

    def add(name: str, values: Any, *, wanted: str) -> None:  # noqa: ANN401 - a column
        while wanted in table.columns or wanted in learners:
            wanted += "'"
        columns[name] = wanted
        table[wanted] = values

    for name, learner in learners.items():
        answers = learner.predict_proba(rows)
        classes = learner.spec.target.classes
        spelled = np.array([canonical(each) for each in classes], dtype=object)
        table[name] = spelled[answers.argmax(axis=1)]
        add(f"score of {name}", answers[:, classes.index(_positive(learner))], wanted=f"score of {name}")
    add("truth", [canonical(each) for each in frame[label]], wanted="true label")
    add("positive", canonical(_positive(next(iter(learners.values())))), wanted="positive")
    clusters = filter(None, (cluster_of(each, frame) for each in learners.values()))
    for cluster in [*clusters][:1]:
        add("cluster", frame[cluster].to_numpy(), wanted="cluster")
    return table, columns


def _of_each(
    table: pd.DataFrame, columns: Mapping[str, str], name: str, attributes: list[str], by: Sequence[str], level: float
) -> list[Measurement]:
    """Return the rows of one model's own audit, and the accuracy of its worst group."""
    roles: dict[str, Any] = {"y_true": columns["truth"], "y_pred": name}
    roles |= {"positive": table[columns["positive"]].iloc[0]}
    roles |= {"cluster": columns["cluster"]} if "cluster" in columns else {}
    score = columns[f"score of {name}"]
    log = PredictionLog.from_frame(table, sensitive_features=attributes, y_score=score, **roles)
    found = list(run_audit(log, level=level, metrics=[*RATES, *SCORED, *CALIBRATION]).measurements)
    whole = count(PredictionLog.from_frame(table, sensitive_features=list(by), **roles))
    worst = extreme(whole, "accuracy", features=list(by), compare="value", end="min", level=level)
    return of_model([*found, worst], name)


def _positive(learner: "Learner") -> Any:  # noqa: ANN401 - a label
    return learner.spec.positive


def _once(found: Iterable[Measurement]) -> list[Measurement]:
    """Return rows by their keys, each once: an audit and a comparison of the same rows share some."""
    kept: dict[str, Measurement] = {}
    for row in found:
        plain = replace(row, at=()) if row.metric == "count" else row
        kept.setdefault(plain.key(), plain)
    return list(kept.values())


def _described(learners: "Mapping[str, Learner]") -> dict[str, Any]:
    return {
        name: {
            "model_version": learner.model_version,
            "objective": [cycle.recipe.objective.kind for cycle in learner.cycles],
            "temperatures": None if learner.temperatures is None else list(learner.temperatures),
            "seeds": list(learner.seeds),
        }
        for name, learner in learners.items()
    }


def _violations(
    learners: "Mapping[str, Learner]", rows: pd.DataFrame | Part, by: Sequence[str], baseline: str | None
) -> list[str]:
    found = []
    if len(learners) < 2:
        found.append(f"prices are told of at least two models; came {list(learners)}")
    if baseline is not None and baseline not in learners:
        found.append(f"the baseline {baseline!r} is none of the models {list(learners)}")
    if isinstance(by, str) or not by:
        found.append(f'by must be a list of columns, such as ["income", "sex"]; came {by!r}')
    found += [f"{name!r} is the name of a model and of a column: rename the model" for name in learners if name in by]
    answers = {(each.spec.columns.y, each.spec.target.classes, each.spec.positive) for each in learners.values()}
    if len(answers) > 1:
        found.append("the models learn different labels or classes: compare models of one label")
    for name, learner in learners.items():
        if learner.spec.positive is None or len(learner.spec.target.classes) != 2:
            found.append(f"model {name!r} has no two classes with a positive one: prices are told of yes or no")
    if isinstance(rows, str) and len({each.training_data()[0].split.digest for each in learners.values()}) > 1:
        found.append(f'the models were split in other ways: their part "{rows}" is not the same rows; pass a frame')
    return found
