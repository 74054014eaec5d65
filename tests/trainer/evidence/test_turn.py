"""Where a cycle turned, and what is advised."""

import pytest

from trainer.evidence.turn import turn_rows
from trainer.history import EpochRow


def history(values, losses=None, *, metric="accuracy"):
    losses = losses or [1.0 - value for value in values]
    return [
        EpochRow(epoch=place, train_loss=0.5, valid_loss=loss, metric=metric, valid_value=value, samples_per_s=1.0,
                 skipped_steps=0)
        for place, (value, loss) in enumerate(zip(values, losses, strict=True), 11)
    ]  # fmt: skip


def test_a_turn_asks_for_a_fresh_and_shorter_run():
    best, lowest = turn_rows(history([0.6, 0.8, 0.9, 0.7], [0.5, 0.3, 0.4, 0.6]), n=1000)
    assert (best.name, best.value) == ("epoch of the best accuracy", 3)
    assert "make a fresh run of 3 epochs" in best.reading
    assert "rather than stop this one in the middle of its cycle" in best.reading
    assert (lowest.value, "calibrate" in lowest.reading) == (2, True)


def test_the_metric_decides_and_not_the_loss():
    best, lowest = turn_rows(history([0.6, 0.7, 0.8], [0.3, 0.4, 0.5]), n=1000)
    assert best.value == 3
    assert "a longer cycle may gain" in best.reading
    assert lowest.value == 1


@pytest.mark.parametrize(("n", "shown"), [(100, False), (10_000, True)])
def test_a_difference_within_one_standard_error_is_no_turn(n, shown):
    # sqrt(0.9 * 0.1 / 100) = 0.03; of 10,000 rows 0.003
    best, _ = turn_rows(history([0.7, 0.9, 0.88]), n=n)
    assert ("fresh run of 2 epochs" in best.reading) is shown
    assert ("no turn is shown" in best.reading) is not shown


def test_of_errors_the_smallest_is_best():
    best, lowest = turn_rows(history([3.0, 1.0, 2.0], [3.0, 1.0, 2.0], metric="mean_absolute_error"), n=50)
    assert (best.name, best.value, lowest.value) == ("epoch of the best mean_absolute_error", 2, 2)
    assert lowest.reading == "The loss turned no earlier than the mean_absolute_error."


def test_a_metric_that_turns_while_the_loss_still_falls_is_short_of_training():
    best, lowest = turn_rows(history([0.41, 0.62, 0.52, 0.48], [2.27, 2.18, 2.09, 2.07]), n=360)
    assert "fresh run" not in best.reading
    assert "train longer, or at a larger learning rate (lr_find)" in best.reading
    assert lowest.reading == "The validation loss was lowest in the last epoch: it did not turn."


def test_of_errors_and_of_clusters_no_turn_is_claimed():
    for metric, cluster in (("mean_absolute_error", None), ("accuracy", "person")):
        values = [0.6, 0.1, 0.6] if metric == "mean_absolute_error" else [0.1, 0.9, 0.1]
        best, _ = turn_rows(history(values, [3.0, 1.0, 2.0], metric=metric), n=10_000, cluster=cluster)
        assert "its standard error is not known here, so no turn is claimed." in best.reading
        assert ("Rows of one 'person' are not independent" in best.reading) is (cluster is not None)


def test_the_loss_of_a_number_that_turned_first_is_no_matter_of_a_temperature():
    _, lowest = turn_rows(history([3.0, 2.0, 1.0, 1.5], [2.0, 1.0, 2.0, 2.0], metric="mean_absolute_error"), n=50)
    assert "calibrate" not in lowest.reading


def test_one_epoch_is_compared_with_nothing():
    assert turn_rows(history([0.7]), n=50)[0].reading == (
        "There was one epoch only: there is nothing to compare it with."
    )


def test_the_earliest_of_equal_epochs_is_named_and_none_without_numbers():
    assert turn_rows(history([0.8, 0.9, 0.9, 0.5]), n=100)[0].value == 2
    assert turn_rows((), n=0)[0].value is None
