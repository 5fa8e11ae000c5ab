import json
import subprocess
import sys

import made_up_pictures
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from helpers import datasets, files
from helpers.datasets import folders, sources
from helpers.errors import StudyError


@given(
    examples=st.integers(1, 40),
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    channels=st.sampled_from([1, 3, 4]),
    classes=st.integers(1, 12),
    dtype=st.sampled_from(sources.DTYPES),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_synthetic_data_has_what_was_asked_for_and_repeats_with_its_seed(
    examples, size, channels, classes, dtype, seed
):
    options = {"examples": examples, "image_size": size, "channels": channels, "classes": classes, "dtype": dtype}
    data = datasets.load_arrays("synthetic", seed=seed, **options)
    assert data.images.shape == (examples, *size, channels)
    assert data.images.dtype == dtype and data.labels.dtype == np.int64
    assert data.images.min() >= 0 and data.images.max() <= (255 if dtype == "uint8" else 1)
    assert data.labels.min() >= 0 and data.labels.max() < classes
    kept = data.images.copy()
    del data
    again = datasets.load_arrays("synthetic", seed=seed, **options)
    np.testing.assert_array_equal(again.images, kept)
    assert not again.description.real and again.description.examples == examples


def test_another_seed_or_split_gives_other_synthetic_data():
    one, other, test = (
        datasets.load_arrays("synthetic", examples=50, seed=seed, split=split).images
        for seed, split in ((0, "train"), (1, "train"), (0, "test"))
    )
    assert (one != other).any() and (one != test).any()


def test_pipelines_share_one_read_only_copy():
    one = datasets.load_arrays("synthetic", examples=10)
    other = datasets.load_arrays("synthetic", examples=10)
    assert one.images is other.images
    with pytest.raises(ValueError, match="read-only"):
        one.images[0] = 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mnits", "did you mean mnist"),
        ("CIFAR10", "did you mean cifar10"),
        ("cifar10_standin", "did you mean cifar10-standin"),
    ],
)
def test_an_unknown_name_is_refused_with_near_matches(name, expected):
    with pytest.raises(StudyError) as caught:
        datasets.describe(name)
    assert expected in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"examples": 0}, "examples must be a whole number >= 1"),
        ({"examples": True}, "examples must be a whole number"),
        ({"image_size": 32}, "image_size must be (height, width)"),
        ({"image_size": (32, 0)}, "image_size must be a whole number >= 1"),
        ({"split": "validation"}, "split must be one of train, test"),
        ({"dtype": "float16"}, "dtype must be one of"),
        ({"seed": -1}, "seed must be"),
        ({"examples": 10**9, "image_size": (512, 512)}, "must fit in memory"),
    ],
)
def test_a_value_out_of_range_is_refused_before_any_work(options, expected):
    with pytest.raises(StudyError) as caught:
        datasets.load_arrays("synthetic", **options)
    assert expected in str(caught.value)


