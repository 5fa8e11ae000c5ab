"""The command `study answers`."""

import click

from helpers.cli.commands import DONE, SOME_FAILED, study


@study.command()
@click.argument("words", nargs=-1)
@click.option(
    "--check", "checks", is_flag=True, help="Run the evidence again (minutes), and say which answers changed."
)
def answers(words: tuple[str, ...], checks: bool) -> int:
    """Find what people ask about input pipelines, with an answer and what decides it.

    WORDS must all occur; without any, all questions. Exit code 1: `--check` found an answer that changed.
    """
    from helpers.report import answer_book

    if checks:
        return DONE if answer_book.check(words) else SOME_FAILED
    answer_book.show(words)
    return DONE
