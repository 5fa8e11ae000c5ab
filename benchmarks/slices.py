"""What the long benchmarks share: a feed whose epoch takes a given time, and results that add up over calls."""

import json
import time
from pathlib import Path

from helpers import pipelines, timing
from helpers.tasks import Task
from helpers.timing import models


def feed(examples, *, builder="tf_data", transform="flip_brightness"):
    """A pipeline over synthetic 32x32x3 images, batches of 32; autotune off, so that epochs have one mode."""
    task = Task(dataset="synthetic", transform=transform, examples=examples, batch_size=32, image_size=(32, 32))
    knobs = {"num_parallel_calls": 2, "prefetch": 2, "autotune": False} if builder == "tf_data" else {}
    return pipelines.build(builder, task, **knobs)


def examples_for(epoch_s):
    """How many examples make an epoch of `epoch_s` seconds through `fit` here; a multiple of 320."""
    tried = 6400
    dataset = feed(tried)
    model = models.smallest(timing.first_batch(dataset))
    took = min(timing.time_epoch(model, dataset).epoch_s for _ in range(4))
    return max(320, round(tried * epoch_s / took / 320) * 320)


def add(path: Path | None, rows: list) -> list:
    """Adds rows to a JSON file, so that a long benchmark may be run in slices; returns all of them."""
    if path is None:
        return rows
    if path.exists():
        rows = json.loads(path.read_text()) + rows
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows))
    return rows


def until(limit_s, repeats, do):
    """Calls `do(number)` up to `repeats` times while there is time for one more; returns what it gave."""
    start = time.perf_counter()
    found = []
    for number in range(repeats):
        spent = time.perf_counter() - start
        if found and spent * (number + 1) / number > limit_s:
            break
        found.append(do(number))
        print(f"  {number + 1} of {repeats}: {found[-1]}", flush=True)
    return found


def options(parser, *, repeats):
    """Adds the options that every long benchmark has."""
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--limit-s", type=float, default=1e9, help="begin no repetition that would end later")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="add the repetitions to this file, and count all in it")
