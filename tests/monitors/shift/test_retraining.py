"""Mixes of old and new rows: found best where one is, and no advice where none is shown to be better."""

import numpy as np
import pytest

from audit.alternatives.baselines import fit_gradient_boosting
from audit.causes.samples import Sample
from audit.errors import InputError
from audit.result import Result
from monitors.shift.retraining import SHARES, MixSettings, retraining_mixes


def least_squares(x, y, weight):
    """A linear model of 0 and 1: fast, and as sure as its rows are many."""
    design = np.column_stack([np.ones(len(x)), x]) * np.sqrt(weight)[:, None]
    slopes = np.linalg.lstsq(design, y * np.sqrt(weight), rcond=None)[0]
    return lambda new: np.clip(np.column_stack([np.ones(len(new)), new]) @ slopes, 0, 1)


def people(rng, n, slopes, *, groups=("F", "M"), per_group=None):
    x = rng.normal(size=(n, len(slopes)))
    group = rng.choice(groups, n).astype(object)
    effects = np.array([(per_group or {}).get(name, slopes) for name in group])
    y = (rng.random(n) < 1 / (1 + np.exp(-3 * (x * effects).sum(axis=1)))).astype(int)
    return Sample(features=x, group=group, y=y)


def rows_of(found, metric, which=()):
    return [row for row in found.rows if row.metric == metric and row.slice == which]


def best(found, which=()):
    return rows_of(found, "retraining_best_share", which)[0]


def test_old_rows_that_mislead_are_left_out():
    rng = np.random.default_rng(0)
    found = retraining_mixes(
        people(rng, 1000, [1, -1]), people(rng, 3000, [-1, 1]), least_squares, settings=MixSettings(shares=(0, 0.25, 1))
    )
    errors = {dict(row.at)["k"]: row.value for row in rows_of(found, "retraining_error")}
    assert errors[0] > 0.7
    assert errors[100] < 0.3
    assert best(found).value == 1.0
    assert best(found).reason is None
    differences = rows_of(found, "retraining_error_difference")
    assert {dict(row.at)["k"] for row in differences} == {0, 25}
    assert all(row.low > 0 and row.against == {"kind": "model", "model_version": "100 % new"} for row in differences)
    assert differences[0].value == pytest.approx(errors[0] - errors[100])
    assert Result(measurements=found.rows).to_json()


def test_where_nothing_changed_no_mix_is_shown_to_be_better():
    rng = np.random.default_rng(1)
    found = retraining_mixes(people(rng, 1000, [1, -1]), people(rng, 1500, [1, -1]), least_squares)
    row = best(found)
    assert (row.value, row.low, row.high) == (None, 0.0, 1.0)
    assert row.reason == "no mix is shown to be better: all are still possible (0, 25, 50, 80, 90, 100 % new)"


def test_the_advice_of_eighty_to_ninety_per_cent_is_tested_not_repeated():
    """Half of what mattered before still does: whether old rows help depends on how many new ones there are."""
    rng = np.random.default_rng(2)
    old_rule, new_rule = [1, -1, 1, -1, 0, 0], [1, -1, 0, 0, 1, -1]
    found = retraining_mixes(people(rng, 2000, old_rule), people(rng, 4000, new_rule), least_squares)
    row = best(found)
    # Not shown to be better than leaving all old rows out, however often it is said.
    assert row.high == 1.0
    assert row.low >= 0.5
    assert 0.0 not in (row.low, row.value)


@pytest.mark.parametrize("repeats", [60, pytest.param(400, marks=pytest.mark.slow)])
def test_a_best_mix_is_named_falsely_less_often_than_the_level_allows(repeats):
    rng, named, excluded = np.random.default_rng(3), 0, 0
    for seed in range(repeats):
        found = retraining_mixes(
            people(rng, 150, [1, -1]), people(rng, 300, [1, -1]), least_squares,
            settings=MixSettings(shares=(0, 0.5, 0.9, 1), repeats=4, random_state=seed),
        )  # fmt: skip
        named += best(found).value is not None
        excluded += best(found).value is not None or "all are" not in best(found).reason
    assert named / repeats <= 0.05
    assert excluded / repeats <= 0.05


