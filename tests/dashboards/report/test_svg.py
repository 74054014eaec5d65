import re
import xml.etree.ElementTree as ET

import pytest

from audit.measurement import Measurement
from dashboards.report.svg import LONGEST, Forest, forest_svg


def rate(name, value, n=100, low=None, high=None, reason=None, metric="accuracy"):
    return Measurement(
        metric=metric,
        slice=(("g", name),),
        value=value,
        low=low,
        high=high,
        n=n,
        level=None if low is None else 0.95,
        method="x",
        reason=reason,
    )


def forest(rows, **more):
    return Forest(identifier="f1", title="Accuracy by g", rows=tuple(rows), **more)


ROWS = (
    rate("a", 0.25, low=0.125, high=0.5),
    rate("b", 0.75, low=0.7, high=0.8, n=1234),
    rate(None, None, n=0, reason="no labels in slice"),
)


def texts(picture):
    return [node.text for node in ET.fromstring(picture).iter("text")]  # noqa: S314 - our own picture


def horizontals(picture, colour):
    """Return (left, right) of every horizontal line of a colour, as fractions of the axis."""
    tick = {
        text.text: float(text.attrib["x"])
        for text in ET.fromstring(picture).iter("text")  # noqa: S314
        if text.text in {"0", "100 %"}
    }
    found = re.findall(rf'd="M ([\d.]+) ([\d.]+)\s+L ([\d.]+) \2\s*"[^>]*stroke: {colour}', picture)
    span = tick["100 %"] - tick["0"]
    return [((float(a) - tick["0"]) / span, (float(b) - tick["0"]) / span) for a, _, b in found]


def test_lines_end_where_the_intervals_end():
    lines = horizontals(forest_svg(forest(ROWS)), "#0072b2")
    assert lines == [pytest.approx((0.125, 0.5), abs=1e-3), pytest.approx((0.7, 0.8), abs=1e-3)]


def test_points_stand_at_the_values():
    picture = forest_svg(forest(ROWS))
    xs = [float(x) for x in re.findall(r'<use href="#[^"]+" x="([\d.]+)"[^>]*fill: #0072b2', picture)]
    ticks = {t.text: float(t.attrib["x"]) for t in ET.fromstring(picture).iter("text")}  # noqa: S314
    at = [(x - ticks["0"]) / (ticks["100 %"] - ticks["0"]) for x in xs]
    assert at == pytest.approx([0.25, 0.75], abs=1e-3)


def test_groups_n_and_undefined_are_written_out():
    assert {"a", "b", "(missing)", "n = 100", "n = 1,234", "n = 0", "not enough data"} <= set(
        texts(forest_svg(forest(ROWS)))
    )


def test_hidden_groups_show_neither_point_nor_n():
    picture = forest_svg(forest(ROWS[:2], hidden=frozenset({ROWS[0].slice})))
    assert "hidden" in texts(picture)
    assert "n = 100" not in texts(picture)
    assert len(horizontals(picture, "#0072b2")) == 1


def test_same_input_same_bytes():
    assert forest_svg(forest(ROWS)) == forest_svg(forest(ROWS))
    assert forest_svg(forest(ROWS)) != forest_svg(forest(ROWS[::-1]))


def test_ids_are_unique_within_a_page_and_references_resolve():
    page = forest_svg(forest(ROWS)) + forest_svg(Forest(identifier="f2", title="t", rows=ROWS))
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert {target for _, target in re.findall(r'(href="|url\()#([^")]+)', page)} <= set(ids)


def test_names_are_text_and_nothing_is_fetched(hostile_names):
    picture = forest_svg(forest([rate(name, 0.5) for name in hostile_names]))
    elements = {node.tag for node in ET.fromstring(picture).iter()}  # noqa: S314
    assert elements <= {"svg", "title", "g", "path", "defs", "use", "text", "clipPath", "rect"}
    assert not re.findall(r'\son\w+=|(?:href|src)="(?!#)|url\((?!#)|<style|http', re.sub(r">[^<]*<", "><", picture))
    assert "<script>alert(1)</s" in " ".join(texts(picture))


def test_names_that_look_like_references_are_left_alone():
    picture = forest_svg(forest([rate('a id="x" url(#y', 0.5)]))
    assert 'a id="x" url(#y' in texts(picture)


def test_it_is_named_for_those_who_do_not_see_it():
    root = ET.fromstring(forest_svg(forest(ROWS)))  # noqa: S314
    assert (root.attrib["role"], root.attrib["aria-label"], root[0].text) == ("img", "Accuracy by g", "Accuracy by g")


def test_long_lists_are_cut_and_empty_ones_refused():
    picture = forest_svg(forest([rate(f"g{i}", 0.5) for i in range(LONGEST + 5)]))
    assert sum((text or "").startswith("g") for text in texts(picture)) == LONGEST
    with pytest.raises(ValueError, match="at least one group"):
        forest_svg(forest([]))


def test_other_units_get_an_axis_of_their_own():
    rows = [rate("a", 3.0, low=2.0, high=5.0, metric="positive_likelihood_ratio")]
    assert "100 %" not in texts(forest_svg(forest(rows)))
