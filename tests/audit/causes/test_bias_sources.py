import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from audit.causes.bias_sources import bias_sources, named_sources, verdict_of
from audit.causes.evidence import SOURCES, Case, compared
from audit.causes.evidence_composition import MIN_MEASURED, evaluation
from audit.causes.evidence_models import balancing_weights
from audit.causes.learning_curves import FITTED, LearningCurve, learning_curve
from audit.causes.samples import Sample, predictions
from audit.causes.worlds import hiring_world, planted_world, smile_world
from audit.errors import InputError
from audit.measurement import Measurement
from audit.result import Result

NONE = ()


def ridge(x, y, weight):
    """Fit the fastest model that will do: weighted least squares of the label."""
    rows = np.hstack([x, np.ones((len(x), 1))])
    beta = np.linalg.solve(rows.T @ (rows * weight[:, None]) + 1e-3 * np.eye(rows.shape[1]), rows.T @ (weight * y))
    return lambda new: np.hstack([new, np.ones((len(new), 1))]) @ beta


def audited(planted, seed, **changes):
    world = planted_world(planted, random_state=seed)
    asked = {
        "population": world.population,
        "benchmark": world.benchmark,
        "deployment_rows": world.deployment,
        "random_state": seed,
    }
    return bias_sources(world.data, ridge, feature="team", **(asked | changes))


def confusion(runs):
    """Return how often each set of sources is named for each planted one."""
    return {
        planted: Counter(named_sources(audited(planted, seed)) for seed in range(runs))
        for planted in ("none", *SOURCES)
    }


def reason_of(result, source):
    """Return the verdict row of one source."""
    return next(r for r in result.measurements if r.metric == "bias_source" and dict(r.at)["class"] == source)


def zero(x, y, weight):
    """Fit nothing: every label is 0, so that a row is wrong where its label is 1."""
    return lambda new: np.zeros(len(new))


def plain(group, y, **columns):
    group = np.asarray(group, dtype=object)
    return Sample(features=np.zeros((len(group), 1)), group=group, y=y, **columns)


def check(found, runs, *, right, alarms):
    lines = [" | ".join(["planted", "nothing", *SOURCES, "several"])]
    for planted, named in found.items():
        row = [named[NONE], *(named[source,] for source in SOURCES)]
        lines.append(" | ".join([planted, *map(str, row), str(runs - sum(row))]))
    sys.stdout.write("\n".join(lines) + "\n")
    for planted, named in found.items():
        assert named[NONE if planted == "none" else (planted,)] >= right * runs, planted
    assert runs - found["none"][NONE] <= alarms * runs


def test_the_planted_source_is_the_one_that_is_named():
    check(confusion(2), 2, right=1.0, alarms=0.0)


@pytest.mark.slow
def test_the_planted_source_is_the_one_that_is_named_over_many_worlds():
    check(confusion(30), 30, right=0.8, alarms=0.1)


def test_every_verdict_comes_with_a_sentence_and_numbers():
    result = audited("measurement", 1)
    verdicts = {dict(row.at)["class"]: row for row in result.measurements if row.metric == "bias_source"}
    assert tuple(verdicts) == SOURCES
    for source, row in verdicts.items():
        assert row.reason
        assert row.slice == (("team", "B"),)
        evidence = [each for each in result.measurements if dict(each.at).get("class") == source and each is not row]
        assert all(each.n for each in evidence)
        assert evidence
    assert verdict_of(verdicts["measurement"]) == "supported"
    assert "mend the label, not the size of the sample" in verdicts["measurement"].reason
    assert Result.from_json(result.to_json()) == result


def test_what_is_not_given_is_not_testable_and_says_what_is_missing():
    world = planted_world("none", n=1200)
    result = bias_sources(replace(world.data, audited=None), ridge)
    reasons = {dict(row.at)["class"]: row.reason for row in result.measurements if row.metric == "bias_source"}
    assert named_sources(result) == NONE
    for source in ("historical", "measurement", "evaluation", "deployment"):
        assert reasons[source].startswith("not testable because ")
    assert "too few labels were audited" in reasons["measurement"]
    assert "no rows from deployment were given" in reasons["deployment"]


