"""Pictures of real size, and Keras' own pipeline for folders."""

import numpy as np
import pytest
from PIL import Image

from helpers import datasets, measurement, parity, pipelines
from helpers.datasets import photographs, preparing
from helpers.errors import NotPrepared, StudyError
from helpers.pipelines import Spec, feeds
from helpers.sweep import loop
from helpers.tasks import Task

ABLE = {
    "py_dataset": Spec("py_dataset"),
    "py_dataset, OpenCV": Spec("py_dataset", {"backend": "opencv"}),
    "image_data_generator": Spec("image_data_generator"),
    "tf_data": Spec("tf_data"),
    "tf_data, batch map": Spec("tf_data", {"map": "batch"}),
    "tf_image_data_generator": Spec("tf_image_data_generator"),
}


@pytest.fixture
def few(own_data_dir, monkeypatch):
    monkeypatch.setattr(photographs.write, "__kwdefaults__", {"examples": 24, "seed": 0})
    return preparing.prepare("photographs", progress=lambda line: None)


def test_photographs_are_parts_of_the_two_of_scikit_learn_and_labelled_so(few):
    from sklearn.datasets import load_sample_images

    what = datasets.describe("photographs")
    assert (what.label, what.image_shape, what.classes) == (photographs.LABEL, (300, 400, 3), 2)
    assert "creativecommons" in (few / "CREDITS.txt").read_text()
    flower = load_sample_images().images[1].astype(float)
    for path in sorted((few / "flower").iterdir())[:3]:
        picture = np.asarray(Image.open(path)).astype(float)
        # Somewhere in the photograph, straight or mirrored, lies this picture, but for what JPEG changed.
        windows = np.lib.stride_tricks.sliding_window_view(flower[::4, ::4, 0], (1, 100))[:, :, 0]
        nearest = min(np.abs(windows - side[150, ::4, 0]).mean(axis=2).min() for side in (picture, picture[:, ::-1]))
        assert nearest < 30


def test_photographs_are_asked_for_before_they_are_there(own_data_dir, tmp_path, monkeypatch):
    (tmp_path / "photographs" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)  # a folder of the user's of that name is not taken for them
    with pytest.raises(NotPrepared, match="run `study prepare photographs`"):
        datasets.require("photographs")
    with pytest.raises(StudyError, match="takes no archives"):
        preparing.prepare("photographs", archives=tmp_path)


def test_they_are_made_once_and_a_sweep_makes_them_at_first_use(own_data_dir, monkeypatch, capsys):
    monkeypatch.setattr(photographs.write, "__kwdefaults__", {"examples": 4, "seed": 0})
    cell = type("Cell", (), {"parameters": {"dataset": "photographs"}})
    before = datasets.named("photographs").fingerprint()
    loop._provide_data(type("Plan", (), {"cells": [cell]}))
    assert datasets.is_prepared("photographs") and "cutting photographs" in capsys.readouterr().out
    assert datasets.named("photographs").fingerprint() == before  # else a resumed sweep would run its cells again
    preparing.prepare("photographs")
    assert "already prepared" in capsys.readouterr().out


@pytest.mark.parametrize("label", ABLE)
def test_every_pipeline_that_can_resizes_photographs_alike(label, few):
    task = Task(dataset="photographs", source="folder", transform="resize_standardize", batch_size=8)
    spec = ABLE[label]
    report = parity.check(task, {label: spec.build(task)}, decoding={label: spec.decoding(task)})
    assert report.same, str(report)


def test_keras_own_pipeline_for_folders_as_it_comes_does_another_task_and_parity_says_which(few):
    task = Task(dataset="photographs", source="folder", batch_size=8)
    feed = pipelines.build("keras_directory", task)
    images, labels = next(feeds.batches_of(feed))
    assert images.dtype == np.float32 and images.max() > 200 and labels.dtype == np.int32
    differs = parity.check(task, {"keras": feed}).differences["aspect"].tolist()
    assert {"value range", "labels", "pixels"} <= set(differs)


def test_with_the_rest_of_the_task_in_a_map_its_jpeg_pixels_alone_are_others(few):
    task = Task(dataset="photographs", source="folder", transform="brightness", batch_size=8)
    report = parity.check(task, {"keras": pipelines.build("keras_directory", task, finish=True)})
    assert set(report.differences["aspect"]) == {"pixels"}, str(report)


@pytest.mark.parametrize("transform", ["rescale", "noise", "resize_standardize"])
def test_from_png_files_it_does_the_whole_task(transform, tmp_path):
    generator = np.random.default_rng(0)
    for number in range(30):
        path = tmp_path / ("ab"[number % 2]) / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(path)
    task = Task(dataset=f"folder:{tmp_path}", source="folder", transform=transform, batch_size=8)
    report = parity.check(task, {"keras": pipelines.build("keras_directory", task, finish=True)})
    assert report.same, str(report)


def test_it_reads_whole_folders_only(few):
    for changes, said in (({"examples": 8}, "reads a whole folder"), ({"source": "arrays"}, "reads folders")):
        task = Task(dataset="photographs", source="folder").but(**changes)
        with pytest.raises(StudyError, match=said):
            pipelines.build("keras_directory", task)


@pytest.mark.slow
def test_a_comparison_with_it_tells_all_but_how_its_start_grows(few):
    task = Task(dataset="photographs", source="folder", transform="rescale", batch_size=4, image_size=(30, 40))
    specs = {"tf_data": Spec("tf_data"), "keras": Spec("keras_directory", {"finish": True})}
    rows = measurement.measure(task, specs, budget_s=1, precision=0.5).rows().set_index("pipeline")
    assert np.isfinite(rows["start_s_per_example"]).tolist() == [True, False]
    assert rows["same_work"].tolist() == [True, False] and (rows["rounds"] >= 5).all()
