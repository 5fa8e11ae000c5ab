import itertools
import re

import nbformat
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


def notes():
    """The notes of each lesson, by its number."""
    told = (KIT / "notes.md").read_text()
    return {part.split()[0]: part for part in re.split(r"^## ", told, flags=re.M)[1:]}


@pytest.mark.parametrize("path", workshop.lessons(), ids=lambda path: path.stem)
def test_each_lesson_has_its_notes(path):
    number = path.stem.partition("_")[0]
    note = notes()[number]
    assert letters(note.splitlines()[0]) == letters(path.stem)
    for part in ("Minutes", "What goes wrong", "What they believe", "Project", "Discuss"):
        assert len(re.findall(rf"^- \*\*{part}:\*\* .+", note, re.M)) == 1, part
    (minutes,) = re.findall(r"^- \*\*Minutes:\*\* (\d+)", note, re.M)
    header = nbformat.read(path, as_version=4).cells[0].source
    assert re.findall(r"\*\*Minutes:\*\* (\d+)", header) == [minutes]
    readme = (paths.project_root() / "README.md").read_text()
    assert re.findall(rf"^\| \[{number}\]\(.+ \| (\d+) \|$", readme, re.M) == [minutes]
    (questions,) = re.findall(r"^- \*\*Discuss:\*\* (.+)", note, re.M)
    assert questions.count("?") >= 2
    for picture in re.findall(r"pictures/\w+\.png", note):
        assert (KIT.parent / picture).is_file() and picture.startswith(f"pictures/{number[:2]}_"), picture


def test_there_are_no_notes_of_a_lesson_that_is_gone():
    assert sorted(notes()) == sorted(path.stem.partition("_")[0] for path in workshop.lessons())
