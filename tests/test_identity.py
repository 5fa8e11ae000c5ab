"""A cell's identity: what it must change with, and what it must not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import helpers
from helpers import pipelines
from helpers.sweep import grid, identity

PACKAGE = Path(helpers.__file__).resolve().parent
ROWS_DEPEND_ON = (
    "measurement/point.py",
    "ratios.py",
    "comparison/rounds.py",
    "timing/epochs.py",
    "tasks/transforms.py",
    "tf_image_data_generator/affine.py",
    "datasets/sources.py",
    "machine/allocator.py",
    "pipelines/__init__.py",
    "pipelines/py_dataset.py",
    "pipelines/tf_data.py",
    "pipelines/tf_image_data_generator.py",
    "tf_image_data_generator/pixels.py",
)
NO_ROW_DEPENDS_ON = (
    "cli/__init__.py",
    "cli/commands.py",
    "setup_check.py",
    "workshop/exercises.py",
    "plots/results.py",
    "report/run.py",
    "claims/rules.py",
    "claims/evidence/debugging.py",
    "results/winners.py",
    "sweep/loop.py",
    "service/faults.py",
    "datasets/preparing.py",
    "datasets/stand_ins.py",
)
# Plans a grid, then once more after each edit of a source, in a copy of the kit.
EDIT = """
import json, sys
from pathlib import Path
import helpers
from helpers.sweep import grid
package = Path(helpers.__file__).parent
assert str(package).startswith(sys.argv[2]), package
def ids():
    return [cell.id for cell in grid.load(sys.argv[1]).cells]
found = {"": ids()}
for name in sys.argv[3:]:
    before = (package / name).read_text()
    (package / name).write_text(before + "\\n# another word\\n")
    found[name] = ids()
    (package / name).write_text(before)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def ids_after_edits(tmp_path_factory):
    """Edited source -> the cells' ids; "" -> those of the untouched kit."""
    place = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, place / "src" / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGE.parents[1] / "notebooks" / "sweeps", place / "notebooks" / "sweeps")
    plan = place / "grid.yml"
    block = {"dataset": "synthetic", "transform": ["noise", "rescale"], "pipelines": ["py_dataset", "tf_data"]}
    plan.write_text(yaml.safe_dump({"cells": [block]}))
    command = [sys.executable, "-c", EDIT, str(plan), str(place), *ROWS_DEPEND_ON, *NO_ROW_DEPENDS_ON]
    environment = {**os.environ, "PYTHONPATH": str(place / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("source", ROWS_DEPEND_ON)
def test_an_edited_source_that_rows_depend_on_gives_other_cells(ids_after_edits, source):
    assert not set(ids_after_edits[source]) & set(ids_after_edits[""])


@pytest.mark.parametrize("source", NO_ROW_DEPENDS_ON)
def test_an_edited_source_that_no_row_depends_on_gives_the_same_cells(ids_after_edits, source):
    assert ids_after_edits[source] == ids_after_edits[""]


def test_every_pipeline_counts_although_it_is_imported_by_name_only():
    counted = {path.relative_to(PACKAGE).as_posix() for path in identity.sources_of(identity.MEASURING)}
    registered = {pipelines.describe(name).build.partition(":")[0] for name in pipelines.names()}
    assert len(registered) >= 6
    assert {f"{name.replace('.', '/')}.py".removeprefix("helpers/") for name in registered} <= counted


def test_changed_pictures_are_another_cell(tmp_path, picture_folder):
    mine = shutil.copytree(picture_folder, tmp_path / "pictures")
    block = {
        "dataset": f"folder:{mine}",
        "source": "folder",
        "transform": "noise",
        "pipelines": ["py_dataset", "tf_data"],
    }
    plan = tmp_path / "grid.yml"
    plan.write_text(yaml.safe_dump({"cells": [block]}))
    (before,) = grid.load(plan).cells
    assert grid.load(plan).cells[0].id == before.id
    picture = next(mine.glob("cat/*.jpg"))
    shutil.copyfile(next(mine.glob("dog/*.jpg")), picture)
    (after,) = grid.load(plan).cells
    picture.unlink()
    (fewer,) = grid.load(plan).cells
    assert len({before.id, after.id, fewer.id}) == 3
    assert before.parameters["dataset"] == after.parameters["dataset"] == fewer.parameters["dataset"]
