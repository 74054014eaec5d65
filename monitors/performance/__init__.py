"""Performance over time, before and after the labels come, from the same counts as the audit.

Modules: `window_tally` (counts cut by time), `staged_times`; `performance` (every metric per window, and alarms), from
`settings`, `streams`, `evidence`, `gap_evidence`, `evidence_rows`; `labels` (late and missing labels), from `arrivals`,
`arrival_curves`, `maturity`, `late_rows`; `label_free` (estimates from scores, corrected with few labels), from
`calibrated`, `corrected`; `labels_needed` and `label_plan` (how many labels to ask for, and from whom).
"""
