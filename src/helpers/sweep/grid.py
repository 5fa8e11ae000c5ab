"""Grids of a sweep: read from YAML, checked wholly before anything runs, planned into cells.

papermill checks nothing of it [fact: papermill-checks-no-parameters].
"""

import hashlib
import itertools
import json
import math
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from helpers import checks, comparison, datasets, paths
from helpers.errors import StudyError, first_line
from helpers.machine import limits
from helpers.pipelines import read_specs
from helpers.sweep import identity
from helpers.tasks import Task

TOP = {"name", "description", "stand_in", "defaults", "cells", "notebook"}
TASK_KEYS = ("dataset", "source", "decode", "transform", "batch_size", "image_size", "examples", "shuffle", "seed")
RUN_KEYS = ("reference", "precision", "margin", "budget_s", "until", "train", "isolate", "filters", "cores", "server")
DEFAULTS = {
    "source": "arrays",
    "decode": "",
    "batch_size": 32,
    "image_size": 0,
    "examples": 0,
    "shuffle": True,
    "seed": 0,
    "precision": 0.05,
    "margin": 0.05,
    "budget_s": 15.0,
    "until": "precise",
    "train": True,
    "isolate": False,
    "filters": 16,
    "cores": 0,
    "server": 1,
}
DOUBLING = "doubling"  # as a grid's cores: 1, 2, 4, … and all
COMPARE = "compare_pipelines.ipynb"
MOST_SERVERS = 4  # each holds TensorFlow in memory
MOST_BYTES = 1 << 20  # of a grid's file
MOST_VALUES, MOST_POINTS = 100_000, 100_000


@dataclass(frozen=True)
class Cell:
    """One point of a grid: what papermill is given, and the name of what it does."""

    id: str
    parameters: dict


@dataclass(frozen=True)
class Grid:
    """A checked grid.

    Attributes:
        name: its own.
        notebook: what is run for each cell.
        cells: the points, in order.
        text: the file's text, after a comment for each change.
    """

    name: str
    notebook: Path
    cells: tuple[Cell, ...]
    text: str


class _PlainLoader(yaml.SafeLoader):
    """YAML with text for keys, and no key twice in one mapping, which YAML would let the last one win."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        """Builds a mapping, refusing a key that is no text, and a second one of the same name."""
        seen = set()
        for key_node, _ in node.value:
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise StudyError(
                    f"a grid's keys must be text (got {checks.shown(key)} in line {line}); put it in quotes"
                )
            if key in seen:
                raise StudyError(f"a grid may name a key once (got {key!r} again in line {line})")
            seen.add(key)
        return super().construct_mapping(node, deep)


def load(
    path: Path | str, *, machine_id: str = "", notebook: Path | None = None, changes: Mapping[str, Any] | None = None
) -> Grid:
    """Reads, checks and plans a grid.

    Args:
        path: the YAML file.
        machine_id: goes into the cells' names, so that no result of another machine counts as done.
        notebook: what is run for each cell; None: what the grid names, else the kit's own.
        changes: key of a cell -> the value, or list of values, that stands in place of the grid's, in all cells.

    Raises:
        StudyError: for anything that is not right, naming the key, what it got, and what it may be.
    """
    path = Path(path)
    text, content = _read(path)
    if not isinstance(content, dict) or not isinstance(content.get("cells"), list) or not content["cells"]:
        raise StudyError(f"{path} must be a grid: a mapping with a list `cells` (see notebooks/sweeps/quick.yml)")
    _only(content, TOP, f"{path.name}")
    notebook = notebook or _notebook(content.get("notebook", COMPARE), path.name)
    name = str(content.get("name", path.stem))
    defaults = content.get("defaults", {})
    _only(defaults, {*TASK_KEYS, *RUN_KEYS, "pipelines"}, f"{path.name}: defaults")
    # What every cell's result depends on besides its parameters: machine, what measures, notebook.
    origin = f"{machine_id} {identity.hash_of(identity.MEASURING)} ".encode() + notebook.read_bytes()
    version = hashlib.sha256(origin).hexdigest()
    stand_in = content.get("stand_in", False)
    points = [
        parameters
        for number, block in enumerate(content["cells"], start=1)
        for parameters in _points(block, defaults, f"{path.name}: cells, entry {number}", stand_in, changes or {})
    ]
    pictures = {name: datasets.named(name).fingerprint() for name in {point["dataset"] for point in points}}
    cells = {}
    for parameters in points:
        depends_on = version + pictures[parameters["dataset"]] + json.dumps(parameters, sort_keys=True)
        cell_id = hashlib.sha256(depends_on.encode()).hexdigest()[:16]
        cells[cell_id] = Cell(cell_id, {**parameters, "grid": name, "cell_id": cell_id})
    set_to = [f"# with --set {key}={json.dumps(value)}\n" for key, value in sorted((changes or {}).items())]
    return Grid(name, notebook, tuple(cells.values()), "".join(set_to) + text)


def _read(path):
    """Returns a grid's text and what it says."""
    try:
        if (path.exists() and not path.is_file()) or path.stat().st_size > MOST_BYTES:
            raise StudyError(f"a grid must be a file of at most {MOST_BYTES >> 20} MiB (got {path}); name another")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise StudyError(f"a grid must be a readable file of UTF-8 text (got {path}: {reason})") from None
    try:
        content = checks.plain_yaml(text, loader=_PlainLoader)
    except StudyError:
        raise
    except ValueError as error:
        raise StudyError(f"{path} must be YAML ({error})") from None
    values = [content]
    for value in values:  # grows meanwhile: an alias counts as often as it stands for something
        values += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if len(values) > MOST_VALUES:
            raise StudyError(f"{path} must hold at most {MOST_VALUES} values, aliases written out; give shorter lists")
    return text, content


