"""How the models of a learner do together on the validation rows: together they predict, one by one they validate."""

from typing import TYPE_CHECKING

import numpy as np

from audit.measurement import Measurement
from audit.run import run_audit
from audit.tasks.regression import run_regression
from trainer.data.truth import label_sets
from trainer.predict import LABEL_FROM

if TYPE_CHECKING:
    from trainer.learner import Learner


def ensemble_row(learner: "Learner") -> Measurement | None:
    """Return the validation metric of the mean of several models, with its own interval.

    The history has, of several models, the mean of what each reaches alone: no share of n rows, and not what predicts.
    This counts as one look at the validation part.

    Parameters
    ----------
    learner
        Of several models.

    Returns
    -------
    Measurement or None
        ``valid_ensemble_<metric>`` after the last epoch; cluster-robust where a cluster is named; of several labels per
        row without an interval. None of a single model, and without validation rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.splits import split_rows
    >>> from trainer.data.table import Table
    >>> from trainer.learner import Learner
    >>> frame = pd.DataFrame({"age": range(200), "paid": [int(age >= 100) for age in range(200)]})
    >>> table = Table.from_frame(frame, columns=Columns(y="paid"), split=split_rows(200, seed=1))
    >>> learner = Learner(table, models=2, device="cpu")
    >>> history = learner.fit_one_cycle(1)
    >>> row = ensemble_row(learner)
    >>> row.metric, row.n, row.value == float((learner.predict("valid") == table.part("valid")["paid"]).mean())
    ('valid_ensemble_accuracy', 40, True)
    """
    data = learner.training_data()[0]
    if (learner.models or 1) == 1 or len(data.split.valid) == 0:
        return None
    target, at = learner.spec.target, (("round", len(learner.history)),)
    name = f"valid_ensemble_{target.metric}"
    if target.kind == "labels":
        sets = label_sets(data.part("valid"), columns=learner.spec.columns)
        truth = np.array([[label in row for label in target.classes] for row in sets])
        value = float(((learner.predict_proba("valid") >= LABEL_FROM) == truth).mean())
        return Measurement(metric=name, at=at, value=value, n=len(truth), method="mean")
    log = learner.predict_log("valid")
    found = (run_regression(log) if target.kind == "number" else run_audit(log, metrics=("accuracy",))).find(
        target.metric
    )
    return Measurement(
        metric=name,
        at=at,
        value=found.value,
        low=found.low,
        high=found.high,
        n=found.n,
        level=found.level,
        method=found.method,
        reason=found.reason,
    )
