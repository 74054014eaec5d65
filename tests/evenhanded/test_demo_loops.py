"""The act of the demo on loops: what the closed data claim, what the hold-out says, and what the log rings about."""

import numpy as np
import pandas as pd
import pytest

from audit.result import Result
from audit.store import load_run
from dashboards.figures.loop_rounds import rounds_figure
from evenhanded.demo.data import LABEL, PERSON, VISITS, load, visits
from evenhanded.demo.loop_rounds import reasons_of, rounds_of, table_of, verdict_on
from evenhanded.demo.loops import LOG, MODELS, log_of, run_demo_loops
from evenhanded.demo.models import CAPACITY
from evenhanded.demo.simulated_loop import OWN_VISITS, REPORTED, ROOM, WEIGHT, simulate
from monitors.feedback.agreement import measure_agreement
from monitors.feedback.settings import LoopSettings
from monitors.timestamps import with_times
from trainer.device import cpu_threads
from trainer.learner import Learner

ROUNDS, EPOCHS = 4, 4
LIMIT = 0.1
KINDS = ("record", "audits")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def outcome(folder):
    return run_demo_loops(folder, seed=0, rounds=ROUNDS, epochs=EPOCHS)


@pytest.fixture(scope="module")
def log(outcome):
    return pd.read_parquet(outcome.log)


@pytest.fixture(scope="module")
def control():
    with cpu_threads(1):
        return simulate(people(), seed=0, rounds=2, epochs=EPOCHS, learns_from="audits")


def people():
    return load().assign(**{OWN_VISITS: visits()})


def brier_skill(label, score):
    label = label.astype(float)
    return 1 - ((label - score) ** 2).mean() / label.var(ddof=0)


def agreement(loop, path):
    """Return what the log of a loop says of closed data and hold-out; the other metrics have tests of their own."""
    loop.log.to_parquet(path, index=False)
    return measure_agreement(with_times(log_of(path)), LoopSettings())


def rings_alone(found):
    """Whether evidence would be enough if it were the only one; among others more is needed."""
    return [each.e_value >= 20 for each in found.evidence]


def test_the_closed_data_say_better_and_the_hold_out_says_no(outcome):
    closed, held = ([row.value for row in rows] for rows in (outcome.rounds.closed, outcome.rounds.held_out))
    assert len(closed) == len(held) == ROUNDS
    assert closed[-1] > closed[0] + 0.1
    assert held[-1] <= held[0]
    assert outcome.rounds.closed[-1].low > outcome.rounds.closed[0].high


def test_the_gap_passes_its_limit_and_rings(outcome):
    last = outcome.rounds.gap[-1]
    assert last.low > LIMIT
    assert str(ROUNDS) in outcome.rounds.rang
    assert "The alarm of the gap rings, since round " in verdict_on(outcome.rounds)


def test_lines_and_gap_are_those_of_the_log(outcome, log):
    for number, row in enumerate(outcome.rounds.gap, start=1):
        now = log[(log["round"] == number) & log[LABEL].notna()]
        closed = now[(now["exposed"] == 1) & (now["arm"] != "holdout")]
        held = now[now["arm"] == "holdout"]
        values = [brier_skill(side[LABEL], side["score"]) for side in (closed, held)]
        assert outcome.rounds.closed[number - 1].value == pytest.approx(values[0])
        assert outcome.rounds.held_out[number - 1].value == pytest.approx(values[1])
        assert row.value == pytest.approx(values[0] - values[1])


def test_where_only_random_audits_are_learnt_nothing_rings(control, tmp_path):
    found = agreement(control, tmp_path / "log.parquet")
    rounds = rounds_of(Result(measurements=found.rows))
    assert len(rounds.closed) == len(rounds.held_out) == 2
    assert all(row.low < LIMIT and row.n > 200 for row in rounds.gap)
    assert found.evidence
    assert not any(rings_alone(found))
    assert "No alarm of the gap." in verdict_on(rounds)


