"""A first policy for a newcomer: the limits that the data at hand can decide, written out with the reasons."""

import re
from collections.abc import Iterable, Iterator
from math import ceil

from audit.gaps import group_label, slice_value
from audit.measurement import EVERYONE
from audit.metrics.catalog import METRICS
from audit.result import Result
from checklists.planning import Plan, PlanRow, decidable_gap, standard_error
from checklists.policy import SCHEMA
from checklists.wording import legible

GATED = ("false_negative_rate", "false_positive_rate", "selection_rate")
"""Whom a model misses, whom it flags wrongly, whom it selects."""

NO_WORSE = 0.02
_LONG_KEY = 200


def policy_template(result: Result, plan: Plan) -> str:
    """Return a policy as YAML text with comments: what the data can decide, for people to change and sign.

    Gated: the largest difference of a few rates between the groups of each feature, at the smallest limit that equal
    groups would pass, rounded up to .01; and that the rates get no worse than in the last run. Intersections of
    features are reported, not gated. Groups with too few rows are counted in comments.

    Parameters
    ----------
    result
        The audit that the plan was made of.
    plan
        What its rows can decide.

    Examples
    --------
    >>> import pandas as pd
    >>> from audit.predictions import PredictionLog
    >>> from audit.run import run_audit
    >>> from checklists.planning import plan
    >>> frame = pd.DataFrame({"label": [1, 0] * 200, "flagged": [1, 0, 0, 1] * 100, "sex": list("FMMFF") * 80})
    >>> log = PredictionLog.from_frame(frame, y_true="label", y_pred="flagged", sensitive_features=["sex"])
    >>> result = run_audit(log)
    >>> text = policy_template(result, plan(result))
    >>> [line for line in text.splitlines() if "selection-rate-gap" in line]
    ['  - {id: sex-selection-rate-gap, metric: selection_rate, compare: difference, groups: ["sex"], max: 0.17}']
    """
    rows = [row for row in plan.rows if row.metric in GATED]
    usable = tuple(name for name in GATED if any(row.metric == name and any(n for _, n in row.sizes) for row in rows))
    features = list(dict.fromkeys(row.feature for row in rows))
    by_feature = {name: [row for row in rows if row.feature == name and row.metric in usable] for name in features}
    expected = {name: _enough_everywhere(by_feature[name]) for name in features}
    lines = [
        f"# A first policy, made from the result {result.digest()[:16]}. Its limits are the smallest that the rows can",
        "# decide, not what is right: people have to say which differences they accept, and put their limits here.",
        f"schema: {SCHEMA}",
        "profile: team        # solo | team | regulated",
        f"level: {plan.level}",
        f"min_n: {plan.min_n}            # fewer rows in a denominator: not shown",
        "min_cell: 10         # fewer rows: hidden in anything published",
        *_expect_lines(expected),
        "requirements:",
        *_gap_lines(by_feature, expected, plan.level),
        "  # Intersections of features are reported in every audit and not gated here: most hold too few rows.",
        "  # Where no limit is known: no worse than in the last run, which `--baseline RUN` names.",
        *_no_worse_lines(result, usable, plan.level),
        *_too_small_lines(by_feature, expected, plan.min_n),
    ]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    r"""Return a text as a double-quoted YAML scalar that reads back to exactly the same text.

    Examples
    --------
    >>> print(quoted('no: "end"\n!!python/none'))
    "no: \"end\"\n!!python/none"
    """
    return '"' + "".join(_character(char) for char in text) + '"'


def _character(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char == "\n":
        return "\\n"
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _enough_everywhere(rows: Iterable[PlanRow]) -> tuple[str, ...]:
    """Return the groups that have enough rows in every metric, in their order."""
    lists = [row.enough for row in rows]
    return tuple(group for group in lists[0] if all(group in other for other in lists)) if lists else ()


def _expect_lines(expected: dict[str, tuple[str, ...]]) -> Iterator[str]:
    named = {feature: groups for feature, groups in expected.items() if groups}
    yield "expect:              # groups that must be there" if named else "expect: {}"
    for feature, groups in named.items():
        key, values = quoted(feature), ", ".join(map(quoted, groups))
        # A plain YAML key may have 1,024 characters at most.
        yield f"  ? {key}\n  : [{values}]" if len(key) > _LONG_KEY else f"  {key}: [{values}]"


def _gap_lines(
    by_feature: dict[str, list[PlanRow]], expected: dict[str, tuple[str, ...]], level: float
) -> Iterator[str]:
    ids = _ids(by_feature)
    for feature, rows in by_feature.items():
        for row in rows:
            what = f"{row.metric} by {legible(feature)}"
            errors = [error for group, error in row.errors if group in expected[feature]]
            limit = _rounded_up(decidable_gap(errors, level=level)) if len(errors) > 1 else 1.0
            if limit >= 1:
                yield f"  # {what}: too few rows to decide any gap between groups."
                continue
            sizes = _sizes(row, expected[feature])
            yield f"  # {what}: equal groups of this size would pass {limit:g} four times in five ({sizes})."
            name = f"{ids[feature]}-{row.metric.replace('_', '-')}-gap"
            yield (
                f"  - {{id: {name}, metric: {row.metric}, compare: difference, groups: [{quoted(feature)}], "
                f"max: {limit:g}}}"
            )


def _no_worse_lines(result: Result, usable: tuple[str, ...], level: float) -> Iterator[str]:
    for metric in usable:
        limit = NO_WORSE
        if result.tally is not None:
            error = standard_error(slice_value(result.tally, metric, slice=EVERYONE, level=level)) or 0.0
            limit = min(max(limit, _rounded_up(decidable_gap([error, error], level=level))), 0.99)
        limits = f"max: {limit:g}" if METRICS[metric].better == "lower" else f"min: -{limit:g}, max: {limit:g}"
        yield f"  - {{id: no-worse-{metric.replace('_', '-')}, metric: {metric}, compare: baseline, {limits}}}"


def _too_small_lines(
    by_feature: dict[str, list[PlanRow]], expected: dict[str, tuple[str, ...]], min_n: int
) -> Iterator[str]:
    yield "# A PASS says nothing of groups outside `expect`; one with enough rows can fail. To answer for one that has"
    yield "# too few, add it to `expect` and fill in a line below: who says so, and until when."
    yield "not_auditable: []"
    for feature, rows in by_feature.items():
        groups = [group for group, _ in rows[0].sizes if group is not None] if rows else []
        for group in groups:
            if group in expected[feature]:
                continue
            counts = ", ".join(f"{dict(row.sizes)[group]} with {METRICS[row.metric].needs}" for row in rows)
            where = f"{quoted(feature)}: {quoted(group)}"
            reason = quoted(f"fewer than {min_n}: {counts}")
            yield f"#  - {{slice: {{{where}}}, reason: {reason}, owner: ..., expires: YYYY-MM-DD}}"


def _rounded_up(value: float) -> float:
    return ceil(value * 100 - 1e-9) / 100


def _sizes(row: PlanRow, groups: Iterable[str]) -> str:
    sizes = dict(row.sizes)
    return "n: " + ", ".join(f"{legible(group_label((group,)))} {sizes[group]}" for group in groups)


def _ids(features: Iterable[str]) -> dict[str, str]:
    """Return a name for each feature that may stand in an id; numbered where two would be alike."""
    names: dict[str, str] = {}
    for number, feature in enumerate(features, start=1):
        slug = re.sub(r"[^A-Za-z0-9]+", "-", feature).strip("-")[:40] or "feature"
        names[feature] = slug if slug not in names.values() else f"{slug}-{number}"
    return names
