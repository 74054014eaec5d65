"""One thing that must hold: a metric, of whom, compared with what, within which limits."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from pydantic import AllowInfNan, BeforeValidator, ConfigDict, Field, Strict, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from audit.gaps import End
from audit.measurement import AT_KEYS
from audit.pairs import Compare
from audit.values import canonical
from checklists.comparisons import Comparison, comparison, value_range
from checklists.policy_errors import plain_errors

WindowChoice = Literal["latest", "each"]
MissingLabels = Literal["bounds", "ignore"]
Stage = Literal["ready", "shadow", "supervised", "expand", "general"]


def _group_value(value: object) -> str | None:
    try:
        return canonical(value)
    except TypeError as error:
        raise ValueError(str(error)) from error


GroupValue = Annotated[str | None, BeforeValidator(_group_value)]
Text = Annotated[str, Strict(), Field(min_length=1, pattern=r"\S")]
FeatureName = Annotated[str, Strict(), Field(min_length=1)]
Identifier = Annotated[str, Strict(), Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
MetricName = Annotated[str, Strict(), Field(pattern=r"^[a-z][a-z0-9_]*$")]
Level = Annotated[float, Strict(), Field(gt=0.5, lt=1.0)]
Count = Annotated[int, Strict(), Field(ge=1)]
Limit = Annotated[float, Strict(), AllowInfNan(allow_inf_nan=False)]

FORBID_UNKNOWN = ConfigDict(extra="forbid")


@plain_errors
@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_UNKNOWN)
class Requirement:
    """One thing that must hold, with its limits (inclusive).

    Parameters
    ----------
    id
        Unique name of letters, digits, ``_``, ``.`` and ``-``.
    metric
        A metric of `audit.metrics.catalog`, a named gap, or any metric that the result to be judged holds.
    at
        The point of a curve, as in `audit.measurement.Measurement`; empty = the number itself.
    groups
        Features whose groups are compared; several = their intersections.
    slice
        One slice in place of `groups`; both empty = everyone.
    compare
        "value" (the worst group), "difference" or "ratio" (the largest over all pairs of groups, or of each group
        against `against`), "baseline" (the largest increase over the same group of an earlier result; in
        pairs where a result compares both models on the same rows, as `audit.paired.comparison.run_compare` does).
    against
        The reference group as {feature: value}; needs "difference" or "ratio".
    min, max
        The limits, as fractions; both = equivalence. A value equal to a limit holds.
    level, min_n, missing_labels
        As in `Policy`, for this requirement only.
    window
        "latest" or "each": which windows of a monitored result must hold, of those that are over; the first one, where
        the log begins within it, may fail, but need not hold (`checklists.whole_windows`).
    stages
        Stages of a rollout to which it applies; empty = all.

    Raises
    ------
    InputError
        A `ValueError` that lists every fault.

    Examples
    --------
    >>> Requirement(id="fnr-gap", metric="false_negative_rate", compare="difference", groups=("race",), max=0.05).max
    0.05
    """

    id: Identifier
    metric: MetricName
    at: Mapping[str, str | int | float] = field(default_factory=dict)
    groups: tuple[FeatureName, ...] = ()
    slice: Mapping[str, GroupValue] = field(default_factory=dict)
    compare: Compare = Field(default="value", validate_default=True, kw_only=True)
    against: Mapping[str, GroupValue] = Field(default_factory=dict, validate_default=True, kw_only=True)
    min: Limit | None = None
    max: Limit | None = Field(default=None, validate_default=True, kw_only=True)
    level: Level | None = None
    min_n: Count | None = None
    missing_labels: MissingLabels | None = None
    window: WindowChoice = "latest"
    stages: tuple[Stage, ...] = ()

    @field_validator("at")
    @classmethod
    def _known_at(cls, at: Mapping[str, str | int | float]) -> Mapping[str, str | int | float]:
        unknown = sorted(set(at) - AT_KEYS)
        refuse(unknown, f"expected keys among {', '.join(sorted(AT_KEYS))}; got {', '.join(unknown)}")
        return at

    @field_validator("groups")
    @classmethod
    def _distinct_groups(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        refuse(len(set(groups)) != len(groups), "expected each feature once")
        return groups

    @field_validator("slice")
    @classmethod
    def _groups_or_slice(cls, chosen: Mapping[str, str | None], info: ValidationInfo) -> Mapping[str, str | None]:
        refuse(chosen and info.data.get("groups"), "groups and slice exclude each other; keep one of them")
        return chosen

    @field_validator("compare")
    @classmethod
    def _something_to_compare(cls, compare: Compare, info: ValidationInfo) -> Compare:
        metric = info.data.get("metric", "")
        compared = comparison(metric, compare)
        if compared is not None:
            gap_already = compare != "value" and compared == comparison(metric, "value")
            refuse(gap_already, f"{metric} is a gap already; leave compare out")
            whom = info.data.get("groups") or info.data.get("slice")
            refuse(compared.is_gap and not whom, "a gap lies between groups; name features in groups, such as [race]")
        return compare

    @field_validator("against")
    @classmethod
    def _reference_fits(cls, against: Mapping[str, str | None], info: ValidationInfo) -> Mapping[str, str | None]:
        gap = (compared := _compared(info)) is not None and compared.is_gap
        refuse(
            against and compared and not gap, "against names a reference group for compare: difference or ratio only"
        )
        chosen = info.data.get("slice") or {}
        refuse(gap and chosen and not against, "one slice is compared with another; name the other in against")
        whom = set(info.data.get("groups") or chosen)
        refuse(against and whom and set(against) != whom, f"expected a value for each of {', '.join(sorted(whom))}")
        refuse(against and against == chosen, "a slice cannot be compared with itself")
        return against

    @field_validator("min", "max")
    @classmethod
    def _limit_decides(cls, limit: float | None, info: ValidationInfo) -> float | None:
        compared = _compared(info)
        if limit is None or compared is None:
            return limit
        signed = bool(info.data.get("against"))
        end: End = "min" if info.field_name == "min" else "max"
        refuse(
            end == "min" and compared.compare == "difference" and not signed,
            "the largest gap has no smallest allowed value; use max, or name a reference group in against",
        )
        low, high = value_range(compared, end=end, signed=signed)
        decides = low < limit <= high if end == "min" else low <= limit < high
        refuse(
            not decides,
            f"expected a limit that some values in [{low:g}, {high:g}] meet and others miss (rates are fractions: 5 % "
            f"is 0.05); got {limit:g}",
        )
        return limit

    @field_validator("max")
    @classmethod
    def _limits_in_order(cls, limit: float | None, info: ValidationInfo) -> float | None:
        if "min" not in info.data:
            return limit
        smallest = info.data["min"]
        refuse(limit is None and smallest is None, "expected a limit: min, max or both; got neither")
        crossed = limit is not None and smallest is not None and smallest > limit
        refuse(crossed, f"expected min <= max; got min {smallest} and max {limit}")
        return limit


def refuse(fault: object, message: str) -> None:
    """Raise a `ValueError` with the message where there is a fault (anything true).

    Examples
    --------
    >>> refuse([], "unknown keys")
    >>> refuse(["colour"], "unknown keys: colour")
    Traceback (most recent call last):
    ValueError: unknown keys: colour
    """
    if fault:
        raise ValueError(message)


def _compared(info: ValidationInfo) -> Comparison | None:
    """Return what is compared; None where the catalog does not know it, or metric or compare are at fault."""
    if "metric" not in info.data or "compare" not in info.data:
        return None
    return comparison(info.data["metric"], info.data["compare"])
