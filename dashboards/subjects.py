"""What a measurement is about, in words: the metric, whom it is of, what it is compared with."""

from audit.measurement import Measurement
from dashboards.labels import features_label, safe_label, slice_label
from dashboards.loop_words import ARMS
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
    >>> subject_text(Measurement(metric="accuracy", at=(("arm", "closed"),), value=0.1, n=9, method="x"))
    'Accuracy, data that the model influenced'
    """
    arm = dict(row.at).get("arm")
    whom = slice_label(row.slice)
    if arm is not None:
        whom = f"{whom}, {arm_label(str(arm))}" if row.slice else arm_label(str(arm))
    point = "".join(f", {key} = {safe_label(str(value), target='text')}" for key, value in row.at if key != "arm")
    return _compared(row, metric_title(row.metric), whom) + point


def arm_label(arm: str) -> str:
    """Return an arm of a decision log in words; an arm of another name keeps it.

    Examples
    --------
    >>> arm_label("explore"), arm_label("third")
    ('where chance decides', 'arm = third')
    """
    return ARMS.get(arm) or f"arm = {safe_label(arm, target='text')}"


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
            others = against["slice"]
            return (
                arm_label(str(others["arm"])) if set(others) == {"arm"} else slice_label(tuple(sorted(others.items())))
            )
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
