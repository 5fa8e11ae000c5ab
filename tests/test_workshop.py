import itertools
import re

import pytest

from helpers import paths, workshop

KIT = paths.project_root() / "notebooks" / "workshop"


def plans():
    told = (KIT / "instructor_guide.md").read_text()
    for title in ("Half a day", "A full day"):
        section = told.split(f"## {title}\n")[1].split("\n## ")[0]
        rows = re.findall(r"^\| (\d+):(\d\d) \| (\d+) \| (.+?) \|", section, re.M)
        yield title, [(60 * int(hour) + int(minute), int(long), what) for hour, minute, long, what in rows]


@pytest.mark.parametrize(("title", "rows"), plans(), ids=lambda value: value if isinstance(value, str) else "")
def test_each_plan_goes_on_where_the_last_item_ended(title, rows):
    assert len(rows) > 8
    for (start, minutes, what), (following, _, _) in itertools.pairwise(rows):
        assert start + minutes == following, what
    whole = rows[-1][0] + rows[-1][1] - rows[0][0]
    assert whole == {"Half a day": 3.5 * 60, "A full day": 8 * 60}[title]


def letters(text):
    return re.sub("[^a-z0-9]", "", text.lower())


def test_the_full_day_has_every_lesson():
    _, rows = list(plans())[1]
    told = letters(" ".join(what for _, _, what in rows))
    missing = [path.stem for path in workshop.lessons() if letters(path.stem) not in told]
    assert missing == []


@pytest.mark.parametrize("path", sorted(KIT.glob("*.md")), ids=lambda path: path.stem)
def test_what_a_page_of_the_kit_links_to_is_there(path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert target.startswith("http") or (path.parent / target).exists(), target


def test_the_glossary_is_in_order_and_tells_each_word_once():
    words = re.findall(r"^\*\*(.+?)\.\*\*", (KIT / "glossary.md").read_text(), re.M)
    assert words == sorted(set(words), key=str.lower) and len(words) > 30
