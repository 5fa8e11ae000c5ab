import gzip
import struct

import numpy as np
import pytest

from helpers import datasets
from helpers.datasets import building, stand_ins
from helpers.errors import StudyError


@pytest.mark.parametrize("make", [stand_ins.digits, stand_ins.shapes])
def test_a_seed_gives_the_same_images_and_another_gives_others(make):
    images, labels = make(40, seed=3)
    again, same_labels = make(40, seed=3)
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(labels, same_labels)
    assert (make(40, seed=4)[0] != images).any()
    assert images.dtype == np.uint8 and labels.dtype == np.int64
    assert np.bincount(labels).tolist() == [4] * 10


def test_digits_can_be_learnt_from_the_train_split():
    from sklearn.neighbors import KNeighborsClassifier

    images, labels = stand_ins.digits(1500)
    unseen, expected = stand_ins.digits(300, split="test")
    model = KNeighborsClassifier(3).fit(images.reshape(len(images), -1), labels)
    assert model.score(unseen.reshape(len(unseen), -1), expected) > 0.7


def test_shapes_can_be_learnt_whatever_their_colour():
    from sklearn.ensemble import RandomForestClassifier

    def features(images):  # Strength of the edges in each of 12 directions and on the whole picture's rings
        grey = images.astype(float).mean(-1)
        spectrum = np.abs(np.fft.rfft2(grey - grey.mean((1, 2), keepdims=True)))[:, :, :12]
        spectrum = spectrum[:, np.r_[0:12, -11:0]]
        return (spectrum / spectrum.sum((1, 2), keepdims=True)).reshape(len(images), -1)

    images, labels = stand_ins.shapes(1500)
    unseen, expected = stand_ins.shapes(300, split="test")
    model = RandomForestClassifier(100, random_state=0).fit(features(images), labels)
    assert model.score(features(unseen), expected) > 0.6


def test_the_mnist_archives_are_idx_files_and_repeat_byte_by_byte(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    files = stand_ins.write_mnist_archives(tmp_path / "a", train=30, test=10)
    again = stand_ins.write_mnist_archives(tmp_path / "b", train=30, test=10)
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]
    images = gzip.decompress((tmp_path / "a" / "train-images-idx3-ubyte.gz").read_bytes())
    assert struct.unpack(">4I", images[:16]) == (0x803, 30, 28, 28) and len(images) == 16 + 30 * 784
    labels = gzip.decompress((tmp_path / "a" / "t10k-labels-idx1-ubyte.gz").read_bytes())
    assert struct.unpack(">2I", labels[:8]) == (0x801, 10) and len(labels) == 18


@pytest.mark.parametrize(
    ("name", "make", "shape"),
    [("mnist", stand_ins.digits, (28, 28, 1)), ("cifar10", stand_ins.shapes, (32, 32, 3))],
)
def test_the_real_builder_prepares_a_stand_in_with_every_image_unchanged(name, make, shape, own_data_dir):
    work = own_data_dir / "work"
    work.mkdir(parents=True)
    place = building.build_stand_in(name, work, own_data_dir / "standin", train=100, test=50, seed=5)
    assert place.parent == own_data_dir / "standin" / name

    for split, examples in (("train", 100), ("test", 50)):
        data = datasets.load_arrays(f"{name}-standin", split=split)
        assert data.images.shape == (examples, *shape)
        assert not data.description.real and data.description.label.startswith("stand-in for")
        images, labels = make(examples, seed=5, split=split)
        rows = lambda pictures, classes: sorted((k, p.tobytes()) for p, k in zip(pictures, classes, strict=True))  # noqa: E731
        assert rows(images, labels) == rows(data.images, data.labels)
        records = list(datasets.tfds_dataset(f"{name}-standin", split=split, examples=7).as_numpy_iterator())
        np.testing.assert_array_equal([image for image, _ in records], data.images[:7])
        assert len(records) == 7 and records[0][1].dtype == np.int64

    with pytest.raises(StudyError, match="examples must be <= 100"):
        datasets.load_arrays(f"{name}-standin", examples=101)
    with pytest.raises(StudyError, match="resize_standardize"):
        datasets.load_arrays(f"{name}-standin", image_size=(224, 224))
    for records in place.glob("*train*"):
        records.write_bytes(records.read_bytes()[:1000])
    info = place / "dataset_info.json"
    info.write_text(info.read_text() + " ")
    with pytest.raises(StudyError, match="must be whole"):
        datasets.load_arrays(f"{name}-standin")
