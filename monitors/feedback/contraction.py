"""Whether a model would have let fewer failures through than a stricter person, judged on a lenient person's cases."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from audit.errors import raise_violations
from audit.inference.intervals import quantile
from audit.measurement import Measurement
from monitors.feedback.agreement_rounds import CANNOT
from monitors.feedback.metric import Family, LoopMetric

Array = npt.NDArray[np.float64]

RATE, DIFFERENCE = "contraction_failure_rate", "contraction_failure_rate_difference"
_REPETITIONS = 200
_FEWEST = 30
_LARGEST_SHIFT, _LARGEST_Z = 0.1, 4.0


class Contraction(NamedTuple):
    """Failure rates at the stricter person's release rate: the model's, the person's, and the rate.

    Examples
    --------
    >>> Contraction(model=0.1, person=0.2, release_rate=0.5).model
    0.1
    """

    model: float
    person: float
    release_rate: float


def contraction_failure_rate(
    decider: npt.ArrayLike,
    released: npt.ArrayLike,
    failed: npt.ArrayLike,
    risk: npt.ArrayLike,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Measurement, Measurement]:
    r"""Return how many failures a model would let through if it were as strict as the stricter of two people.

    Outcomes are known only of those whom someone released. The cases that the more lenient person released are
    therefore the widest view that there is: of them the model takes back those with the highest risk until only as
    large a share is released as by the stricter person. Smaller is better, in [0, 1].

    Parameters
    ----------
    decider : array_like, shape (n_cases,)
        Who decided; exactly two people, to whom cases came as if by chance.
    released : array_like, shape (n_cases,)
        1 where the case was released (granted, let go), else 0.
    failed : array_like, shape (n_cases,)
        1 where a released case failed, else 0; whatever it says of others is not read.
    risk : array_like, shape (n_cases,)
        The model's risk of failure; larger is riskier.
    level
        Confidence level.
    seed
        Of the bootstrap.

    Returns
    -------
    tuple of Measurement
        The model's failure rate (failures by cases of the lenient person, at the ``threshold``: the stricter person's
        release rate), and that less the stricter person's own. Without value, and with a reason, where cases of the two
        are not alike, outcomes of released cases are missing, or a person has fewer than 30 cases.

    Raises
    ------
    InputError
        If arrays differ in length, there are not two people, or values are no flags or no numbers: all at once.

    Notes
    -----
    With D the cases of the more lenient person, R those of them released, and r the stricter one's release rate: of R,
    in order of risk, the first r abs(D) are kept; the rate is the number of failures among them by abs(D). Cases of
    equal risk are kept in part. Source: H. Lakkaraju, J. Kleinberg, J. Leskovec, J. Ludwig & S. Mullainathan (2017),
    The selective labels problem, doi:10.1145/3097983.3098066. Standard errors by the bootstrap over cases.

    Examples
    --------
    Both have 40 cases. One releases 30, the other 20; the model ranks the lenient one's ten failures last.

    >>> who = ["lenient"] * 40 + ["strict"] * 40
    >>> released = [1] * 30 + [0] * 10 + [1] * 20 + [0] * 20
    >>> failed = [0] * 20 + [1] * 10 + [0] * 10 + [1] * 4 + [0] * 36
    >>> risk = [*range(40), *range(40)]
    >>> model, difference = contraction_failure_rate(who, released, failed, risk)
    >>> model.value, dict(model.at), difference.value
    (0.0, {'threshold': 0.5}, -0.1)
    """
    cases = _cases(decider, released, failed, risk)
    fault = _fault(cases)
    n = min(len(each.risk) for each in cases)
    against = {"kind": "reference", "decider": cases[1].name}
    if fault:
        none = Measurement(metric=RATE, value=None, n=n, method="none", reason=fault)
        return none, Measurement(metric=DIFFERENCE, against=against, value=None, n=n, method="none", reason=fault)
    found = contracted(*(_weights(each, np.ones(len(each.risk))) for each in cases))
    model, difference = _errors(cases, seed)
    at = (("threshold", found.release_rate),)
    half = float(quantile(level, df=n - 1.0))
    rows = []
    for metric, value, error, floor in (
        (RATE, found.model, model, 0.0),
        (DIFFERENCE, found.model - found.person, difference, -1.0),
    ):
        low, high = max(value - half * error, floor), min(value + half * error, 1.0)
        other = None if metric == RATE else against
        said = None if error > 0 else "no interval: the cases show no spread"
        rows.append(
            Measurement(
                metric=metric, at=at, against=other, value=value, low=low if error > 0 else None,
                high=high if error > 0 else None, n=n, level=level if error > 0 else None,
                method="case_bootstrap", reason=said,
            )
        )  # fmt: skip
    return rows[0], rows[1]


class _Cases(NamedTuple):
    """Cases of one person, ordered by risk, with the place of each one's risk among the distinct ones."""

    name: str
    released: Array
    failed: Array
    risk: Array
    place: npt.NDArray[np.int64]


