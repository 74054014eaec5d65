"""Which rows to have labelled: drawn at random within each group, by a seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import narwhals.stable.v2 as nw
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from audit.counting import joint_cells
from audit.errors import InputError, raise_violations
from audit.predictions import PredictionLog
from audit.values import canonical_array
from monitors.performance.staged_times import place_of, staged
from monitors.windows import Windows


class LabelPlan(NamedTuple):
    """Rows to be labelled: their ids, the group that each was drawn from, and the chance that it had to be drawn.

    `rows` has the columns ``prediction_id``, the feature, and ``chance``.

    Examples
    --------
    >>> LabelPlan("sex", pa.table({"prediction_id": ["7"], "sex": ["F"], "chance": [0.5]}), 0).rows.num_rows
    1
    """

    feature: str | None
    rows: pa.Table
    seed: int

    def write(self, path: Path) -> None:
        """Write the plan as Parquet, or as CSV where the name does not end in .parquet."""
        if path.suffix == ".parquet":
            pq.write_table(self.rows, path)
        else:
            pa_csv.write_csv(self.rows, path)


def label_plan(
    log: PredictionLog,
    wanted: Mapping[str | None, int],
    *,
    feature: str | None,
    windows: Windows | None = None,
    seed: int = 0,
) -> LabelPlan:
    """Draw rows without a label, at random within each group, the same for a seed whatever the order of the rows.

    Parameters
    ----------
    log
        The predictions, with the role prediction_id.
    wanted
        How many rows of each group; all that there are where a group has fewer. ``{None: 100}`` without a feature.
    feature
        The sensitive feature whose groups are meant; None = everyone.
    windows
        Only rows in these windows; None = all.
    seed
        Of the draw. Each group is drawn by itself: asking for another group changes no one's rows.

    Raises
    ------
    InputError
        If the log names no ids, an id stands twice, the feature does not exist, or a group has no rows.

    Examples
    --------
    >>> frame = pa.table({"y": ["1", None, None, None], "p": ["1"] * 4, "id": ["a", "b", "c", "d"], "g": ["u"] * 4})
    >>> log = PredictionLog.from_frame(frame, y_true="y", y_pred="p", prediction_id="id", sensitive_features=["g"])
    >>> plan = label_plan(log, {"u": 2}, feature="g")
    >>> plan.rows.num_rows, set(plan.rows["prediction_id"].to_pylist()) <= {"b", "c", "d"}
    (2, True)
    """
    faults = [] if "prediction_id" in log.columns else ["prediction_id is not named; rows are asked for by their ids"]
    if feature is not None and feature not in log.sensitive_features:
        faults.append(f"no sensitive feature {feature!r}; expected one of {list(log.sensitive_features)}")
    faults += [f"wanted of {group!r} must be at least 1; got {rows}" for group, rows in wanted.items() if rows < 1]
    raise_violations(faults)
    ids, groups = _open_rows(log, feature, windows)
    raise_violations(_group_faults(wanted, groups, ids))
    parts = []
    for group, number in wanted.items():
        own = sorted(ids[groups == group].tolist())
        take = min(number, len(own))
        draw = np.random.default_rng([seed, crc32(repr(group).encode())]).choice(len(own), take, replace=False)
        parts += [(name, group, take / len(own)) for name in (own[place] for place in sorted(draw.tolist()))]
    columns = {"prediction_id": pa.array([part[0] for part in parts], pa.string())}
    if feature is not None:
        columns[feature] = pa.array([part[1] for part in parts], pa.string())
    return LabelPlan(feature, pa.table(columns | {"chance": pa.array([part[2] for part in parts])}), seed)


def _open_rows(
    log: PredictionLog, feature: str | None, windows: Windows | None
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    keys = {"prediction_id": nw.col("prediction_id")}
    if windows is not None:
        keys["window"] = place_of(windows)
    timed = log if windows is None else staged(log, "timestamp")
    cells = joint_cells(timed, bins=1, keys=keys).cells
    keep = cells["y_true"].is_null().to_numpy()
    if windows is not None:
        keep &= cells["window"].to_numpy() >= 0
    cells = cells.filter(pa.array(keep))
    ids = np.array(canonical_array(cells["prediction_id"]).to_pylist(), dtype=object)
    names = [None] * len(ids) if feature is None else cells[f"slice.{feature}"].to_pylist()
    if any(name is None for name in ids.tolist()) or (cells["n"].to_numpy() > 1).any():
        raise InputError(["prediction_id: every row needs an id of its own; complete or mend them"])
    return ids, np.array(names, dtype=object)


def _group_faults(
    wanted: Mapping[str | None, int], groups: npt.NDArray[np.object_], ids: npt.NDArray[np.object_]
) -> list[str]:
    there = set(groups.tolist())
    shown = ", ".join(sorted(map(repr, there))[:20]) or "none"
    found = [
        f"no row without a label in group {group!r}; there are such rows in {shown}"
        for group in wanted
        if group not in there
    ]
    return found + (
        ["prediction_id: an id stands twice; rows cannot be told apart"] if len(set(ids.tolist())) < len(ids) else []
    )
