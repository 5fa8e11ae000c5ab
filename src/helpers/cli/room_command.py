"""The command `study room`."""

from pathlib import Path

import click

from helpers.cli.arguments import PATH
from helpers.cli.commands import study


@study.command()
@click.argument("folder", type=PATH)
def room(folder: Path) -> None:
    """Put the results of a class side by side, laptop by laptop.

    FOLDER holds one run's folder, or NAME.parquet, per laptop; the picture room.png goes there.
    """
    from helpers.report import room

    print(f"the picture is {room.show(folder)}")