class Ranked(NamedTuple):
    """Sums of one person's cases: of all, and of the released and failed ones by increasing risk.

    Examples
    --------
    >>> Ranked(4.0, np.array([1.0, 2.0]), np.array([0.0, 1.0])).cases
    4.0
    """

    cases: float
    released: Array
    failures: Array


def contracted(lenient: Ranked, strict: Ranked) -> Contraction:
    """Return the failure rates at the stricter person's release rate.

    Examples
    --------
    Of 4 cases 3 were released, the riskiest of them failed; at a release rate of 1/2 two are kept, at 5/8 half of the
    third, too.

    >>> lenient = Ranked(4.0, np.ones(3), np.array([0.0, 0.0, 1.0]))
    >>> contracted(lenient, Ranked(8.0, np.array([4.0]), np.array([2.0]))).model
    0.0
    >>> contracted(lenient, Ranked(8.0, np.array([5.0]), np.array([2.0])))
    Contraction(model=0.125, person=0.25, release_rate=0.625)
    """
    rate = float(strict.released.sum() / strict.cases)
    kept = np.concatenate([[0.0], np.cumsum(lenient.released)])
    failures = np.concatenate([[0.0], np.cumsum(lenient.failures)])
    model = float(np.interp(rate * lenient.cases, kept, failures) / lenient.cases)
    return Contraction(model, float(strict.failures.sum() / strict.cases), rate)


def _cases(
    decider: npt.ArrayLike, released: npt.ArrayLike, failed: npt.ArrayLike, risk: npt.ArrayLike
) -> tuple[_Cases, _Cases]:
    """Return the cases of the more lenient person, and those of the stricter one."""
    who = np.asarray(decider).astype(str)
    let, bad, score = (np.asarray(each, dtype=np.float64) for each in (released, failed, risk))
    lengths = {len(who), len(let), len(bad), len(score)}
    people = np.unique(who)
    found = []
    if len(lengths) > 1:
        found.append(f"decider, released, failed and risk must have one length; got {sorted(lengths)}")
    if len(people) != 2:
        found.append(f"expected the cases of exactly two people; got {len(people)}; choose the two to compare")
    if not np.isin(let, (0.0, 1.0)).all():
        found.append("released must be 1 or 0 in every case; mend the others")
    if not np.isin(bad[np.isfinite(bad)], (0.0, 1.0)).all():
        found.append("failed must be 1, 0 or missing; mend the others")
    if not np.isfinite(score).all():
        found.append(f"risk must be a finite number; {int((~np.isfinite(score)).sum())} cases have none")
    raise_violations(found)
    each = [_of(name, who == name, let, bad, score) for name in people]
    first, second = sorted(each, key=lambda cases: -float(cases.released.mean()))
    return first, second


def _of(name: str, own: npt.NDArray[np.bool_], released: Array, failed: Array, risk: Array) -> _Cases:
    place = np.unique(risk[own], return_inverse=True)[1].astype(np.int64)
    return _Cases(str(name), released[own], failed[own], risk[own], place)


