"""Does start + rate x batches say what an epoch takes? Predicted from N and 2N examples, measured at N and 4N.

For every pipeline of a grid, `python benchmarks/start_and_rate.py` times fits of a few epochs at N and 2N examples,
and, between them in one process, fits of 20 epochs at N and 4N. A start that grows with the examples is carried on in
a straight line. Aim: every epoch at N within 5%, at 4N within 10%. Beside the errors stands how well the long fits
themselves agree: the standard error of their mean, as a share.
"""

import argparse
import dataclasses
import math

import numpy as np
import pandas as pd
from slices import add, options, until

from helpers import paths, timing
from helpers.comparison.start_and_rate import EpochModel, epoch_model
from helpers.pipelines import read_specs
from helpers.sweep import grid
from helpers.tasks import Task
from helpers.timing import models

EPOCHS = 20


def cells_of(path, wanted):
    """The tasks and specs of a grid's cells."""
    for cell in grid.load(path).cells:
        given = cell.parameters
        size = given["image_size"]
        given |= {"image_size": (size, size) if size else None, "examples": given["examples"] or None}
        task = Task(**{field.name: given[field.name] for field in dataclasses.fields(Task)})
        for label, spec in read_specs(given["pipelines"]).items():
            if not wanted or wanted in label:
                yield _small_enough(task), label, spec


def _small_enough(task):
    """The task with so few examples that four times as many are there."""
    there = task.but(examples=None).describe().examples if task.dataset != "synthetic" else math.inf
    return task.but(examples=min(task.describe().examples, there // 4))


def one(task, label, spec, rounds, fits):
    """Predicted and measured seconds of an epoch at N and at 4N, and how far the measured fits lie apart."""
    examples = task.describe().examples
    sizes = {times: task.but(examples=times * examples) for times in (1, 2, 4)}
    feeds = {times: spec.build(sized) for times, sized in sizes.items()}
    fitted = {times: models.smallest(timing.first_batch(feed)) for times, feed in feeds.items()}
    epochs_of = lambda times, epochs: timing.time_epochs(fitted[times], feeds[times], epochs)  # noqa: E731
    for times in feeds:
        epochs_of(times, 1)
    short = {1: [], 2: []}
    long = {1: [], 4: []}
    for number in range(rounds):
        for times, seen in short.items():
            seen += epochs_of(times, 2)
        if number * fits // rounds < (number + 1) * fits // rounds:
            for times, seen in long.items():
                seen.append(np.mean([epoch.epoch_s for epoch in epochs_of(times, EPOCHS - 1)]))
    once, twice = (epoch_model(pd.DataFrame(map(dataclasses.asdict, seen))) for seen in short.values())
    waiting = (once.waiting + twice.waiting) / 2
    grown_s = twice.start_s - once.start_s  # by N examples more: carried on in a straight line
    longer = EpochModel(start_s=once.start_s + 3 * grown_s, batch_s=twice.batch_s, waiting=waiting)
    batches = {times: math.ceil(times * examples / task.batch_size) for times in long}
    predicted = {1: once.epoch_s(batches[1]), 4: longer.epoch_s(batches[4])}
    row = [f"{task.dataset} {task.transform} b{task.batch_size} {task.source}", label, examples]
    row += [once.start_s, once.batch_s, waiting]
    row += [predicted[times] / np.mean(seen) - 1 for times, seen in long.items()]
    return row + [float(np.std(seen, ddof=1) / np.sqrt(fits) / np.mean(seen)) for seen in long.values()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grid", default=paths.project_root() / "notebooks" / "sweeps" / "quick.yml")
    parser.add_argument("--pipeline", default="", help="only those whose label holds this")
    parser.add_argument("--rounds", type=int, default=12, help="of short fits")
    parser.add_argument("--fits", type=int, default=4, help="of 20 epochs each")
    options(parser, repeats=0)
    arguments = parser.parse_args()
    todo = list(cells_of(arguments.grid, arguments.pipeline))
    done = len(add(arguments.json, []))
    rows = add(
        arguments.json,
        until(arguments.limit_s, len(todo) - done, lambda n: one(*todo[done + n], arguments.rounds, arguments.fits)),
    )
    columns = ["cell", "pipeline", "N", "start_s", "batch_s", "waiting"]
    columns += ["error at N", "error at 4N", "fits at N", "fits at 4N"]
    table = pd.DataFrame(rows, columns=columns)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
    for column, aim in (("error at N", 0.05), ("error at 4N", 0.10)):
        within = (table[column].abs() <= aim).sum()
        truth = table[column.replace("error", "fits")]
        reached = (table[column].abs() <= np.maximum(aim, 2 * truth)).sum()
        print(
            f"{column}: {within} of {len(table)} within {aim:.0%}, median {table[column].abs().median():.1%}; the mean "
            f"of the long fits has a standard error of {truth.median():.1%} (median); {reached} within the larger of "
            f"{aim:.0%} and two of these"
        )


if __name__ == "__main__":
    main()
