"""Scores rolled up: fewer cells give the same estimates, bins of any number, and cells without two decided labels."""

import numpy as np
import pyarrow as pa
import pytest

from audit.counting import count
from audit.estimates import estimate, parts_of
from audit.metrics import METRICS
from audit.predictions import PredictionLog
from audit.rollup import cells_of, partition, without_scores
from audit.score_bins import by_label, moments_of, part_intervals

SCORES = [name for name, metric in METRICS.items() if metric.needs_scores]
DESIGNS = pytest.mark.parametrize(
    "roles", [{}, {"sample_weight": "w"}, {"cluster": "c"}], ids=["plain", "weights", "clusters"]
)


def log(roles, rows=2000, labels=True):
    random = np.random.default_rng(0)
    score = random.beta(1, 2, rows)
    y = pa.array((random.random(rows) < score).astype(int), mask=random.random(rows) < (0.1 if labels else 0.0))
    table = pa.table(
        {
            "y": y,
            "p": (score > 0.4).astype(int),
            "s": score,
            "g": random.choice([*"abc"], rows),
            "h": random.choice([*"xy"], rows),
            "w": random.lognormal(0, 0.5, rows),
            "c": np.arange(rows) // 4,
        }
    )
    return PredictionLog.from_frame(table, y_true="y", y_pred="p", y_score="s", sensitive_features=["g", "h"], **roles)


@DESIGNS
def test_fewer_cells_give_the_same_estimates(roles):
    cells = cells_of(count(log(roles)))
    for features in ([], ["g"], ["g", "h"]):
        slices = partition(cells, features)
        fewer = by_label(cells, slices)
        assert len(fewer[0].n) <= len(cells.n)
        assert (len(fewer[0].n) < len(cells.n) / 1.5) == ("cluster" not in roles and not features)
        assert fewer[0].n.sum() == cells.n.sum()
        for name in SCORES:
            one, two = (estimate(METRICS[name], *made) for made in ((cells, slices), fewer))
            for field in ("value", "n", "df", "error", "slack"):
                before, after = getattr(one, field), getattr(two, field)
                assert (before is None) == (after is None)
                if before is not None:
                    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-12)
            if one.parts is not None:
                for before, after in zip(one.parts, two.parts, strict=True):
                    np.testing.assert_allclose(after, before, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("bins", [250, 500, 60, 7])
def test_any_number_of_bins_is_grouped_into_ten_and_loses_no_row(bins):
    made = cells_of(count(log({}), bins=bins))
    parts = parts_of(made, partition(made, []))
    labelled = moments_of(made, partition(made, [])).weight.sum()
    assert parts.n.sum() == labelled
    assert parts.share.sum() == pytest.approx(1)
    assert (parts.n[0] > 0).sum() == (10 if bins > 7 else 7)


def test_intervals_widen_with_the_comparisons_that_must_hold_at_once():
    made = cells_of(count(log({})))
    parts = parts_of(made, partition(made, ["g"]))
    one, two = (part_intervals(parts, level=0.95, comparisons=m) for m in (1, np.array([1, 5, 50])))
    np.testing.assert_array_equal(one.low[0], two.low[0])
    assert (two.high[2] - two.low[2] > one.high[2] - one.low[2]).all()


def test_cells_that_are_not_of_two_decided_labels_are_refused():
    made = cells_of(count(log({})))
    undecided = made._replace(quadrant=np.where(np.arange(len(made.n)) == 3, -1, made.quadrant))
    slices = partition(made, [])
    for name in SCORES:
        with pytest.raises(ValueError, match=r"see audit\.views\.view_of"):
            estimate(METRICS[name], undecided, slices)
    with pytest.raises(ValueError, match="needs scores, and this tally holds no scores; name y_score"):
        estimate(METRICS["brier_score"], without_scores(made), slices)
