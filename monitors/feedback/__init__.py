"""Feedback loops measured from a team's own log of decisions: who is seen, what is fed back, what is observed.

Modules: `decisions` (the columns of a decision log as numbers and texts, and what is wrong with them), `settings`,
`evidence` (from an estimate and its standard error to an e-value), `catalog` (what each metric needs, means and must
not be used for), `run` (all that a log can answer, and why the rest cannot be measured); one module per family.
"""
