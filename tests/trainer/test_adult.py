"""Census income (Adult), official test part: what default settings reach, beside logistic regression and boosting.

On this table gradient boosting wins over a single model: in AUC over each of five seeds, in accuracy over their mean.
The answers of five seeds together draw level with it. All are far ahead of logistic regression.
"""

import sys
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from trainer.data.table import Table
from trainer.learner import Learner

SEEDS = range(5)


class Reached(NamedTuple):
    accuracy: float
    auc: float


def reached(probability: npt.NDArray[np.float64], table: Table) -> Reached:
    true = (table.part("test")["income"] == ">50K").to_numpy()
    accuracy = float(((probability >= 0.5) == true).mean())
    return Reached(accuracy, float(roc_auc_score(true, probability)))


def of_seed(table: Table, seed: int) -> npt.NDArray[np.float64]:
    learner = Learner(table, seed=seed, device="cpu")
    learner.fit_one_cycle()
    return learner.predict_proba("test")[:, 1]


@pytest.fixture(scope="module")
def others(adult: Table) -> Mapping[str, Reached]:
    """Return what scikit-learn reaches with its defaults on the same train and test rows and the same columns."""
    features = list(adult.spec.encoder.features)
    train, test = adult.part("train"), adult.part("test")
    numbers = [name for name in features if pd.api.types.is_numeric_dtype(train[name])]
    kinds = [name for name in features if name not in numbers]
    rows, new = (part[features].fillna(dict.fromkeys(kinds, "?")) for part in (train, test))
    paid = (train["income"] == ">50K").to_numpy()
    columns = make_column_transformer((StandardScaler(), numbers), (OneHotEncoder(handle_unknown="ignore"), kinds))
    logistic = make_pipeline(columns, LogisticRegression(max_iter=2000)).fit(rows, paid)
    levels = {name: pd.CategoricalDtype(sorted(rows[name].unique())) for name in kinds}
    boosting = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
    boosting.fit(rows.astype(levels), paid)
    return {
        "logistic": reached(logistic.predict_proba(new)[:, 1], adult),
        "boosting": reached(boosting.predict_proba(new.astype(levels))[:, 1], adult),
    }


def test_one_seed(adult: Table) -> None:
    """A bound a little below the least of five seeds (.8688, .9232): other threads and versions round otherwise."""
    found = reached(of_seed(adult, 0), adult)
    assert len(adult.split.test) == 16_281
    assert found.accuracy >= 0.866
    assert found.auc >= 0.921


@pytest.mark.slow
def test_five_seeds_and_their_mean_beside_logistic_regression_and_boosting(
    adult: Table, others: Mapping[str, Reached]
) -> None:
    answers = [of_seed(adult, seed) for seed in SEEDS]
    singles = [reached(each, adult) for each in answers]
    mean = Reached(*np.mean(singles, axis=0))
    ensemble = reached(np.mean(answers, axis=0), adult)
    for name, row in {**{f"seed {seed}": row for seed, row in enumerate(singles)}, "mean": mean, **others}.items():
        sys.stdout.write(f"{name}: accuracy {row.accuracy:.4f}, AUC {row.auc:.4f}\n")
    sys.stdout.write(f"mean of five answers: accuracy {ensemble.accuracy:.4f}, AUC {ensemble.auc:.4f}\n")
    assert min(single.accuracy for single in singles) >= 0.867
    assert mean.auc >= 0.920
    assert ensemble.accuracy >= 0.869
    assert ensemble.auc >= 0.922
    # Which wins: boosting over single models; the ensemble and it lie within a standard error (.0026) of each other.
    assert min(mean.accuracy, ensemble.accuracy) > others["logistic"].accuracy + 0.01
    assert min(mean.auc, ensemble.auc) > others["logistic"].auc + 0.01
    assert others["boosting"].auc > max(single.auc for single in singles)
    assert others["boosting"].accuracy > mean.accuracy
    assert ensemble.accuracy == pytest.approx(others["boosting"].accuracy, abs=0.0026)
    assert ensemble.auc == pytest.approx(others["boosting"].auc, abs=0.0026)
