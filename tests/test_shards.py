import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, strategies as st

from helpers import machine, results, sweep
from helpers.cli.sweep_commands import sweep as sweep_command
from helpers.errors import StudyError
from helpers.sweep import grid, selection

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import trivial_cells

SWEEPS = Path(__file__).resolve().parents[1] / "notebooks" / "sweeps"
MEASURED = ["launcher", "wall_s"]  # what differs from run to run


@pytest.fixture
def run(tmp_path, monkeypatch):
    """`run(seeds, name, **options)` sweeps a grid of one light cell per seed into a folder of that name."""
    monkeypatch.setattr("helpers.sweep.kernels.MODULES", trivial_cells.LIGHT)

    def sweep_it(seeds, name, *, code="", **options):
        plan = trivial_cells.write_grid(tmp_path, seeds, code=code)
        return sweep.run(plan, tmp_path / name, progress=False, notebook=trivial_cells.notebook_of(plan), **options)

    return sweep_it


@pytest.mark.slow
def test_four_shards_under_two_machine_ids_equal_one_undisturbed_run(run, tmp_path, monkeypatch, capsys):
    seeds = [3, 1, 4, 15, 9, 2, 6]
    run(seeds, "whole")
    ids = set()
    for shard in range(1, 5):
        monkeypatch.setenv("OMP_NUM_THREADS", str(1 + shard % 2))  # counts as another machine
        ids.add(machine.describe().id)
        run(seeds, f"shard-{shard}", selection=sweep.read_selection(shard=f"{shard}/4"))
        if shard == 2:
            half = sweep.gather([tmp_path / "shard-1", tmp_path / "shard-2"], tmp_path / "gathered")
            assert half.missing == (3, 4, 7)
    told = sweep.gather([tmp_path / f"shard-{shard}" for shard in (4, 3, 1, 2)], tmp_path / "gathered")
    assert (told.cells, set(told.machines), told.missing) == (7, ids, ())
    free = [*MEASURED, "cell_id"]
    whole, gathered = (results.read(tmp_path / name) for name in ("whole", "gathered"))
    assert whole.drop(columns=free).equals(gathered.drop(columns=free))
    described = {path.name for path in (tmp_path / "gathered").glob("machine*.json")}
    assert described == {f"machine-{id}.json" for id in ids}
    capsys.readouterr()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    again = run(seeds, "gathered", resume=True)  # goes on as any run: this machine's own cells are known
    assert (again.before, again.done) == (3, 4)
    assert "4 cells of machine" in capsys.readouterr().out
    assert len(results.read(tmp_path / "gathered")) == 2 * (7 + 4)


@pytest.mark.slow
def test_runs_of_different_grids_or_settings_are_not_gathered(run, tmp_path):
    run([1], "one")
    run([1], "longer", selection=sweep.read_selection(["budget_s=30"]))
    one, longer, out = (tmp_path / name for name in ("one", "longer", "out"))
    with pytest.raises(StudyError, match="with the same --set"):
        sweep.gather([one, longer], out)
    with pytest.raises(StudyError, match="study sweep` wrote"):
        sweep.gather([one, tmp_path], out)
    with pytest.raises(StudyError, match="another folder than the runs'"):
        sweep.gather([one], one)
    assert not out.exists()
    out.mkdir()
    (out / "thesis.txt").write_text("")
    with pytest.raises(StudyError, match="holds something else"):
        sweep.gather([one], out)


@pytest.mark.slow
def test_runs_of_another_state_of_the_kit_are_not_gathered(run, tmp_path):
    run([1, 2], "one", selection=sweep.read_selection(shard="1/2"))
    run([1, 2], "two", selection=sweep.read_selection(shard="2/2"), code="pass  # the notebook has another text")
    with pytest.raises(StudyError, match="one state of the kit and the data"):
        sweep.gather([tmp_path / "one", tmp_path / "two"], tmp_path / "out")