def test_the_versions_in_the_log_are_the_digests_of_the_checkpoints(outcome, log):
    saved = [
        Learner.load(outcome.log.parent / MODELS / f"round-{number}", device="cpu").model_version
        for number in range(1, ROUNDS + 1)
    ]
    logged = log.groupby("round")["model_version"].unique()
    assert [list(found) for found in logged] == [[version] for version in saved]
    assert outcome.versions == tuple(saved)
    assert len(set(saved)) == ROUNDS


def test_a_checkpoint_gives_the_scores_of_its_round_and_the_earlier_scores_of_the_next(outcome, log):
    first = Learner.load(outcome.log.parent / MODELS / "round-1", device="cpu")
    rounds = {number: log[log["round"] == number] for number in (1, 2)}
    with cpu_threads(1):
        scores = {number: first.predict_proba(rows)[:, 1] for number, rows in rounds.items()}
    np.testing.assert_allclose(scores[1], rounds[1]["score"], rtol=1e-5)
    np.testing.assert_allclose(scores[2], rounds[2]["earlier_score"], rtol=1e-5)
    assert rounds[1]["earlier_score"].isna().all()


def test_the_same_seed_gives_the_same_figures_and_another_others(tmp_path):
    with cpu_threads(1):
        one, same, other = (simulate(people(), seed=seed, rounds=2, epochs=1) for seed in (1, 1, 2))
    versions = [[learner.model_version for learner in loop.learners] for loop in (one, same, other)]
    assert versions[0] == versions[1] != versions[2]
    pd.testing.assert_frame_equal(one.log, same.log)
    rows = [agreement(loop, tmp_path / "log.parquet").rows for loop in (one, same, other)]
    assert [row.key() for row in rows[0]] == [row.key() for row in rows[1]]
    ends = [[value for row in found for value in (row.value, row.low, row.high)][:-3] for found in rows]
    assert ends[0] == pytest.approx(ends[1], rel=1e-9)  # an engine adds floats in any order
    assert ends[0] != pytest.approx(ends[2], rel=1e-9)


def test_nobody_acts_on_the_hold_out_and_no_model_learns_from_it(log):
    held = log[log["arm"] == "holdout"]
    assert len(held) / len(log) == pytest.approx(0.2, abs=0.02)
    assert not held[["called", "exposed", WEIGHT]].to_numpy().any()
    assert (held["known"] == 1).all()
    assert (held["source"] == "audit").all()


def test_persons_of_one_round_come_in_no_other(log):
    assert (log.groupby(PERSON)["round"].nunique() == 1).all()


def test_propensities_are_the_shares_of_their_actions(log):
    drawn = log[log["arm"] == "explore"]
    shares = drawn.groupby("called")["propensity"].unique()
    assert [list(found) for found in shares] == [[1 - CAPACITY], [CAPACITY]]
    assert drawn["called"].mean() == pytest.approx(CAPACITY, abs=4 * (0.16 / len(drawn)) ** 0.5)
    assert (log.loc[log["arm"] == "holdout", "propensity"] == 1.0).all()


def test_staff_follow_the_model_but_for_some_in_poor_health(log):
    shown = log[log["arm"] == "model"]
    assert (shown["decision"] == shown["called"]).all()
    assert (shown.loc[shown["flagged"] == 1, ["called", "propensity"]] == 1).all(axis=None)
    left = shown[(shown["flagged"] == 0) & (shown["self_rated_health"] == "poor")]
    assert (left["propensity"] == ROOM).all()
    assert 0 < left["called"].mean() < 1
    others = shown[(shown["flagged"] == 0) & (shown["self_rated_health"] != "poor")]
    assert not others["called"].any()


def test_the_hold_out_holds_what_people_did_in_the_study(log):
    """The label of the hold-out is that of the real data: its share, and row by row where a person has one year."""
    frame = people()
    once = frame[~frame[PERSON].duplicated(keep=False)].set_index(PERSON)
    held = log[(log["arm"] == "holdout") & log[PERSON].isin(once.index)]
    assert len(held) > 20
    assert (held[LABEL].to_numpy() == (once.loc[held[PERSON], OWN_VISITS] >= VISITS).to_numpy()).all()


