import json

import pytest

from audit.measurement import Measurement
from dashboards.figures.forest import alternative_text, forest
from dashboards.figures.interval_lines import LONGEST
from dashboards.tables import plain_rows


@pytest.mark.parametrize("metric", ["false_positive_rate", "accuracy", "f1"])
def test_traces_hold_the_numbers_of_the_json(result, metric):
    stored = [
        row
        for row in json.loads(result.to_json())["measurements"]
        if row["metric"] == metric and list(row["slice"]) == ["race"] and row["against"] is None
    ]
    figure = forest(plain_rows(result, features=("race",), metrics=(metric,)), title="t")
    assert list(figure.data[1].x) == [row["value"] for row in stored]
    assert list(figure.data[1].y) == [0, 1, 2]
    assert list(figure.data[0].x) == [end for row in stored for end in (row["low"], row["high"], None)]
    labels = [f"{row['slice']['race']} (n = {row['n']:,})" for row in stored]
    assert list(figure.layout.yaxis.ticktext) == labels


def test_undefined_groups_have_no_point_but_a_word():
    rows = [
        Measurement(
            metric="accuracy", slice=(("g", "a"),), value=None, n=3, method="none", reason="no labels in slice"
        ),
        Measurement(metric="accuracy", slice=(("g", "b"),), value=0.5, n=40, method="x"),
    ]
    figure = forest(rows, title="t")
    assert list(figure.data[1].y) == [1]
    assert list(figure.data[0].x) == []
    assert [note.text for note in figure.layout.annotations] == ["not enough data"]


def test_everyone_is_a_dashed_line(result):
    everyone = result.find("accuracy")
    rows = plain_rows(result, features=("sex",), metrics=("accuracy",))
    (shape,) = forest(rows, title="t", everyone=everyone).layout.shapes
    assert (shape.x0, shape.x1, shape.line.dash) == (everyone.value, everyone.value, "dash")


def test_names_are_no_markup(hostile):
    rows = plain_rows(hostile, features=("<i>f</i>=",), metrics=("accuracy",))
    figure = forest(rows, title="<b>t</b>")
    shown = [*figure.layout.yaxis.ticktext, *figure.data[1].text, figure.layout.title.text]
    assert len(shown) == 21
    assert not any({"<", ">", "\u202e", "\x00", "\x1b"} & set(text) for text in shown)


def test_the_description_says_what_is_seen(result):
    rows = plain_rows(result, features=("sex",), metrics=("accuracy",))
    text = alternative_text(rows, title="Accuracy by sex")
    assert text.startswith("Accuracy by sex. Female: ")
    assert all(f"n = {row.n:,}" in text for row in rows)


def test_wrong_use():
    rows = [Measurement(metric=name, value=0.5, n=9, method="x") for name in ("accuracy", "f1")]
    with pytest.raises(ValueError, match=r"one metric .* got \['accuracy', 'f1'\]"):
        forest(rows, title="t")
    with pytest.raises(ValueError, match="in 0 rows"):
        forest([], title="t")


def test_long_lists_are_cut():
    rows = [
        Measurement(metric="accuracy", slice=(("g", f"{i}"),), value=0.5, n=40, method="x") for i in range(LONGEST + 3)
    ]
    assert len(forest(rows, title="t").data[1].x) == LONGEST
    assert f"{LONGEST + 3 - 12} more in the table" in alternative_text(rows, title="t")
