"""The part of the report on simple alternatives: the best one, and whether the model is shown to beat it."""

from audit.result import Result
from dashboards.baseline_rows import alternatives, asked_sentence, is_baselines, lead_sentences, model_rows
from dashboards.report.section import Section

_LIMITS = (
    "All learned from the same train rows and were judged on the same test rows; the intervals of the differences are "
    "paired and hold together over all alternatives, so that choosing the best of them is allowed for. What is not "
    "shown to beat a simple alternative has to justify its risks in another way. A model that is fed more than these "
    "features may win by them alone."
)


def sections(result: Result) -> tuple[Section, ...]:
    """Return the section on simple alternatives; none of any other result.

    Examples
    --------
    >>> sections(Result(measurements=[]))
    ()
    """
    if not is_baselines(result):
        return ()
    found = alternatives(result)
    rows = [row for row in model_rows(result).values() if row.metric == "accuracy"]
    rows += [each.values["accuracy"] for each in found if "accuracy" in each.values]
    rows += [each.gains["accuracy"] for each in found if "accuracy" in each.gains]
    text = "\n\n".join([*lead_sentences(result), f"{asked_sentence(result)}.", _LIMITS])
    return (Section(title="What a simple alternative achieves", text=text, measurements=tuple(rows)),)
