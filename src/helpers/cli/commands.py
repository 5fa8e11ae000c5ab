"""The commands of `study`; what takes long to import waits until a command needs it."""

import json
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from helpers.cli.arguments import PATH, PORT, parse_pipelines, seconds, share

DONE, SOME_FAILED, BAD_INPUT, SLOWER, UNFORESEEN, INTERRUPTED = 0, 1, 2, 3, 70, 130


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def study(debug: bool) -> None:
    """Which input pipeline should feed my Keras model?

    Measured on this machine.
    """


@study.command()
@click.argument("dataset", nargs=-1, required=True)
@click.option("--archives", type=PATH, help="A folder with the official archives, or the archive itself.")
@click.option("--data-dir", type=PATH, help="Where prepared data goes (default: the project's data/).")
def prepare(dataset: tuple[str, ...], archives: Path | None, data_dir: Path | None) -> None:
    """Get a dataset ready.

    DATASET: mnist, cifar10, mnist-standin, cifar10-standin, photographs or folder:NAME.
    """
    from helpers.datasets import preparing

    for name in dataset:
        folder = preparing.prepare(name, archives=archives, data_dir=data_dir, progress=print)
        print(f"{name} is ready in {folder}")


@study.command()
@click.argument("feeds", nargs=-1, metavar="[FILE.py:NAME]...")
@click.option("--dataset", default="synthetic")
@click.option("--source", help="arrays, tfds or folder (default: folder for folder:PATH, else arrays)")
@click.option(
    "--decode",
    default="",
    metavar="[once|every-epoch]",
    show_default=False,
    help="When pictures are decoded (default: arrays once, records and files every-epoch).",
)
@click.option("--transform", default="noise")
@click.option("--batch-size", default=32)
@click.option("--image-size", type=int, nargs=2, metavar="HEIGHT WIDTH")
@click.option("--examples", type=int, help="Examples per epoch (default: all; 1000 synthetic ones).")
@click.option("--no-shuffle", is_flag=True)
@click.option("--seed", default=0)
@click.option(
    "--pipelines",
    default="py_dataset,image_data_generator,tf_data",
    help="Names, each with knobs if wanted: tf_data:cache=memory:map=batch.",
)
@click.option("--reference", help="What the others are compared with (default: the first).")
@click.option("--precision", type=share, default="3%", metavar="SHARE", help="Stop at this half-width: 3% or 0.03.")
@click.option("--margin", type=share, default="5%", metavar="SHARE", help="Differences up to this are the same.")
@click.option("--budget", type=seconds, default="60s", metavar="SECONDS", help="For the rounds: 60s or 60.")
@click.option("--train", is_flag=True, help="Also train a small CNN: share of time waiting for data.")
@click.option("--isolate", is_flag=True, help="One process for each pipeline, as for memory figures.")
@click.option("--graph", "with_graphs", is_flag=True, help="Also show the graph of each tf.data pipeline as it ran.")
@click.option("--model", metavar="FILE.py:NAME", help="With feeds of your own: a compiled model, or what makes one.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_context
def compare(
    context: click.Context,
    feeds: tuple[str, ...],
    dataset: str,
    source: str | None,
    decode: str,
    transform: str,
    batch_size: int,
    image_size: tuple[int, int] | None,
    examples: int | None,
    no_shuffle: bool,
    seed: int,
    pipelines: str,
    reference: str | None,
    precision: float,
    margin: float,
    budget: float,
    train: bool,
    isolate: bool,
    with_graphs: bool,
    model: str | None,
    as_json: bool,
) -> int:
    """Compare pipelines on one task, or feeds of your own.

    FILE.py:NAME, at least twice: a feed that `fit` takes, or a function without arguments that makes one. They are
    held against each other, and compared where they deliver the same examples.
    """
    if feeds or model:
        return _compare_own(
            context,
            feeds,
            model,
            reference,
            precision=precision,
            margin=margin,
            budget_s=budget,
            seed=seed,
            as_json=as_json,
            with_graphs=with_graphs,
        )
    from helpers import checks, datasets, machine, measurement, ratios
    from helpers.machine import processes
    from helpers.pipelines import read_specs
    from helpers.results import reading
    from helpers.tasks import Task

    specs = read_specs(parse_pipelines(pipelines))
    task = Task(
        dataset=dataset,
        source=source or ("folder" if "folder" in datasets.named(dataset).read_as else "arrays"),
        decode=decode.replace("-", " "),
        transform=transform,
        batch_size=batch_size,
        image_size=image_size,
        examples=examples,
        shuffle=not no_shuffle,
        seed=seed,
    )
    task.data.require()
    if reference is not None:
        checks.one_of("reference", reference, specs)
    with processes.without_libraries():
        measured = measurement.measure(
            task,
            specs,
            reference=reference,
            precision=precision,
            margin=margin,
            budget_s=budget,
            train=train,
            isolate=isolate,
        )
        rows, graphs = measured.rows(), _graphs_of(task, specs) if with_graphs else {}
    if as_json:
        told = {"machine": machine.describe().to_dict(), "rows": json.loads(rows.to_json(orient="records"))}
        told |= {"graphs": {label: drawn.to_dict() for label, drawn in graphs.items()}} if with_graphs else {}
        print(json.dumps(told))
        return DONE
    print(
        f"{measured.description.label}: {measured.description.examples} examples, {task.transform}, "
        f"batch {task.batch_size}, {reading(task.source, task.decoding)}; {measured.comparison.load}\n{measured.parity}"
    )
    shown = rows.assign(
        start_ms=rows["start_s"] * 1e3,
        batch_ms=rows["batch_s"] * 1e3,
        step_ms=rows["train_step_s"] * 1e3,
        pipeline_MB=rows["pipeline_rss_bytes"] / 1e6,
        tree_MB=rows["peak_rss_bytes"] / 1e6,
        verdict=list(map(ratios.in_words, rows["verdict"], rows["time_ratio_low"], rows["time_ratio_high"])),
    ).set_index("pipeline")
    columns = ["verdict", "time_ratio", "time_ratio_low", "time_ratio_high", "images_per_s", "start_ms", "batch_ms"]
    columns += ["turns_at_examples", *["step_ms", "waiting_share"] * train, *["pipeline_MB", "tree_MB"] * isolate]
    print(shown[[*columns, "flags"]].round({"images_per_s": 0, "turns_at_examples": 0}).round(3).to_string())
    print(
        f"time_ratio: an epoch of {measured.description.examples} examples over that of the reference; "
        f"at turns_at_examples the order turns.\nAt best, fit takes {1e3 * measured.floor_batch_s:.2f} ms per batch, "
        f"and this machine does the work for {measured.ceiling_images_per_s:,.0f} images/s."
    )
    for label, drawn in graphs.items():
        print(f"\n{label}\n{drawn}")
    return DONE


def _graphs_of(task: Any, specs: Any) -> dict[str, Any]:
    """Returns label -> the graph as it ran, of pipelines built anew."""
    from helpers.pipelines import graph

    return {label: graph.as_it_ran(spec.build(task)) for label, spec in specs.items()}


def _compare_own(
    context: click.Context, feeds: tuple[str, ...], model: str | None, *given: Any, **settings: Any
) -> int:
    from helpers.cli import own_feeds

    for option in own_feeds.OF_A_TASK:
        if context.get_parameter_source(option) is not click.core.ParameterSource.DEFAULT:
            flag = f"--{option.replace('_', '-')}"
            raise click.UsageError(f"{flag} is for a task; feeds of your own decide that themselves", context)
    debug = bool(context.parent and context.parent.params["debug"])
    return own_feeds.run(own_feeds.request_of(feeds, model, *given, debug=debug, **settings))


@study.group(no_args_is_help=False)
def service() -> None:
    """Run tf.data service, or a part of it.

    `start` runs all of it here; the dispatcher and each worker may also run on a host of their own. TensorFlow's
    servers listen on every interface and ask nobody for a password, and what they are sent is a program: whoever
    reaches this host's ports can run it here.
    """


def _agreed(context: Any, option: Any, value: bool) -> None:
    if not value:
        raise click.UsageError(
            "a tf.data service listens on every interface without a password and runs what it is sent; where only "
            "people whom you trust reach this host, give --trusted-network",
            context,
        )


_trusted = click.option(
    "--trusted-network",
    is_flag=True,
    expose_value=False,
    callback=_agreed,
    help="Yes: all who reach this host may run programs on it.",
)


@service.command()
@_trusted
@click.option("--workers", default=2)
@click.option("--port", type=PORT, default=0, help="Of the dispatcher; 0: any that is free.")
def start(workers: int, port: int) -> None:
    """Run a dispatcher and workers here, until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        from helpers.service import processes

        processes.run(workers, port=port, announce=click.echo)


_host = click.option("--host", default=socket.gethostname, show_default="its own", help="This host's name for others.")


@service.command()
@_trusted
@click.option("--port", type=PORT, default=5050)
@click.option(
    "--worker-addresses",
    default="",
    show_default=False,
    help="HOST:PORT,… of every worker: sharding file and data need them.",
)
@_host
def dispatcher(port: int, worker_addresses: str, host: str) -> None:
    """Run a dispatcher for workers on several hosts."""
    _serve("dispatcher", port=port, host=host, worker_addresses=[*filter(None, worker_addresses.split(","))])


@service.command()
@_trusted
@click.option("--dispatcher", required=True, metavar="HOST:PORT")
@click.option("--port", type=PORT, default=5051)
@_host
def worker(dispatcher: str, port: int, host: str) -> None:
    """Run a worker on this host."""
    _serve("worker", port=port, host=host, dispatcher=dispatcher)


def _serve(role: str, **settings: Any) -> None:
    with suppress(KeyboardInterrupt):
        from helpers.service import processes

        server = processes.serve(
            role, announce=lambda address: click.echo(f"{role} at {address}; Ctrl-C ends it"), **settings
        )
        while server:  # it serves from threads of its own
            time.sleep(1)


@study.command()
@click.argument("run", type=PATH)
@click.argument("run2", type=PATH, required=False)
@click.option("--fail-on-slower", is_flag=True, help="Exit with 3 where a pipeline is slower in RUN2 than in RUN.")
def report(run: Path, run2: Path | None, fail_on_slower: bool) -> int:
    """Write a run's verdicts, as report.html.

    RUN is the run's folder; RUN2, a second run, is put beside it, with what changed from RUN to RUN2.
    """
    from helpers import report

    return SLOWER if report.tell(run, run2, fail_on_slower=fail_on_slower) else DONE


@study.command()
@click.option("--check", is_flag=True, help="Check that everything needed is here.")
@click.option("--json", "as_json", is_flag=True)
def machine(check: bool, as_json: bool) -> int:
    """Describe this machine, and check it."""
    from helpers import machine, setup_check

    described = machine.describe()
    checks = setup_check.check() if check else []
    if as_json:
        listed = [{"check": name, "ok": ok, "detail": detail, "remedy": remedy} for name, ok, detail, remedy in checks]
        print(json.dumps({"machine": described.to_dict(), "checks": listed}, indent=2))
    else:
        print(described.summary())
        for name, ok, detail, remedy in checks:
            print(f"{'ok ' if ok else 'NO '} {name}: {detail}" + ("" if ok else f" → {remedy}"))
    return DONE if all(point.ok for point in checks) else SOME_FAILED


@study.command()
@click.option("--out", type=PATH, help="Where it goes (default: notebooks/workshop/learner).")
@click.option("--force", is_flag=True, help="Replace also what it did not write, or what was changed; keeps a .bak.")
def exercises(out: Path | None, force: bool) -> None:
    """Write the lessons without solutions."""
    from helpers import paths, workshop

    written = workshop.write(out or paths.project_root() / "notebooks" / "workshop" / "learner", force=force)
    print(f"{len(written)} lessons without solutions are in {written[0].parent}")