def test_a_damaged_cell_is_not_gathered_and_counts_as_missing(run, tmp_path):
    run([1, 2], "one")
    (damaged, *_) = sorted((tmp_path / "one").glob(f"cells/*/{results.ROWS}"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    told = sweep.gather([tmp_path / "one"], tmp_path / "out")
    assert told.cells == len(told.missing or ()) == 1


@pytest.mark.slow
def test_what_is_asked_for_runs_and_what_others_did_in_the_folder_stays(run, tmp_path, capsys):
    assert run([1, 2, 3], "run", selection=sweep.read_selection(only=["seed=[1, 3]"])).done == 2
    assert "2 of the grid's 3 cells are asked for" in capsys.readouterr().out
    assert run([1, 2, 3], "run", resume=True, selection=sweep.read_selection(only=["seed=2"])).done == 1
    assert "unused" not in capsys.readouterr().out
    assert list(dict.fromkeys(results.read(tmp_path / "run")["seed"])) == [1, 2, 3]
    assert run([1, 2, 3], "run", resume=True).before == 3


@pytest.mark.slow
def test_a_value_that_is_set_reaches_every_cell(run, tmp_path):
    code = "assert (budget_s, batch_size) == (30, 64), budget_s"
    assert run([1, 2], "run", code=code, selection=sweep.read_selection(["budget_s=30", "batch_size=64"])).done == 2
    kept = (tmp_path / "run" / "grid.yml").read_text()
    assert kept.startswith("# with --set batch_size=64\n# with --set budget_s=30\n") and yaml.safe_load(kept)


@pytest.mark.slow
def test_a_command_after_each_cell_learns_of_it_and_may_fail(run, tmp_path, capsys):
    command = (
        'echo "$(basename "$STUDY_CELL") $STUDY_CELL_DONE $(ls "$STUDY_CELL" | grep -c rows)" >> "$STUDY_RUN/../told"'
    )
    outcome = run([1, 2], "run", code="assert seed == 1", after_cell=command)
    done, failed = (tmp_path / "told").read_text().split("\n")[:2]
    assert failed == f"{outcome.failed[0]} 0 0" and done.endswith(" 1 1")
    assert run([5], "other", after_cell="echo no bucket >&2; exit 3").done == 1
    assert "(exit code 3: no bucket); the sweep goes on" in capsys.readouterr().err


@given(cells=st.integers(1, 60), shards=st.integers(1, 9))
def test_shards_are_disjoint_even_and_together_the_grid(cells, shards):
    plan = [grid.Cell(f"{number}", {}) for number in range(cells)]
    parts = [selection.Selection(shard=(number, shards)).of(plan) for number in range(1, shards + 1)]
    assert sorted(int(cell.id) for part in parts for cell in part) == list(range(cells))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_shard_of_the_cells_asked_for_is_that_of_the_grid():
    cells = grid.load(SWEEPS / "quick.yml").cells
    whole = {cell.id for number in (1, 2) for cell in sweep.read_selection(shard=f"{number}/2").of(cells)}
    light = sweep.read_selection(only=["transform=noise"], shard="1/2").of(cells)
    assert {cell.id for cell in light} < whole and {cell.parameters["transform"] for cell in light} == {"noise"}


def test_a_stand_in_counts_as_what_it_stands_for(own_data_dir):
    cells = grid.load(SWEEPS / "quick.yml").cells
    chosen = sweep.read_selection(only=["dataset=mnist"]).of(cells)
    assert {cell.parameters["dataset"] for cell in chosen} == {"mnist-standin"}
    assert sweep.read_selection(only=[f"cell_id={chosen[0].id}"]).of(cells) == chosen[:1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"shard": "0/4"}, "from 1/N to N/N (got '0/4')"),
        ({"shard": "5/4"}, "from 1/N to N/N"),
        ({"shard": "1/4x"}, "from 1/N to N/N"),
        ({"only": ["batch=32"]}, "--only has an unknown key 'batch'; it may have batch_size"),
        ({"only": ["seed"]}, "--only must read KEY=VALUE (got 'seed')"),
        ({"changes": ["seed=["]}, "--set must read KEY=VALUE"),
        ({"changes": ["pipelines=tf_data"]}, "--set has an unknown key 'pipelines'"),
    ],
)
def test_a_selection_that_does_not_read_so_is_refused(words, said):
    with pytest.raises(StudyError) as refused:
        sweep.read_selection(**words)
    assert said in str(refused.value)


def test_values_that_no_cell_has_and_values_that_cannot_be_are_refused():
    with pytest.raises(StudyError, match=r"--only must leave cells of the grid \(got none\); it has batch_size: 32"):
        sweep.listing(SWEEPS / "quick.yml", sweep.read_selection(only=["batch_size=33"]))
    with pytest.raises(StudyError, match="budget_s must be above 0"):
        sweep.listing(SWEEPS / "quick.yml", sweep.read_selection(["budget_s=-1"]))


def test_the_list_shows_what_would_run_and_what_is_done_and_writes_nothing(run, tmp_path):
    plan = trivial_cells.write_grid(tmp_path, [1, 2])
    *cells, last = sweep.listing(plan, sweep.read_selection(["budget_s=30"], shard="2/2"), out=tmp_path / "run")
    (line,) = cells
    assert line.split()[0] == "2" and "done" not in line and "30 s of rounds" in line
    assert last == "1 of 2 cells, at most 0.5 min of rounds"
    assert not (tmp_path / "run").exists()


def test_equal_gpus_of_one_machine_are_one_machine():
    def id_of(seen, gpus=("A, 1, 2",) * 4):
        settings = {"CUDA_VISIBLE_DEVICES": seen} if seen else {}
        return replace(machine.describe(), gpus=gpus, settings=settings).id

    assert id_of("0") == id_of("3") != id_of("0,1") != id_of("")
    assert id_of("0", ("A, 1, 2", "B, 1, 2")) != id_of("1", ("A, 1, 2", "B, 1, 2"))
    assert id_of("-1") != id_of("0")


def test_the_example_for_slurm_starts_a_shard_per_task(tmp_path):
    said = []
    (tmp_path / "study").write_text('#!/bin/sh\nfor word; do echo "$word"; done\n')
    (tmp_path / "study").chmod(0o755)
    for task in ("1", "2"):
        variables = {"STUDY": str(tmp_path / "study"), "SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": "2"}
        command = ["bash", SWEEPS / "slurm.sh", SWEEPS / "quick.yml", tmp_path / "quick", "--set", "budget_s=30"]
        ran = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **variables})
        name, *words = ran.stdout.splitlines()
        assert name == "sweep"
        said.append(sweep_command.make_context("sweep", words).params)
    assert [(params["shard"], params["out"].name) for params in said] == [("1/2", "quick-1"), ("2/2", "quick-2")]
    assert said[0]["changes"] == ("budget_s=30",) and said[0]["resume"]
    assert shlex.split((SWEEPS / "slurm.sh").read_text(), comments=True)


def test_the_short_grid_for_a_gpu_ends_in_a_quarter_of_an_hour():
    head = (SWEEPS / "gpu_short.yml").read_text()
    (limit_s,) = re.findall(r"--cell-timeout (\d+)", head)
    cells = grid.load(SWEEPS / "gpu_short.yml").cells
    assert len(cells) * int(limit_s) <= 14 * 60, "a minute is left for data and start"
    assert all(2 * cell.parameters["budget_s"] < int(limit_s) for cell in cells)
    assert len({cell.parameters["filters"] for cell in cells}) > 1
