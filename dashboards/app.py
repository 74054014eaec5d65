"""The app that `dashboards.launch` starts: a list of runs at the side, a few pages first and the rest under More."""

from pathlib import Path

import streamlit as st

from dashboards.pages import FIRST, PAGES
from dashboards.views.chosen import choose_run

_HERE = Path(__file__).parent


def main() -> None:
    """Draw the frame and the page that is open."""
    st.set_page_config(page_title="evenhanded", page_icon="⚖️", layout="wide")
    pages = {
        name: st.Page(_HERE / row.file, title=row.title, url_path=name, default=name == "overview")
        for name, row in PAGES.items()
    }
    more = [page for name, page in pages.items() if name not in FIRST]
    page = st.navigation({"": [pages[name] for name in FIRST], "More": more}, expanded=True)
    choose_run()
    page.run()


if __name__ == "__main__":
    main()