def _notebook(name, where):
    """Returns the notebook of that plain name in notebooks/sweeps; nothing else is ever run."""
    folder = paths.project_root() / "notebooks" / "sweeps"
    is_plain = isinstance(name, str) and Path(name).name == name and "\0" not in name
    if not is_plain or not (folder / name).is_file() or (folder / name).resolve().parent != folder.resolve():
        raise StudyError(f"{where}: notebook must be a plain name of a file in notebooks/sweeps (got {name!r})")
    return folder / name


def _only(mapping, allowed, where):
    if not isinstance(mapping, dict):
        raise StudyError(f"{where} must be a mapping (got {type(mapping).__name__})")
    checks.known(f"{where} has an unknown key", mapping, allowed)


def _points(block, defaults, where, stand_in, changes):
    """Yields the parameters of every point of one block: the product of its lists. Each value is checked once."""
    _only(block, {*TASK_KEYS, *RUN_KEYS, "pipelines"}, where)
    block = {**block, **changes}
    merged = {**DEFAULTS, **defaults, **block}
    for key in ("dataset", "transform", "pipelines"):
        if key not in merged:
            raise StudyError(f"{where} must have {key}")
    specs = _specs(merged.pop("pipelines"), where)
    reference = merged.pop("reference", next(iter(specs)))
    if not isinstance(reference, str) or reference not in specs:
        raise StudyError(f"{where}: reference must be one of {', '.join(specs)} (got {checks.shown(reference)})")
    if merged["cores"] == DOUBLING:
        merged["cores"] = _doubling(len(limits.core_numbers()))
    choices = {key: value if isinstance(value, list) else [value] for key, value in merged.items()}
    for key, values in choices.items():
        if not values:
            raise StudyError(f"{where}: {key} must have at least one value (got an empty list)")
    if (points := math.prod(map(len, choices.values()))) > MOST_POINTS:
        raise StudyError(f"{where} must have at most {MOST_POINTS} points (got {points}); give shorter lists")
    if stand_in:
        with _located(where):
            choices["dataset"] = [datasets.best_available(name) for name in choices["dataset"]]
    of_all = {"pipelines": {label: spec.to_dict() for label, spec in specs.items()}, "reference": reference}
    for name in choices["dataset"]:
        of_dataset = {**choices, "dataset": [name]}
        if stand_in and "source" not in block and "folder" in datasets.named(name).read_as:
            of_dataset["source"] = ["folder"]
        _check(of_dataset, where)
        for point in itertools.product(*of_dataset.values()):
            yield dict(zip(of_dataset, point, strict=True)) | of_all


def _doubling(cores):
    """Returns 1, 2, 4, … and the number of cores itself."""
    return [*(2**power for power in range(cores.bit_length()) if 2**power < cores), cores]


def _specs(given, where):
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        given = {name: {} for name in given}
    if not isinstance(given, dict):
        raise StudyError(f"{where}: pipelines must be a list of names or a mapping (got {checks.shown(given)})")
    with _located(where):
        return read_specs({label: {} if knobs is None else knobs for label, knobs in given.items()})


def _check(choices, where):
    """Checks every value of one dataset, the others at their first: but for the source, none depends on another."""
    first = {key: values[0] for key, values in choices.items()}
    with _located(where):
        for key, values in choices.items():
            for value in values:
                _check_point({**first, key: value})


@contextmanager
def _located(where):
    """Puts where in the grid it stands before what is said of a value."""
    try:
        yield
    except StudyError as error:
        raise StudyError(f"{where}: {error}") from error


def _check_point(parameters):
    task = {name: parameters[name] for name in TASK_KEYS}
    size, examples = task.pop("image_size"), task.pop("examples")
    Task(**task, image_size=(size, size) if size else None, examples=examples or None)
    checks.share("precision", parameters["precision"])
    checks.share("margin", parameters["margin"])
    checks.between("budget_s", parameters["budget_s"], 0, 86400)
    checks.one_of("until", parameters["until"], comparison.UNTIL)
    checks.whole("filters", parameters["filters"], least=1)
    checks.whole("server", parameters["server"], least=1, most=MOST_SERVERS)
    if parameters["cores"] != 0:
        limits.check_restriction(parameters["cores"])
    for switch in ("train", "isolate"):
        if not isinstance(parameters[switch], bool):
            raise StudyError(f"{switch} must be true or false (got {checks.shown(parameters[switch])})")
