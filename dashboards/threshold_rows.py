"""The rows of a result that belong to thresholds: curves by group, chosen thresholds, prices, in words."""

from collections.abc import Iterable, Mapping, Sequence

from audit.measurement import Measurement, Slice
from audit.result import Result
from dashboards.labels import group_label, safe_label
from dashboards.tables import interval_text, number_text

UTILITY, BEST, GAIN = "expected_utility", "best_threshold", "group_threshold_gain"
LAW = (
    "Different thresholds by group are shown with their price and never applied. Whether decisions may depend on the "
    "group is a question of law and of ethics, answered differently from place to place; ask before you do."
)


def threshold_of(row: Measurement) -> float | None:
    """Return the threshold that a row belongs to; None where it belongs to none.

    Examples
    --------
    >>> threshold_of(Measurement(metric="accuracy", at=(("threshold", 0.5),), value=0.7, n=9, method="x"))
    0.5
    """
    found = dict(row.at).get("threshold")
    return float(found) if isinstance(found, int | float) else None


def curves(rows: Iterable[Measurement], metric: str) -> dict[Slice, list[Measurement]]:
    """Return the curve of a metric over thresholds, by group, in ascending order.

    Examples
    --------
    >>> rows = [Measurement(metric="accuracy", at=(("threshold", t),), value=t, n=9, method="x") for t in (0.5, 0.2)]
    >>> [row.value for row in curves(rows, "accuracy")[()]]
    [0.2, 0.5]
    """
    found: dict[Slice, list[Measurement]] = {}
    for row in rows:
        if row.metric == metric and threshold_of(row) is not None and row.against is None:
            found.setdefault(row.slice, []).append(row)
    return {group: sorted(of_group, key=lambda row: threshold_of(row) or 0.0) for group, of_group in found.items()}


def of_features(
    found: Mapping[Slice, Sequence[Measurement]], features: Sequence[str]
) -> dict[Slice, list[Measurement]]:
    """Return the curves of the groups of a combination of features.

    Examples
    --------
    >>> of_features({(): [], (("sex", "F"),): []}, ["sex"])
    {(('sex', 'F'),): []}
    """
    names = tuple(sorted(features))
    return {group: [*rows] for group, rows in found.items() if tuple(name for name, _ in group) == names}


def best_rows(rows: Iterable[Measurement]) -> dict[Slice, Measurement]:
    """Return the chosen threshold of each group.

    Examples
    --------
    >>> best_rows([Measurement(metric="best_threshold", value=0.3, n=9, method="x")])[()].value
    0.3
    """
    return {row.slice: row for row in rows if row.metric == BEST}


def gain_rows(rows: Iterable[Measurement], feature: str) -> tuple[Measurement, ...]:
    """Return what thresholds by the groups of a feature gain: everyone first, then each group.

    Examples
    --------
    >>> row = Measurement(metric="group_threshold_gain", at=(("feature", "sex"),), value=0.1, n=9, method="x")
    >>> gain_rows([row], "sex") == (row,), gain_rows([row], "race")
    (True, ())
    """
    return tuple(
        row
        for row in rows
        if row.metric == GAIN
        and (dict(row.at).get("feature") == feature or [name for name, _ in row.slice] == [feature])
    )


def payoffs_of(result: Result) -> Mapping[str, float]:
    """Return the payoffs that a result was made with; empty where it was made with none.

    Examples
    --------
    >>> payoffs_of(Result(measurements=[]))
    {}
    """
    found = result.provenance.given.get("payoffs")
    return found if isinstance(found, Mapping) else {}


def is_apart(result: Result) -> bool:
    """Return whether thresholds were chosen on other rows than those that are measured.

    Examples
    --------
    >>> is_apart(Result(measurements=[]))
    False
    """
    return str(result.provenance.given.get("measured_on", "all rows")) != "all rows"


