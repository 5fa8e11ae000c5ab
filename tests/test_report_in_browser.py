"""The report in a real browser: what its first screen holds, its script, its looks, and who can read it."""

import importlib.util
import shutil

import pytest
from test_browser import BROWSER, FLAGS
from test_report import keep, page_of_two_machines

from helpers import files, machine, paths, report
from helpers.claims.evidence import Evidence

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no browser is installed here: apt-get install chromium"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed here"),
]
FIRST_SCREEN = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The page of the reference results."""
    run = tmp_path_factory.mktemp("reference") / "run"
    shutil.copytree(paths.project_root() / "data" / "results" / "quick-2-cores", run)
    (kept,) = files.read_json(run / report.EVIDENCE)["machines"].values()
    keep(run / report.EVIDENCE, machine.describe().id, {name: Evidence(**told) for name, told in kept.items()})
    return report.write(run)


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """The page of two runs of two machines."""
    return page_of_two_machines(tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS.split())
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser):
    """`opened(file, …)` opens a page; at the end nothing may have gone wrong in it, and nothing been asked for."""
    contexts, wrong = [], []

    def open_page(file, *, at="", viewport=FIRST_SCREEN, **options):
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith("file:") else wrong.append(asked.url))
        page.goto(f"{file.as_uri()}{at}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def test_the_first_screen_answers_every_kind_of_work_without_scrolling(reference, opened, tmp_path):
    page = opened(reference)
    page.screenshot(path=tmp_path / "first_screen.png")
    kinds = page.locator(".kind")
    assert kinds.count() == 7
    for number in range(kinds.count()):
        box = kinds.nth(number).locator(".use").bounding_box()
        assert box["y"] + box["height"] <= FIRST_SCREEN["height"]
    light = kinds.first.inner_text()
    assert (
        "Light work" in light
        and "times as fast as a Sequence" in light
        and "To change" in light
        and "Holds from" in light
    )


def test_an_interval_shows_its_rounds_where_it_is_pointed_at_or_focused(reference, opened):
    page = opened(reference)
    interval = page.locator(".iv").first
    tip = interval.locator(".tip")
    assert not tip.is_visible()
    interval.hover()
    assert tip.is_visible() and "rounds: " in tip.inner_text()
    page.mouse.move(0, 0)
    interval.focus()
    assert tip.is_visible()
    page.keyboard.press("Escape")
    assert not tip.is_visible()


def test_a_table_sorts_by_the_keyboard_and_shows_the_rows_that_hold_some_words(reference, opened):
    page = opened(reference)
    ratios = page.locator("#ratios table")
    header = ratios.locator("thead th", has_text="ratio").first
    button = header.locator("button")
    for order, sign in (("ascending", 1), ("descending", -1)):
        button.focus()
        page.keyboard.press("Enter")
        assert header.get_attribute("aria-sort") == order
        shown = [float(text) for text in ratios.locator("tbody td:nth-child(4)").all_inner_texts() if text.strip()]
        assert shown == sorted(shown, key=lambda ratio: sign * ratio)
    rows = ratios.locator("tbody tr:visible")
    everything = rows.count()
    page.locator("#ratios input").fill("photographs OpenCV")
    assert 0 < rows.count() < everything
    assert f"of {everything} rows" in page.locator("#ratios output").inner_text()


def test_a_link_to_a_cell_unfolds_it(reference, opened):
    page = opened(reference)
    cell = page.locator("details.cell").first
    assert cell.get_attribute("open") is None
    again = opened(reference, at=f"#{cell.get_attribute('id')}")
    assert again.locator("details.cell").first.get_attribute("open") is not None


def test_all_of_it_can_be_read_without_scripts(reference, opened):
    page = opened(reference, java_script_enabled=False)
    assert page.locator(".kind .use").count() == 7 and page.locator("th button").count() == 0
    card = page.locator("#A1")
    assert not card.get_by_text("The rule:").is_visible()
    card.locator("summary").click()
    assert card.get_by_text("The rule:").first.is_visible()
    page.locator(".iv").first.hover()
    assert page.locator(".iv .tip").first.is_visible()


@pytest.mark.parametrize("viewport", [FIRST_SCREEN, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", ["reference", "two_runs"])
def test_nothing_reaches_beyond_the_page(name, viewport, opened, request, tmp_path):
    page = opened(request.getfixturevalue(name), viewport=viewport)
    page.screenshot(path=tmp_path / "page.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_paper_and_ink_follow_the_readers_system(reference, opened):
    light, dark = (
        opened(reference, color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    )
    assert light == "rgb(255, 255, 255)" and max(map(int, dark[4:-1].split(","))) < 60


def test_it_prints_with_its_cards_unfolded_and_nothing_to_click(reference, opened, tmp_path):
    page = opened(reference, color_scheme="dark")
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#A1").get_by_text("The rule:").first.is_visible()
    assert not page.locator("nav").is_visible() and not page.locator(".filter").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("#verdicts details[open]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["reference", "two_runs"])
def test_axe_finds_nothing_against_those_who_read_by_keyboard_or_ear(name, scheme, opened, request):
    """With all cards and cells unfolded; axe-core comes with axe-playwright-python."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = opened(request.getfixturevalue(name), color_scheme=scheme, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    found = axe.run(page).response["violations"]
    assert [(each["id"], each["impact"], [node["html"][:200] for node in each["nodes"][:3]]) for each in found] == []
