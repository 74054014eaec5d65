"""What simple alternatives achieve, read from a result: the best one first, and whether the model beats it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from audit.measurement import Measurement
from audit.result import Result
from dashboards.labels import safe_label
from dashboards.tables import interval_text, value_text

METRICS = ("accuracy", "roc_auc", "brier_score")
HEAD = ("alternative", "accuracy", "ROC AUC", "accuracy of the model minus it")

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "majority": "always the commoner label",
        "one rule": "one rule on the feature that ranks best",
        "logistic regression": "a logistic regression",
        "gradient boosting": "gradient boosted trees at their defaults, nothing tuned",
        "nearest prototype": "whichever label's mean row is nearer",
        "random projection": "a logistic regression on random mixtures of the features",
        "rate of the group": "the rate of the group",
    }
)
_NAMED = 12
_NOT_SIMPLE = frozenset({"gradient boosting", "random projection"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One baseline: its values by metric, and by metric what the model has more; the latter empty without a model.

    Examples
    --------
    >>> Alternative(name="majority", values={}, gains={}).is_simple
    True
    """

    name: str
    values: Mapping[str, Measurement]
    gains: Mapping[str, Measurement]

    @property
    def is_simple(self) -> bool:
        """Whether a person could follow it: neither boosted trees nor random mixtures."""
        return self.name not in _NOT_SIMPLE


def is_baselines(result: Result) -> bool:
    """Return whether a result holds baselines of a split.

    Examples
    --------
    >>> is_baselines(Result(measurements=[]))
    False
    """
    return isinstance(result.provenance.given.get("baselines"), Mapping)


def alternatives(result: Result) -> tuple[Alternative, ...]:
    """Return the baselines of a result, those that are right most often first.

    Examples
    --------
    >>> facts = {"metric": "accuracy", "n": 90, "method": "wilson"}
    >>> rows = [Measurement(at=(("model_version", name),), value=value, **facts)
    ...         for name, value in (("the model", 0.9), ("majority", 0.6), ("one rule", 0.7))]
    >>> [each.name for each in alternatives(Result(measurements=rows))]
    ['one rule', 'majority']
    """
    values: dict[str, dict[str, Measurement]] = {}
    gains: dict[str, dict[str, Measurement]] = {}
    for row in result.measurements:
        name = str(dict(row.at).get("model_version"))
        if row.metric in METRICS and row.against is None and name in MEANINGS:
            values.setdefault(name, {})[row.metric] = row
        elif row.against is not None and row.against["kind"] == "model":
            other = str(row.against.get("model_version"))
            gains.setdefault(other, {})[row.metric.removesuffix("_difference")] = row
    found = [Alternative(name=name, values=rows, gains=gains.get(name, {})) for name, rows in values.items()]
    return tuple(sorted(found, key=lambda each: -_number(each.values.get("accuracy"))))


def model_rows(result: Result) -> Mapping[str, Measurement]:
    """Return what the model achieves, by metric; empty where no scores were given.

    Examples
    --------
    >>> model_rows(Result(measurements=[]))
    {}
    """
    return {
        row.metric: row
        for row in result.measurements
        if row.metric in METRICS and row.against is None and row.at and row.at[0][1] not in MEANINGS
    }


