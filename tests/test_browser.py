"""A real browser: JupyterLab serves copies of the notebooks; Chromium opens each lesson, runs it, moves a control."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from helpers import paths, workshop

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no browser is installed here: apt-get install chromium"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed here"),
]
# Chromium's own look-ups of its maker's hosts would be refused on a closed network; root has no sandbox to start.
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
LESSON = "10_read_the_verdicts.ipynb"
ERRORS = "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr']"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Gives the address of a lesson in JupyterLab on a copy of the notebooks; it is stopped afterwards."""
    tmp_path = tmp_path_factory.mktemp("lab")
    shutil.copytree(paths.project_root() / "notebooks", tmp_path / "notebooks")
    # All cells stay in the page, those out of sight too; no question about news comes up.
    settings = {
        "notebook-extension/tracker": '{"windowingMode": "none"}',
        "apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false}',
    }
    for name, values in settings.items():
        file = tmp_path / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(values)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    places = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    places |= {f"JUPYTERLAB_{kind}_DIR": str(tmp_path / kind.lower()) for kind in ("SETTINGS", "WORKSPACES")}
    places |= {"IPYTHONDIR": str(tmp_path / "ipython"), "STUDY_DATA_DIR": str(tmp_path / "data")}  # no runs of your own
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"]
    with open(tmp_path / "lab.log", "w") as log:
        server = subprocess.Popen(
            command, cwd=tmp_path / "notebooks", env=os.environ | places, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_it_answers(f"{address}/api/status?token={token}", server, tmp_path / "lab.log")
            yield lambda lesson: f"{address}/lab/tree/{lesson}?token={token}&reset"
        finally:
            server.terminate()
            server.wait(20)


def _wait_until_it_answers(address, server, log, *, seconds=60):
    for _ in range(seconds * 5):
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text()[-2000:])


@contextlib.contextmanager
def opened(address):
    """A lesson's page in which all cells are told to run."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS.split())
        page = browser.new_page(viewport={"width": 1400, "height": 1600})
        page.set_default_timeout(90_000)
        page.goto(address)
        page.locator(".jp-Notebook .jp-MarkdownCell h1").first.wait_for()
        # What is asked for before the kernel answers is lost.
        page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").first.wait_for()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        yield page
        browser.close()


def ran_whole(page, seconds):
    """Waits until no cell is left to run; fails where one showed an error, or a line on stderr."""
    from playwright.sync_api import expect

    for waiting in ("[ ]:", "[*]:"):
        cells = page.locator(".jp-CodeCell .jp-InputPrompt", has_text=waiting)
        expect(cells).to_have_count(0, timeout=seconds * 1000)
    assert page.locator(ERRORS).all_inner_texts() == []


@pytest.mark.slow
@pytest.mark.parametrize("lesson", [path.name for path in workshop.lessons()])
def test_every_lesson_runs_whole_in_a_browser_with_its_pictures_and_no_log_line(lesson, lab, tmp_path):
    with opened(lab(lesson)) as page:
        ran_whole(page, seconds=240)
        assert page.locator(".jp-OutputArea img[src^='data:image/png;base64']").count() > 0
        assert page.locator(".jp-Notebook img").evaluate_all("found => found.filter(one => !one.naturalWidth)") == []
        page.screenshot(path=tmp_path / "after.png")


@pytest.mark.slow
def test_a_moved_control_changes_the_explorers_picture(lab):
    from playwright.sync_api import expect

    with opened(lab(LESSON)) as page:
        controls = page.get_by_label("pipeline", exact=True)
        controls.wait_for()
        picture = page.locator("img[src^='data:image/png;base64']").last
        before = picture.get_attribute("src")
        controls.select_option("tf_data")
        expect(picture).not_to_have_attribute("src", before)
        assert "tf_data" in picture.get_attribute("alt")
