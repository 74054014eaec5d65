import numpy as np
import pandas as pd
import pytest

from audit.counting import count
from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.run import run_audit
from audit.scores.acted_on import acted_on_from
from audit.tally_rows import measure


@pytest.mark.parametrize("roles", [{}, {"cluster": "c"}, {"sample_weight": "w"}])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.996, 1.1])
def test_it_is_the_tally_of_a_log_read_with_that_threshold(threshold, roles):
    random = np.random.default_rng(1)
    score = random.random(600).round(2)
    y = pd.array((random.random(600) < score).astype(int), dtype="Int64")
    y[:90] = None
    frame = pd.DataFrame({"y": y, "s": score, "g": random.choice(["a", "b"], 600), "c": random.integers(0, 50, 600),
                          "w": random.integers(1, 4, 600)})  # fmt: skip
    options = {"y_true": "y", "sensitive_features": ["g"], **roles}
    made = acted_on_from(count(PredictionLog.from_frame(frame, y_score="s", threshold=0.5, **options)), threshold)
    frame["p"] = (frame["s"] >= threshold).astype(int)
    read = count(PredictionLog.from_frame(frame, y_pred="p", **options))
    metrics = ["selection_rate", "true_positive_rate", "false_positive_rate", "accuracy"]
    ours, theirs = (
        {row.key(): (row.value, row.low, row.high, row.n) for row in measure(tally, metrics=metrics)}
        for tally in (made, read)
    )
    assert ours.keys() == theirs.keys()
    for key, numbers in theirs.items():
        assert ours[key] == pytest.approx(numbers, abs=1e-9), key


def test_a_tally_without_scores_and_a_threshold_between_edges_are_refused():
    frame = pd.DataFrame({"y": [0, 1], "s": [0.2, 0.8], "p": [0, 1]})
    with pytest.raises(InputError, match="there are no scores to sweep thresholds over"):
        acted_on_from(run_audit(PredictionLog.from_frame(frame, y_true="y", y_pred="p")).tally, 0.5)
    with pytest.raises(InputError, match=r"threshold 0.501 is no edge of the 250 score bins; the nearest is 0.5"):
        acted_on_from(count(PredictionLog.from_frame(frame, y_true="y", y_score="s", threshold=0.5)), 0.501)
