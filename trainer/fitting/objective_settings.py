"""Which objective training minimises, as settings that a checkpoint keeps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from audit.errors import raise_violations

ObjectiveKind = Literal["mean", "class_balanced", "group_balanced", "group_dro", "demographic_parity", "equalized_odds"]
OBJECTIVES: dict[str, str] = {
    "mean": "the mean loss: empirical risk",
    "class_balanced": "the mean loss, each class with the same total weight",
    "group_balanced": "the mean loss, each group with the same total weight",
    "group_dro": "the loss of the groups that fare worst",
    "demographic_parity": "the mean loss, and a penalty where mean scores of groups differ",
    "equalized_odds": "the mean loss, and a penalty where mean scores of groups differ within a class",
}
NEEDS_GROUPS = ("group_balanced", "group_dro", "demographic_parity", "equalized_odds")
LARGEST = 1e6
"""Of eta and strength: times the largest loss that float32 holds, it is still a number."""
OF_WHOLE_BATCHES = ("group_dro", "demographic_parity", "equalized_odds")
"""Objectives that are no mean over rows: cut into parts, a batch would have another gradient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveSettings:
    """What is minimised.

    No objective but the mean leaves probabilities as they are: scores of balanced weights and of group DRO are no
    longer the share of positives, and a temperature does not make them so: compare decisions (`trainer.evidence.prices`
    tells what each buys and costs). Balanced classes are no fairness between groups: where base rates differ, they
    widen the gaps of selection rates.

    Parameters
    ----------
    kind
        One of `OBJECTIVES`.
    groups
        Columns of the frame whose combinations are the groups, the label's own column among them if wanted: the usual
        choice for "group_dro" is label and attribute. A missing value is a value of its own. For "class_balanced" none.
    eta
        For "group_dro": how fast the weights of groups follow their losses, above 0 to 1e6 (0.01 to 0.1 is usual).
    strength
        For "demographic_parity" and "equalized_odds": weight of the penalty, 0 to 1e6; at 0 it is the mean.

    Raises
    ------
    InputError
        If a setting is out of range, groups are missing, or there are groups where none are used; all are listed.

    Examples
    --------
    >>> ObjectiveSettings(kind="group_dro", groups=["income", "sex"]).groups
    ('income', 'sex')
    >>> ObjectiveSettings(kind="group_dro")
    Traceback (most recent call last):
    audit.errors.InputError: objective 'group_dro' needs groups: name columns, such as groups=("sex",)
    """

    kind: ObjectiveKind = "mean"
    groups: tuple[str, ...] = ()
    eta: float = 0.05
    strength: float = 1.0

    def __post_init__(self) -> None:
        groups: object = self.groups
        if isinstance(groups, str):
            raise_violations([f"groups must be a list of columns; came the text {groups!r}: [{groups!r}]"])
        object.__setattr__(self, "groups", tuple(self.groups))
        raise_violations(self._violations())

    def accumulate_violations(self, accumulate: int) -> list[str]:
        """Return what speaks against cutting a batch into so many parts.

        Examples
        --------
        >>> ObjectiveSettings().accumulate_violations(4)
        []
        """
        if accumulate == 1 or self.kind not in OF_WHOLE_BATCHES:
            return []
        return [f"objective {self.kind!r} compares groups of a whole batch, which cannot be cut: accumulate must be 1"]

    def _violations(self) -> list[str]:
        found = []
        if self.kind not in OBJECTIVES:
            return [f"objective must be one of {', '.join(OBJECTIVES)}; came {self.kind!r}"]
        if self.kind in NEEDS_GROUPS and not self.groups:
            found.append(f'objective {self.kind!r} needs groups: name columns, such as groups=("sex",)')
        if self.kind not in NEEDS_GROUPS and self.groups:
            found.append(f"objective {self.kind!r} looks at no groups; came {list(self.groups)}: leave them out")
        found += [f"groups names {name!r} twice" for name in dict.fromkeys(self.groups) if self.groups.count(name) > 1]
        found += _range(self.eta, f"eta must be above 0 and at most {LARGEST:g}", lambda number: number > 0)
        return found + _range(self.strength, f"strength must be from 0 to {LARGEST:g}", lambda number: number >= 0)


def read_objective(record: Mapping[str, Any]) -> ObjectiveSettings:
    """Return the settings whose fields a checkpoint holds; of a record without any, the mean loss.

    Examples
    --------
    >>> from dataclasses import asdict
    >>> settings = ObjectiveSettings(kind="group_balanced", groups=("sex",))
    >>> read_objective(asdict(settings)) == settings
    True
    """
    return ObjectiveSettings(**record)


def _range(number: float, rule: str, fits: Callable[[float], bool]) -> list[str]:
    fine = not isinstance(number, bool) and isinstance(number, int | float) and number <= LARGEST and fits(number)
    return [] if fine else [f"{rule}; came {number!r}"]
