"""The app that `dashboards.launch` starts: a list of runs at the side, two pages beside it."""

from pathlib import Path

import streamlit as st

from dashboards.views.chosen import choose_run

_VIEWS = Path(__file__).parent / "views"


def main() -> None:
    """Draw the frame and the page that is open."""
    st.set_page_config(page_title="evenhanded", page_icon="⚖️", layout="wide")
    pages = [
        st.Page(_VIEWS / "overview.py", title="Overview", url_path="overview", default=True),
        st.Page(_VIEWS / "subgroups.py", title="Subgroups", url_path="subgroups"),
        st.Page(_VIEWS / "confusion.py", title="Confusion", url_path="confusion"),
        st.Page(_VIEWS / "data.py", title="Data", url_path="data"),
        st.Page(_VIEWS / "compare.py", title="Compare models", url_path="compare"),
        st.Page(_VIEWS / "errors.py", title="Errors", url_path="errors"),
        st.Page(_VIEWS / "calibration.py", title="Calibration", url_path="calibration"),
        st.Page(_VIEWS / "thresholds.py", title="Thresholds", url_path="thresholds"),
        st.Page(_VIEWS / "robustness.py", title="Robustness", url_path="robustness"),
        st.Page(_VIEWS / "sources.py", title="Sources of bias", url_path="sources"),
    ]
    page = st.navigation(pages)
    choose_run()
    page.run()


if __name__ == "__main__":
    main()