def test_groups_may_need_another_mix():
    """The rule turned round for F alone."""
    rng = np.random.default_rng(4)
    old = people(rng, 2000, [1, -1])
    new = people(rng, 6000, [1, -1], per_group={"F": [-1, 1]})
    marked = [
        Sample(
            features=np.column_stack([each.features, (each.group == "F")[:, None] * each.features]),
            group=each.group,
            y=each.y,
        )
        for each in (old, new)
    ]
    found = retraining_mixes(*marked, least_squares, feature="sex", settings=MixSettings(shares=(0, 1)))
    assert best(found, (("sex", "F"),)).value == 1.0
    assert best(found, (("sex", "M"),)).value is None
    few = [row for row in found.rows if row.slice == (("sex", "F"),)]
    assert {row.n for row in few} == {int((new.group[4200:] == "F").sum())}


def test_groups_with_few_held_out_rows_say_why():
    rng = np.random.default_rng(5)
    new = people(rng, 400, [1, -1])
    new.group[:] = "M"
    new.group[-10:] = "<script>"
    found = retraining_mixes(
        people(rng, 400, [1, -1]), new, least_squares, feature="g", settings=MixSettings(shares=(0, 1))
    )
    row = best(found, (("g", "<script>"),))
    assert (row.value, row.n) == (None, 10)
    assert row.reason == "10 held-out rows, fewer than 50; hold out more, or wait for more"


def test_the_newest_rows_are_held_out_and_never_fitted_on():
    rng, seen = np.random.default_rng(6), []
    new = people(rng, 500, [1, -1])
    new.features[:, 0] = np.arange(500) + 1000.0

    def fit(x, y, weight):
        seen.append((len(x), x[:, 0].max()))
        return least_squares(x, y, weight)

    retraining_mixes(people(rng, 200, [1, -1]), new, fit, settings=MixSettings(held_out=0.4, repeats=2))
    assert {size for size, _ in seen} == {200}  # every mix has as many rows as the smaller side
    assert max(largest for _, largest in seen) < 1300
    assert len(seen) == 2 * len(SHARES)


def test_models_that_agree_everywhere_leave_room_for_rows_that_were_not_seen():
    rng = np.random.default_rng(7)
    found = retraining_mixes(
        people(rng, 200, [1]), people(rng, 400, [1]), lambda *_: lambda new: np.zeros(len(new)),
        settings=MixSettings(shares=(0, 1)),
    )  # fmt: skip
    row = rows_of(found, "retraining_error_difference")[0]
    assert row.value == 0
    assert row.high == pytest.approx(np.log(40) / 120)
    assert best(found).value is None


def test_it_runs_with_gradient_boosting_and_labels_of_one_class():
    rng = np.random.default_rng(8)
    old = people(rng, 100, [1, -1])
    old.y[:] = 0
    found = retraining_mixes(
        old, people(rng, 400, [1, -1]), fit_gradient_boosting, settings=MixSettings(shares=(0, 1), repeats=2)
    )
    assert best(found).value == 1.0


def test_bad_input_is_named():
    rng = np.random.default_rng(9)
    old, new = people(rng, 20, [1]), people(rng, 400, [1, -1])
    with pytest.raises(InputError, match="7 problems") as error:
        retraining_mixes(
            Sample(features=old.features, group=old.group), new, least_squares,
            settings=MixSettings(shares=(0.5, 0.501), repeats=1, level=1.0, random_state=-1),
        )  # fmt: skip
    for part in ("old rows need labels", "old has 1, new 2", "different whole percents", "got 20 old and 400 new"):
        assert part in str(error.value)
    with pytest.raises(InputError, match=r"held_out must lie in \(0, 1\); got 1"):
        retraining_mixes(new, new, least_squares, settings=MixSettings(held_out=1.0))