def test_what_nobody_saw_counts_as_no_high_use_in_the_record(log):
    left = log[(log["arm"] == "model") & (log["called"] == 0)]
    unknown = left[left["known"] == 0]
    assert len(unknown) / len(left) == pytest.approx(1 - REPORTED, abs=0.03)
    assert unknown["high_use"].isna().all()
    assert (unknown[LABEL] == 0).all()
    seen = log[(log["known"] == 1) & log[LABEL].notna()]
    assert (seen[LABEL] == seen["high_use"]).all()


def test_both_worlds_begin_with_the_same_model():
    """Until the first retraining there is nothing to learn from but the study."""
    with cpu_threads(1):
        record, audits = (simulate(people(), seed=3, rounds=1, epochs=1, learns_from=kind) for kind in KINDS)
    assert record.learners[0].model_version == audits.learners[0].model_version
    np.testing.assert_array_equal(record.log["score"], audits.log["score"])
    np.testing.assert_array_equal(record.log["called"], audits.log["called"])
    assert (audits.log[WEIGHT] > 0).sum() < (record.log[WEIGHT] > 0).sum()


def test_the_run_is_saved_with_its_page_and_the_picture(outcome):
    result = load_run(outcome.path)
    assert rounds_of(result).gap == outcome.rounds.gap
    page = (outcome.path / "report.html").read_text(encoding="utf-8")
    assert "Better, or only more sure of itself?" in page
    assert "Two lines over 4 retraining rounds." in page


def test_the_table_has_a_line_for_each_round(outcome):
    head, lines = table_of(outcome.rounds, outcome.versions)
    assert {len(line) for line in lines} == {len(head)}
    assert [line[0] for line in lines] == ["1", "2", "3", "4"]
    assert lines[-1][-1] == "rings"
    assert lines[0][1] == outcome.versions[0][:8]


def test_the_figure_holds_the_numbers_of_the_rounds(outcome):
    rounds = outcome.rounds
    figure = rounds_figure(rounds.closed, rounds.held_out, title="Ever better?", gap=rounds.gap, rang=rounds.rang)
    traces = {trace.name: trace for trace in figure.data if trace.name != "the gap"}
    closed, held, alarms = traces.values()
    assert closed.y == tuple(row.value for row in rounds.closed)
    assert held.y == tuple(row.value for row in rounds.held_out)
    assert closed.line.dash != held.line.dash
    assert set(alarms.x) == rounds.rang
    assert figure.data[1].fill == "tonexty"
    assert figure.data[0].y == held.y
    assert figure.layout.annotations[0].text.startswith("gap 0.")


def test_reasons_name_the_trend_and_what_a_call_does_to_the_record(outcome):
    reasons = {row.metric: row for row in reasons_of(outcome.result)}
    assert reasons["self_agreement_trend"].low > 0
    assert reasons["uplift"].low > 0
    assert reasons["outcome_coverage"].value < 0.8


def test_the_log_lies_beside_its_models(outcome, folder):
    assert outcome.log == folder / "demo" / "loops" / LOG


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_the_story_holds_for_other_seeds_and_its_control_stays_quiet(tmp_path, seed):
    with cpu_threads(1):
        worlds = [simulate(people(), seed=seed, rounds=ROUNDS, epochs=EPOCHS, learns_from=kind) for kind in KINDS]
    loop, quiet = (agreement(world, tmp_path / "log.parquet") for world in worlds)
    rounds = rounds_of(Result(measurements=loop.rows))
    assert rounds.closed[-1].value > rounds.closed[0].value + 0.05
    assert rounds.held_out[-1].value <= rounds.held_out[0].value + 0.02
    assert rings_alone(loop)[0]
    assert not any(rings_alone(quiet))
