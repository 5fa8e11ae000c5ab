"""How a report shows itself: one sentence, the stages as a picture, findings as cards with data, one page."""

import base64
import io
import math
import re

import numpy as np
import pytest
from PIL import Image

from helpers.doctor import face
from helpers.doctor.findings import measured, suspected
from helpers.doctor.headspace import Headspace
from helpers.doctor.remedies import Remedy
from helpers.doctor.report import Report
from helpers.doctor.stages import Stage, Stages

PICTURE = np.linspace(0, 255, 8 * 8 * 3).reshape(8, 8, 3)
ROW = np.array([0.5, 2.25, -1.0])


def report_of(*found, remedies=None, epoch_s=1.0):
    head = Headspace(np.full(8, epoch_s) + np.arange(8) * 1e-3, np.full(8, 0.25), 10)
    told = Stages(
        (
            Stage("TensorSlice", cpu_s=0.01),
            Stage("Map <b>augment</b>", "/home/me/train.py:41", cpu_s=0.6, calls=2),
            Stage("Cache", cpu_s=0.1, first_epoch_only=True),
            Stage("all", "/home/me/train.py:50", cpu_s=0.1, note="without a processor for 60% of its time"),
        ),
        10,
    )
    return Report(head, told, found, ("A remark.",), {"split_leak": "validation=…"}, remedies or {})


COSTLY = suspected("map_per_element", "It is called for each example.", "put batch() before it", gain=2.1, place=1)
WRONG = measured("garbage_examples", "Two are <i>empty</i>.", "cut the batch", examples=((7, PICTURE), (9, ROW)))


def test_one_sentence_says_the_main_point_with_the_users_line():
    remedy = Remedy("map_per_element", "batch() before it", lambda: None, gain=2.1)
    said = report_of(WRONG, COSTLY, remedies={"map_per_element": remedy}).sentence
    assert said.startswith("The input takes 75% of an epoch; Map <b>augment</b> at train.py:41 is the bottleneck;")
    assert re.search(
        r"batch\(\) before it gains 2\.1 times \(1\.2 to 3\.6\), predicted\. The data has 1 fault\.$", said
    )
    assert "no input at all would be 4.0 times as fast" in report_of().sentence
    assert "no faster input would gain a notable part" in report_of(epoch_s=0.25).sentence


def test_the_stages_stand_from_left_to_right_as_wide_as_they_cost():
    boxes = face.drawing(report_of().stages).boxes
    assert [box.x for box in boxes] == sorted(box.x for box in boxes)
    assert max(boxes, key=lambda box: box.width).lines[0] == "Map, 2 calls"
    assert [box.is_bottleneck for box in boxes] == [False, True, False, False]
    assert [box.is_kept for box in boxes] == [False, False, True, False]
    assert [box.waits for box in boxes] == [False, False, False, True]
    assert "first epoch only" in boxes[2].lines[-1]
    ends = [box.x + box.width for box in boxes]
    assert all(end < after.x for end, after in zip(ends, boxes[1:], strict=False))
    assert face.drawing(None) is None and face.drawing(Stages((), 1)) is None


def test_cards_show_pictures_as_pictures_and_rows_as_numbers():
    page = report_of(WRONG, COSTLY).to_html()
    (source,) = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    image = Image.open(io.BytesIO(base64.b64decode(source)))
    assert image.size == (face.SIDE, face.SIDE) and np.asarray(image).max() == 255
    assert re.search(r'alt="[^"]{20,}"', page) and "example 7" in page
    assert "[0.5, 2.25, -1]" in page and "2.1 times as fast" in page
    assert 'aria-label="Stages from source to end' in page


@pytest.mark.parametrize(
    ("value", "is_picture"),
    [
        (np.zeros((8, 8, 1), np.uint8), True),
        (np.random.default_rng(0).normal(size=(8, 8, 3)), True),
        (np.zeros((8, 8, 2)), False),
        (np.zeros((2, 2, 3)), False),
        (np.array(["a"]), False),
    ],
)
def test_only_what_is_a_picture_is_drawn(value, is_picture):
    assert bool(face._picture(value)) == is_picture


def test_what_a_user_wrote_is_escaped():
    page = report_of(WRONG).to_html()
    assert "<b>augment" not in page and "<i>empty" not in page
    assert "&lt;i&gt;empty" in page and "&lt;b&gt;augment" in page


def test_the_page_is_whole_and_needs_nothing_else(tmp_path):
    report = report_of(WRONG, COSTLY)
    report.write(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.startswith("<!DOCTYPE html>") and "default-src 'none'" in page
    assert not re.search(r"<script|href=|src=\"http", page)
    assert report._repr_html_() in page
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_the_text_says_the_same():
    told = str(report_of(WRONG, COSTLY))
    for part in (
        "The input takes 75%",
        "garbage_examples",
        "map_per_element",
        "A remark.",
        "validation=…",
        "train.py:41",
    ):
        assert part in told
    low, high = COSTLY.gain_interval
    assert 1 <= low < 2.1 < high and math.isclose(low * high, 2.1**2)
    assert "No fault was found." in str(report_of()) and "No fault was found." in report_of().to_html()
