"""Which groups an objective looked at as training went, as rows beside the history."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from audit.measurement import Measurement, as_slice
from trainer.fitting.groups import train_grouping
from trainer.history import Cycle, EpochRow, rows_of_cycle

if TYPE_CHECKING:
    from trainer.learner import Learner


def group_weight_rows(learner: "Learner") -> tuple[Measurement, ...]:
    """Return the mean weight of each group in each epoch of group DRO; nothing for other objectives.

    Where all weight is on one group from early on, it is the one that cannot be learnt better; where weights wander,
    `eta` is large. They start at 1 / number of groups.

    Parameters
    ----------
    learner
        Trained on data that it still holds.

    Returns
    -------
    tuple of Measurement
        ``group_weight`` in [0, 1] of each group's slice, at its epoch (``at.round``); n is the group's train rows.

    Raises
    ------
    InputError
        If the learner holds no data.

    Examples
    --------
    >>> import pandas as pd
    >>> from trainer.data.columns import Columns
    >>> from trainer.data.splits import split_rows
    >>> from trainer.data.table import Table
    >>> from trainer.fitting.objective_settings import ObjectiveSettings
    >>> from trainer.history import Recipe
    >>> from trainer.learner import Learner
    >>> frame = pd.DataFrame({"age": range(200), "sex": ["f", "m"] * 100, "paid": [0] * 90 + [1] * 110})
    >>> table = Table.from_frame(frame, columns=Columns(y="paid"), split=split_rows(200, seed=1))
    >>> learner = Learner(table, device="cpu")
    >>> objective = ObjectiveSettings(kind="group_dro", groups=("sex",))
    >>> history = learner.fit_one_cycle(1, recipe=Recipe(objective=objective))
    >>> [(dict(row.slice), row.at, row.n) for row in group_weight_rows(learner)]
    [({'sex': 'f'}, (('round', 1),), 58), ({'sex': 'm'}, (('round', 1),), 62)]
    """
    found: list[Measurement] = []
    for number, cycle in enumerate(learner.cycles, 1):
        found += _of_cycle(learner, cycle, rows_of_cycle(learner.history, number))
    return tuple(found)


def _of_cycle(learner: "Learner", cycle: Cycle, epochs: tuple[EpochRow, ...]) -> Iterator[Measurement]:
    if not any(epoch.group_weights for epoch in epochs):
        return
    data = learner.training_data()[0]
    grouping = train_grouping(data, cycle.recipe.objective.groups)
    rows = grouping.totals(data.split.train)
    for epoch in epochs:
        weights = epoch.group_weights or {}
        for name, values, n in zip(grouping.names, grouping.values, rows, strict=True):
            if name in weights:
                yield Measurement(
                    metric="group_weight",
                    slice=as_slice(dict(zip(grouping.columns, values, strict=True))),
                    at=(("round", epoch.epoch),),
                    value=weights[name],
                    n=int(n),
                    method="mean",
                )
