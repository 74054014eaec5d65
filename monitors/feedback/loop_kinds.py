"""The kinds of feedback loop, each in a plain sentence with its best known example and what is done about it."""

from typing import NamedTuple

from audit.reading import Role


class LoopKind(NamedTuple):
    """One kind of feedback loop.

    Attributes
    ----------
    name
        A short name.
    title
        What happens, in a few words.
    sentence
        What happens, in one plain sentence.
    example
        Where it was seen.
    remedy
        What is done about it.
    log
        Roles of the log that it asks for, and why.
    retrains
        Whether it goes through the training of the next model.

    Examples
    --------
    >>> [kind.name for kind in KINDS]
    ['policing', 'recommender', 'credit', 'hidden_loop', 'performative']
    """

    name: str
    title: str
    sentence: str
    example: str
    remedy: str
    log: tuple[tuple[Role, str], ...]
    retrains: bool = True


KINDS: tuple[LoopKind, ...] = (
    LoopKind(
        name="policing",
        title="We find where we look",
        sentence=(
            "The model sends people to look in some places, they find most where they look, and the findings send them "
            "there again."
        ),
        example=(
            "Predictive policing: of two districts with nearly equal crime, the one with more past records ends up "
            "with nearly all patrols (Ensign et al. 2018)."
        ),
        remedy=(
            "Weigh findings by the inverse of how much one looked, learn from reports that do not depend on patrols, "
            "and shift attention a little by chance so that the loop can be measured."
        ),
        log=(
            ("place", "where it was, so that places can be compared"),
            ("propensity", "how much attention the place was planned to get, as a share"),
            ("dither", "the random shift of that plan, so that the loop gain can be measured"),
            ("exposure", "how much one really looked"),
            ("training_weight", "with which weight the row goes into the next training"),
        ),
    ),
    LoopKind(
        name="recommender",
        title="What is shown gets clicked, what gets clicked is shown",
        sentence=(
            "People can only click what they are shown, so that popular things, and the taste of a few very active "
            "people, crowd out the rest."
        ),
        example=(
            "Recommendations: a small number of extremely enthusiastic users can end up setting them for everybody, "
            "and attract more people like themselves."
        ),
        remedy=(
            "Show a random share of other items, limit how much one user counts, and value what people would not have "
            "found by themselves."
        ),
        log=(
            ("user", "whose taste it is"),
            ("item", "what was shown"),
            ("propensity", "the chance with which it was shown"),
            ("place", "the kind of item that shares one dither"),
            ("dither", "the random shift of how often a kind is shown, so that the loop gain can be measured"),
            ("proxy", "the number that is optimised, such as clicks, beside the outcome that is wanted"),
            ("training_weight", "with which weight the row goes into the next training"),
        ),
    ),
    LoopKind(
        name="credit",
        title="We never learn about those we turn down",
        sentence=(
            "Only those whom the model accepts can show that it was right, so that a group it turned down by mistake "
            "never gets the chance to prove it."
        ),
        example="Credit: nobody knows whether a refused loan would have been repaid; the next model is blind there.",
        remedy="Accept a small random share of those who would be refused, and state bounds for the rest.",
        log=(
            ("y_score", "how sure the model was"),
            ("propensity", "the chance with which this action was taken"),
            ("place", "the kind of case that shares one dither"),
            ("dither", "the random shift of how often a kind is accepted, so that the loop gain can be measured"),
        ),
    ),
    LoopKind(
        name="hidden_loop",
        title="The model grades its own words",
        sentence=(
            "People follow the model's answer, their answer becomes the label, and the next model looks better because "
            "it predicts what the last one said."
        ),
        example=(
            "House prices: sellers ask what the model says; its measured accuracy climbs to 1.00 while accuracy on "
            "untouched data stays the same (Khritankov 2021)."
        ),
        remedy="Keep a random hold-out that never sees the model, and judge every retraining there.",
        log=(("earlier_score", "what the previous model said of this row"),),
    ),
    LoopKind(
        name="performative",
        title="The world answers back",
        sentence="People change what they do because of the model, so that it is wrong about the world that it made.",
        example=(
            "Strategic answers: applicants change what the score is made of without changing what it stands for "
            "(Perdomo et al. 2020)."
        ),
        remedy="Compare with people who were not subject to the model, and watch what piles up just above a threshold.",
        log=(
            ("y_score", "how sure the model was, to see what piles up at a threshold"),
            ("user", "who it was, to see how one person changes"),
        ),
        retrains=False,
    ),
)
"""In the order in which they are told."""
