import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.errors import StudyError
from helpers.pipelines import Spec, forecast, read_specs
from helpers.tasks import Task

ALLOWED = 128 * 2**20  # bytes beyond what TensorFlow takes by itself
READER = """
import json, resource, sys
import numpy as np
from helpers import pipelines, timing
from helpers.machine import memory
from helpers.pipelines import Spec, feeds, forecast
from helpers.tasks import Task
from helpers.timing import models

# Start TensorFlow and its threads, so that only the pipeline is counted.
batch = (np.zeros((32, 256, 256, 3), np.float32), np.zeros(32, np.int64))
timing.time_epoch(models.smallest(batch), timing.held(batch, 4))
builder, knobs, task, allowed = json.loads(sys.argv[1])
task = Task(**task)
used = memory._field_bytes("VmData")
resource.setrlimit(resource.RLIMIT_DATA, (int(used + allowed), resource.RLIM_INFINITY))
needed = sum(forecast.parts(task, Spec(builder, knobs)).values())
print(json.dumps({"forecast": needed, "available": memory.available_bytes()}), flush=True)
try:
    count = sum(len(labels) for _, labels in feeds.batches_of(pipelines.build(builder, task, **knobs)))
    print(json.dumps({"delivered": count}), flush=True)
except Exception as error:
    print(json.dumps({"died": type(error).__name__}), flush=True)
"""


@pytest.fixture(scope="module")
def large_folder(tmp_path_factory):
    """JPEGs of noise that fill, on the disk, at least four times what a reader is allowed."""
    place = tmp_path_factory.mktemp("large")
    generator = np.random.default_rng(0)
    written = number = 0
    pictures = []
    for _ in range(12):
        file = place / "one.jpg"
        noise = generator.integers(0, 256, (512, 512, 3), dtype=np.uint8)
        Image.fromarray(noise).save(file, quality=100, subsampling=0)
        pictures.append(file.read_bytes())
        file.unlink()
    while written < 4 * ALLOWED:
        folder = place / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        (folder / f"{number:05}.jpg").write_bytes(pictures[number % len(pictures)])
        written += len(pictures[number % len(pictures)])
        number += 1
    yield place, number
    shutil.rmtree(place)


class Reader:
    """Reads an epoch in a process of its own that may take so much memory and no more."""

    def __init__(self, builder, task, **knobs):
        given = json.dumps([builder, knobs, task, ALLOWED])
        path = str(Path(forecast.__file__).parents[1])
        self.process = subprocess.Popen(
            [sys.executable, "-c", READER, given], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "PYTHONPATH": path, "MALLOC_ARENA_MAX": "4"},
        )  # fmt: skip

    def result(self):
        told, _ = self.process.communicate(timeout=300)
        result = {"delivered": 0}
        for line in told.splitlines():
            result |= json.loads(line)
        return result


@pytest.mark.slow
def test_a_folder_of_four_times_the_memory_streams_where_the_forecast_says_so_and_nowhere_else(large_folder):
    place, pictures = large_folder
    streams = {"dataset": f"folder:{place}", "source": "folder", "batch_size": 4}
    loads = {**streams, "source": "arrays"}
    readers = {
        "tf_data": Reader("tf_data", streams),
        "py_dataset": Reader("py_dataset", streams),
        "image_data_generator": Reader("image_data_generator", streams),
        "cache": Reader("tf_data", streams, cache="memory"),
        "arrays": Reader("py_dataset", loads),
        "flow": Reader("image_data_generator", loads),
    }
    results = {name: reader.result() for name, reader in readers.items()}
    for name in ("tf_data", "py_dataset", "image_data_generator"):
        assert results[name]["delivered"] == pictures, results[name]
        assert results[name]["forecast"] < results[name]["available"]
    for name in ("cache", "arrays", "flow"):
        assert results[name]["delivered"] == 0, results[name]  # it died, or Python ran out of memory
        assert results[name]["forecast"] > results[name]["available"]


def test_a_comparison_that_cannot_fit_is_refused_before_it_starts_and_says_what_takes_most():
    task = Task(transform="resize_standardize", examples=60_000)
    specs = {"a": {"builder": "py_dataset"}, "b": {"builder": "tf_data", "cache": "memory", "cache_at": "after_map"}}
    with pytest.raises(StudyError, match="for b, most of it the cache of float32 results"):
        forecast.check(task, read_specs(specs), available_bytes=16 * 2**30)
    specs["b"].pop("cache")
    forecast.check(task, read_specs(specs), available_bytes=16 * 2**30)


@pytest.mark.parametrize(
    ("builder", "knobs", "part", "times"),
    [
        ("py_dataset", {}, forecast.SOURCE, 1),
        ("image_data_generator", {}, "flow's float32 copy of it", 4),
        ("tf_image_data_generator", {}, "a copy as a tensor", 1),
        ("tf_data", {"cache": "memory"}, "the cache of uint8 images", 1),
        ("tf_data", {"cache": "memory", "cache_at": "after_map"}, "the cache of float32 results", 4),
        ("tf_data", {"shuffle_buffer": 250}, "the shuffle buffer of uint8 images", 0.25),
    ],
)
def test_each_copy_of_the_data_is_counted(builder, knobs, part, times):
    held = forecast.parts(Task(examples=1000), Spec(builder, knobs))
    assert held[part] == times * 1000 * 32 * 32 * 3


def test_names_are_shuffled_and_pictures_stream_unless_a_cache_of_them_stands_before(picture_folder):
    folder = Task(dataset=f"folder:{picture_folder}", source="folder")
    assert "the shuffle buffer of uint8 images" not in forecast.parts(folder, Spec("tf_data"))
    assert "the shuffle buffer of uint8 images" in forecast.parts(folder, Spec("tf_data", {"cache": "file"}))


def test_a_limit_of_the_process_counts_as_available_memory():
    code = (
        "import resource; from helpers.machine import memory; "
        "resource.setrlimit(resource.RLIMIT_DATA, (int(memory._field_bytes('VmData')) + 50_000_000, -1)); "
        "print(memory.available_bytes())"
    )
    path = str(Path(forecast.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": path})  # fmt: skip
    assert 20e6 < float(done.stdout) <= 50e6
