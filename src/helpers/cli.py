"""The command `study`: prepare, compare, sweep, report, machine, exercises. Heavy imports wait until needed."""

import argparse
import json
import os
import re
import socket
import sys
import time
from pathlib import Path

DONE, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def _parser():
    parser = argparse.ArgumentParser(
        prog="study", description="Which input pipeline should feed my Keras model? Measured on this machine."
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    prepare = commands.add_parser("prepare", help="get a dataset ready: mnist, cifar10, a stand-in, a folder")
    prepare.add_argument("dataset", nargs="+", help="mnist, cifar10, mnist-standin, cifar10-standin or folder:NAME")
    prepare.add_argument("--archives", type=Path, help="a folder with the official archives, or the archive itself")
    prepare.add_argument("--data-dir", type=Path, help="where prepared data goes (default: the project's data/)")
    prepare.set_defaults(run=_prepare)

    compare = commands.add_parser("compare", help="compare pipelines on one task")
    compare.add_argument("--dataset", default="synthetic")
    compare.add_argument("--source", help="arrays, tfds or folder (default: folder for folder:PATH, else arrays)")
    compare.add_argument("--transform", default="noise")
    compare.add_argument("--batch-size", type=int, default=32)
    compare.add_argument("--image-size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"))
    compare.add_argument("--examples", type=int, help="examples an epoch (default: all; 1000 synthetic ones)")
    compare.add_argument("--no-shuffle", action="store_true")
    compare.add_argument("--seed", type=int, default=0)
    compare.add_argument(
        "--pipelines",
        default="py_dataset,image_data_generator,tf_data",
        help="names, each with knobs if wanted: tf_data:cache=memory:map=batch",
    )
    compare.add_argument("--reference", help="what the others are compared with (default: the first)")
    compare.add_argument("--precision", type=_share, default=0.03, help="stop at this half-width: 3%% or 0.03")
    compare.add_argument("--margin", type=_share, default=0.05, help="differences up to this are the same: 5%%")
    compare.add_argument("--budget", type=_seconds, default=60.0, help="seconds for the rounds: 60s or 60")
    compare.add_argument("--train", action="store_true", help="also train a small CNN: share of time waiting for data")
    compare.add_argument("--isolate", action="store_true", help="a process for each pipeline, as for memory figures")
    compare.add_argument("--json", action="store_true")
    compare.set_defaults(run=_compare)

    sweep = commands.add_parser("sweep", help="run a grid of comparisons, one papermill run a cell")
    sweep.add_argument("grid", type=Path, help="a grid, such as notebooks/sweeps/quick.yml")
    sweep.add_argument("--out", type=Path, required=True, help="the run's folder")
    sweep.add_argument("--resume", action="store_true", help="run only what is missing or failed")
    sweep.add_argument("--scheduler", metavar="ADDRESS", help="send the cells to a Dask cluster: tcp://host:8786")
    sweep.add_argument(
        "--launcher",
        choices=("auto", "warm", "stock"),
        default="auto",
        help="how kernels start: warm, forked from a process that has imported TensorFlow, or stock (default: auto)",
    )
    sweep.set_defaults(run=_sweep)

    service = commands.add_parser("service", help="tf.data service: start one here, or a part of one on each host")
    parts = service.add_subparsers(dest="part", required=True, metavar="PART")
    whole = parts.add_parser("start", help="a dispatcher and workers on this machine, until Ctrl-C")
    whole.add_argument("--workers", type=int, default=2)
    whole.add_argument("--port", type=int, default=0, help="of the dispatcher (default: any that is free)")
    dispatcher = parts.add_parser("dispatcher", help="a dispatcher for workers on several hosts")
    dispatcher.add_argument("--port", type=int, default=5050)
    dispatcher.add_argument(
        "--worker-addresses", default="", help="HOST:PORT,… of every worker: sharding file and data need them"
    )
    worker = parts.add_parser("worker", help="a worker on this host")
    worker.add_argument("--dispatcher", required=True, metavar="HOST:PORT")
    worker.add_argument("--port", type=int, default=5051)
    for part in (dispatcher, worker):
        part.add_argument("--host", default=socket.gethostname(), help="this host's name for others (default: its own)")
    service.set_defaults(run=_service)

    report = commands.add_parser("report", help="the verdicts of a run, as report.html")
    report.add_argument("run_folder", type=Path, metavar="RUN")
    report.add_argument("other", type=Path, nargs="?", metavar="RUN2", help="a second run, put beside the first")
    report.set_defaults(run=_report)

    machine = commands.add_parser("machine", help="what this machine is, and whether it is ready")
    machine.add_argument("--check", action="store_true", help="check that everything needed is here")
    machine.add_argument("--json", action="store_true")
    machine.set_defaults(run=_machine)

    learners = commands.add_parser("exercises", help="write the learner's version of the lessons, without solutions")
    learners.add_argument("--out", type=Path, help="where it goes (default: notebooks/workshop/learner)")
    learners.set_defaults(run=_exercises)
    return parser


def _share(text):
    value = float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and below 1, or above 0% and below 100% (got {text!r})")
    return value


def _seconds(text):
    value = float(text.removesuffix("s"))
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be above 0 seconds (got {text!r})")
    return value


def parse_pipelines(text: str) -> dict:
    """Returns label -> {"builder": name, **knobs} of "name,name:knob=value:knob=value".

    Raises:
        StudyError: where an entry does not read so, or comes twice.
    """
    import yaml

    from helpers.errors import StudyError

    specs = {}
    for entry in text.split(","):
        name, *settings = re.split(r":(?!//|\d)", entry.strip())  # not within grpc://host:port
        if entry.strip() in specs:
            raise StudyError(f"each pipeline may come once (got {entry.strip()!r} twice); give it another knob")
        knobs = {}
        for setting in settings:
            knob, equals, value = setting.partition("=")
            if not equals:
                raise StudyError(f"a knob must read name=value (got {setting!r}); as in tf_data:cache=memory")
            # YAML would read "none" as text and "true" as a switch, which is what the knobs take.
            knobs[knob] = yaml.safe_load(value)
        specs[entry.strip()] = {"builder": name, **knobs}
    return specs


