"""The command `study facts`."""

import json
from dataclasses import asdict

import click

from helpers.cli.commands import DONE, SOME_FAILED, study


@study.command()
@click.argument("id_", metavar="[ID]...", nargs=-1)
@click.option("--check", is_flag=True, help="Try them on the TensorFlow and Keras that are installed.")
@click.option("--json", "as_json", is_flag=True)
def facts(id_: tuple[str, ...], check: bool, as_json: bool) -> int:
    """List what the kit relies on in TensorFlow and Keras, and try whether it is so.

    ID: of a fact, as lessons and the doctor cite it; without one, all. Exit code 1: one turned false, and the sentences
    that rely on it are told.
    """
    from helpers.claims import fact_checks, facts

    file = facts.load()
    wanted, cited = file.named(id_), facts.citations()
    counts, listed = dict.fromkeys(fact_checks.Truth, 0), []
    answers = fact_checks.tried(wanted) if check else map(fact_checks.Answer, wanted)
    for answer in answers:
        fact, citations = answer.fact, cited.get(answer.fact.id, [])
        counts[answer.truth] += 1
        if as_json:
            told = {"truth": str(answer.truth), "why": answer.why} if check else {}
            listed.append({**asdict(fact), **told, "cited": list(map(str, citations))})
        elif not check:
            click.echo(f"{fact.id}: {fact.says}")
            if id_:
                click.echo(f"\n{fact.check}\nseen with TensorFlow {', '.join(fact.seen) or '(none)'}; relied on in:")
                click.echo("\n".join(f"  {citation}" for citation in citations))
        else:
            click.echo(f"{answer.truth:9} {fact.id}{answer.why and ': ' + answer.why}")
            if answer.truth == fact_checks.Truth.FALSE:
                click.echo("\n".join([f"    It said: {fact.says}", *(f"    to rewrite: {each}" for each in citations)]))
    if as_json:
        click.echo(json.dumps(listed))
    elif check:
        click.echo("; ".join(f"{count} {truth}" for truth, count in counts.items() if count))
    return SOME_FAILED if counts[fact_checks.Truth.FALSE] else DONE
