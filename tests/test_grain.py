"""Grain does every task that tf.data does: each source, transform and knob, proved, through `fit`'s own adapter."""

import subprocess
import sys
import threading
import time
from importlib import util

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from helpers import parity, pipelines, timing
from helpers.datasets import array_records, building
from helpers.errors import StudyError
from helpers.pipelines import feeds, forecast
from helpers.tasks import Task, transforms
from helpers.timing import models

MAPS = ("element", "batch", "gather")


def images_of(feed, epochs=1):
    return [np.concatenate([images for images, _ in epoch]) for epoch in feeds.epochs_of(feed, epochs)]


@pytest.mark.parametrize("transform", transforms.NAMES)
def test_every_transform_is_the_same_work(transform):
    task = Task(transform=transform, examples=70)
    maps = ("element",) if transform == "shear_zoom_flip" else MAPS  # whose fit takes seconds
    report = parity.check(task, {map: pipelines.build("grain", task, map=map, threads=2) for map in maps})
    assert report.same, str(report)


@pytest.mark.parametrize("transform", ["resize_standardize", "shear_zoom_flip"])
def test_so_it_is_with_opencv(transform):
    task = Task(transform=transform, examples=40, batch_size=16)
    assert parity.check(task, {"opencv": pipelines.build("grain", task, backend="opencv", map="batch")}).same


def test_a_folder_is_the_same_work(picture_folder):
    task = Task(dataset=f"folder:{picture_folder}", source="folder", transform="brightness", batch_size=16)
    built = {f"{map} {backend}": {"map": map, "backend": backend} for map in MAPS for backend in ("numpy", "opencv")}
    report = parity.check(task, {label: pipelines.build("grain", task, **knobs) for label, knobs in built.items()})
    assert report.same, str(report)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDY_DATA_DIR", str(data_dir))
        building.build_stand_in(
            "mnist", tmp_path_factory.mktemp("work"), data_dir / "standin", train=100, test=50, seed=5
        )
        yield


def test_records_are_the_same_work_decoded_every_epoch_or_once(stand_in):
    for decode in ("every epoch", "once"):
        task = Task(dataset="mnist-standin", source="tfds", decode=decode, transform="noise", examples=70)
        built = {"element": {}, "gather": {"map": "gather"}}
        report = parity.check(
            task,
            {label: pipelines.build("grain", task, **knobs) for label, knobs in built.items()},
            decoding={label: pipelines.Spec("grain", knobs).decoding(task) for label, knobs in built.items()},
        )
        assert report.same, str(report)


def test_the_copy_as_array_record_holds_what_the_records_hold_and_is_made_once(stand_in):
    data = Task(dataset="mnist-standin", source="tfds").data
    source, images = data.data_source(examples=50), data.load(examples=50)
    assert len(source) == 50
    for index in (49, 0, 17):
        np.testing.assert_array_equal(source[index]["image"], images.images[index])
        assert source[index]["label"] == images.labels[index]
    made = array_records.copied(data.folder())
    before = made.stat().st_mtime_ns
    assert array_records.copied(data.folder()) == made and made.stat().st_mtime_ns == before


def test_a_copy_that_cannot_be_written_is_told_in_one_line_and_leaves_nothing(stand_in, tmp_path, monkeypatch):
    prepared = Task(dataset="mnist-standin", source="tfds").data.folder()
    (tmp_path / "array_record").write_text("a file where the folder should be")
    monkeypatch.setenv("STUDY_DATA_DIR", str(tmp_path))
    with pytest.raises(StudyError, match=r"ArrayRecord files must be written to .* make room there"):
        array_records.copied(prepared)
    assert [path.name for path in tmp_path.iterdir()] == ["array_record"]


@pytest.mark.slow
def test_processes_and_autotuning_do_the_same_work_and_draw_the_same():
    task = Task(transform="noise", examples=200, shuffle=False)
    built = {
        "alone": {},
        "two": {"processes": 2},
        "endless": {"processes": 1, "repeat": True},
        "tuned": {"autotune": True},
    }
    fed = {label: pipelines.build("grain", task, **knobs) for label, knobs in built.items()}
    report = parity.check(task, fed)
    assert report.same, str(report)
    first = {label: images_of(pipelines.build("grain", task, **knobs))[0] for label, knobs in built.items()}
    for images in first.values():
        np.testing.assert_array_equal(images, first["alone"])


