"""Does start + rate x batches say what an epoch takes? Predicted from N and 2N examples, measured at N and 4N.

For every pipeline of a grid, `python benchmarks/start_and_rate.py` times fits of a few epochs at N and 2N examples,
and, between them in one process, fits of 20 epochs at N and 4N. A start that grows with the examples is carried on in
a straight line. Aim: every epoch at N within 5%, at 4N within 10%.
"""

import argparse
import dataclasses
import math

import numpy as np
import pandas as pd
from slices import add, options, until

from helpers import paths, timing
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


def mean(epochs):
    """The parts of some epochs of one fit, each as its mean: start, rate, whole."""
    batches = epochs[0].batches
    batch_s = np.mean([epoch.steady_s for epoch in epochs]) / max(1, batches - 1)
    epoch_s = np.mean([epoch.epoch_s for epoch in epochs])
    return epoch_s - batches * batch_s, batch_s, epoch_s


def one(task, label, spec, rounds):
    """Predicted and measured seconds of an epoch at N and at 4N."""
    examples = task.describe().examples
    sizes = {name: task.but(examples=times * examples) for name, times in (("N", 1), ("2N", 2), ("4N", 4))}
    feeds = {name: spec.build(sized) for name, sized in sizes.items()}
    fitted = {name: models.smallest(timing.first_batch(feed)) for name, feed in feeds.items()}
    time = lambda name, epochs: mean(timing.time_epochs(fitted[name], feeds[name], epochs))  # noqa: E731
    for name in feeds:
        time(name, 1)
    short = {"N": [], "2N": []}
    long = {"N": [], "4N": []}
    for number in range(rounds):
        for name in short:
            short[name].append(time(name, 2))
        if number % (rounds // 2) == rounds // 4:
            for name in long:
                long[name].append(time(name, EPOCHS - 1))
    (start, rate, _), (start_2, rate_2, _) = (np.median(short[name], axis=0) for name in short)
    epoch_n, epoch_4n = (np.median([whole for *_, whole in long[name]]) for name in long)
    batches = [math.ceil(times * examples / task.batch_size) for times in (1, 4)]
    predicted_n, predicted_4n = start + rate * batches[0], start + 3 * (start_2 - start) + rate_2 * batches[1]
    return [f"{task.dataset} {task.transform} b{task.batch_size} {task.source}", label, examples, start, rate,
            (start_2 - start) / examples, predicted_n / epoch_n - 1, predicted_4n / epoch_4n - 1]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grid", default=paths.project_root() / "notebooks" / "sweeps" / "quick.yml")
    parser.add_argument("--pipeline", default="", help="only those whose label holds this")
    parser.add_argument("--rounds", type=int, default=8)
    options(parser, repeats=0)
    arguments = parser.parse_args()
    todo = list(cells_of(arguments.grid, arguments.pipeline))
    done = len(add(arguments.json, []))
    rows = add(
        arguments.json, until(arguments.limit_s, len(todo) - done, lambda n: one(*todo[done + n], arguments.rounds))
    )
    columns = ["cell", "pipeline", "N", "start_s", "batch_s", "start_s_per_example", "error at N", "error at 4N"]
    table = pd.DataFrame(rows, columns=columns)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
    for column, aim in (("error at N", 0.05), ("error at 4N", 0.10)):
        within = (table[column].abs() <= aim).sum()
        print(f"{column}: {within} of {len(table)} within {aim:.0%}; median {table[column].abs().median():.1%}")


if __name__ == "__main__":
    main()
