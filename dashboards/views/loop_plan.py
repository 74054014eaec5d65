"""The form "Will this loop?": three answers about a system, and which loops it can have, what to log, how long."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import cast

import streamlit as st

from audit.reading import Role
from dashboards.loop_columns import what_columns_hold
from dashboards.views.table import show_list, show_table
from monitors.feedback.catalog import BY_NAME, FIRST
from monitors.feedback.possible_loops import Decides, FedBack, LoopAnswers, LoopPlan, Observed, plan_loops

_DECIDES: Mapping[str, str] = MappingProxyType(
    {
        "model": "The model alone",
        "person_with_model": "A person who sees what the model says",
        "person": "A person who does not see it",
    }
)
_FED_BACK: Mapping[str, str] = MappingProxyType(
    {
        "all": "The outcomes of all cases",
        "acted_on": "The outcomes of those that were acted on",
        "engagement": "Clicks, views or ratings of what was shown",
        "nothing": "Nothing: it is never trained again",
    }
)
_OBSERVED: Mapping[str, str] = MappingProxyType(
    {
        "everything": "How every case turned out",
        "acted_on": "How those turned out that were acted on",
        "reported": "What others report by themselves",
    }
)


def show_plan(has: Collection[Role]) -> None:
    """Ask three questions, and say what they lead to once all of them are answered.

    Parameters
    ----------
    has
        Roles that the log of the team holds today.
    """
    st.header("Will this loop?")
    st.markdown("For a system that is being planned, or of which no log is at hand: three answers are enough.")
    left, middle, right = st.columns(3)
    decides = left.selectbox("Who decides what is seen, shown, granted or visited?", list(_DECIDES), index=None,
                             format_func=_DECIDES.__getitem__, key="decides", placeholder="Choose")  # fmt: skip
    fed_back = middle.selectbox("What is fed back: what is the next model trained on?", list(_FED_BACK), index=None,
                                format_func=_FED_BACK.__getitem__, key="fed_back", placeholder="Choose")  # fmt: skip
    observed = right.selectbox("What is observed: of what does one learn how it turned out?", list(_OBSERVED),
                               index=None, format_func=_OBSERVED.__getitem__, key="observed",
                               placeholder="Choose")  # fmt: skip
    if decides is None or fed_back is None or observed is None:
        return
    with st.expander("How large is it?"):
        places = st.number_input("Places, shops or kinds of items", min_value=1, value=20, key="places")
        count = st.number_input("What one of them feeds back in a week", min_value=0.1, value=5.0, key="weekly")
        rows = st.number_input("Decisions in a week", min_value=1.0, value=1000.0, step=100.0, key="rows")
    asked = LoopAnswers(
        decides=cast("Decides", decides), fed_back=cast("FedBack", fed_back), observed=cast("Observed", observed),
        has=has, places=int(places), weekly_count=float(count), weekly_rows=float(rows),
    )  # fmt: skip
    _show(plan_loops(asked, metrics=[BY_NAME[name] for name in FIRST]))


def _show(plan: LoopPlan) -> None:
    show_list([plan.verdict])
    for loop in plan.loops:
        st.subheader(loop.title)
        show_list([loop.sentence, loop.example, f"What helps: {loop.remedy}"])
    if plan.holdout_rows is not None:
        st.subheader("How much must be held out, and for how long")
        show_list(_needed(plan))
    if plan.gain:
        show_table(
            [
                {"Weeks": str(step.weeks), "Random shift (standard deviation)": f"{step.dither:g}",
                 "The loop gain is known to": f"± {step.half_width:.2f}"}
                for step in plan.gain
            ],
            alt="how precisely the loop gain is known after so many weeks with a random shift of attention",
            key="plan-gain",
        )  # fmt: skip
    if plan.log:
        st.subheader("What to log from tomorrow")
        show_table(
            [{"Column": each.role, "What it holds": each.why} for each in plan.log],
            alt="columns to log from tomorrow, and what each holds",
            key="plan-log",
        )
    st.subheader("What can be measured")
    holds = what_columns_hold()
    show_table(
        [
            {"What": each.title, "Columns there today": "yes" if each.today else "no",
             "Needs": "; ".join(f"{role} ({holds[role]})" if role in holds else role for role in each.lacks)}
            for each in plan.metrics
        ],
        alt="the six first metrics, whether the log of today tells them, and what they need",
        key="plan-metrics",
    )  # fmt: skip


def _needed(plan: LoopPlan) -> list[str]:
    said = [
        f"A hold-out of {plan.holdout_rows:,} rows in each retraining round, drawn by chance and never touched by the "
        "model, shows whether it looks a tenth better where it had a hand."
    ]
    if plan.holdout_share is not None:
        share = 100 * plan.holdout_share
        said.append(
            f"That is {share:.1f} % of the decisions of four weeks." if share <= 100
            else "That is more than all decisions of four weeks: it takes longer."
        )  # fmt: skip
    if plan.weeks is not None:
        said.append(
            f"With a random shift of attention of 0.3 (some places get a third more, others less), the loop gain is "
            f"known to ± 0.15 after {plan.weeks:,} weeks."
        )
    elif plan.loops:
        said.append("The loop gain needs at least six places, or kinds of items, that get a random shift of their own.")
    return said
