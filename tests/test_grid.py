import hashlib
import json
from pathlib import Path

import pytest
import yaml

from helpers.errors import StudyError
from helpers.sweep import grid, identity

SWEEPS = Path(__file__).resolve().parents[1] / "notebooks" / "sweeps"
GOOD = {"cells": [{"dataset": "synthetic", "transform": "noise", "pipelines": ["py_dataset", "tf_data"]}]}


def written(tmp_path, content):
    place = tmp_path / "grid.yml"
    place.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return place


def changed(**keys):
    return {"cells": [{**GOOD["cells"][0], **keys}]}


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.yml")), ids=lambda path: path.stem)
def test_the_grids_of_the_kit_are_good(path):
    assert len(grid.load(path).cells) >= 2


def test_a_block_is_the_product_of_its_lists(tmp_path):
    plan = grid.load(written(tmp_path, changed(transform=["noise", "rescale"], batch_size=[16, 32, 64])))
    assert len(plan.cells) == 6
    assert len({cell.id for cell in plan.cells}) == 6
    assert {cell.parameters["reference"] for cell in plan.cells} == {"py_dataset"}


def test_a_cell_runs_once_on_each_server_that_is_named(tmp_path):
    plan = grid.load(written(tmp_path, changed(server=[1, 2])))
    assert [cell.parameters["server"] for cell in plan.cells] == [1, 2]
    assert len({cell.id for cell in plan.cells}) == 2


def test_a_cell_is_named_by_what_it_does(tmp_path):
    plan = grid.load(written(tmp_path, GOOD))
    assert grid.load(written(tmp_path, GOOD)).cells[0].id == plan.cells[0].id
    assert grid.load(written(tmp_path, changed(seed=1))).cells[0].id != plan.cells[0].id
    assert grid.load(written(tmp_path, GOOD), machine_id="other").cells[0].id != plan.cells[0].id


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("- 1\n- 2\n", "must be a grid"),
        ("cells: []", "must be a grid"),
        ("cells: [", "must be YAML"),
        ("name: a\nname: b\ncells: [1]", "name a key once (got 'name' again in line 2)"),
        ({**GOOD, "cell": 1}, "unknown key 'cell'"),
        (changed(batchsize=1), "unknown key 'batchsize'"),
        (changed(batch_size=0), "batch_size must be a whole number >= 1"),
        (changed(batch_size=[32, 0]), "batch_size must be a whole number >= 1"),
        (changed(server=0), "server must be a whole number >= 1"),
        (changed(server=[1, 9]), "server must be a whole number <= 4"),
        (changed(until="bored"), "until must be one of precise, decided"),
        (changed(until=["precise", 3]), "until must be one of precise, decided"),
        (changed(transform="blur"), "transform must be one of"),
        (changed(dataset="imagenet"), "dataset must be one of"),
        (changed(pipelines=["py_dataset", "dask"]), "pipeline must be one of"),
        (changed(pipelines=["py_dataset"]), "at least two pipelines"),
        (changed(pipelines={"py_dataset": {}, "x": {"builder": "tf_data", "cach": 1}}), "has no knob 'cach'"),
        (changed(reference="x"), "reference must be one of"),
        (changed(budget_s=0), "budget_s must be above 0"),
        (changed(precision="3%"), "precision must be above 0"),
        (changed(train="yes"), "train must be true or false"),
        (changed(filters=0), "filters must be a whole number >= 1"),
        ({"cells": [{"dataset": "synthetic", "transform": "noise"}]}, "must have pipelines"),
        ({**GOOD, "notebook": "other.ipynb"}, "notebook must be a plain name"),
        ({**GOOD, "notebook": "../00_check_your_setup.ipynb"}, "notebook must be a plain name"),
        ({**GOOD, "notebook": str(SWEEPS / "compare_pipelines.ipynb")}, "notebook must be a plain name"),
        ({**GOOD, "notebook": 5}, "notebook must be a plain name"),
        ({**GOOD, "notebook": None}, "notebook must be a plain name"),
        ({**GOOD, "notebook": ".."}, "notebook must be a plain name"),
        ({**GOOD, "notebook": ""}, "notebook must be a plain name"),
        ("cells: !!python/object/apply:os.system ['true']", "must be YAML"),
    ],
)
def test_a_grid_that_is_not_right_is_refused_in_one_line(tmp_path, content, said):
    with pytest.raises(StudyError) as caught:
        grid.load(written(tmp_path, content))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_grid_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StudyError, match="must be a readable file"):
        grid.load(tmp_path / "none.yml")


def test_a_cells_name_is_the_hash_of_its_parameters_whatever_they_hold(tmp_path):
    labels = {"py_dataset": {}, 'a "%s" 100% \\ é': {"builder": "tf_data"}}
    plan = grid.load(written(tmp_path, changed(seed=[0, 1], transform=["noise", "rescale"], pipelines=labels)))
    origin = f" {identity.hash_of(identity.MEASURING)} ".encode() + plan.notebook.read_bytes()
    version = hashlib.sha256(origin).hexdigest()
    for cell in plan.cells:
        what = {name: value for name, value in cell.parameters.items() if name not in ("grid", "cell_id")}
        text = json.dumps(what, sort_keys=True)
        assert cell.id == hashlib.sha256((version + text).encode()).hexdigest()[:16]
