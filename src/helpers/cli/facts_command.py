"""The command `study facts`."""

import click

from helpers.cli.commands import DONE, SOME_FAILED, study


@study.command()
@click.argument("id_", metavar="[ID]...", nargs=-1)
@click.option("--check", is_flag=True, help="Try them on the TensorFlow and Keras that are installed.")
def facts(id_: tuple[str, ...], check: bool) -> int:
    """List what the kit relies on in TensorFlow and Keras, and try whether it is so.

    ID: of a fact, as lessons and the doctor cite it; without one, all. Exit code 1: one turned false, and the sentences
    that rely on it are told.
    """
    from helpers.claims import fact_checks, facts

    file = facts.load()
    wanted, cited = file.named(id_), facts.citations()
    if not check:
        for fact in wanted:
            click.echo(f"{fact.id}: {fact.says}")
            if id_:
                click.echo("\n" + fact.check)
                click.echo(f"seen with TensorFlow {', '.join(fact.seen) or '(none yet)'}; relied on in:")
            for citation in cited.get(fact.id, []) if id_ else []:
                click.echo(f"  {citation}")
        return DONE
    counts = dict.fromkeys(fact_checks.Truth, 0)
    for answer in fact_checks.tried(wanted):
        counts[answer.truth] += 1
        click.echo(f"{answer.truth:9} {answer.fact.id}{answer.why and ': ' + answer.why}")
        if answer.truth == fact_checks.Truth.FALSE:
            click.echo(f"          It said: {answer.fact.says}")
            for citation in cited.get(answer.fact.id, []):
                click.echo(f"          to rewrite: {citation}")
    click.echo("; ".join(f"{count} {truth}" for truth, count in counts.items() if count))
    return SOME_FAILED if counts[fact_checks.Truth.FALSE] else DONE