def test_missing_data_names_both_remedies(own_data_dir, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(StudyError) as caught:
        datasets.load_arrays("mnist")
    assert "study prepare mnist --archives DIR" in str(caught.value)
    assert "--dataset mnist-standin" in str(caught.value)
    with pytest.raises(StudyError, match="run `study prepare cifar10-standin`"):
        datasets.require("cifar10-standin")
    assert not own_data_dir.exists()


def test_the_best_available_is_the_real_one_then_its_jpegs_then_the_stand_in(own_data_dir, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert datasets.best_available("mnist") == "mnist-standin"
    assert datasets.best_available("cifar10") == "cifar10-standin"
    (own_data_dir / "folders" / "cifar10-jpeg").mkdir(parents=True)
    assert datasets.best_available("cifar10") == "folder:cifar10-jpeg"
    (own_data_dir / "tfds" / "cifar10" / "3.0.2").mkdir(parents=True)
    (own_data_dir / "tfds" / "cifar10" / "3.0.2" / "dataset_info.json").write_text("{}")
    assert datasets.best_available("cifar10") == "cifar10"
    assert datasets.best_available("synthetic") == "synthetic"


def test_a_folder_is_listed_as_flow_from_directory_lists_it(picture_folder):
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    paths, labels, classes = datasets.named(f"folder:{picture_folder}").files()
    iterator = ImageDataGenerator().flow_from_directory(picture_folder)
    assert paths == iterator.filepaths
    np.testing.assert_array_equal(labels, iterator.classes)
    assert classes == list(iterator.class_indices)


@given(examples=st.integers(1, 72))
@settings(max_examples=30, deadline=None)
def test_a_part_of_a_folder_is_balanced_over_its_classes(picture_folder, examples):
    paths, labels, _ = datasets.named(f"folder:{picture_folder}").files(examples=examples)
    counts = np.bincount(labels, minlength=3)
    assert counts.sum() == examples == len(set(paths))
    assert counts.max() - counts.min() <= 1


def test_a_part_of_an_uneven_folder_takes_what_small_classes_have(tmp_path):
    made_up_pictures.write_folder(tmp_path / "f", images=30, classes=3, size=8)
    for file in sorted((tmp_path / "f" / "circle").iterdir())[2:]:
        file.unlink()
    _, labels, _ = datasets.named(f"folder:{tmp_path / 'f'}").files(examples=20)
    assert np.bincount(labels).tolist() == [2, 9, 9]


def test_a_folder_is_loaded_as_its_files_are_and_only_decoded_once(picture_folder, own_data_dir, monkeypatch):
    from PIL import Image

    name = f"folder:{picture_folder}"
    data = datasets.load_arrays(name, examples=12)
    paths, _, _ = datasets.named(name).files(examples=12)
    with Image.open(paths[5]) as picture:
        np.testing.assert_array_equal(data.images[5], np.asarray(picture))
    kept = data.images.copy()
    del data
    monkeypatch.setattr(folders, "read_picture", lambda *_, **__: np.zeros((32, 32, 3), np.uint8))
    np.testing.assert_array_equal(datasets.load_arrays(name, examples=12).images, kept)
    assert (own_data_dir / "decoded" / ".gitignore").read_text() == "*\n"


def test_a_damaged_cache_is_decoded_again(picture_folder, own_data_dir):
    name = f"folder:{picture_folder}"
    kept = datasets.load_arrays(name, examples=6).images.copy()
    (stored,) = (own_data_dir / "decoded").glob("*/images.npy")
    stored.write_bytes(stored.read_bytes()[:500])
    np.testing.assert_array_equal(datasets.load_arrays(name, examples=6).images, kept)
    assert not list((own_data_dir / "decoded").glob(f"{files.WORK}*"))


def test_pictures_are_resized_and_made_grey(picture_folder, own_data_dir):
    data = datasets.load_arrays(f"folder:{picture_folder}", examples=3, image_size=(16, 20), channels=1)
    assert data.images.shape == (3, 16, 20, 1) and data.description.image_shape == (16, 20, 1)


def test_a_folder_with_a_split_gives_each(tmp_path, own_data_dir):
    name = f"folder:{made_up_pictures.write_folder(tmp_path / 'f', images=20, test_images=10, size=8)}"
    assert datasets.describe(name).examples == 20
    assert datasets.describe(name, split="test").examples == 10
    assert datasets.describe(name).label == "stand-in folder f (generated)" and not datasets.describe(name).real


def test_re_encoded_cifar_pictures_say_so(tmp_path):
    (made_up_pictures.write_folder(tmp_path / "cifar10-jpeg", images=10, size=8) / "STAND-IN.txt").unlink()
    label = datasets.describe(f"folder:{tmp_path / 'cifar10-jpeg'}").label
    assert label == "CIFAR-10 pictures re-encoded as JPEG"


@pytest.fixture
def small_folder(tmp_path, own_data_dir):
    return made_up_pictures.write_folder(tmp_path / "small", images=20, classes=2, size=16)


@pytest.mark.parametrize("keep", [0, 3, 200])
def test_a_truncated_picture_is_named(small_folder, keep):
    victim = sorted((small_folder / "square").iterdir())[4]
    victim.write_bytes(victim.read_bytes()[:keep])
    with pytest.raises(StudyError) as caught:
        datasets.named(f"folder:{small_folder}").files()
    assert str(victim) in str(caught.value) and "\n" not in str(caught.value)


def test_a_picture_with_bytes_after_its_end_is_fine(small_folder):
    file = sorted((small_folder / "square").iterdir())[0]
    file.write_bytes(file.read_bytes() + b"\0" * 30)
    assert len(datasets.named(f"folder:{small_folder}").files()[0]) == 20


def test_a_picture_damaged_inside_is_named_when_it_is_decoded(small_folder):
    victim = sorted((small_folder / "circle").iterdir())[0]
    victim.write_bytes(b"\xff\xd8\xff" + b"no picture" + b"\xff\xd9")
    with pytest.raises(StudyError, match=victim.name):
        datasets.load_arrays(f"folder:{small_folder}")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda f: [file.unlink() for file in (f / "circle").iterdir()], "every class folder must hold pictures"),
        (lambda f: (f / "circle" / "x.bmp").touch(), "pictures must be JPEG or PNG"),
        (lambda f: (f / ".ipynb_checkpoints").mkdir(), "every class folder must hold pictures"),
    ],
)
def test_a_folder_that_keras_would_read_otherwise_is_refused(small_folder, change, expected):
    change(small_folder)
    with pytest.raises(StudyError, match=expected):
        datasets.describe(f"folder:{small_folder}")


def test_an_empty_or_missing_folder_is_refused(tmp_path, own_data_dir, small_folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudyError, match="one folder per class"):
        datasets.load_arrays(f"folder:{tmp_path / 'empty'}")
    with pytest.raises(StudyError, match="there is no folder"):
        datasets.load_arrays(f"folder:{tmp_path / 'none'}")
    with pytest.raises(StudyError, match="has no split 'test'"):
        datasets.load_arrays(f"folder:{small_folder}", split="test")
    with pytest.raises(StudyError, match="examples must be <= 20"):
        datasets.load_arrays(f"folder:{small_folder}", examples=21)


def test_records_are_only_there_for_tfds_sets(small_folder):
    for name in ("synthetic", f"folder:{small_folder}"):
        with pytest.raises(StudyError, match="records exist for"):
            datasets.tfds_dataset(name)


def test_a_prepared_set_without_its_description_is_refused(own_data_dir):
    place = own_data_dir / "tfds" / "mnist" / "3.0.1"
    place.mkdir(parents=True)
    (place / "dataset_info.json").write_text(json.dumps({"splits": []})[:-4])
    with pytest.raises(StudyError, match="remove that folder and run `study prepare` again"):
        datasets.describe("mnist")


def test_the_module_is_imported_without_tensorflow():
    code = "import sys; from helpers.datasets import preparing, stand_ins; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
