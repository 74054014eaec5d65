"""What a measurement is about, in words: the metric, whom it is of, what it is compared with."""

from audit.measurement import Measurement
from dashboards.labels import features_label, safe_label, slice_label
from dashboards.words import metric_title


def subject_text(row: Measurement) -> str:
    """Return what a row is about: the metric in words, whom, and what it is compared with.

    Examples
    --------
    >>> against = {"kind": "groups", "features": ["sex"]}
    >>> subject_text(Measurement(metric="accuracy_difference", against=against, value=0.1, n=9, method="x"))
    'Difference in accuracy between groups of sex'
    >>> subject_text(Measurement(metric="accuracy", slice=(("sex", "F"),), value=0.1, n=9, method="x"))
    'Accuracy, sex = F'
    """
    title, whom = metric_title(row.metric), slice_label(row.slice)
    point = "".join(f", {key} = {safe_label(str(value), target='text')}" for key, value in row.at)
    return _compared(row, title, whom) + point


def comparison_text(row: Measurement) -> str:
    """Return what a row is compared with: "the rest", "race = Caucasian", "groups of race"; "" for a plain value.

    Examples
    --------
    >>> comparison_text(Measurement(metric="accuracy_ratio", against={"kind": "rest"}, value=1.0, n=9, method="x"))
    'the rest'
    """
    against = row.against
    if against is None:
        return ""
    match against["kind"]:
        case "slice":
            return slice_label(tuple(sorted(against["slice"].items())))
        case "groups":
            return f"groups of {features_label(tuple(against['features']))}"
        case "rest" | "reference":
            whole = "the reference" if row.window else "the baseline run"
            return "the rest" if against["kind"] == "rest" else whole
        case "model" if "model_version" in against:
            return f"model {safe_label(str(against['model_version']), target='text')}"
    return f"another {against['kind']}"


def _compared(row: Measurement, title: str, whom: str) -> str:
    if row.against is None:
        return f"{title}, {whom}"
    kind, other = row.against["kind"], comparison_text(row)
    if kind == "groups":
        text = f"{title} {'among' if row.metric.endswith(('_group_max', '_group_min')) else 'between'} {other}"
        return text if not row.slice else f"{text}, {whom}"
    return f"{title}, {whom} against {other}"
