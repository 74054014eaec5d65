"""What a report says of thresholds, harms and representation: what is shown, in words; small groups nowhere."""

import numpy as np
import pandas as pd
import pytest

from audit.counting import count
from audit.predictions import PredictionLog
from audit.publishing.impact_ratios import impact_ratios
from audit.publishing.representation import representation
from audit.result import Result
from audit.run import run_audit
from audit.scores.concentration import concentration_rows
from audit.scores.threshold_run import run_thresholds
from audit.scores.utility import Payoff
from dashboards.report import representation_part, thresholds_part
from dashboards.report.render import render_report
from dashboards.report.section import Section


def log_of(groups, rows=1200, seed=0):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame(
        {"s": rng.random(rows), "g": np.array(groups, dtype=object)[rng.integers(0, len(groups), rows)]}
    )
    data["y"] = (rng.random(rows) < data["s"]).astype(int)
    return PredictionLog.from_frame(data, y_true="y", y_score="s", threshold=0.5, sensitive_features=["g"])


@pytest.fixture(scope="module")
def result():
    return run_thresholds(log_of(["a", "b", "c"]), Payoff(tp=5, fp=-1, fn=-5, tn=0))


def test_the_picture_the_choice_and_the_price(result):
    everyone, by_group = thresholds_part.sections(result)
    best = next(row for row in result.measurements if row.metric == "best_threshold" and not row.slice)
    assert f"everyone: {best.value:g} pays most" in everyone.text
    assert "tp 5.00, fp −1.00, fn −5.00, tn 0.00" in everyone.text
    assert "never applied" in by_group.text
    assert len(everyone.pictures) == len(by_group.pictures) == 1
    assert by_group.pictures[0].svg.startswith("<svg")
    metrics = {row.metric for row in by_group.measurements}
    assert metrics == {"group_threshold_gain", "best_threshold"}
    page = render_report(result, title="t")
    assert "Which threshold pays" in page
    assert page == render_report(result, title="t")


def test_small_groups_have_neither_curve_nor_row():
    groups = ["a"] * 300 + ["b"] * 200 + ["tiny"] * 2 + ["less"] * 3
    found = run_thresholds(log_of(groups), Payoff(tp=1, fp=-1, fn=0, tn=0))
    assert min(row.n for row in found.measurements if row.metric == "count") < 10
    by_group = thresholds_part.sections(found)[1]
    assert "tiny" not in by_group.pictures[0].svg
    assert not [row for row in by_group.measurements if row.slice == (("g", "tiny"),)]


def test_rows_of_hidden_groups_are_hidden_in_every_section():
    found = run_audit(log_of(["a"] * 300 + ["b"] * 200 + ["tiny"] * 2 + ["less"] * 3))
    row = found.find("accuracy", {"g": "a"})
    others = [found.find("roc_auc", {"g": name}) for name in ("tiny", "less")]
    page = render_report(found, title="t", sections=[Section(title="More", text="x", measurements=(row, *others))])
    shown = page[page.index("More") :]
    assert f"{100 * row.value:.1f} %" in shown
    assert shown.count("hidden (n &lt; 10, or protects such a group)") >= 1


def test_harms_and_benefits_in_words(result):
    order = ["b", "a", "c"]
    rows = concentration_rows(result.tally, "g", order, harms={"false_negative": 1}, benefits={"true_positive": 1})
    joined = Result(measurements=(*result.measurements, *rows), provenance=result.provenance, tally=result.tally)
    section = thresholds_part.sections(joined)[-1]
    assert section.title == "Who bears the harms, who has the benefits, by g"
    assert "Harms are not shown to fall on either end" in section.text
    assert section.pictures[0].svg.count("<svg") == 1


def test_representation_and_impact_ratios_in_words():
    tally = count(log_of(["a"] * 6 + ["b"] * 2 + ["<script>"] * 2))
    rows = [
        *representation(tally, "g", {"a": 0.3, "b": 0.6, "<script>": 0.0, "gone": 0.1}),
        *impact_ratios(tally, ["g"]),
    ]
    shares, ratios = representation_part.sections(Result(measurements=rows))
    assert "a is overrepresented" in shares.text
    assert "b is underrepresented" in shares.text
    assert "gone is underrepresented: 0.00 times its share" in shares.text
    assert len(ratios.measurements) == 3
    page = render_report(Result(measurements=rows), title="t")
    assert "<script" not in page


def test_equal_groups_are_not_called_unequal():
    tally = count(log_of(["a", "b"]))
    section = representation_part.sections(Result(measurements=representation(tally, "g", {"a": 0.5, "b": 0.5})))[0]
    assert section.text.startswith("No group is shown to be")


def test_nothing_to_say_of_other_results():
    other = run_audit(log_of(["a", "b"]))
    assert thresholds_part.sections(other) == representation_part.sections(other) == ()


def test_a_picture_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one curve"):
        thresholds_part.curves_svg({}, {}, identifier="x", title="t")