def test_more_women_help_the_smile_detector_and_not_the_hiring_model():
    """One parable, two worlds: labels that are right but few, and labels that are many but wrong."""
    smile = learning_curve(smile_world(), ridge, group="woman", repeats=4)
    hiring = learning_curve(hiring_world(), ridge, group="woman", score="false_negative_rate", repeats=4)
    helped, stayed = (curve.gain(4 * int(curve.sizes[-1])) for curve in (smile, hiring))
    assert helped.low > 0.01
    assert helped.value > 0.03
    assert stayed.low < 0.02
    assert hiring.errors[-1] > 0.3  # of truly qualified women, as many are missed as before
    result = bias_sources(hiring_world(), ridge, feature="sex", group="woman")
    assert "measurement" in named_sources(result)
    assert "representation" not in named_sources(result)


def test_the_gain_that_was_expected_comes_when_the_rows_come():
    """Doubling a rare group's rows lowers its error by about what the curve said, over repeated worlds."""
    expected, came, held = [], [], 0
    for seed in range(8):
        few, more = (smile_world(n=3000, women=share, random_state=seed) for share in (0.06, 0.12))
        curve = learning_curve(few, ridge, group="woman", random_state=seed)
        gain = curve.gain(2 * int(curve.sizes[-1]))
        after = learning_curve(more, ridge, group="woman", random_state=seed).errors[-1]
        expected.append(gain.value)
        came.append(curve.errors[-1] - after)
        held += gain.low - 0.05 <= came[-1] <= gain.high + 0.05  # two samples of 180 and 360 women differ on their own
    assert np.mean(expected) == pytest.approx(np.mean(came), abs=0.025)
    assert held >= 6


def test_the_interval_of_a_flat_curve_holds_zero():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        chance = rng.random((80, 1)) < 0.3
        losses = np.where(rng.random((80, 5)) < 0.7, chance, rng.random((80, 5)) < 0.3).astype(float)
        curve = LearningCurve(
            group="B", score="error_rate", sizes=np.array([10, 20, 40, 80, 160]), losses=losses, level=0.95
        )
        gain = curve.gain(320)
        hits += gain.low <= 0 <= gain.high
    assert hits >= 182


def test_the_curve_extrapolates_its_own_form_exactly():
    sizes = np.array([25, 50, 100, 200, 400])
    for form, end in ((5 / sizes, "value"), (0.5 / np.sqrt(sizes), "high")):
        losses = np.tile(0.1 + form, (4, 1))
        gain = LearningCurve(group="B", score="error_rate", sizes=sizes, losses=losses, level=0.95).gain(1600)
        wanted = 5 / 400 - 5 / 1600 if end == "value" else 0.5 / 20 - 0.5 / 40
        assert getattr(gain, end) == pytest.approx(wanted)
    assert len(sizes) > FITTED


def test_balanced_weights_balance():
    rng = np.random.default_rng(1)
    group = rng.choice(["a", "b", "c"], 300, p=[0.7, 0.2, 0.1])
    sample = Sample(features=np.zeros((300, 1)), group=group.astype(object), y=(rng.random(300) < 0.2).astype(int))
    weight = balancing_weights(sample)
    totals = [weight[(group == name) & (sample.y == label)].sum() for name in "abc" for label in (0, 1)]
    assert totals == pytest.approx([50.0] * 6)


def test_a_group_of_deployment_that_the_benchmark_lacks_is_named():
    world = planted_world("none", n=1000)
    only_a = world.benchmark.take(world.benchmark.group == "A")
    result = bias_sources(world.data, ridge, benchmark=only_a, deployment_rows=world.deployment, group="B")
    row = next(
        row for row in result.measurements if row.metric == "bias_source" and dict(row.at)["class"] == "evaluation"
    )
    assert row.value == 1
    assert "B occur in deployment and in no row of the benchmark" in row.reason


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"y": None}, "have no labels"),
        ({"y": np.zeros(300, dtype=int)}, "all 300 labels are the same"),
        ({"group": np.array(["A"] * 300, dtype=object)}, "expected at least two groups"),
    ],
)
def test_data_without_a_question_are_refused(changes, said):
    rng = np.random.default_rng(0)
    columns = {
        "features": rng.normal(size=(300, 2)),
        "group": np.array(["A", "B"] * 150, dtype=object),
        "y": rng.integers(0, 2, 300),
    }
    with pytest.raises(InputError, match=said):
        bias_sources(Sample(**(columns | changes)), ridge)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"group": "Z"}, "there is no group 'Z'"),
        ({"population": {"A": 0.0, "B": 0.0}}, "population must hold shares or counts"),
        ({"population": {"A": float("nan")}}, "population must hold shares or counts"),
        ({"level": 1.5}, "level must lie in"),
        ({"random_state": -1}, "random_state must be a whole number from 0 to 4294967295; got -1"),
    ],
)
def test_wrong_options_are_refused(options, said):
    with pytest.raises(InputError, match=said):
        bias_sources(planted_world("none", n=300).data, ridge, **options)


