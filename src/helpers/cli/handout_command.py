"""The command `study handout`."""

from pathlib import Path

import click

from helpers.cli.arguments import PATH
from helpers.cli.commands import study


@study.command()
@click.argument("folder", type=PATH)
@click.option(
    "--platform", "platforms", multiple=True, metavar="linux|windows|mac", help="Of the machines; may repeat."
)
@click.option("--python", default="", help="Their Python, such as 3.11 (default: this one's).", show_default=False)
@click.option("--archives", type=PATH, help="A folder with official archives, in place of stand-ins.")
def handout(folder: Path, platforms: tuple[str, ...], python: str, archives: Path | None) -> None:
    """Write a folder for a class without network.

    The kit, every package as a wheel for each platform, and the data. It needs the network itself.
    """
    from helpers.workshop import handout

    handout.write(folder, platforms=platforms, python=python, archives=archives)