def _prepare(arguments):
    from helpers.datasets import preparing

    for dataset in arguments.dataset:
        place = preparing.prepare(dataset, archives=arguments.archives, data_dir=arguments.data_dir, progress=print)
        print(f"{dataset} is ready in {place}")
    return DONE


def _compare(arguments):
    from helpers import datasets, measurement
    from helpers.pipelines import read_specs
    from helpers.tasks import Task

    specs = read_specs(parse_pipelines(arguments.pipelines))
    source = arguments.source or ("folder" if "folder" in datasets.named(arguments.dataset).read_as else "arrays")
    task = Task(
        dataset=arguments.dataset,
        source=source,
        transform=arguments.transform,
        batch_size=arguments.batch_size,
        image_size=tuple(arguments.image_size) if arguments.image_size else None,
        examples=arguments.examples or (1000 if arguments.dataset == "synthetic" else None),
        shuffle=not arguments.no_shuffle,
        seed=arguments.seed,
    )
    datasets.require(task.dataset)
    _check_reference(arguments.reference, specs)
    measured = measurement.measure(
        task,
        specs,
        reference=arguments.reference,
        precision=arguments.precision,
        margin=arguments.margin,
        budget_s=arguments.budget,
        train=arguments.train,
        isolate=arguments.isolate,
    )
    rows = measured.rows()
    if arguments.json:
        from helpers import machine

        print(json.dumps({"machine": machine.describe().to_dict(), "rows": json.loads(rows.to_json(orient="records"))}))
        return DONE
    print(f"{measured.description.label}: {measured.description.examples} examples, {task.transform}, ", end="")
    print(f"batch {task.batch_size}; {measured.comparison.load}")
    print(measured.parity)
    shown = rows.set_index("pipeline")
    columns = ["verdict", "time_ratio", "time_ratio_low", "time_ratio_high", "images_per_s", "first_batch_s", "flags"]
    shown = shown.assign(share_of_gather=shown["images_per_s"] / shown["gather_ceiling_images_per_s"])
    columns.insert(-1, "share_of_gather")
    if arguments.train:
        shown = shown.assign(share_of_step=shown["images_per_s"] / shown["step_ceiling_images_per_s"])
        columns[-1:-1] = ["share_of_step", "waiting_share"]
    if arguments.isolate:
        shown = shown.assign(pipeline_MB=shown["pipeline_rss_bytes"] / 1e6, tree_MB=shown["peak_rss_bytes"] / 1e6)
        columns[-1:-1] = ["pipeline_MB", "tree_MB"]
    print(shown[columns].round({"images_per_s": 0}).round(3).to_string())
    return DONE


def _check_reference(reference, specs):
    from helpers.errors import StudyError

    if reference is not None and reference not in specs:
        raise StudyError(f"reference must be one of {', '.join(specs)} (got {reference!r})")


def _sweep(arguments):
    from helpers import sweep

    outcome = sweep.run(
        arguments.grid,
        arguments.out,
        resume=arguments.resume,
        scheduler=arguments.scheduler,
        launcher=arguments.launcher,
    )
    return outcome.exit_code


def _service(arguments):
    from helpers.service import processes

    def announce(line):
        print(line, flush=True)

    try:
        if arguments.part == "start":
            processes.run(arguments.workers, port=arguments.port, announce=announce)
        settings = {"host": arguments.host, "port": arguments.port}
        if arguments.part == "dispatcher":
            settings["worker_addresses"] = [name for name in arguments.worker_addresses.split(",") if name]
        else:
            settings["dispatcher"] = arguments.dispatcher
        server = processes.serve(
            arguments.part,
            announce=lambda address: announce(f"{arguments.part} at {address}; Ctrl-C ends it"),
            **settings,
        )
        while server:  # it serves from threads of its own
            time.sleep(1)
    except KeyboardInterrupt:
        pass
    return DONE


def _report(arguments):
    from helpers import report

    report.print_verdicts(arguments.run_folder)
    print(f"report: {report.write(arguments.run_folder, arguments.other)}")
    return DONE


def _machine(arguments):
    from helpers import machine, setup_check

    described = machine.describe()
    checks = setup_check.check() if arguments.check else []
    if arguments.json:
        found = [{"check": name, "ok": ok, "detail": detail, "remedy": remedy} for name, ok, detail, remedy in checks]
        print(json.dumps({"machine": described.to_dict(), "checks": found}, indent=2))
    else:
        print(described.summary())
        for name, ok, detail, remedy in checks:
            print(f"{'ok ' if ok else 'NO '} {name}: {detail}" + ("" if ok else f" → {remedy}"))
    return DONE if all(ok for _, ok, _, _ in checks) else SOME_FAILED


def _exercises(arguments):
    from helpers import paths, workshop

    written = workshop.write(arguments.out or paths.project_root() / "notebooks" / "workshop" / "learner")
    print(f"{len(written)} lessons without solutions are in {written[0].parent}")
    return DONE


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns 0 done, 1 some cells failed, 2 bad usage or input, 130 interrupted."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    parsed = _parser().parse_args(arguments)
    from helpers.errors import StudyError

    try:
        return parsed.run(parsed)
    except StudyError as error:
        if parsed.debug:
            raise
        print(f"study: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("study: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
