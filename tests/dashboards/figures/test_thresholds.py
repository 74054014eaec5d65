"""Figures of thresholds and concentration hold the numbers of the measurements unchanged; names are escaped."""

import pytest

from audit.measurement import Measurement
from dashboards.concentration import ordered_features
from dashboards.figures.concentration import concentration_figure
from dashboards.figures.thresholds import MOST, alternative_text, threshold_figure


def curve(group, values, metric="expected_utility"):
    return [
        Measurement(metric=metric, slice=(("g", group),), at=(("threshold", place / 10),), value=value, n=9, method="x",
                    reason=None if value is not None else "no labels in slice")
        for place, value in enumerate(values)
    ]  # fmt: skip


def test_lines_hold_the_values_and_diamonds_the_choice():
    curves = {
        (("g", name),): curve(name, values) for name, values in (("<b>", [0.1, 0.5, 0.2]), ("x", [1.0, 2.0, 0.0]))
    }
    best = {(("g", "x"),): Measurement(metric="best_threshold", slice=(("g", "x"),), value=0.1, n=9, method="x")}
    figure = threshold_figure(curves, title="Pay", marked=0.2, best=best)
    assert [trace.y for trace in figure.data[:2]] == [(0.1, 0.5, 0.2), (1.0, 2.0, 0.0)]
    assert figure.data[0].name == "&lt;b&gt;"
    assert (figure.data[2].x, figure.data[2].y) == ((0.1,), (2.0,))
    assert figure.layout.shapes[0].x0 == 0.2
    assert len({trace.line.dash for trace in figure.data[:2]}) == 2
    text = alternative_text(curves, title="Pay", marked=0.2)
    assert "highest at 0.1, 2.000" in text
    assert "at 0.2, 0.000" in text


def test_what_acts_on_nobody_is_drawn_at_one():
    rows = [Measurement(metric="f1", at=(("threshold", 1.004),), value=0.0, n=9, method="x")]
    assert threshold_figure({(): rows}, title="t").data[0].x == (1.0,)


def test_undefined_curves_and_too_many_groups():
    curves = {(("g", str(k)),): curve(str(k), [None]) for k in range(MOST + 3)}
    assert len(threshold_figure(curves, title="t").data) == MOST
    assert "0: undefined" in alternative_text(curves, title="t")
    assert "3 more in the table" in alternative_text(curves, title="t")


def test_mixed_metrics_are_refused():
    with pytest.raises(ValueError, match="one metric"):
        threshold_figure({(): curve("a", [1.0]), (("g", "b"),): curve("b", [1.0], "f1")}, title="t")
    with pytest.raises(ValueError, match="one metric"):
        threshold_figure({}, title="t")


def test_concentration_curves_begin_at_nought():
    rows = [
        Measurement(metric=f"{name}_cumulative_share", at=(("feature", "i"), ("k", k)), value=value, n=9, method="x")
        for name, values in (("people", (0.4, 1.0)), ("harm", (0.7, 1.0)), ("benefit", (0.1, 1.0)))
        for k, value in enumerate(values, start=1)
    ]
    figure = concentration_figure(rows, "i", title="<script>")
    assert [trace.name for trace in figure.data] == ["harms", "benefits"]
    assert figure.data[0].x == (0.0, 0.4, 1.0)
    assert [trace.y for trace in figure.data] == [(0.0, 0.7, 1.0), (0.0, 0.1, 1.0)]
    assert "<script" not in figure.layout.title.text
    assert len({trace.marker.symbol for trace in figure.data}) == 2
    assert ordered_features(rows) == ()