def test_bad_samples_list_every_violation():
    with pytest.raises(InputError) as error:
        Sample(
            features=np.array([[np.nan], [1.0], [2.0]]),
            group=np.array(["A", 7, "B"], dtype=object),
            y=np.array([0, 2, 1]),
            audited=np.array([0.0, 0.5]),
        )
    text = str(error.value)
    for said in (
        "features must be finite numbers; rows [0]",
        "y must hold 0 and 1 only; found [2]",
        "audited has 2 rows",
    ):
        assert said in text
    assert "group must hold texts" in text


@pytest.mark.parametrize(
    ("predict", "said"),
    [
        (lambda x: np.zeros((len(x), 2)), "one number per row"),
        (lambda x: np.full(len(x), np.nan), "3 values that are not finite"),
        (lambda x: ["yes"] * len(x), "one number per row"),
        (lambda _: 1.0, "one number per row"),
    ],
)
def test_a_model_that_returns_something_else_is_refused(predict, said):
    with pytest.raises(InputError, match=said):
        predictions(predict, np.zeros((3, 1)))


def test_few_rows_of_a_group_are_not_testable_instead_of_a_guess():
    world = planted_world("none", n=600, random_state=2)
    rare = np.flatnonzero(world.data.group == "B")[:12]
    data = world.data.take(np.concatenate([np.flatnonzero(world.data.group == "A"), rare]))
    result = bias_sources(data, ridge, group="B", population={"A": 0.5, "B": 0.5})
    row = next(row for row in result.measurements if dict(row.at).get("class") == "representation")
    assert row.value is None
    assert "group 'B' has 12 rows to score, fewer than 40; collect more" in row.reason


def test_ten_equal_groups_have_no_source_and_the_worst_of_them_no_gap():
    rng, found, named, runs = np.random.default_rng(0), 0, 0, 25
    for _ in range(runs):
        group = np.repeat([f"g{place}" for place in range(10)], 100)
        result = bias_sources(plain(group, (rng.random(1000) < 0.2).astype(int)), zero, feature="team")
        row = next(row for row in result.measurements if row.metric == "held_out_error_rate_difference")
        found, named = found + (row.low > 0), named + bool(named_sources(result))
        assert "simultaneous over 10" in row.method
    assert found <= 0.1 * runs  # 21 % before the choice of the group was allowed for
    assert named == 0


def test_a_group_that_was_named_beforehand_is_one_comparison():
    group, y = np.repeat(["a", "b", "c"], 100), np.arange(300) % 5 == 0
    result = bias_sources(plain(group, y.astype(int)), zero, group="a")
    row = next(row for row in result.measurements if row.metric == "held_out_error_rate_difference")
    assert row.method == "agresti_caffo"


def reversed_groups(sizes, effects, rng):
    """Return rows of which the feature means as much as `effects` say, by group."""
    group = np.repeat(list(sizes), list(sizes.values()))
    x = rng.normal(size=(len(group), 1))
    slope = np.array([effects[name] for name in group])
    y = (slope * x[:, 0] + rng.normal(size=len(group)) > 0).astype(int)
    return Sample(features=x, group=group.astype(object), y=y)


def test_aggregation_names_the_group_that_is_far_off_beside_precise_ones():
    rng = np.random.default_rng(3)
    data = reversed_groups({"A": 1500, "B": 300, "C": 300}, {"A": 2, "B": 2, "C": -2}, rng)
    row = reason_of(bias_sources(data, ridge, group="A"), "aggregation")
    assert row.value == 1
    assert "errs more often on C (not A, the group in question) than a model of its own" in row.reason
    assert " on A " not in row.reason


def test_aggregation_says_which_groups_leave_it_open():
    rng = np.random.default_rng(3)
    data = reversed_groups({"A": 1500, "B": 110, "C": 90}, {"A": 2, "B": -0.3, "C": -5}, rng)
    result = bias_sources(data, ridge, group="C")
    row = reason_of(result, "aggregation")
    assert row.value is None
    assert "errs more often on B (not C, the group in question) than a model of its own by +" in row.reason
    assert "C has 90 rows, fewer than 100" in row.reason


