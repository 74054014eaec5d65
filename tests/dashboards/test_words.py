import pytest

from audit.metrics.catalog import METRICS
from dashboards.words import base_metric, direction_sentence, metric_sentence, metric_title, unit_of


@pytest.mark.parametrize("metric", [*METRICS, "count"])
def test_every_metric_of_the_catalog_is_explained(metric):
    sentence = metric_sentence(metric, "yes")
    assert sentence.endswith(".")
    assert "{" not in sentence
    assert metric_title(metric)[0].isupper()
    assert base_metric(metric) == (metric, "")


@pytest.mark.parametrize("metric", METRICS)
def test_units_fit_the_range(metric):
    low, high = METRICS[metric].range
    if unit_of(metric) == "share":
        assert (low, high) == (0.0, 1.0)
    if (low, high) == (0.0, float("inf")):
        assert unit_of(metric) == "ratio"


def test_titles_are_unique():
    assert len({metric_title(name) for name in METRICS}) == len(METRICS)


def test_a_label_is_quoted_and_never_read_as_a_template():
    assert (
        metric_sentence("selection_rate", "{positive} {{7*7}}")
        == "Of all rows, the share predicted “{positive} {{7*7}}”."
    )
    assert "positive" in metric_sentence("selection_rate", None)


def test_directions_are_those_of_the_catalog():
    for name, metric in METRICS.items():
        expected = {"higher": "Higher", "lower": "Lower", "neither": "Neither"}[metric.better]
        assert direction_sentence(name).startswith(expected)
    assert direction_sentence("unknown") == ""


def test_comparisons():
    assert metric_title("false_negative_rate_group_max") == "Highest group: false negative rate"
    assert metric_title("equalized_odds_difference").startswith("Difference in true or false positive rate")
    assert unit_of("demographic_parity_ratio") == "ratio"
    assert unit_of("equalized_odds_difference") == "points"


def test_names_made_of_other_metrics_are_explained():
    assert metric_title("matthews_corrcoef_lower_bound") == "Lowest possible Matthews correlation"
    assert metric_title("accuracy_difference_upper_bound") == "Highest possible difference in accuracy"
    assert metric_title("decided_negative_likelihood_ratio") == (
        "Negative likelihood ratio of the rows that the model decided"
    )
    assert unit_of("accuracy_difference_upper_bound") == "points"
    assert unit_of("decided_accuracy") == unit_of("f1_adjustment_support") == "share"
    assert unit_of("decided_f1_difference") == "number"
    for name in METRICS:
        for made in (f"{name}_lower_bound", f"{name}_upper_bound", f"decided_{name}", f"{name}_if_deferred_right"):
            assert metric_sentence(made, "yes").endswith(metric_sentence(name, "yes"))
            assert len(metric_sentence(made, "yes")) > len(metric_sentence(name, "yes"))
