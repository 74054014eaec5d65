"""Showing audits: reports for stakeholders, and a Streamlit app for reviewers.

Importing this package needs neither Streamlit nor Plotly: they are used in `figures`, `views` and `app` only, and
`launch` checks that they are installed. Nothing here computes: numbers come from stored results or are rolled up from
stored tallies by `audit`.
"""

from dashboards.report.render import render_report, write_report
from dashboards.report.section import Section

__all__ = ["Section", "render_report", "write_report"]
