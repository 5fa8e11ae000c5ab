import inspect
from importlib import import_module

import numpy as np
import pytest
import tensorflow as tf

from helpers import parity, pipelines
from helpers.errors import StudyError
from helpers.pipelines import feeds
from helpers.tasks import Task, transforms

FAIR = ("py_dataset", "image_data_generator", "tf_data")


@pytest.mark.parametrize("name", pipelines.names())
def test_the_registry_names_exactly_the_knobs_that_build_takes(name):
    if name == "grain":
        pytest.importorskip("grain")
    entry = pipelines.describe(name)
    module, function = entry.build.split(":")
    signature = inspect.signature(getattr(import_module(module), function))
    assert set(signature.parameters) - {"task"} == set(entry.knobs)


@pytest.mark.parametrize(
    ("name", "knobs", "said"),
    [
        ("dask", {}, "pipeline must be one of"),
        ("tf_data", {"workers": 2}, "tf_data has no knob 'workers'; it has map"),
        ("tf_data", {"cache": "disk"}, "cache must be one of none, memory, file"),
        ("tf_data", {"prefetch": -2}, "prefetch must be a whole number >= -1 (got -2)"),
        ("tf_data", {"deterministic": 1}, "deterministic must be one of True, False"),
        ("py_dataset", {"max_queue_size": 0}, "max_queue_size"),
        ("published_b1_tfds", {"cache": "none"}, "it has none"),
    ],
)
def test_a_bad_pipeline_or_knob_is_refused_in_one_line(name, knobs, said):
    with pytest.raises(StudyError) as caught:
        pipelines.Spec(name, knobs)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("transform", transforms.NAMES)
def test_the_three_pipelines_do_the_same_work(transform):
    task = Task(transform=transform, examples=70, batch_size=32)
    fed = {name: pipelines.build(name, task) for name in FAIR}
    report = parity.check(task, fed)
    assert report.same, str(report)


@pytest.mark.parametrize("map", ["element", "batch", "gather"])
@pytest.mark.parametrize("cache", ["none", "memory", "file"])
def test_every_map_and_cache_of_tf_data_does_the_same_work(map, cache):
    task = Task(transform="brightness", examples=70)
    report = parity.check(task, {"tf_data": pipelines.build("tf_data", task, map=map, cache=cache)})
    assert report.same, str(report)


@pytest.mark.parametrize("name", FAIR)
def test_a_folder_of_pictures_is_the_same_work_in_all_three(name, picture_folder):
    task = Task(dataset=f"folder:{picture_folder}", source="folder", transform="brightness", batch_size=16)
    report = parity.check(task, {name: pipelines.build(name, task)})
    assert report.same, str(report)


@pytest.mark.parametrize("name", [*FAIR, "tf_image_data_generator"])
def test_a_folder_without_pictures_is_refused_in_one_line(name, tmp_path):
    (tmp_path / "cat").mkdir()
    task = Task(dataset=f"folder:{tmp_path}", source="folder", image_size=(8, 8))
    with pytest.raises(StudyError, match="every class folder must hold pictures"):
        pipelines.build(name, task)


def test_caching_after_the_map_freezes_augmentation_and_order_and_parity_says_so():
    task = Task(transform="brightness", examples=70)
    frozen = pipelines.build("tf_data", task, cache="memory", cache_at="after_map")
    assert parity.check(task, {"frozen": frozen}).differences["aspect"].tolist() == ["freshness", "shuffling"]


def test_the_draws_of_tf_data_do_not_depend_on_how_many_calls_run_at_once():
    task = Task(transform="noise", examples=40, shuffle=False)
    one, four = (
        np.concatenate(
            [images for images, _ in feeds.batches_of(pipelines.build("tf_data", task, num_parallel_calls=n))]
        )
        for n in (1, 4)
    )
    np.testing.assert_array_equal(one, four)


def test_the_draws_of_a_py_dataset_do_not_depend_on_the_order_of_its_items():
    task = Task(transform="noise", examples=70)
    feed, again = pipelines.build("py_dataset", task), pipelines.build("py_dataset", task)
    backwards = [again[index] for index in reversed(range(len(again)))][::-1]
    for index, (images, _) in enumerate(backwards):
        np.testing.assert_array_equal(feed[index][0], images)


def test_the_published_sequence_gives_float64_in_stored_order_and_parity_says_so():
    task = Task(transform="noise", examples=100)
    report = parity.check(task, {"published": pipelines.build("published_a1_sequence", task)})
    # Its labels and its noise are its own, too.
    assert set(report.differences["aspect"]) == {"image dtype", "shuffling", "examples", "draws"}


def test_the_published_examples_of_the_first_answer_are_faithful():
    task = Task(examples=100)
    sequence = pipelines.build("published_a1_sequence", task)
    images, labels = sequence[3]
    assert images.dtype == np.float64 and images.shape == (4, 32, 32, 3) and set(np.unique(labels)) <= {0, 1}
    light = pipelines.build("published_a2_tf_data", task)
    assert light.element_spec[0].dtype == tf.float64
    heavy = pipelines.build("published_a3_tf_data_heavy", task)
    first, second = ({image.tobytes() for images, _ in heavy.as_numpy_iterator() for image in images} for _ in range(2))
    assert first == second and len(first) == 100


def test_a_published_example_that_reads_a_folder_says_so():
    with pytest.raises(StudyError, match="a folder of pictures is needed"):
        pipelines.build("published_b2_image_data_generator", Task())
    with pytest.raises(StudyError, match="reads mnist"):
        pipelines.build("published_b1_tfds", Task())


def test_the_published_image_data_generator_gives_one_hot_float32_labels(picture_folder):
    task = Task(dataset=f"folder:{picture_folder}", source="folder")
    _, labels = pipelines.build("published_b2_image_data_generator", task)[0]
    assert labels.dtype == np.float32 and labels.ndim == 2


@pytest.mark.parametrize("transform", ["rescale", "shear_zoom_flip"])
def test_the_port_of_image_data_generator_does_the_same_work(transform):
    task = Task(transform=transform, examples=70)
    report = parity.check(task, {"port": pipelines.build("tf_image_data_generator", task)})
    assert report.same, str(report)


@pytest.mark.parametrize("transform", ["noise", "flip_brightness", "resize_standardize"])
def test_the_port_takes_what_the_original_takes(transform):
    task = Task(transform=transform, examples=40)
    assert parity.check(task, {"port": pipelines.build("tf_image_data_generator", task)}).same


def test_the_port_reads_a_folder(picture_folder):
    task = Task(dataset=f"folder:{picture_folder}", source="folder", transform="shear_zoom_flip", batch_size=16)
    assert parity.check(task, {"port": pipelines.build("tf_image_data_generator", task)}).same


@pytest.mark.parametrize(("transform", "same"), [("rescale", True), ("noise", True), ("brightness", False)])
def test_keras_layers_do_part_of_the_work(transform, same):
    task = Task(transform=transform, examples=200)
    report = parity.check(task, {"layers": pipelines.build("keras_layers", task)})
    assert report.same == same, str(report)  # RandomBrightness clips to the range it is given
