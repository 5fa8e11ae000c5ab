"""The commands `study pack` and `study room`: results go to whoever compares them."""

from pathlib import Path

import click

from helpers.cli.arguments import PATH
from helpers.cli.commands import study


@study.command()
@click.argument("run", type=PATH)
@click.option("--out", type=PATH, help="The file (default: RUN-MACHINE.zip, here).")
def pack(run: Path, out: Path | None) -> None:
    """Make one file of a run, to send it: its table and its machine, without your paths."""
    from helpers.report import pack

    print(f"{pack.write(run, out)} holds the table and the machine, and none of your paths")


@study.command()
@click.argument("folder", type=PATH)
def room(folder: Path) -> None:
    """Put the results of a class side by side, laptop by laptop.

    FOLDER holds one run's folder, or one file of `study pack`, per laptop; the picture room.png goes there.
    """
    from helpers.report import room

    print(f"the picture is {room.show(folder)}")