def _fault(cases: tuple[_Cases, _Cases]) -> str | None:
    lenient, strict = cases
    for each in cases:
        if len(each.risk) < _FEWEST:
            return f"{CANNOT} {each.name!r} decided {len(each.risk)} cases; {_FEWEST} are needed. Wait for more."
        unknown = int(((each.released == 1) & ~np.isfinite(each.failed)).sum())
        if unknown:
            return (
                f"{CANNOT} {unknown:,} cases that {each.name!r} released have no outcome. Follow them up, or leave out "
                "cases whose time is not over, whoever decided them."
            )
    if lenient.released.mean() == strict.released.mean():
        return f"{CANNOT} both people release the same share: nothing is contracted. Compare people who differ."
    scale = float(np.sqrt((lenient.risk.var() + strict.risk.var()) / 2))
    shift = float(abs(lenient.risk.mean() - strict.risk.mean()))
    error = float(np.sqrt(lenient.risk.var() / len(lenient.risk) + strict.risk.var() / len(strict.risk)))
    if shift > _LARGEST_SHIFT * scale and shift > _LARGEST_Z * error:
        return (
            f"{CANNOT} the two had different cases: their mean risks differ by {shift / scale:.2f} standard "
            "deviations. Assign cases by chance, or compare within one kind of case."
        )
    return None


def _weights(cases: _Cases, weights: Array) -> Ranked:
    size = int(cases.place.max()) + 1
    released = weights * cases.released
    failures = np.where(cases.released == 1, weights * np.nan_to_num(cases.failed), 0.0)
    return Ranked(
        float(weights.sum()),
        np.bincount(cases.place, weights=released, minlength=size).astype(np.float64),
        np.bincount(cases.place, weights=failures, minlength=size).astype(np.float64),
    )


def _errors(cases: tuple[_Cases, _Cases], seed: int) -> tuple[float, float]:
    """Return the standard errors of the model's rate and of its difference to the person's."""
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(_REPETITIONS):
        each = [_weights(one, _drawn(random, len(one.risk))) for one in cases]
        found = contracted(*each)
        drawn.append((found.model, found.model - found.person))
    errors = np.std(drawn, axis=0, ddof=1)
    return float(errors[0]), float(errors[1])


def _drawn(random: np.random.Generator, n: int) -> Array:
    return np.bincount(random.integers(0, n, n), minlength=n).astype(np.float64)


_OBTAIN = (
    "Log who decided each case, whether it was released, what happened to the released ones, and the model's risk; "
    "call monitors.feedback.contraction.contraction_failure_rate with these four columns of two people."
)
_SOURCE = "Lakkaraju, Kleinberg, Leskovec, Ludwig & Mullainathan 2017, doi:10.1145/3097983.3098066."

FAMILY: Family = (
    LoopMetric(
        name=RATE,
        title="How many failures the model would let through",
        question="what do we do",
        needs=("human_decision", "outcome", "y_score"),
        meaning=(
            "The share of cases that would fail if the model released as few as the stricter of two people, measured "
            "on the cases that the more lenient one released."
        ),
        why="It only describes; the next row compares it with the stricter person.",
        not_when=(
            "Not where people choose their cases, and not at a release rate above the more lenient person's: nobody "
            "knows what would have become of those that no one released."
        ),
        obtain=_OBTAIN,
        source=_SOURCE,
        measure=None,
        of_a_log=False,
    ),
    LoopMetric(
        name=DIFFERENCE,
        title="Whether the model lets more failures through than a person",
        question="what do we do",
        needs=("human_decision", "outcome", "y_score"),
        meaning="The model's share of failures less that of the stricter person, both releasing as few.",
        limit=0.0,
        why="Above 0 the model would be worse than the person whom it is to replace, at the same strictness.",
        not_when="As the row above.",
        obtain=_OBTAIN,
        source=_SOURCE,
        measure=None,
        of_a_log=False,
    ),
)
