"""Whether gaps grew or shrank: from hand-made rates, and without the groups that may not be shown."""

import pandas as pd
import pytest

from audit.paired.comparison import run_compare
from dashboards.gap_changes import gap_sentences
from dashboards.report.render import render_report


def compared(old, new, n=1000):
    """Return a comparison in which F and M are right at the given rates."""
    rows = [(1, group, int(at < old[place] * n), int(at < new[place] * n))
            for place, group in enumerate("FM") for at in range(n)]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["y", "sex", "old", "new"])
    frame = pd.concat([frame, frame.assign(y=0, old=0, new=0)], ignore_index=True)
    return run_compare(frame, y_true="y", candidate="new", baseline="old", sensitive_features=["sex"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ((0.8, 0.9), (0.6, 0.9), "grew, from"),
        ((0.6, 0.9), (0.8, 0.9), "shrank, from"),
        ((0.8, 0.9), (0.8, 0.7), "turned round, from"),
        ((0.8, 0.9), (0.8, 0.9), "is not shown to have grown or shrunk, from"),
    ],
)
def test_the_gap_is_said_to_have_grown_shrunk_or_turned(old, new, said):
    (text,) = gap_sentences(compared(old, new), metrics=["false_negative_rate"])
    assert said in text
    ends = sorted(abs(round(100 * (side[0] - side[1]), 1)) for side in (old, new))
    assert all(f"{end:.1f} points with" in text for end in ends)


def test_hidden_groups_take_no_part():
    result = compared((0.8, 0.9), (0.6, 0.9))
    assert gap_sentences(result, hidden=[(("sex", "F"),)]) == ()
    assert gap_sentences(result, min_cell=10_000) == ()


def test_the_first_screen_of_a_comparison_says_it_and_does_not_repeat_the_list():
    result = compared((0.8, 0.9), (0.6, 0.85))
    page = render_report(result, title="t")
    assert page.count("False negative rate, sex = F: +20.0 points") == 1
    assert "the gap between F and M grew, from +10.0 points with old to +25.0 points with new" in page
