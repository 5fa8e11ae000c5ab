"""Which cells of a grid a sweep runs: those of its shard, those with the values asked for; and values set for all."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers import checks, datasets, results
from helpers.errors import StudyError
from helpers.sweep.grid import RUN_KEYS, TASK_KEYS, Cell, Grid

SETTABLE = (*TASK_KEYS, *RUN_KEYS)


@dataclass(frozen=True)
class Selection:
    """What a sweep runs of a grid.

    Attributes:
        changes: key of a cell -> the value, or list of values, that stands in place of the grid's, in all cells.
        only: key of a cell -> the values that cells must have.
        shard: (i, n): every n-th cell, from the i-th on; counted before `only`, so that a shard is always the same.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    only: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    shard: tuple[int, int] = (1, 1)

    def of(self, cells: Sequence[Cell]) -> list[Cell]:
        """Returns the cells that are to run, in their order.

        Raises:
            StudyError: where no cell of the grid has the values asked for.
        """
        asked = [cell for cell in cells if all(_has(cell, key, values) for key, values in self.only.items())]
        if not asked:
            there = "; ".join(f"{key}: {checks.few(_values(cells, key))}" for key in self.only)
            raise StudyError(f"--only must leave cells of the grid (got none); it has {there}")
        number, shards = self.shard
        mine = {cell.id for cell in cells[number - 1 :: shards]}
        return [cell for cell in asked if cell.id in mine]


def read_selection(changes: Iterable[str] = (), only: Iterable[str] = (), shard: str = "1/1") -> Selection:
    """Reads a selection from the words of a command line.

    Args:
        changes: "KEY=VALUE", the value as YAML: `budget_s=30`, `batch_size=[32, 256]`.
        only: "KEY=VALUE" likewise; several values of a key, in a list or one by one, are alternatives.
        shard: "I/N".

    Raises:
        StudyError: where one does not read so, or names no key of a cell.
    """
    whole = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", shard)
    if not whole or int(whole[1]) > int(whole[2]):
        raise StudyError(f"--shard must read I/N, from 1/N to N/N (got {checks.shown(shard)})")
    chosen: dict[str, list[Any]] = {}
    for key, value in _pairs("--only", only, (*SETTABLE, "cell_id")):
        chosen.setdefault(key, []).extend(value if isinstance(value, list) else [value])
    return Selection(dict(_pairs("--set", changes, SETTABLE)), chosen, (int(whole[1]), int(whole[2])))


def _pairs(option, texts, keys):
    for text in texts:
        key, equals, value = text.partition("=")
        try:
            read = checks.plain_yaml(value)
        except ValueError:
            equals = ""
        if not equals or not value:
            raise StudyError(f"{option} must read KEY=VALUE (got {checks.shown(text)}); as in {option} batch_size=32")
        checks.known(f"{option} has an unknown key", [key], keys)
        yield key, value if key == "cell_id" else read  # an id may look like a number


def _has(cell, key, values):
    """Whether a cell has one of the values; a stand-in counts as what it stands for."""
    value = cell.parameters[key]
    if key == "dataset" and value not in values:
        value = datasets.named(value).stands_for
    return value in values


def _values(cells, key):
    return [str(value) for value in dict.fromkeys(cell.parameters[key] for cell in cells)]


def lines(plan: Grid, selection: Selection, *, out: Path | None = None) -> list[str]:
    """Returns the cells that are asked for as text: one line each, with its number in the grid, then what they take.

    Args:
        plan: the grid.
        selection: what is asked for of it.
        out: a run's folder, where there is one: the lines then tell which cells are done.
    """
    numbers = {cell.id: number for number, cell in enumerate(plan.cells, start=1)}
    wanted = selection.of(plan.cells)
    told = []
    for cell in wanted:
        p = cell.parameters
        done = out is not None and results.read_cell(out / "cells" / cell.id, cell.id) is not None
        what = f"{p['dataset']} {p['source']} {p['transform']}, batch {p['batch_size']}, "
        what += f"{p['examples'] or 'all'} examples, {len(p['pipelines'])} pipelines, {p['budget_s']:g} s of rounds"
        told.append(f"{numbers[cell.id]:4} {cell.id} {'done' if done else '    '} {what}")
    minutes = sum(cell.parameters["budget_s"] for cell in wanted) / 60
    return [*told, f"{len(wanted)} of {len(plan.cells)} cells, at most {minutes:.1f} min of rounds"]