def lead_sentences(result: Result) -> tuple[str, ...]:
    """Return the best simple alternative, whether the model is shown to beat it, and what a single rule achieves.

    Examples
    --------
    >>> facts = {"n": 90, "level": 0.95, "method": "wilson"}
    >>> row = Measurement(metric="accuracy", at=(("model_version", "majority"),), value=0.6, low=0.5, high=0.7, **facts)
    >>> print(lead_sentences(Result(measurements=[row]))[0])
    The best simple alternative, always the commoner label (majority), is right in 60.0 % [50.0, 70.0] of 90 test rows.
    """
    found = alternatives(result)
    simple = [each for each in found if each.is_simple and "accuracy" in each.values]
    if not simple:
        return ()
    best = simple[0]
    said = [f"The best simple alternative, {_named(best)}, is {_right(best.values['accuracy'])} test rows."]
    own = model_rows(result).get("accuracy")
    if own is not None and "accuracy" in best.gains:
        said.append(f"The model is {_right(own)}: {_gain(best)}.")
    rule = next((each for each in simple if each.name == "one rule" and each is not best), None)
    said += [f"A simple rule ({_named(rule)}) is {_right(rule.values['accuracy'])}."] if rule is not None else []
    strong = next((each for each in found if each.name == "gradient boosting" and "accuracy" in each.gains), None)
    said += [f"Against {MEANINGS[strong.name]}, which are no simple alternative: {_gain(strong)}."] if strong else []
    return tuple(said)


def table_rows(result: Result) -> list[list[str]]:
    """Return the rows of the table `HEAD`: the model first, then the alternatives.

    Examples
    --------
    >>> table_rows(Result(measurements=[]))
    []
    """
    own = model_rows(result)
    rows = [["the model", *(_cell(own.get(metric)) for metric in METRICS[:2]), ""]] if own else []
    rows += [
        [each.name, *(_cell(each.values.get(metric)) for metric in METRICS[:2]), _cell(each.gains.get("accuracy"))]
        for each in alternatives(result)
    ]
    return rows


def beats(row: Measurement) -> str:
    """Return whether a gain in accuracy or AUC shows that the model is better, in words.

    Examples
    --------
    >>> beats(Measurement(metric="accuracy_difference", value=0.1, low=-0.1, high=0.3, n=9, level=0.95, method="tango"))
    'not shown to beat it'
    """
    if row.low is not None and row.low > 0:
        return "shown to beat it"
    if row.high is not None and row.high < 0:
        return "shown to be worse"
    return "not shown to beat it"


def asked_sentence(result: Result) -> str:
    """Return what was compared on: rows, features, the label; "" where nothing was.

    Examples
    --------
    >>> from audit.provenance import Provenance
    >>> given = {"baselines": {"train": 90, "test": 30, "label": "paid is yes", "rows_without_label": 2},
    ...          "features": ["age", "sex"]}
    >>> asked_sentence(Result(measurements=[], provenance=Provenance(given=given)))
    '90 train and 30 test rows, 2 features (age, sex); positive: paid is yes; 2 rows without a label left out'
    """
    facts, features = result.provenance.given.get("baselines"), result.provenance.given.get("features", [])
    if not isinstance(facts, Mapping):
        return ""
    names = safe_label(", ".join(features[:_NAMED]), target="text", limit=400)
    more = f" and {len(features) - _NAMED} more" if len(features) > _NAMED else ""
    label = safe_label(str(facts.get("label")), target="text", limit=80)
    text = f"{facts['train']:,} train and {facts['test']:,} test rows, {len(features)} features ({names}{more})"
    gone = facts.get("rows_without_label")
    return f"{text}; positive: {label}" + (f"; {gone:,} rows without a label left out" if gone else "")


def _named(each: Alternative) -> str:
    meaning = MEANINGS[each.name]
    return meaning if each.name in meaning else f"{meaning} ({each.name})"


def _right(row: Measurement) -> str:
    return f"right in {value_text(row)} {interval_text(row)} of {row.n:,}"


def _gain(each: Alternative) -> str:
    row = each.gains["accuracy"]
    text = f"{value_text(row)} {interval_text(row)} against it, {beats(row)}"
    ranked = each.gains.get("roc_auc")
    if ranked is None or ranked.value is None:
        return text
    return f"{text}; by ROC AUC {value_text(ranked)} {interval_text(ranked)}, {beats(ranked)}"


def _cell(row: Measurement | None) -> str:
    return "" if row is None else f"{value_text(row)} {interval_text(row)}".strip()


def _number(row: Measurement | None) -> float:
    return -1.0 if row is None or row.value is None else row.value
