"""The part of the report on training: how it ended, where it was best, what was skipped."""

from audit.result import Result
from dashboards.report.section import Section
from dashboards.training import epoch_of, epochs_of, is_training, lead_sentences, metric_of

_LIMITS = (
    "The validation rows were looked at after every epoch, so the last figures on them are no test; an audit of rows "
    "that played no part in training is one."
)


def sections(result: Result) -> tuple[Section, ...]:
    """Return the section on training; none of any other result.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    if not is_training(result):
        return ()
    last = max(epoch_of(row) for row in epochs_of(result, "train_loss"))
    names = ["train_loss", "valid_loss", *filter(None, [metric_of(result)])]
    rows = [row for name in names for row in epochs_of(result, name) if epoch_of(row) == last]
    text = "\n\n".join([" ".join(lead_sentences(result)), _LIMITS])
    return (Section(title="How the model was trained", text=text, measurements=tuple(rows)),)
