"""When pictures are decoded: each pipeline is held to what it says, by files that change between two epochs."""

import shutil

import numpy as np
import pytest
from PIL import Image

from helpers import datasets, measurement, parity, pipelines
from helpers.datasets import preparing
from helpers.errors import StudyError
from helpers.pipelines import Spec, feeds
from helpers.tasks import EVERY_EPOCH, ONCE, Task

OF_FOLDERS = {
    "py_dataset": Spec("py_dataset"),
    "py_dataset, OpenCV": Spec("py_dataset", {"backend": "opencv"}),
    "image_data_generator": Spec("image_data_generator"),
    "tf_data": Spec("tf_data"),
    "tf_data, cache": Spec("tf_data", {"cache": "memory"}),
    "tf_data, cache in a file": Spec("tf_data", {"cache": "file"}),
    "tf_data, results cached": Spec("tf_data", {"cache": "memory", "cache_at": "after_map"}),
    "tf_image_data_generator": Spec("tf_image_data_generator"),
    "keras_layers": Spec("keras_layers"),
    "keras_directory": Spec("keras_directory", {"finish": True}),
}
OF_RECORDS = {
    name: spec for name, spec in OF_FOLDERS.items() if name not in ("tf_data, cache in a file", "keras_directory")
}


def epoch(feed):
    """Images of an epoch in the order of their labels and brightness, so that orders do not matter."""
    images = np.concatenate([images for images, _ in feeds.batches_of(feed)])
    return images[np.argsort(images.mean(axis=(1, 2, 3)))]


def write_pictures(folder, *, first):
    for number in range(12):
        path = folder / ("ab"[number % 2]) / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), first + number, np.uint8)).save(path)


@pytest.mark.parametrize("decode", [ONCE, EVERY_EPOCH])
@pytest.mark.parametrize("label", OF_FOLDERS)
def test_a_pipeline_decodes_a_folder_when_it_says(label, decode, tmp_path):
    write_pictures(tmp_path, first=10)
    task = Task(dataset=f"folder:{tmp_path}", source="folder", decode=decode, batch_size=4)
    if label == "py_dataset, OpenCV" and decode == ONCE:
        pytest.skip("OpenCV has nothing to do there")
    feed = OF_FOLDERS[label].build(task)
    before = epoch(feed)
    write_pictures(tmp_path, first=100)
    changed = not np.array_equal(before, epoch(feed))
    assert OF_FOLDERS[label].decoding(task) == (EVERY_EPOCH if changed else ONCE)


@pytest.fixture(scope="module")
def two_stand_ins(tmp_path_factory):
    """Two folders of a stand-in of MNIST, of different images."""
    root = tmp_path_factory.mktemp("stand-ins")
    made = []
    for seed in (0, 1):
        (root / f"work{seed}").mkdir()
        made.append(
            preparing.build_stand_in("mnist", root / f"work{seed}", root / str(seed), train=40, test=10, seed=seed)
        )
    return made


@pytest.fixture
def stand_in(two_stand_ins, own_data_dir):
    """The files of the first of them, prepared in a data folder of its own."""
    folder = own_data_dir / "standin" / "mnist" / two_stand_ins[0].name
    shutil.copytree(two_stand_ins[0], folder)
    return folder


def replace_records(folder, other):
    (mine,), (new,) = (list(where.glob("*-train.*")) for where in (folder, other))
    shutil.copyfile(new, mine)


@pytest.mark.parametrize("decode", [ONCE, EVERY_EPOCH])
@pytest.mark.parametrize("label", OF_RECORDS)
def test_a_pipeline_decodes_records_when_it_says(label, decode, stand_in, two_stand_ins):
    if label == "py_dataset, OpenCV" and decode == ONCE:
        pytest.skip("OpenCV has nothing to do there")
    task = Task(dataset="mnist-standin", source="tfds", decode=decode, batch_size=16)
    feed = OF_RECORDS[label].build(task)
    before = epoch(feed)
    assert label == "tf_data, results cached" or parity.check(task, {label: feed}).same
    replace_records(stand_in, two_stand_ins[1])
    if OF_RECORDS[label].decoding(task) == ONCE:
        assert np.array_equal(before, epoch(feed))
    elif label.startswith("py_dataset"):  # it has kept the positions of the former file's records
        with pytest.raises(StudyError, match=r"the record files must hold pictures|every picture must be whole"):
            epoch(feed)
    else:
        assert not np.array_equal(before, epoch(feed))


def test_records_read_by_position_are_those_that_tf_data_reads(stand_in):
    source = datasets.named("mnist-standin")
    records = source.coded(examples=30)
    images, labels = zip(*source.records(examples=30).as_numpy_iterator(), strict=True)
    np.testing.assert_array_equal(records.labels, labels)
    from helpers.tasks import opencv

    for picture, image in zip(records.pictures(range(30)), images, strict=True):
        np.testing.assert_array_equal(opencv.decode(picture, channels=1), image)


def test_a_record_file_that_was_cut_is_refused_in_one_line(stand_in):
    (file,) = stand_in.glob("*-train.*")
    file.write_bytes(file.read_bytes()[:4000])
    with pytest.raises(StudyError, match="the record files must hold 40 records"):
        datasets.named("mnist-standin").coded()


def test_the_default_is_right_for_each_source(picture_folder):
    assert Task().decoding == ONCE
    assert Task(dataset="mnist", source="tfds").decoding == EVERY_EPOCH
    assert Task(dataset=f"folder:{picture_folder}", source="folder").decoding == EVERY_EPOCH
    with pytest.raises(StudyError, match="arrays hold decoded pictures"):
        Task(decode=EVERY_EPOCH)
    with pytest.raises(StudyError, match="decode must be one of"):
        Task(decode="twice")


@pytest.mark.parametrize(
    ("decode", "unlike"), [(ONCE, "tf_data"), pytest.param(EVERY_EPOCH, "cached", marks=pytest.mark.slow)]
)
def test_another_decoding_is_another_work_and_gets_no_ranking(decode, unlike, picture_folder):
    task = Task(dataset=f"folder:{picture_folder}", source="folder", decode=decode, batch_size=16)
    specs = {
        "py_dataset": Spec("py_dataset"),
        "tf_data": Spec("tf_data"),
        "cached": Spec("tf_data", {"cache": "memory"}),
    }
    measured = measurement.measure(task, specs, budget_s=1, precision=0.5)
    rows = measured.rows().set_index("pipeline")
    assert rows.index[~rows["same_work"]].tolist() == [unlike]
    assert "decoding" in rows.loc[unlike, "differences"]
    assert np.isnan(rows.loc[unlike, "time_ratio"]) and set(rows["decoding"]) == {decode}
    assert "decoding: expected" in str(measured.parity)


def test_of_a_feed_whose_decoding_is_not_told_it_is_not_checked(picture_folder):
    task = Task(dataset=f"folder:{picture_folder}", source="folder", batch_size=16)
    report = parity.check(task, {"mine": pipelines.build("tf_data", task)})
    assert report.same and report.overview.loc["mine", "decoding"] == "-"
