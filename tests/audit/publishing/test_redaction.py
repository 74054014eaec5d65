"""Which rows of a result speak of hidden groups, and what a weighted audit tells of them."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import linprog

from audit.measurement import Measurement
from audit.predictions import PredictionLog
from audit.publishing.redaction import hidden_slices, names_hidden, redacted, speaking_of
from audit.publishing.suppression import suppressed
from audit.result import Alarm, Result
from audit.run import run_audit

C = (("race", "C"),)
RATES = ("count", "selection_rate", "false_positive_rate", "false_negative_rate", "precision", "accuracy")


def row(group=(), *, metric="accuracy", n=90, **more):
    return Measurement(metric=metric, slice=group, value=more.pop("value", 0.5), n=n, method="count", **more)


def gap(reason, *, n=90, metric="accuracy_difference"):
    return row(metric=metric, n=n, against={"kind": "groups", "features": ["race"]}, reason=reason)


SHOWN = [row((("race", "A"),), n=90), row((("race", "B"),), n=80), row(C, n=3)]


@pytest.mark.parametrize(
    "other",
    [
        row(C, metric="brier_score"),
        row((("race", "C"), ("sex", "F")), metric="brier_score"),
        row((("race", "A"),), metric="accuracy_difference", against={"kind": "slice", "slice": {"race": "C"}}),
        gap("between A and C"),
        gap("between A and B", n=3),
        gap("between A and B", n=80, metric="f1_difference"),  # of which nothing says whose n it is
        row(metric="people_cumulative_share", at=(("feature", "race"), ("k", 2))),
        row((("race", "A"),), metric="composition_share", reason="C has 3 of 173 rows"),
    ],
)
def test_what_speaks_of_a_hidden_group_is_left_out(other):
    result = Result(measurements=[*SHOWN, other])
    assert redacted(result, {C}).measurements == tuple(SHOWN[:2])
    assert redacted(result, ()) is result


@pytest.mark.parametrize(
    "other",
    [
        gap("between A and B", n=80),
        gap("between Crown and B", n=80),
        row(metric="brier_score"),
        row((("sex", "C"),)),
        row(metric="harm_concentration_index", at=(("feature", "race"),)),
    ],
)
def test_what_does_not_is_kept(other):
    assert redacted(Result(measurements=[*SHOWN, other]), {C}).measurements == (*SHOWN[:2], other)


def test_alarms_of_hidden_groups_are_left_out():
    alarms = [Alarm(key=each.key(), e_value=31.0, limit=20.0, since=datetime(2026, 1, 5, tzinfo=UTC)) for each in SHOWN]
    assert redacted(Result(measurements=SHOWN, alarms=alarms), {C}).alarms == tuple(alarms[:2])


def test_hostile_and_missing_names_are_found_in_reasons():
    for name in ("<script>alert(1)</script>", "=1+1", "a.b*", "x\ny", "\u202egnp", "(?<!x", None):
        written = "(missing)" if name is None else name
        assert names_hidden(f"between {written} and B", {(("g", name),)})
    assert not names_hidden("between ab and B", {(("g", "a.b*"),), (("g", "a"),)})
    assert not names_hidden(None, {C})
    assert names_hidden("between A and C", {C}, features=["race"])
    assert not names_hidden("between A and C", {C}, features=["sex"])
    assert not speaking_of([], ())(row(C))


def test_models_are_looked_at_only_where_they_are_shown():
    groups = [((("g", name),), n) for name, n in (("a", 90), ("b", 60), ("c", 4))]
    rows = [row(one, n=n, at=(("model_version", model),)) for one, n in groups for model in ("new", "old")]
    result = Result(measurements=rows)
    assert hidden_slices(result, metrics=["accuracy"], min_cell=5) == frozenset()
    assert {value for ((_, value),) in hidden_slices(result, metrics=[], compared=["accuracy"], min_cell=5)} == {
        "b",
        "c",
    }
    assert hidden_slices(result, metrics=[], compared=["accuracy"], min_cell=4) == frozenset()


@pytest.mark.parametrize("tables", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_the_sizes_behind_weighted_rates_are_protected_together(tables):
    """A weighted rate is no count; the counts of labels and decisions that it rests on hold each other all the same."""
    for seed in range(tables):
        rng = np.random.default_rng(seed)
        sizes = [300, 150, *rng.integers(2, 30, 3).tolist()]
        names = np.repeat(["a", "b", "c", "d", "e"], sizes)
        data = {"g": names, "h": rng.choice(["x", "y", "z"], len(names), p=[0.6, 0.36, 0.04])}
        data |= {"y": rng.integers(0, 2, len(names)), "p": rng.integers(0, 2, len(names))}
        data["w"] = rng.choice([0.5, 1.0, 2.0, 7.0], len(names))
        log = PredictionLog.from_frame(
            pa.table(data), y_true="y", y_pred="p", sample_weight="w", sensitive_features=["g", "h"]
        )
        rows = [each for each in run_audit(log).measurements if each.against is None and each.metric in RATES]
        hidden = suppressed(rows, min_cell=6)
        assert hidden >= {each.slice for each in rows if each.n < 6}
        assert all(width >= 5 - 1e-6 for width in open_sizes(data, rows, hidden)), seed


def open_sizes(data, rows, hidden):
    """Return how wide the shown n leave every n of hidden groups: unknown are labels and decisions by crossed group."""
    crossed = sorted({(g, h) for g, h in zip(data["g"], data["h"], strict=True)})
    kinds = {"count": [1, 1, 1, 1], "selection_rate": [1, 1, 1, 1], "accuracy": [1, 1, 1, 1]}
    kinds |= {"false_positive_rate": [1, 1, 0, 0], "false_negative_rate": [0, 0, 1, 1], "precision": [0, 1, 0, 1]}

    def aim(each):
        inside = [all({"g": g, "h": h}[name] == value for name, value in each.slice) for g, h in crossed]
        return np.kron(inside, kinds[each.metric]).astype(float)

    shown = [each for each in rows if each.slice not in hidden]
    facts = {"A_eq": np.array([aim(each) for each in shown]), "b_eq": [each.n for each in shown]}
    for each in rows:
        if each.slice in hidden:
            ends = [linprog(sign * aim(each), **facts) for sign in (1, -1)]
            assert [end.status for end in ends] == [0, 0]
            yield -ends[1].fun - ends[0].fun
