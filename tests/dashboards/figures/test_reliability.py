import numpy as np
import pytest

from audit.scores.calibration import reliability
from dashboards.figures.reliability import MOST, alternative_text, reliability_figure
from dashboards.reliability import curves


@pytest.fixture
def found(scored):
    return curves(reliability(scored.tally, features=["race"]))


def test_the_numbers_are_those_of_the_measurements(found):
    figure = reliability_figure(found, title="By race")
    assert len(figure.data) == 3 * len(found)
    for place, bins in enumerate(found.values()):
        lines, dots, diamonds = figure.data[3 * place : 3 * place + 3]
        ends = [end for end in lines.y if end is not None]
        assert ends == [end for one in bins for end in (one.observed.low, one.observed.high)]
        drawn = sorted(zip([*dots.x, *diamonds.x], [*dots.y, *diamonds.y], strict=True))
        assert drawn == sorted((one.promised.value, one.observed.value) for one in bins)
        assert [*diamonds.x] == [one.promised.value for one in bins if one.outside]


def test_what_is_shown_to_be_wrong_differs_in_form_and_is_told(found):
    wrong = {group: [one for one in bins if one.outside] for group, bins in found.items()}
    assert wrong[("race", "Blue"),]
    assert not wrong[("race", "Green"),]
    figure = reliability_figure(found, title="By race")
    assert {trace.marker.symbol for trace in figure.data if trace.mode == "markers"} == {"circle", "diamond-open"}
    text = alternative_text(found, title="By race")
    assert "Green: no range of scores shown to be wrong" in text
    assert "Blue: scores " in text


def test_many_groups_are_cut_and_hostile_names_escaped():
    names = ["<b>", *(f"g{place}" for place in range(MOST + 4))]
    many = {(("g", name),): () for name in names}
    figure = reliability_figure(many, title="<script>")
    assert len(figure.layout.annotations) == MOST
    assert figure.layout.annotations[0].text.startswith("&lt;b&gt;")
    assert figure.layout.title.text == "&lt;script&gt;"
    assert alternative_text(many, title="t").endswith("; 5 more in the table.")
    assert "no labelled rows" in alternative_text(many, title="t")
    with pytest.raises(ValueError, match="at least one group"):
        reliability_figure({}, title="t")


def test_equal_numbers_give_equal_figures(found):
    one, two = (reliability_figure(found, title="By race").to_json() for _ in range(2))
    assert one == two
    assert np.isfinite(reliability_figure(found, title="By race").layout.height)
