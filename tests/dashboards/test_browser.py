import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from audit.store import list_runs, save_run
from dashboards.pages import PAGES
from dashboards.report import render_report

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the path"),
]
playwright = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-background-networking", "--no-first-run", "--disable-gpu"]
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def folder(hostile, nasty, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for result in nasty.values():
        save_run(result, folder)
    save_run(hostile, folder)
    return folder


@pytest.fixture(scope="module")
def address(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "import sys; from pathlib import Path; from dashboards.launch import launch; "
    code += f"sys.exit(launch(Path({str(folder)!r}), port={port}, browser=False))"
    server = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL)
    for _ in range(150):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).close()
            break
        except OSError:
            time.sleep(0.2)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(timeout=20)


def watched(browser, **options):
    """Return a page together with the faults and the hosts that it will have met."""
    page = browser.new_page(**options)
    faults, hosts = [], set()
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    return page, faults, hosts


def choose(page, box, option, *, shows):
    """Choose an option until the page shows it: a page that is still being drawn may close the list again."""
    for _ in range(5):
        page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for()
        try:
            page.get_by_role("combobox", name=box).click(timeout=10_000)
            page.get_by_role("option", name=option).click(timeout=5000)
            page.get_by_text(shows).wait_for(timeout=10_000)
        except playwright.TimeoutError:
            page.keyboard.press("Escape")
        else:
            return
    pytest.fail(f"the list of {box!r} never held {option!r}")


@pytest.mark.parametrize(
    ("scheme", "width"),
    [pytest.param("light", 1280, marks=pytest.mark.slow), ("dark", 400)],  # what fits 400 fits more
)
@pytest.mark.parametrize("name", [name for name in PAGES if name != "overview"])
def test_every_page_is_quiet_and_fits(browser, address, folder, nasty, name, scheme, width):
    page, faults, hosts = watched(browser, color_scheme=scheme, viewport={"width": width, "height": 900})
    page.goto(f"{address}/?run={run_of(folder, nasty[name])}")
    main = page.locator("[data-testid='stMain']")
    main.get_by_role("link", name=PAGES[name].title, exact=True).click()
    page.get_by_role("heading", name="Take it along").wait_for()
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for()
    charts = page.locator("[data-testid='stPlotlyChart']")
    for place in range(charts.count()):
        charts.nth(place).locator(".main-svg").first.wait_for()
        assert charts.nth(place).locator("[aria-label]").count() or charts.nth(place).get_attribute("aria-label")
    assert (faults, hosts) == ([], {"127.0.0.1"})
    assert page.locator("script:has-text('alert(1)'), img[src*='evil'], a[href*='evil']").count() == 0
    assert main.evaluate("element => element.scrollWidth") <= width
    page.close()


def run_of(folder, result):
    digest = result.digest()
    return next(entry.run_id for entry in list_runs(folder) if entry.digest == digest)


def test_hostile_names_run_nothing_and_reach_nobody(browser, address, folder, hostile):
    page, faults, hosts = watched(browser)
    page.goto(f"{address}/?run={run_of(folder, hostile)}")
    page.get_by_role("heading", name="All runs").wait_for()
    page.locator("[data-testid='stSidebar']").get_by_role("link", name="Subgroups").click()
    page.get_by_role("heading", name="Take it along").wait_for()
    choose(page, "Reference group", "=cmd()", shows="Groups whose line crosses 0")
    page.wait_for_timeout(1000)
    assert (faults, hosts) == ([], {"127.0.0.1"})
    assert page.locator("script:has-text('alert(1)'), img[src='x'], a[href^='javascript']").count() == 0
    assert page.locator("[aria-label*='Selection rate by']").count() >= 1
    page.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
def test_the_report_is_quiet_and_fits(browser, hostile, tmp_path, scheme, width):
    path = tmp_path / "report.html"
    path.write_text(render_report(hostile, title="<script>alert(1)</script>"), encoding="utf-8")
    page, faults, hosts = watched(browser, color_scheme=scheme, viewport={"width": width, "height": 900})
    page.goto(path.as_uri())
    assert (faults, hosts) == ([], {None})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    contrast = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert contrast == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 26)"}[scheme]
    page.close()
