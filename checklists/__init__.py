"""Deciding: policies, and the gate that holds measurements against them.

Modules: `policy` (what must hold), `requirement`, `gate` (`judge`), `gate_result`, `verdict`, `needed` (rows),
`planning` (smallest decidable gap), `template` (a first policy), `formats` (JUnit).
"""

from checklists.formats.junit import junit
from checklists.gate import judge
from checklists.gate_result import GateError, GateResult, Judgement
from checklists.needed import rows_needed
from checklists.planning import Plan, plan
from checklists.policy import NotAuditable, Policy, load_policy
from checklists.requirement import Requirement
from checklists.template import policy_template
from checklists.verdict import WORDS, Verdict, exit_code, overall

__all__ = [
    "WORDS",
    "GateError",
    "GateResult",
    "Judgement",
    "NotAuditable",
    "Plan",
    "Policy",
    "Requirement",
    "Verdict",
    "exit_code",
    "judge",
    "junit",
    "load_policy",
    "overall",
    "plan",
    "policy_template",
    "rows_needed",
]
