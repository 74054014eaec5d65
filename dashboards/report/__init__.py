"""Reports for stakeholders: one HTML page per audit, with its pictures inline.

Modules: `render` (the page), `section` (extra context), `summary` (the first screen), `groups` (values, gaps,
intersections), `background` (method and provenance), `blocks` (tables and pictures as text), `svg` (the forest plot).
"""

from dashboards.report.render import render_report, write_report
from dashboards.report.section import Section

__all__ = ["Section", "render_report", "write_report"]
