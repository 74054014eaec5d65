"""The catalog of metrics. Adding one = one function on counts, one row here, one test case."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from audit.metrics import confusion, ranking
from audit.metrics.metric import Metric, MetricFunction

_POWERS = "Powers 2011, Evaluation: from precision, recall and F-measure to ROC, arXiv:2010.16061"
_HARDT = "Hardt, Price & Srebro 2016, Equality of opportunity in supervised learning, arXiv:1610.02413"
_CHOULDECHOVA = "Chouldechova 2017, Fair prediction with disparate impact, doi:10.1089/big.2016.0047"
_DEEKS = "Deeks & Altman 2004, Diagnostic tests 4: likelihood ratios, doi:10.1136/bmj.329.7458.168"
_MATTHEWS = "Matthews 1975, doi:10.1016/0005-2795(75)90109-9"
_BRODERSEN = "Brodersen et al. 2010, The balanced accuracy and its posterior distribution, doi:10.1109/ICPR.2010.764"
_DELONG = "DeLong, DeLong & Clarke-Pearson 1988, doi:10.2307/2531595"

_UNIT = (0.0, 1.0)


def _row(
    function: MetricFunction,
    needs: str,
    better: Literal["higher", "lower", "neither"],
    source: str,
    limits: tuple[float, float] = _UNIT,
) -> Metric:
    return Metric(name=function.__name__, function=function, needs=needs, range=limits, better=better, source=source)


_ROWS = (
    _row(confusion.selection_rate, "rows", "neither", _CHOULDECHOVA),
    _row(confusion.prevalence, "labels", "neither", _POWERS),
    _row(confusion.accuracy, "labels", "higher", _POWERS),
    _row(confusion.true_positive_rate, "positive labels", "higher", _HARDT),
    _row(confusion.false_positive_rate, "negative labels", "lower", _HARDT),
    _row(confusion.true_negative_rate, "negative labels", "higher", _POWERS),
    _row(confusion.false_negative_rate, "positive labels", "lower", _CHOULDECHOVA),
    _row(confusion.precision, "labelled positive predictions", "higher", _CHOULDECHOVA),
    _row(confusion.false_discovery_rate, "labelled positive predictions", "lower", _POWERS),
    _row(confusion.false_omission_rate, "labelled negative predictions", "lower", _POWERS),
    _row(confusion.negative_predictive_value, "labelled negative predictions", "higher", _POWERS),
    _row(confusion.balanced_accuracy, "positive or no negative labels", "higher", _BRODERSEN),
    _row(confusion.f1, "positive labels or predictions", "higher", _POWERS),
    _row(confusion.matthews_corrcoef, "second label or no second prediction", "higher", _MATTHEWS, (-1.0, 1.0)),
    _row(
        confusion.positive_likelihood_ratio,
        "positive labels or no false positives",
        "higher",
        _DEEKS,
        (0.0, float("inf")),
    ),
    _row(
        confusion.negative_likelihood_ratio,
        "positive labels or no true negatives",
        "lower",
        _DEEKS,
        (0.0, float("inf")),
    ),
    _row(ranking.roc_auc, "positive or no negative labels", "higher", _DELONG),
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in _ROWS})
"""Every metric by name. `count`, the number of rows, is no metric of the catalog: it has no interval and no gap."""
