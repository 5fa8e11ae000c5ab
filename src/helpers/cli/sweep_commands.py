"""The commands `study sweep` and `study gather`."""

from pathlib import Path

import click

from helpers.cli.arguments import PATH, seconds
from helpers.cli.commands import DONE, SOME_FAILED, study


@study.command()
@click.argument("grid", type=PATH)
@click.option("--out", type=PATH, help="The run's folder; needed unless --list is given.")
@click.option("--resume", is_flag=True, help="Run only what is missing or failed.")
@click.option("--shard", default="1/1", metavar="I/N", help="Run every N-th cell, from the I-th on.")
@click.option("--only", multiple=True, metavar="KEY=VALUE", help="Run the cells with this value; may come again.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="In all cells, as in budget_s=30.")
@click.option("--list", "listed", is_flag=True, help="Show the cells, and run none.")
@click.option("--cell-timeout", type=seconds, default="1800s", metavar="SECONDS", help="A cell is ended after this.")
@click.option(
    "--after-cell",
    default="",
    metavar="COMMAND",
    show_default=False,
    help="For the shell, after each cell; it finds STUDY_RUN, STUDY_CELL and STUDY_CELL_DONE (1 or 0).",
)
@click.option("--scheduler", metavar="ADDRESS", help="Send the cells to a Dask cluster: tcp://host:8786.")
@click.option(
    "--launcher",
    type=click.Choice(["auto", "warm", "stock"]),
    default="auto",
    help="How kernels start: warm, forked from a process that has imported TensorFlow, or stock.",
)
@click.pass_context
def sweep(
    context: click.Context,
    grid: Path,
    out: Path | None,
    resume: bool,
    shard: str,
    only: tuple[str, ...],
    changes: tuple[str, ...],
    listed: bool,
    cell_timeout: float,
    after_cell: str,
    scheduler: str | None,
    launcher: str,
) -> int:
    """Run a grid of comparisons.

    GRID is a file such as notebooks/sweeps/quick.yml; each of its cells is one run of papermill. A Dask cluster at
    tcp:// runs what anybody sends it: use one that only you reach, or tls://.
    """
    from helpers import sweep

    selection = sweep.read_selection(changes, only, shard)
    if listed:
        print("\n".join(sweep.listing(grid, selection, out=out)))
        return DONE
    if out is None:
        raise click.MissingParameter(ctx=context, param=next(p for p in context.command.params if p.name == "out"))
    return sweep.run(
        grid,
        out,
        resume=resume,
        selection=selection,
        cell_timeout_s=cell_timeout,
        after_cell=after_cell,
        scheduler=scheduler,
        launcher=launcher,
    ).exit_code


@study.command()
@click.argument("runs", type=PATH, nargs=-1, required=True, metavar="RUN...")
@click.option("--out", type=PATH, required=True, help="A folder for all of them: new, or of this grid already.")
def gather(runs: tuple[Path, ...], out: Path) -> int:
    """Put runs of one grid together: shards, or parts of several machines.

    The RUNs stay as they are. Exit code 1: cells of the grid are missing.
    """
    from helpers import checks, sweep

    told = sweep.gather(runs, out)
    print(f"{out} holds {told.cells} cells of {len(told.machines)} machines ({checks.few(told.machines)})")
    if told.missing:
        print(f"{len(told.missing)} cells of the grid are missing: {checks.few([f'no. {no}' for no in told.missing])}")
    return SOME_FAILED if told.missing else DONE