@pytest.mark.parametrize(("rows", "share"), [(6, 0.1), (25, 0.1), (60, 0.05)])
def test_what_deployment_changes_is_covered_and_seldom_a_false_alarm(rows, share):
    rng, runs, covered, said = np.random.default_rng(0), 300, 0, Counter()
    held_out = np.zeros(600 + rows, dtype=int)
    used = plain(np.repeat(["A", "B"], 500), None)
    for _ in range(runs):
        data = plain(["A"] * 600 + ["B"] * rows, (rng.random(600 + rows) < share).astype(int))
        case = Case(data=data, feature="team", group="B", fit=zero, held_out=held_out, deployment=used)
        found = evaluation(case)
        row, said = found.measurements[0], said + Counter([found.verdict])
        covered += row.low <= 0 <= row.high  # both groups err alike: the mix changes nothing
    assert covered >= 0.93 * runs
    assert said["supported"] <= 0.05 * runs
    if rows < MIN_MEASURED:
        assert said == {"not testable": runs}
        assert f"fewer than {MIN_MEASURED} rows of B" in found.sentence


def test_more_than_two_groups_are_weighted_as_in_use():
    rng = np.random.default_rng(5)
    group = np.repeat(["A", "B", "C"], [3000, 1000, 1000])
    y = rng.random(5000) < np.repeat([0.1, 0.1, 0.6], [3000, 1000, 1000])
    used = plain(np.repeat(["A", "B", "C"], [500, 500, 3000]), None)
    result = bias_sources(plain(group, y.astype(int)), zero, deployment_rows=used, group="C")
    assert named_sources(result) == ("evaluation",)
    row = next(r for r in result.measurements if r.metric == "error_rate_difference" and r.slice == ())
    assert row.low < 0.55 * 0.5 < row.high  # C goes from 20 % to 75 % of the rows, and errs by 50 points more


def test_outcomes_that_are_known_for_some_leave_everyone_in_the_composition():
    rng = np.random.default_rng(1)
    group = np.repeat(["F", "M"], 500)
    data = plain(group, rng.integers(0, 2, 1000))
    known = rng.random(1000) < np.where(group == "M", 0.9, 0.1)
    used = plain(group, np.where(known, data.y, 0), labelled=known)
    result = bias_sources(data, zero, deployment_rows=used, group="F")
    share = next(row for row in result.measurements if row.metric == "composition_difference")
    assert share.value == 0
    changed = [row for row in result.measurements if dict(row.at).get("class") == "deployment" and row.slice]
    assert {dict(row.slice)["group"]: row.n for row in changed if row.metric == "error_rate_difference"} == {
        "F": known[:500].sum(), "M": known[500:].sum()
    }  # fmt: skip


@pytest.mark.parametrize(
    ("population", "said"),
    [
        ({"female": 0.5, "male": 0.5}, r"shares no group with the data: it names \['female', 'male'\], .*\['A', 'B'\]"),
        ({"A": 1.0}, r"lacks \['B'\] of the data: it names \['A'\], the data hold \['A', 'B'\]"),
    ],
)
def test_a_population_of_other_names_is_refused(population, said):
    with pytest.raises(InputError, match=said):
        bias_sources(planted_world("none", n=300).data, ridge, population=population)


def test_sentences_follow_the_sign():
    row = Measurement(metric="x", value=-0.002, low=-0.004, high=0.001, n=9, method="student")
    assert compared(row, "more often", "less often") == ("less often", "0.2 points [-0.1, 0.4]")
    data = plain(np.repeat(["A", "B"], 200), (np.arange(400) < 100).astype(int), audited=np.zeros(400))
    result = bias_sources(data, zero, group="B")
    assert (
        "labels of B are wrong less often than those of others by 50.0 points"
        in reason_of(result, "measurement").reason
    )


def test_what_is_not_supported_says_from_where_on_it_would_be():
    rng = np.random.default_rng(3)
    data = reversed_groups({"A": 1500, "B": 1500}, {"A": 2, "B": 2}, rng)
    row = reason_of(bias_sources(data, ridge, group="A"), "aggregation")
    assert row.value == 0
    assert row.reason.startswith("of all groups most: the pooled model errs ")
    assert row.reason.endswith("it would speak for this source if the whole interval lay beyond 2 points")
