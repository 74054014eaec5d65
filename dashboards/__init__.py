"""Showing audits: reports for stakeholders, and a Streamlit app for reviewers.

The public names stand in `dashboards.report` (the page) and `dashboards.launch` (the app), so that a table in a
terminal loads neither matplotlib nor Streamlit. Streamlit and Plotly are used in `figures`, `views` and `app` only;
`launch` checks that they are installed. Nothing here computes: numbers come from stored results or are rolled up from
stored tallies by `audit`.
"""