def stored_choice(
    result: Result, payoffs: Mapping[str, float], features: Sequence[str]
) -> tuple[Measurement, ...] | None:
    """Return the thresholds and their price as the run chose them on rows of their own; None where it did not.

    Parameters
    ----------
    result
        The run.
    payoffs
        What the outcomes are worth now: a choice that was made for other payoffs is none.
    features
        Whose groups; the run chose for everyone and for the groups of single features.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> row = Measurement(metric="best_threshold", value=0.3, n=9, method="x")
    >>> made = Provenance(given={"payoffs": {"tp": 1.0}, "measured_on": "a random half"})
    >>> stored_choice(Result(measurements=[row], provenance=made), {"tp": 1.0}, ()) == (row,)
    True
    """
    if not is_apart(result) or dict(payoffs) != dict(payoffs_of(result)) or len(features) > 1:
        return None
    best = [row for key, row in best_rows(result.measurements).items() if [name for name, _ in key] == [*features]]
    gains = gain_rows(result.measurements, features[0]) if features else ()
    return (*best, *gains) if best else None


def choice_sentence(result: Result, *, stored: bool) -> str:
    """Return which rows thresholds were chosen on, beside those that are measured.

    Examples
    --------
    >>> choice_sentence(Result(measurements=[]), stored=False)
    'Chosen and measured on the same rows: what the chosen threshold pays is flattered.'
    """
    measured = str(result.provenance.given.get("measured_on", "all rows"))
    if stored:
        side = "the other half of the rows" if measured == "a random half" else "the rows of the first file"
        return f"Chosen on {side}, as the run stored it; measured on {measured}. Gains are not flattered by the choice."
    text = "Chosen and measured on the same rows: what the chosen threshold pays is flattered."
    if not is_apart(result):
        return text
    return (
        f"{text} The rows that the run chose on are not kept with it: state the payoffs of the run, and everyone or a "
        "single feature, to see its own choice."
    )


def threshold_text(value: float) -> str:
    """Return a threshold in words: "0.35", or "act on no row" above 1.

    Examples
    --------
    >>> threshold_text(0.35), threshold_text(1.004), threshold_text(0.0)
    ('0.35', 'above 1 (act on no row)', '0 (act on every row)')
    """
    if value > 1:
        return "above 1 (act on no row)"
    return f"{value:.3f}".rstrip("0").rstrip(".") if value else "0 (act on every row)"


def best_sentence(row: Measurement) -> str:
    """Return a chosen threshold and what the data leave open, in one sentence.

    Examples
    --------
    >>> best_sentence(Measurement(metric="best_threshold", value=0.42, low=0.3, high=0.55, n=900, level=0.95,
    ...                           method="kernel_smoother"))
    'One threshold for everyone: 0.42 pays most on the smoothed curve; of those from 0.3 to 0.55 none is shown to be
    worse (n = 900).'
    """
    whom = group_label(row.slice, limit=40) if row.slice else "One threshold for everyone"
    if row.value is None:
        return f"{whom}: no threshold can be chosen ({safe_label(row.reason, target='text')})."
    where = f"{whom}: {threshold_text(row.value)} pays most on the smoothed curve"
    if row.low is None or row.high is None:
        return f"{where} (n = {row.n:,})."
    if row.low == row.high:
        return f"{where}; every other is shown to be worse (n = {row.n:,})."
    span = f"{threshold_text(row.low)} to {threshold_text(row.high)}"
    return f"{where}; of those from {span} none is shown to be worse (n = {row.n:,})."


def gain_sentence(row: Measurement) -> str:
    """Return the price of group thresholds for everyone, in one sentence.

    Examples
    --------
    >>> gain_sentence(Measurement(metric="group_threshold_gain", at=(("feature", "sex"),), value=0.02, low=-0.01,
    ...                           high=0.05, n=900, level=0.95, method="x"))
    'Thresholds by sex: not shown to change the mean payoff of everyone: 0.020 [−0.010, 0.050].'
    """
    feature = safe_label(str(dict(row.at).get("feature")), target="text", limit=40)
    if row.value is None:
        return f"Thresholds by {feature}: {safe_label(row.reason, target='text')}."
    sure = row.low is not None and row.high is not None and (row.low > 0 or row.high < 0)
    word = ("raise" if row.value > 0 else "lower") if sure else "not shown to change"
    number = f"{number_text(row.value, unit='number')} {interval_text(row)}".strip()
    why = f" ({safe_label(row.reason, target='text', limit=200)})" if row.reason else ""
    return f"Thresholds by {feature}: {word} the mean payoff of everyone: {number}{why}."
