"""What a mitigation changes, measured on rows that it never saw: paired before and after, with its price.

Three of them, each named for what it does: rows reweighed before training, one threshold per group after training, and
a randomised mixture of classifiers trained under a constraint. None makes a model fair; the result says what each
changed for whom, and what it cost in accuracy and in the Brier score.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from fairlearn.postprocessing import ThresholdOptimizer
from fairlearn.reductions import DemographicParity, EqualizedOdds, ExponentiatedGradient, TruePositiveRateParity
from sklearn.base import BaseEstimator, clone

from audit.errors import raise_violations
from audit.result import Result
from audit.seeds import seed_violations
from audit.splits.model_calls import scores_of
from audit.stress.before_after import Decisions, Floats, LabelledRows, before_and_after, row_violations
from audit.values import canonical

Fit = Callable[[Any, npt.NDArray[np.int64], Floats | None], Callable[[Any], Floats]]
"""``fit(X, y, sample_weight)`` returns ``predict(X)``, which returns the probability of label 1 per row."""
Constraint = Literal["demographic_parity", "equalized_odds", "true_positive_rate_parity"]

_MOMENTS = {
    "demographic_parity": DemographicParity,
    "equalized_odds": EqualizedOdds,
    "true_positive_rate_parity": TruePositiveRateParity,
}


def reweighing_weights(y_true: npt.ArrayLike, groups: Sequence[str] | npt.NDArray[Any]) -> Floats:
    r"""Return weights under which label and group are independent in the training rows, shape (n_rows,).

    w = P(group) P(label) / P(group and label): above 1 where a label is rarer in a group than independence would have
    it. The mean is 1. Source: Kamiran & Calders 2012, Data preprocessing techniques for classification without
    discrimination, doi:10.1007/s10115-011-0463-8, section 5.3.

    Raises
    ------
    InputError
        If there are no rows, or not as many labels as groups.

    Examples
    --------
    F has the label 1 in one of four rows, M in three of four: 4/8 x 4/8 / (1/8) = 2.

    >>> reweighing_weights([1, 0, 0, 0, 1, 1, 1, 0], [*"FFFFMMMM"]).round(3).tolist()
    [2.0, 0.667, 0.667, 0.667, 0.667, 0.667, 0.667, 2.0]
    """
    labels = np.unique(np.asarray(y_true), return_inverse=True)[1]
    group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
    if len(labels) != len(group) or not len(labels):
        raise_violations([f"expected one label and one group per row; got {len(labels)} and {len(group)}"])
    cell = group * 2 + labels if labels.max() < 2 else group * (labels.max() + 1) + labels
    sizes = [np.bincount(codes)[codes] for codes in (labels, group, cell)]
    weights: Floats = sizes[0] * sizes[1] / (sizes[2] * len(labels))
    return weights


def reweighed(
    fit: Fit, train: LabelledRows, test: LabelledRows, *, random_state: int = 0, level: float = 0.95
) -> Result:
    """Train with and without `reweighing_weights`, and compare both on the test rows; positive from a score of .5.

    Raises
    ------
    InputError
        If rows or labels are not what `LabelledRows` says, or `random_state` is no seed.

    Examples
    --------
    >>> rows = LabelledRows(np.arange(80.0)[:, None], np.tile([0, 1], 40), {"sex": ["F", "M"] * 40})
    >>> def fit(X, y, sample_weight):
    ...     share = np.average(y, weights=sample_weight)
    ...     return lambda X: np.full(len(X), share)
    >>> result = reweighed(fit, rows, rows)
    >>> [row.value for row in result.measurements if row.metric == "accuracy" and not row.slice and not row.against]
    [0.5, 0.5]
    """
    raise_violations([*row_violations(train, "train"), *row_violations(test, "test"), *seed_violations(random_state)])
    weights = reweighing_weights(train.y_true, _joined(train))
    before, after = (_cut(fit(train.features, train.y_true, w)(test.features)) for w in (None, weights))
    given = {"mitigation": "reweighed", "smallest_weight": float(weights.min()), "largest_weight": float(weights.max())}
    return before_and_after(test, before, after, name="reweighed", level=level, random_state=random_state, given=given)


def group_thresholds(
    fit: Fit,
    train: LabelledRows,
    test: LabelledRows,
    *,
    constraint: Constraint = "demographic_parity",
    random_state: int = 0,
    level: float = 0.95,
) -> Result:
    """Cut the same scores at .5 for everyone, and at Fairlearn's thresholds per group; compare on the test rows.

    The thresholds are those of Hardt, Price & Srebro 2016 (arXiv:1610.02413) as `ThresholdOptimizer` finds them on the
    training rows. They use the group of each person at decision time, which law may forbid, and draw some decisions at
    random: the row ``randomised_share`` says how many. The scores stay what they are, and so does their Brier score.

    Raises
    ------
    InputError
        If rows are not what `LabelledRows` says, a group of the test rows has none in train or one class only, or `fit`
        does not predict one probability per row, or `random_state` is no seed.

    Examples
    --------
    >>> y = np.tile([0, 1, 1, 0, 1, 1, 0, 0], 20)
    >>> scores = np.tile([0.1, 0.9, 0.6, 0.4, 0.8, 0.3, 0.2, 0.7], 20)
    >>> rows = LabelledRows(scores[:, None], y, {"sex": ["F", "M"] * 80})
    >>> result = group_thresholds(lambda X, y, w: lambda X: X[:, 0], rows, rows)
    >>> result.provenance.seed, [row.at for row in result.measurements if row.metric == "randomised_share"]
    (0, [(('model_version', 'group_thresholds'),)])
    """
    raise_violations([*row_violations(train, "train"), *row_violations(test, "test"), *seed_violations(random_state)])
    raise_violations(_group_violations(train, test))
    predict = fit(train.features, train.y_true, None)
    known, scores = (scores_of(predict, part.features) for part in (train, test))
    _cut(known)  # what is no probability is refused before the search, which does not end on NaN
    before = _cut(scores)
    optimizer = ThresholdOptimizer(
        estimator=_Given().fit(known), constraints=constraint, prefit=True, predict_method="predict"
    )
    optimizer.fit(known[:, None], train.y_true, sensitive_features=_joined(train))
    groups = _joined(test)
    labels = optimizer.predict(scores[:, None], sensitive_features=groups, random_state=random_state)
    chance = optimizer._pmf_predict(scores[:, None], sensitive_features=groups)[:, 1]  # there is no public one
    drawn = float(np.mean((chance > 1e-9) & (chance < 1 - 1e-9)))
    after = Decisions(np.asarray(labels, dtype=np.int64), None, drawn)
    given = {"mitigation": "group_thresholds", "constraint": constraint}
    return before_and_after(
        test, before, after, name="group_thresholds", level=level, random_state=random_state, given=given
    )


def constrained_mixture(
    estimator: Any,  # noqa: ANN401 - a scikit-learn classifier
    train: LabelledRows,
    test: LabelledRows,
    *,
    constraint: Constraint = "demographic_parity",
    random_state: int = 0,
    level: float = 0.95,
) -> Result:
    """Train a classifier, and Fairlearn's randomised mixture of such classifiers under a constraint; compare both.

    The mixture is that of Agarwal et al. 2018, A reductions approach to fair classification (arXiv:1803.02453), as
    `ExponentiatedGradient` finds it; it needs no group at decision time. Each decision is drawn from the mixture with
    `random_state`. Its score is the mean of the members' probabilities, so that the Brier score has a price, too.

    Parameters
    ----------
    estimator
        A scikit-learn classifier with `predict_proba` whose `fit` takes ``sample_weight``; it is cloned.

    Raises
    ------
    InputError
        As `group_thresholds`.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> random = np.random.default_rng(0)
    >>> x, sex = random.normal(size=(200, 2)), random.choice(["F", "M"], 200)
    >>> rows = LabelledRows(x, (x[:, 0] + (sex == "M") + random.normal(size=200) > 0.5).astype(int), {"sex": sex})
    >>> result = constrained_mixture(LogisticRegression(), rows, rows)
    >>> result.provenance.given["constraint"]
    'demographic_parity'
    """
    raise_violations([*row_violations(train, "train"), *row_violations(test, "test"), *seed_violations(random_state)])
    raise_violations(_group_violations(train, test))
    plain = clone(estimator).fit(train.features, train.y_true)
    mixture = ExponentiatedGradient(clone(estimator), constraints=_MOMENTS[constraint]())
    with warnings.catch_warnings():  # pandas' notes about Fairlearn's own code are nothing that a caller can change
        warnings.simplefilter("ignore", category=FutureWarning)
        mixture.fit(train.features, train.y_true, sensitive_features=_joined(train))
        labels = mixture.predict(test.features, random_state=random_state)
    weights = np.asarray(mixture.weights_, dtype=np.float64)
    members = [place for place, weight in enumerate(weights) if weight > 0]
    votes = np.stack([np.asarray(mixture.predictors_[place].predict(test.features)) for place in members])
    scores = sum(weights[place] * _probability(mixture.predictors_[place], test.features) for place in members)
    drawn = float(np.mean(votes.min(axis=0) < votes.max(axis=0)))
    before = Decisions(plain.predict(test.features).astype(np.int64), _probability(plain, test.features))
    after = Decisions(np.asarray(labels, dtype=np.int64), np.clip(np.asarray(scores, np.float64), 0, 1), drawn)
    given = {"mitigation": "constrained_mixture", "constraint": constraint, "members": len(members)}
    return before_and_after(
        test, before, after, name="constrained_mixture", level=level, random_state=random_state, given=given
    )


class _Given(BaseEstimator):  # type: ignore[misc]
    """Scores that were made before, as the fitted estimator that Fairlearn asks for."""

    def fit(self, scores: Floats) -> "_Given":
        self.rows_ = len(scores)
        return self

    def predict(self, scores: Floats) -> Floats:
        return np.asarray(scores, dtype=np.float64)[:, 0]


def _cut(scores: npt.ArrayLike) -> Decisions:
    values = np.asarray(scores, dtype=np.float64)
    bad = int(np.sum(~((values >= 0) & (values <= 1))))
    raise_violations([f"fit must predict probabilities in [0, 1]; {bad} of {values.size} are none"] if bad else [])
    return Decisions((values >= 0.5).astype(np.int64), values)


def _probability(estimator: Any, features: Any) -> Floats:  # noqa: ANN401 - a scikit-learn classifier
    chance = np.asarray(estimator.predict_proba(features), dtype=np.float64)
    classes = list(estimator.classes_)
    return chance[:, classes.index(1)] if 1 in classes else np.zeros(len(chance))


def _joined(part: LabelledRows) -> npt.NDArray[Any]:
    """Return one text per row that tells its combination of sensitive values from all others."""
    columns = [[repr(canonical(value)) for value in values] for values in part.sensitive_features.values()]
    return np.array([" & ".join(values) for values in zip(*columns, strict=True)], dtype=object)


def _group_violations(train: LabelledRows, test: LabelledRows) -> list[str]:
    known, asked = _joined(train), _joined(test)
    violations = [f"test has the group {group}, of which train has no row" for group in sorted(set(asked) - set(known))]
    for group in sorted(set(known)):
        labels = set(np.asarray(train.y_true)[known == group].tolist())
        if len(labels) == 1:
            violations.append(f"train has only the label {labels.pop()} in the group {group}; merge groups or add rows")
    return violations
