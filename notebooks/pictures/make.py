"""Runs lessons and keeps the pictures of their cells tagged `picture-NAME`, as NN_NAME.png beside this file.

Comparisons are given more time than in the lesson, because a kept picture is to show what is true and not how a class
began; the cells whose pictures show them are tagged `longer` too. Below each picture stands which machine made it.
`make pictures` runs all lessons, `python notebooks/pictures/make.py 02` one. A cell that shows a page in place of a
picture, as the doctor's report in 12, needs an installed Chromium and playwright.
"""

import base64
import datetime
import io
import shutil
import sys
from pathlib import Path

import nbclient
import papermill
from papermill.parameterize import parameterize_notebook
from PIL import Image, ImageDraw, ImageFont

from helpers import machine, workshop

FOLDER = Path(__file__).resolve().parent
TAG = "picture-"
LONGER = 8  # times the lesson's budget_s
GREY = "#555555"
PAGE_WIDTH, PAGE_HEIGHT = 1300, 760  # pixels of a page that are kept


def name_of(cell):
    """The NAME of a cell's tag `picture-NAME`; None where it has none."""
    return next((tag.removeprefix(TAG) for tag in cell.metadata.get("tags", []) if tag.startswith(TAG)), None)


def with_more_time(lesson):
    """The notebook with a larger budget_s, and whether it has one."""
    notebook = papermill.iorw.load_notebook_node(str(lesson))
    budget = papermill.inspect_notebook(str(lesson)).get("budget_s")
    if budget is None:
        return notebook, False
    return parameterize_notebook(notebook, {"budget_s": LONGER * float(budget["default"])}), True


def caption(longer):
    """One line: when, on what, and whether a comparison had more time than in the lesson."""
    here = machine.describe()
    gpus = f", {', '.join(here.gpus)}" if here.gpus else ", no GPU"
    versions = f"TensorFlow {here.versions['tensorflow']}, Keras {here.versions['keras']}"
    measured = f" Measured for {LONGER} times the lesson's budget_s." if longer else ""
    return f"Kept on {datetime.date.today()}: {here.cores:g} cores, {here.cpu}{gpus}, {versions}.{measured}"


def of_page(html):
    """The top of a page of HTML, as a browser shows it, as a PNG file's bytes."""
    from playwright.sync_api import sync_playwright

    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"]).new_page()
        page.set_viewport_size({"width": PAGE_WIDTH, "height": PAGE_HEIGHT})
        page.set_content(html)
        bottom = page.evaluate("Math.ceil(document.body.getBoundingClientRect().bottom)") + 8
        return page.screenshot(clip={"x": 0, "y": 0, "width": PAGE_WIDTH, "height": min(PAGE_HEIGHT, bottom)})


def shown_last(cell):
    """The last picture or page that a cell shows, as a PNG file's bytes; None where it shows neither."""
    for output in reversed(cell.outputs):
        data = output.get("data", {})
        if "image/png" in data:
            return base64.b64decode(data["image/png"])
        if "text/html" in data:
            return of_page(data["text/html"])
    return None


def captioned(picture, text):
    """A PNG file's bytes with a line of text below."""
    drawn = Image.open(io.BytesIO(picture)).convert("RGB")
    font = ImageFont.load_default(size=11)
    width = max(drawn.width, int(font.getlength(text)) + 12)
    whole = Image.new("RGB", (width, drawn.height + 22), "white")
    whole.paste(drawn, (0, 0))
    ImageDraw.Draw(whole).text((6, drawn.height + 4), text, fill=GREY, font=font)
    kept = io.BytesIO()
    is_plot = whole.getcolors(4096) is not None  # photographs keep all their colours
    (whole.quantize(128) if is_plot else whole).save(kept, "PNG", optimize=True)
    return kept.getvalue()


def keep(lesson):
    """Runs one lesson and writes its pictures; returns their files."""
    notebook, longer = with_more_time(lesson)
    nbclient.NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(lesson.parent)}}).execute()
    files = []
    for cell in notebook.cells:
        if (name := name_of(cell)) is None:
            continue
        if (picture := shown_last(cell)) is None:
            sys.exit(f"a cell tagged {TAG}{name} must show a picture (got none in {lesson.name})")
        files.append(FOLDER / f"{lesson.name[:2]}_{name}.png")
        below = caption(longer and "longer" in cell.metadata.tags)
        files[-1].write_bytes(captioned(picture, below))
    return files


if __name__ == "__main__":
    for lesson in workshop.lessons():
        if not sys.argv[1:] or lesson.name[:2] in sys.argv[1:]:
            for file in keep(lesson):
                print(file.relative_to(FOLDER.parent))
