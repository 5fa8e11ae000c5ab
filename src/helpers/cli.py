"""The command `study`; what takes long to import waits until a command needs it."""

import json
import math
import os
import re
import socket
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import yaml

from helpers.errors import StudyError, first_line

DONE, SOME_FAILED, BAD_INPUT, UNFORESEEN, INTERRUPTED = 0, 1, 2, 70, 130


class _Path(click.Path):
    """A path that can be: "" would be the current folder, and no name holds a NUL."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Returns the path."""
        if not str(value) or "\0" in str(value):
            self.fail(f"must be a path (got {str(value)!r})", param, ctx)
        return super().convert(value, param, ctx)


PATH = _Path(path_type=Path)
PORT = click.IntRange(0, 65535)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _share(text: str) -> float:
    value = _number(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 < value < 1:
        raise click.BadParameter(f"must be above 0 and below 1, or above 0% and below 100% (got {text!r})")
    return value


def _seconds(text: str) -> float:
    value = _number(text.removesuffix("s"))
    if not 0 < value < math.inf:
        raise click.BadParameter(f"must be above 0 seconds, as in 60s or 60 (got {text!r})")
    return value


def parse_pipelines(text: str) -> dict[str, dict[str, Any]]:
    """Returns label -> {"builder": name, **knobs} of "name,name:knob=value:knob=value".

    Raises:
        StudyError: where an entry does not read so, or comes twice.
    """
    specs: dict[str, dict[str, Any]] = {}
    for entry in map(str.strip, text.split(",")):
        name, *settings = re.split(r":(?!//|\d)", entry)  # not within grpc://host:port
        if entry in specs:
            raise StudyError(f"each pipeline may come once (got {entry!r} twice); give it another knob")
        specs[entry] = {"builder": name}
        for setting in settings:
            knob, equals, value = setting.partition("=")
            if not equals:
                raise StudyError(f"a knob must read name=value (got {setting!r}); as in tf_data:cache=memory")
            # YAML would read "none" as text and "true" as a switch, which is what the knobs take.
            try:
                specs[entry][knob] = yaml.safe_load(value)
            except yaml.YAMLError:
                raise StudyError(
                    f"a knob's value must be plain (got {setting!r}); as in tf_data:cache=memory"
                ) from None
    return specs


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
def prepare(dataset: tuple[str, ...], archives: Path | None, data_dir: Path | None) -> int:
    """Get a dataset ready.

    DATASET: mnist, cifar10, mnist-standin, cifar10-standin or folder:NAME.
    """
    from helpers.datasets import preparing

    for name in dataset:
        folder = preparing.prepare(name, archives=archives, data_dir=data_dir, progress=print)
        print(f"{name} is ready in {folder}")
    return DONE


@study.command()
@click.option("--dataset", default="synthetic")
@click.option("--source", help="arrays, tfds or folder (default: folder for folder:PATH, else arrays)")
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
@click.option("--precision", type=_share, default="3%", metavar="SHARE", help="Stop at this half-width: 3% or 0.03.")
@click.option("--margin", type=_share, default="5%", metavar="SHARE", help="Differences up to this are the same.")
@click.option("--budget", type=_seconds, default="60s", metavar="SECONDS", help="For the rounds: 60s or 60.")
@click.option("--train", is_flag=True, help="Also train a small CNN: share of time waiting for data.")
@click.option("--isolate", is_flag=True, help="One process for each pipeline, as for memory figures.")
@click.option("--json", "as_json", is_flag=True)
def compare(
    dataset: str,
    source: str | None,
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
    as_json: bool,
) -> int:
    """Compare pipelines on one task."""
    from helpers import checks, datasets, machine, measurement
    from helpers.pipelines import read_specs
    from helpers.tasks import Task

    specs = read_specs(parse_pipelines(pipelines))
    task = Task(
        dataset=dataset,
        source=source or ("folder" if "folder" in datasets.named(dataset).read_as else "arrays"),
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
    rows = measured.rows()
    if as_json:
        print(json.dumps({"machine": machine.describe().to_dict(), "rows": json.loads(rows.to_json(orient="records"))}))
        return DONE
    print(f"{measured.description.label}: {measured.description.examples} examples, {task.transform}, ", end="")
    print(f"batch {task.batch_size}; {measured.comparison.load}")
    print(measured.parity)
    shown = rows.set_index("pipeline")
    shown = shown.assign(
        share_of_gather=shown["images_per_s"] / shown["gather_ceiling_images_per_s"],
        share_of_step=shown["images_per_s"] / shown["step_ceiling_images_per_s"],
        pipeline_MB=shown["pipeline_rss_bytes"] / 1e6,
        tree_MB=shown["peak_rss_bytes"] / 1e6,
    )
    columns = ["verdict", "time_ratio", "time_ratio_low", "time_ratio_high", "images_per_s", "first_batch_s"]
    columns += ["share_of_gather", *["share_of_step", "waiting_share"] * train, *["pipeline_MB", "tree_MB"] * isolate]
    print(shown[[*columns, "flags"]].round({"images_per_s": 0}).round(3).to_string())
    return DONE


@study.command()
@click.argument("grid", type=PATH)
@click.option("--out", type=PATH, required=True, help="The run's folder.")
@click.option("--resume", is_flag=True, help="Run only what is missing or failed.")
@click.option("--scheduler", metavar="ADDRESS", help="Send the cells to a Dask cluster: tcp://host:8786.")
@click.option(
    "--launcher",
    type=click.Choice(["auto", "warm", "stock"]),
    default="auto",
    help="How kernels start: warm, forked from a process that has imported TensorFlow, or stock.",
)
def sweep(grid: Path, out: Path, resume: bool, scheduler: str | None, launcher: str) -> int:
    """Run a grid of comparisons.

    GRID is a file such as notebooks/sweeps/quick.yml; each of its cells is one run of papermill. A Dask cluster at
    tcp:// runs what anybody sends it: use one that only you reach, or tls://.
    """
    from helpers import sweep

    return sweep.run(grid, out, resume=resume, scheduler=scheduler, launcher=launcher).exit_code


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
def start(workers: int, port: int) -> int:
    """Run a dispatcher and workers here, until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        from helpers.service import processes

        processes.run(workers, port=port, announce=click.echo)
    return DONE


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
def dispatcher(port: int, worker_addresses: str, host: str) -> int:
    """Run a dispatcher for workers on several hosts."""
    return _serve("dispatcher", port=port, host=host, worker_addresses=[*filter(None, worker_addresses.split(","))])


@service.command()
@_trusted
@click.option("--dispatcher", required=True, metavar="HOST:PORT")
@click.option("--port", type=PORT, default=5051)
@_host
def worker(dispatcher: str, port: int, host: str) -> int:
    """Run a worker on this host."""
    return _serve("worker", port=port, host=host, dispatcher=dispatcher)


def _serve(role: str, **settings: Any) -> int:
    with suppress(KeyboardInterrupt):
        from helpers.service import processes

        announce = lambda address: click.echo(f"{role} at {address}; Ctrl-C ends it")  # noqa: E731
        server = processes.serve(role, announce=announce, **settings)
        while server:  # it serves from threads of its own
            time.sleep(1)
    return DONE


@study.command()
@click.argument("run", type=PATH)
@click.argument("run2", type=PATH, required=False)
def report(run: Path, run2: Path | None) -> int:
    """Write a run's verdicts, as report.html.

    RUN is the run's folder; RUN2, a second run, is put beside it.
    """
    from helpers import report

    report.print_verdicts(run)
    print(f"report: {report.write(run, run2)}")
    return DONE


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
def exercises(out: Path | None, force: bool) -> int:
    """Write the lessons without solutions."""
    from helpers import paths, workshop

    written = workshop.write(out or paths.project_root() / "notebooks" / "workshop" / "learner", force=force)
    print(f"{len(written)} lessons without solutions are in {written[0].parent}")
    return DONE


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        0 done, 1 some cells failed, 2 bad usage or input, 70 something unforeseen, 130 interrupted.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        return study.main(arguments, prog_name="study", standalone_mode=False)
    except click.UsageError as error:
        said = " ".join(error.format_message().split()).rstrip(".")
        print(f"study: {said}; see `{error.ctx.command_path if error.ctx else 'study'} --help`", file=sys.stderr)
        return BAD_INPUT
    except StudyError as error:
        if arguments[:1] == ["--debug"]:
            raise
        print(f"study: {error}", file=sys.stderr)
        return BAD_INPUT
    except click.Abort:
        print("study: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # who read our output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        if arguments[:1] == ["--debug"]:
            raise
        with tempfile.NamedTemporaryFile("w", prefix="study-error-", suffix=".log", delete=False) as log:
            traceback.print_exc(file=log)
        told = f"{type(error).__name__}: {first_line(error)}"
        print(f"study: this should not have happened ({told}); the traceback is in {log.name}", file=sys.stderr)
        return UNFORESEEN


if __name__ == "__main__":
    sys.exit(main())
