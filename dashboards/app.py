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
    ]
    page = st.navigation(pages)
    choose_run()
    page.run()


if __name__ == "__main__":
    main()
