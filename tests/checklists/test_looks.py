"""The same policy judged again and again on growing data: all looks together keep the level."""

import numpy as np
import pandas as pd
import pytest

from audit.errors import InputError
from audit.predictions import PredictionLog
from audit.run import run_audit
from checklists.gate import judge
from checklists.policy import Policy
from checklists.requirement import Requirement

POLICY = Policy(schema="evenhanded/policy/1", requirements=(Requirement(id="accuracy", metric="accuracy", min=0.8),))


def result_of(right, n):
    frame = pd.DataFrame({"y": 1, "p": [1] * right + [0] * (n - right)})
    return run_audit(PredictionLog.from_frame(frame, y_true="y", y_pred="p"), metrics=["accuracy"])


def test_later_looks_ask_for_more():
    result = result_of(865, 1000)  # shown to lie above .8 at level .9999994 and no more
    first, fifth = judge(result, POLICY, look=1), judge(result, POLICY, look=5)
    assert (first.level, fifth.level) == (pytest.approx(0.975), pytest.approx(1 - 0.05 / 30))
    assert first.judgements[0].measurement.level == pytest.approx(0.975)
    assert fifth.judgements[0].measurement.low < first.judgements[0].measurement.low
    assert judge(result, POLICY, look=100_000).verdict == "INSUFFICIENT"
    assert first.verdict == fifth.verdict == "PASS"


def test_the_policy_keeps_its_digest_and_its_own_levels_are_looked_at_too():
    own = Policy(
        schema="evenhanded/policy/1",
        requirements=(Requirement(id="accuracy", metric="accuracy", min=0.8, level=0.9),),
    )
    gate = judge(result_of(865, 1000), own, look=2)
    assert gate.policy.digest() == own.digest()
    assert gate.judgements[0].measurement.level == pytest.approx(1 - 0.1 / 6)
    assert '"look": 2' in gate.to_json()


@pytest.mark.parametrize("look", [0, -1, 1.5, True])
def test_looks_are_counted(look):
    with pytest.raises(InputError, match="looks are counted 1, 2, 3"):
        judge(result_of(865, 1000), POLICY, look=look)


def test_weekly_looks_at_a_model_at_its_limit_hardly_ever_pass():
    """Twenty-six weeks of 100 rows, true accuracy .8, the limit: at a fixed 95 % some week passes in 1 of 9 worlds."""
    rng = np.random.default_rng(0)
    worlds = 120
    fixed = paid = 0
    for _ in range(worlds):
        right = rng.binomial(100, 0.8, 26).cumsum()
        looks = [(int(count), 100 * week, week) for week, count in enumerate(right, start=1) if count > 80 * week]
        close = [look for look in looks if look[0] / look[1] > 0.8 + 1.9 * (0.16 / look[1]) ** 0.5]
        fixed += any(judge(result_of(count, n), POLICY).verdict == "PASS" for count, n, _ in close)
        paid += any(judge(result_of(count, n), POLICY, look=week).verdict == "PASS" for count, n, week in close)
    assert fixed / worlds > 0.05
    assert paid / worlds <= 0.04  # promised .05 for both sides together; .010 expected
