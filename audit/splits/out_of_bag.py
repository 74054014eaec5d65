"""Out-of-bag against validation error of a forest: evidence about what, besides chance, separates two parts."""

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier

from audit.errors import raise_violations
from audit.inference.gap_intervals import square_and_add
from audit.inference.linearised import Linearised, Place, auc, auc_bounds, mean, rate_bounds, row
from audit.measurement import Measurement
from audit.seeds import seed_violations

Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

TREES = 300
LEAF = 5
OUT_OF_BAG, VALIDATION = "forest, out of bag", "forest, validation"


def out_of_bag_rows(
    x_train: Matrix,
    y_train: Labels,
    x_valid: Matrix,
    y_valid: Labels,
    *,
    cluster_valid: Labels | None = None,
    level: float = 0.95,
    random_state: int = 0,
) -> tuple[Measurement, ...]:
    """Return error rate and AUC of a random forest out of bag and on validation rows, and their differences.

    Each train row is scored by the trees that did not draw it, each validation row by all trees. Both are rows that
    these trees never saw; where the parts are alike, the two errors are alike (out of bag slightly larger: a third of
    the trees votes).

    Parameters
    ----------
    x_train, x_valid
        Features without missing values, shape (n_rows, n_features).
    y_train, y_valid
        Labels 0 or 1, shape (n_rows,).
    cluster_valid
        Which validation rows belong together; None = each stands alone.
    level
        Confidence level.
    random_state
        Seed of the forest.

    Returns
    -------
    tuple of Measurement
        `error_rate` and `roc_auc` at both `model_version`s; ``error_rate_difference`` and ``roc_auc_difference``,
        validation minus out of bag. `reading_of` says what they mean.

    Notes
    -----
    Breiman 2001, Random forests, doi:10.1023/A:1010933404324, section 3.1. Copies of a row among the train rows make
    the out-of-bag error too small as well: the trees that did not draw the row may have drawn its copy.

    Raises
    ------
    InputError
        If labels are not 0 and 1, all train labels are alike, features have missing values, or `random_state` is no
        seed.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(400, 2))
    >>> y = (x[:, 0] + rng.normal(size=400) > 0).astype(int)
    >>> rows = out_of_bag_rows(x[:300], y[:300], x[300:], y[300:])
    >>> [row.metric for row in rows][-2:], len(rows)
    (['error_rate_difference', 'roc_auc_difference'], 6)
    """
    raise_violations([*_violations(x_train, y_train, x_valid, y_valid), *seed_violations(random_state)])
    forest = RandomForestClassifier(TREES, oob_score=True, min_samples_leaf=LEAF, random_state=random_state)
    forest.fit(x_train, y_train)
    scores = (forest.oob_decision_function_[:, 1], forest.predict_proba(x_valid)[:, 1])
    known = ~np.isnan(scores[0])
    sides = ((y_train[known], scores[0][known], None), (y_valid, scores[1], cluster_valid))
    rows: list[Measurement] = []
    errors = [mean((said >= 0.5) != (y == 1), cluster=cluster) for y, said, cluster in sides]
    ranked = [auc(y, said, cluster=cluster) for y, said, cluster in sides]
    for name, error, order in zip((OUT_OF_BAG, VALIDATION), errors, ranked, strict=True):
        place = Place(at=(("model_version", name),))
        interval, how = rate_bounds(error, level=level)
        rows.append(row("error_rate", error, interval, method=how, level=level, place=place))
        interval, how = auc_bounds(order, level=level)
        rows.append(row("roc_auc", order, interval, method=how, level=level, place=place))
    return (*rows, *_differences(errors, ranked, level=level))


def reading_of(difference: Measurement) -> str:
    """Return what a difference of error rates or AUCs, validation minus out of bag, means in one sentence.

    Examples
    --------
    >>> apart = Measurement(metric="error_rate_difference", value=0.08, low=0.03, high=0.13, n=90, level=0.95,
    ...                     method="square_and_add")
    >>> print(reading_of(apart))
    The forest does worse on the validation rows than out of bag: besides ordinary generalisation something
    separates the parts (time, place, clusters, selection of rows).
    """
    worse = 1 if difference.metric == "error_rate_difference" else -1
    if difference.value is None or difference.low is None or difference.high is None:
        return f"Out of bag and validation cannot be compared: {difference.reason}."
    if difference.low <= 0 <= difference.high:
        return "The forest does as well on the validation rows as out of bag, as far as these rows can tell."
    if np.sign(difference.value) == worse:
        return (
            "The forest does worse on the validation rows than out of bag: besides ordinary generalisation something "
            "separates the parts (time, place, clusters, selection of rows)."
        )
    return (
        "The forest does better on the validation rows than out of bag: they are easier, or were chosen; they do not "
        "stand for rows like those of train."
    )


def _differences(errors: list[Linearised], ranked: list[Linearised], *, level: float) -> list[Measurement]:
    """Return validation minus out of bag: the rows of the two are different ones, so the intervals are independent."""
    place = Place(at=(("model_version", VALIDATION),), against={"kind": "model", "model_version": OUT_OF_BAG})
    rows = []
    for metric, (bag, valid), interval_of in (("error_rate", errors, rate_bounds), ("roc_auc", ranked, auc_bounds)):
        apart = valid._replace(value=valid.value - bag.value, n=min(valid.n, bag.n))
        sides = [interval_of(found, level=level)[0] for found in (valid, bag)]
        interval = square_and_add(valid.value, sides[0], bag.value, sides[1])
        rows.append(row(f"{metric}_difference", apart, interval, method="square_and_add", level=level, place=place))
    return rows


def _violations(x_train: Matrix, y_train: Labels, x_valid: Matrix, y_valid: Labels) -> list[str]:
    violations = []
    for part, x, y in (("train", x_train, y_train), ("valid", x_valid, y_valid)):
        if len(x) != len(y) or not len(y):
            violations.append(f"x_{part} has {len(x)} rows and y_{part} {len(y)}; give as many, at least one")
        if not set(np.unique(y).tolist()) <= {0, 1}:
            violations.append(f"y_{part} must hold 0 and 1; got {np.unique(y)[:5].tolist()}")
        if not np.isfinite(x).all():
            violations.append(f"x_{part} holds missing or infinite values; fill them first")
    if len(np.unique(y_train)) < 2:
        violations.append("y_train holds one label only; a forest needs both")
    return violations
