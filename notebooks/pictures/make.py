"""Runs lessons and keeps the pictures of their cells tagged `picture-NAME`, as NN_NAME.png beside this file.

Comparisons are given more time than in the lesson, because a kept picture is to show what is true and not how a class
began; the cells whose pictures show them are tagged `longer` too. Below each picture stands which machine made it.
`make pictures` runs all lessons, `python notebooks/pictures/make.py 02` one.
"""

import base64
import datetime
import io
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
        pictures = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
        if not pictures:
            sys.exit(f"a cell tagged {TAG}{name} must show a picture (got none in {lesson.name})")
        files.append(FOLDER / f"{lesson.name[:2]}_{name}.png")
        below = caption(longer and "longer" in cell.metadata.tags)
        files[-1].write_bytes(captioned(base64.b64decode(pictures[-1]), below))
    return files


if __name__ == "__main__":
    for lesson in workshop.lessons():
        if not sys.argv[1:] or lesson.name[:2] in sys.argv[1:]:
            for file in keep(lesson):
                print(file.relative_to(FOLDER.parent))
