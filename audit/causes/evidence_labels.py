"""Evidence from labels: a world that differs between groups (historical), or a record of it that does (measurement)."""

from dataclasses import replace

import numpy as np

from audit.causes.evidence import (
    Case,
    Evidence,
    compared,
    difference_row,
    effect_verdict,
    limit_sentence,
    mean_row,
    numbers,
    points,
    share_row,
)
from audit.causes.samples import MIN_AUDITED, Mask, Sample
from audit.measurement import Measurement

HISTORICAL_GAP = 0.05
"""True outcomes that differ by less than this between groups are not called historical bias."""


def historical(case: Case) -> Evidence:
    """Return evidence that the outcomes themselves differ between groups, rightly recorded.

    Only audited labels can tell a world that treats groups differently from a record that does. Whether a true
    difference is a wrong that a model should not repeat is a judgement of people: the verdict says that a model which
    is right will repeat it.

    Examples
    --------
    >>> from audit.causes.worlds import planted_world
    >>> world = planted_world("historical")
    >>> case = Case(data=world.data, feature="group", group="B", fit=lambda x, y, w: None, held_out=world.data.y)
    >>> historical(case).verdict, historical(replace(case, data=replace(world.data, audited=None))).verdict
    ('supported', 'not testable')
    """
    at, sample = case.at("historical"), case.data
    mine = sample.group == case.group
    y = np.asarray(sample.y) == 1
    recorded = difference_row(
        "prevalence", case.whom(), at, (y[mine], y[~mine]), level=case.level, together=case.together
    )
    recorded = replace(recorded, reason="recorded labels: neither for nor against; world and record look alike in it")
    known = _audited(sample, case.group)
    if known is None:
        text = (
            f"not testable because too few labels were audited (at least {MIN_AUDITED} per side); the recorded "
            f"outcomes differ by {points(recorded)}, which may be the world or its record"
        )
        return Evidence("historical", "not testable", text, (recorded,))
    true = np.nan_to_num(np.asarray(sample.audited)) == 1
    row = difference_row(
        "audited_prevalence",
        case.whom(),
        at,
        (true[known & mine], true[known & ~mine]),
        level=case.level,
        together=case.together,
    )
    verdict = effect_verdict(*numbers(row), material=HISTORICAL_GAP)
    if verdict == "supported":
        text = (
            f"true outcomes of {case.group} differ by {points(row)}: a model that is right repeats this; whether it "
            "should is for people to decide, not for this table"
        )
    elif verdict == "not supported":
        limit = f"{100 * HISTORICAL_GAP:g} points"
        text = f"true outcomes of {case.group} differ by {points(row)}, not shown to exceed {limit}"
    else:
        text = f"not testable because the audited labels leave it open: {points(row)}; audit more labels"
    return Evidence("historical", verdict, text, (_said(row, verdict, text), recorded))


def measurement(case: Case) -> Evidence:
    """Return evidence that labels are recorded with more or other errors for a group, or its features are missing.

    Audited labels decide. Features that are missing more often are shown beside them.

    Examples
    --------
    >>> from audit.causes.worlds import planted_world
    >>> world = planted_world("measurement")
    >>> case = Case(data=world.data, feature="group", group="B", fit=lambda x, y, w: None, held_out=world.data.y)
    >>> measurement(case).verdict, measurement(replace(case, data=planted_world("none").data)).verdict
    ('supported', 'not supported')
    """
    at, sample = case.at("measurement"), case.data
    mine = sample.group == case.group
    beside = _missing(case, mine)
    known = _audited(sample, case.group)
    if known is None:
        text = (
            f"not testable because too few labels were audited (at least {MIN_AUDITED} per side): have people label a "
            "random sample of both sides again, without seeing the group"
        )
        return Evidence("measurement", "not testable", text, beside)
    wrong = np.asarray(sample.y) != np.asarray(sample.audited)
    shares = [
        share_row("label_error_rate", case.whom(group), at, wrong[known & (sample.group == group)], level=case.level)
        for group in sample.groups
    ]
    row = difference_row(
        "label_error_rate",
        case.whom(),
        at,
        (wrong[known & mine], wrong[known & ~mine]),
        level=case.level,
        together=case.together,
    )
    verdict = effect_verdict(*numbers(row))
    often, by = compared(row, "more often", "less often")
    text = f"recorded labels of {case.group} are wrong {often} than those of others by {by} on audited rows"
    if verdict == "supported":
        text += "; more rows with such labels teach the model the same: mend the label, not the size of the sample"
    elif verdict == "not testable":
        text = f"not testable because the audited labels leave it open: {points(row)}; audit more labels"
    else:
        text += limit_sentence()
    return Evidence("measurement", verdict, text, (_said(row, verdict, text), *shares, *beside))


def _audited(sample: Sample, group: str) -> Mask | None:
    """Return the audited rows; None where they are too few on either side."""
    if sample.audited is None:
        return None
    known = ~np.isnan(sample.audited)
    mine = sample.group == group
    enough = min((known & mine).sum(), (known & ~mine).sum()) >= MIN_AUDITED
    return np.asarray(known) if enough else None


def _missing(case: Case, mine: Mask) -> tuple[Measurement, ...]:
    lacking = case.data.missing
    if lacking is None or not lacking.any():
        return ()
    row = difference_row(
        "rows_with_missing_features", case.whom(), case.at("measurement"), (lacking[mine] > 0, lacking[~mine] > 0),
        level=case.level, together=case.together,
    )  # fmt: skip
    mean = mean_row("missing_feature_share", case.whom(), case.at("measurement"), lacking[mine], level=case.level)
    return row, mean


def _said(row: Measurement, verdict: str, text: str) -> Measurement:
    return replace(row, reason=f"{'speaks for' if verdict == 'supported' else 'does not speak for'}: {text}")