@settings(max_examples=12, deadline=None)
@given(
    map=st.sampled_from(MAPS),
    examples=st.integers(1, 40),
    batch_size=st.integers(1, 17),
    threads=st.integers(0, 3),
    repeat=st.booleans(),
    seed=st.integers(0, 2**31 - 1),
)
def test_whatever_its_threads_each_epoch_has_every_example_once_in_an_order_and_with_draws_of_its_own(
    map, examples, batch_size, threads, repeat, seed
):
    task = Task(transform="noise", examples=examples, batch_size=batch_size, seed=seed, image_size=(4, 4))
    feed = pipelines.build("grain", task, map=map, threads=threads, buffer=3, repeat=repeat)
    read = [list(epoch) for epoch in feeds.epochs_of(feed, 2)]
    for epoch in read:
        sizes = [len(labels) for _, labels in epoch]
        assert sizes[:-1] == [batch_size] * (len(sizes) - 1) and sum(sizes) == examples
        labels = np.concatenate([labels for _, labels in epoch])
        assert sorted(labels) == sorted(task.arrays().labels)
    first, second = (np.concatenate([images for images, _ in epoch]) for epoch in read)
    assert not {image.tobytes() for image in first} & {image.tobytes() for image in second}
    alone = pipelines.build("grain", task, map=map, threads=0, repeat=repeat)
    for mine, its in zip((first, second), images_of(alone, 2), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_a_plain_grain_dataset_repeats_its_first_epoch_which_parity_sees():
    import grain

    task = Task(transform="noise", examples=70)
    data = task.arrays()
    plain = (
        grain.MapDataset.source(list(zip(data.images, data.labels, strict=True)))
        .shuffle(seed=0)
        .random_map(lambda pair, rng: (np.float32(pair[0] / 255 + rng.normal(0, 0.1, pair[0].shape)), pair[1]), seed=0)
        .batch(32)
    )
    assert set(parity.check(task, {"plain": plain}).differences["aspect"]) == {"freshness", "shuffling"}


@pytest.mark.parametrize("knobs", [{}, {"map": "gather", "repeat": True, "threads": 1, "buffer": 2}])
def test_fit_takes_it_with_its_partial_batch(knobs):
    feed = pipelines.build("grain", Task(transform="noise", examples=70), **knobs)
    epochs = timing.time_epochs(models.smallest(timing.first_batch(feed)), feed, 2)
    assert [epoch.batches for epoch in epochs] == [3, 3]


def test_nothing_is_prepared_any_more_once_fit_has_ended():
    feed = pipelines.build("grain", Task(transform="noise", examples=70), threads=3, repeat=True)
    timing.time_epochs(models.smallest(timing.first_batch(feed)), feed, 2)

    def at_work():
        return [thread for thread in threading.enumerate() if thread.name.startswith("grain-prefetch")]

    deadline = time.monotonic() + 10
    while at_work() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert at_work() == []  # 500 batches ahead would go on for seconds, beside whatever is timed next


def test_what_autotuning_chooses_cannot_be_chosen_beside_it():
    with pytest.raises(
        StudyError, match=r"autotune chooses buffer and processes itself \(got buffer 500, processes 2\)"
    ):
        pipelines.build("grain", Task(examples=8), autotune=True, processes=2)


def test_the_forecast_counts_grains_buffer_of_batches_and_the_processes_copies():
    task = Task(examples=3200)
    image = 32 * 32 * 3 * 4
    held = forecast.parts(task, pipelines.Spec("grain"))
    assert held["batches held ready"] == 3200 * image  # 100 batches, all of the epoch: fewer than 500
    held = forecast.parts(task, pipelines.Spec("grain", {"repeat": True}))
    assert held["batches held ready"] == 500 * 32 * image
    held = forecast.parts(task, pipelines.Spec("grain", {"processes": 2, "buffer": 3}))
    assert held["batches held ready"] == 2 * 3 * 32 * image
    assert held["a copy in each process"] == 2 * task.describe().bytes


def test_without_the_extra_one_line_names_it(monkeypatch):
    found = util.find_spec
    monkeypatch.setattr("helpers.pipelines.specs.find_spec", lambda name: None if name == "grain" else found(name))
    with pytest.raises(StudyError) as caught:
        pipelines.build("grain", Task(examples=8))
    assert str(caught.value) == (
        "pipeline grain needs the package grain, which is not installed; install it: pip install -e '.[grain]'"
    )


@pytest.mark.slow
def test_where_grain_is_not_there_nothing_else_changes_and_nothing_imports_it():
    code = """
import sys
sys.modules["grain"] = None
from helpers import parity, pipelines
from helpers.errors import StudyError
from helpers.tasks import Task
task = Task(examples=40)
names = ("py_dataset", "image_data_generator", "tf_data", "tf_image_data_generator", "keras_layers")
print(parity.check(task, {name: pipelines.build(name, task) for name in names}).same)
try:
    pipelines.build("grain", task)
except StudyError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    same, refused = ran.stdout.splitlines()
    assert same == "True" and "pip install -e '.[grain]'" in refused
