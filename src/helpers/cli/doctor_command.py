"""The command `study doctor`."""

from pathlib import Path

import click

from helpers.cli.arguments import PATH, seconds
from helpers.cli.commands import study


@study.command()
@click.argument("feed", metavar="FILE.py:NAME")
@click.option("--model", metavar="FILE.py:NAME", help="A compiled model, or a function that makes one.")
@click.option("--validation", metavar="FILE.py:NAME", help="The feed of validation data.")
@click.option("--source", metavar="FILE.py:NAME", help="The raw examples: (x, y), a feed, or a function that makes it.")
@click.option("--role", type=click.Choice(["training", "evaluation"]), default="training")
@click.option("--budget", type=seconds, default="60s", metavar="SECONDS", help="For all of it: 60s or 60.")
@click.option("--html", type=PATH, help="Also write the report as a page.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def doctor(
    context: click.Context,
    feed: str,
    model: str | None,
    validation: str | None,
    source: str | None,
    role: str,
    budget: float,
    html: Path | None,
    as_json: bool,
) -> int:
    """Examine a feed of your own: what the input takes, which stage, which faults.

    FILE.py:NAME is what `fit` takes, or a function without arguments that makes it. Exit code 3: faults were measured.
    """
    from helpers.cli import own_examination

    others = {"model": model, "validation": validation, "source": source}
    debug = bool(context.parent and context.parent.params["debug"])
    page = None if html is None else str(html.resolve())
    settings = {"role": role, "budget_s": budget, "html": page, "as_json": as_json, "debug": debug}
    return own_examination.run(own_examination.examination_of(feed, others, **settings))
