"""Arguments, statistics, steps of a single image and lists of files: the port's own, held against the original's."""

import contextlib
import io
import os
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from originals import original
from PIL import Image

from helpers.tf_image_data_generator import TFImageDataGenerator, listings
from helpers.tf_image_data_generator.arguments import Arguments

pytestmark = pytest.mark.usefixtures("without_the_warnings_about_oddities")

SHARED = settings(max_examples=150, deadline=None)
WEIGHTS = np.linspace(0, 1, 12)


def outcome(call):
    """What a call returns, or the kind of its error and the first words: sets in the original's have no order."""
    np.random.seed(11)
    with warnings.catch_warnings(record=True) as told, contextlib.redirect_stdout(io.StringIO()) as said:
        warnings.simplefilter("always")
        try:
            made = call()
        except (ValueError, TypeError, KeyError, FileNotFoundError) as error:
            return None, (type(error), str(error).split("expected one of")[0].replace("; ", ";").rstrip("."))
    return made, (sorted(str(warning.message).split()[0] for warning in told), said.getvalue())


def same(mine, expected, what=""):
    assert type(mine) is type(expected), what
    np.testing.assert_equal(mine, expected, err_msg=what)


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "featurewise_center": st.booleans(),
        "samplewise_center": st.booleans(),
        "featurewise_std_normalization": st.booleans(),
        "samplewise_std_normalization": st.booleans(),
        "zca_whitening": st.booleans(),
        "zca_epsilon": st.just(1e-3),
        "rotation_range": st.sampled_from([0, 20, 90.5]),
        "width_shift_range": st.sampled_from([0.0, 0.3, 2, 3.5, [-2, 1], [0.1, 0.2], [0]]),
        "height_shift_range": st.sampled_from([0.0, 0.3, 2, 3.5, [-2, 1], (0.1, 0.2)]),
        "brightness_range": st.sampled_from([None, (0.5, 1.5), [0.2, 0.9], 0.3, (1, 2, 3)]),
        "shear_range": st.sampled_from([0.0, 15.0]),
        "zoom_range": st.sampled_from([0.0, 0.3, 1, (0.5, 0.9), [1, 2, 3], "ab", (1.0, 1.0)]),
        "channel_shift_range": st.sampled_from([0.0, 30.0]),
        "fill_mode": st.sampled_from(["nearest", "reflect", "wrap", "constant"]),
        "cval": st.sampled_from([0.0, -40.5]),
        "horizontal_flip": st.booleans(),
        "vertical_flip": st.booleans(),
        "rescale": st.sampled_from([None, 1 / 255]),
        "data_format": st.sampled_from([None, "channels_last", "channels_first", "first"]),
        "validation_split": st.sampled_from([0.0, 0.25, 1, -0.5]),
        "interpolation_order": st.sampled_from([0, 1, 3]),
        "dtype": st.sampled_from([None, "float32", "float64"]),
    },
)


@SHARED
@given(options=OPTIONS)
def test_arguments_become_the_originals_attributes_or_its_errors(options):
    mine, my_words = outcome(lambda: Arguments(**options))
    expected, its_words = outcome(lambda: original(**options))
    assert my_words == its_words
    for name, value in {} if expected is None else vars(expected).items():
        same(getattr(mine, name.lstrip("_")), value, name)


def test_arguments_are_taken_in_the_originals_order():
    import inspect

    mine, expected = (inspect.signature(made.__init__).parameters for made in (Arguments, type(original())))
    assert [*mine] == [*expected]
    assert [part.default for part in mine.values()] == [part.default for part in expected.values()]


def pair(options):
    """Both generators, or None where the original refuses the options."""
    made = [outcome(lambda kind=kind: kind(**options))[0] for kind in (Arguments, original)]
    return None if None in made else (TFImageDataGenerator(**options), made[1])


IMAGES = np.random.default_rng(0).uniform(0, 255, (9, 8, 11, 3)).astype("float32")
STATISTICS = {
    "featurewise_center": st.just(True),
    "featurewise_std_normalization": st.booleans(),
    "zca_whitening": st.booleans(),
    "brightness_range": st.sampled_from([None, (0.5, 1.5)]),
    "zoom_range": st.sampled_from([0.0, 0.3, (0.5, 0.9)]),
    "data_format": st.just("channels_last"),
    "validation_split": st.just(0.25),
}
USABLE = st.builds(lambda options, more: options | more, OPTIONS, st.fixed_dictionaries(STATISTICS))


@settings(max_examples=40, deadline=None)
@given(options=USABLE, augment=st.booleans(), rounds=st.integers(1, 2), seed=st.sampled_from([None, 3]))
def test_statistics_are_the_originals_to_the_last_bit(options, augment, rounds, seed):
    generators = pair(options)
    for made in generators:
        outcome(lambda made=made: made.fit(IMAGES, augment=augment, rounds=rounds, seed=seed))
    for name in ("mean", "std", "zca_whitening_matrix"):
        same(*(getattr(made, name) for made in generators), name)


@settings(max_examples=60, deadline=None)
@given(options=USABLE, seed=st.integers(0, 999), first=st.booleans(), below_zero=st.booleans())
def test_the_steps_of_a_single_image_are_the_originals_to_the_last_bit(options, seed, first, below_zero):
    if first:
        options = options | {"data_format": "channels_first", "brightness_range": None}
    images = (IMAGES - 90 * below_zero).transpose(0, 3, 1, 2) if first else IMAGES - 90 * below_zero
    generators = pair(options)
    for made in generators:
        outcome(lambda made=made: made.fit(images, seed=1))
    drawn = [made.get_random_transform(images[0].shape, seed) for made in generators]
    assert drawn[0] == drawn[1]
    mine, expected = (outcome(lambda made=made: made.random_transform(images[0], seed))[0] for made in generators)
    same(mine, expected)
    same(
        *(made.standardize(np.copy(image, order="K")) for made, image in zip(generators, (mine, expected), strict=True))
    )


def test_an_image_of_a_shape_that_cannot_be_fitted_is_refused_in_the_originals_words():
    words = [outcome(lambda made=made: made.fit(IMAGES[0]))[1] for made in (TFImageDataGenerator(), original())]
    assert words[0] == words[1] and words[0][0] is ValueError


ON_ITS_OWN_ACCOUNT = {"image_data_generator", "index_array", "index_generator", "lock", "allowed_class_modes"}


def same_listing(mine, expected):
    for name in sorted(set(dir(expected)) - ON_ITS_OWN_ACCOUNT):
        if name.startswith("_"):
            continue
        try:
            value = getattr(expected, name)
        except AttributeError:  # classes of a table that has none
            assert not hasattr(mine, name)
            continue
        if not callable(value) and name not in ("batch_index", "total_batches_seen"):  # a flow's own
            found = getattr(mine, name)
            if hasattr(value, "__array__"):  # pandas has arrays of its own
                assert type(found) is type(value), name
                found, value = np.asarray(found), np.asarray(value)
            np.testing.assert_equal(found, value, err_msg=name)
            assert not isinstance(value, np.ndarray) or found.dtype == value.dtype, name


ARRAYS = st.fixed_dictionaries(
    {"x": st.sampled_from(["images", "with more", "with a list", "of rank 3", "with less"])},
    optional={
        "y": st.sampled_from([None, np.arange(12) % 3, np.arange(12), np.arange(5), [0, 1] * 6]),
        "sample_weight": st.sampled_from([None, WEIGHTS, WEIGHTS[:4]]),
        "subset": st.sampled_from([None, "training", "validation", "test"]),
        "ignore_class_split": st.booleans(),
        "batch_size": st.integers(1, 20),
        "shuffle": st.booleans(),
        "seed": st.sampled_from([None, 5]),
    },
)


@SHARED
@given(how=ARRAYS, dtype=st.sampled_from(["uint8", "int64", "float64"]))
def test_arrays_are_listed_or_refused_as_the_original_does(how, dtype):
    images, more = np.random.default_rng(1).integers(0, 256, (12, 6, 5, 3)).astype(dtype), WEIGHTS[:, None]
    kinds = {
        "images": images,
        "with more": (images, more),
        "with a list": [images, [more, more + 1]],
        "of rank 3": images[..., 0],
        "with less": (images, [more[:3]]),
    }
    how = how | {"x": kinds[how["x"]]}
    made, expected = Arguments(validation_split=0.25), original(validation_split=0.25)
    plain = {"batch_size": 32, "shuffle": True, "seed": None, "save_to_dir": None, "save_prefix": "", "save_format": ""}
    mine, my_words = outcome(lambda: listings.of_arrays(made, **(plain | how)))
    theirs, its_words = outcome(lambda: expected.flow(save_format="", **how))
    assert my_words[0] == its_words[0] and (mine is not None or my_words == its_words)
    if mine is not None:
        assert mine.x.dtype == ("uint8" if dtype == "uint8" else "float32")
        mine.x = mine.x.astype("float32")
        same_listing(mine, theirs)


@pytest.fixture(scope="module")
def odd_folder(tmp_path_factory):
    """Classes with folders below, links, other suffixes and cases, and one without a picture."""
    place = tmp_path_factory.mktemp("odd")
    picture = Image.fromarray(np.full((4, 4, 3), 90, np.uint8))
    for name in ("b/2.jpg", "b/1.PNG", "b/deep/er/3.bmp", "a/x.tif", "a/x.tiff", "a/10.jpeg", "a/9.jpeg", "c/é.ppm"):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
    (place / "none").mkdir()
    (place / "a" / "words.txt").write_text("no picture")
    (place / "loose.jpg").write_bytes((place / "b" / "2.jpg").read_bytes())
    os.symlink(place / "b", place / "c" / "linked")
    return place


FOLDERS = st.fixed_dictionaries(
    {},
    optional={
        "target_size": st.sampled_from([(8, 8), [5, 9]]),
        "color_mode": st.sampled_from(["rgb", "rgba", "grayscale", "grey"]),
        "classes": st.sampled_from([None, [], ["b", "a"], ["c", "missing"], ("b",)]),
        "class_mode": st.sampled_from(["categorical", "binary", "sparse", "input", None, "raw"]),
        "batch_size": st.integers(1, 9),
        "shuffle": st.booleans(),
        "seed": st.sampled_from([None, 1]),
        "save_prefix": st.just("p"),
        "follow_links": st.booleans(),
        "subset": st.sampled_from([None, "training", "validation", "test"]),
        "interpolation": st.sampled_from(["nearest", "bilinear"]),
        "keep_aspect_ratio": st.booleans(),
    },
)


@SHARED
@given(how=FOLDERS, data_format=st.sampled_from(["channels_last", "channels_first"]))
def test_folders_are_listed_or_refused_as_the_original_does(odd_folder, how, data_format):
    options = {"validation_split": 0.4, "data_format": data_format}
    mine, my_words = outcome(lambda: listings.of_folder(Arguments(**options), odd_folder, **how))
    theirs, its_words = outcome(lambda: original(**options).flow_from_directory(odd_folder, **how))
    assert my_words == its_words
    if mine is not None:
        same_listing(mine, theirs)


def table(folder):
    names = ["b/2.jpg", "b/1.PNG", "b/deep/er/3.bmp", "a/gone.jpg", "a/10.jpeg", "a/9.jpeg", "c/é.ppm", "a/words.txt"]
    kinds = [name[0] for name in names]
    return pd.DataFrame(
        {
            "filename": names,
            "class": kinds,
            "two": ["x" if kind == "a" else "y" for kind in kinds],
            "lists": [[kind, "z"] if kind != "b" else ["b"] for kind in kinds],
            "tuples": [(kind, "z") if kind != "b" else "b" for kind in kinds],
            "number": np.arange(8) / 3,
            "whole": np.arange(8),
            "whole path": [os.path.join(folder, name) for name in names],
        }
    )


TABLES = st.fixed_dictionaries(
    {},
    optional={
        "x_col": st.sampled_from(["filename", "whole path", "whole"]),
        "y_col": st.sampled_from(["class", "two", "lists", "tuples", "number", "whole", ["number", "whole"]]),
        "weight_col": st.sampled_from([None, "number", "class"]),
        "color_mode": st.sampled_from(["rgb", "grayscale", "grey"]),
        "classes": st.sampled_from([None, ["b", "a"], ["x", "y"], ["z", "b", "z"]]),
        "class_mode": st.sampled_from(
            ["categorical", "binary", "sparse", "input", None, "raw", "multi_output", "other", "all"]
        ),
        "batch_size": st.integers(1, 9),
        "shuffle": st.booleans(),
        "subset": st.sampled_from([None, "training", "validation", "test"]),
        "validate_filenames": st.booleans(),
        "has_ext": st.just(True),
    },
)


@settings(max_examples=300, deadline=None)
@given(how=TABLES)
def test_tables_are_listed_or_refused_as_the_original_does(odd_folder, how):
    given_table, directory = table(odd_folder), None if how.get("x_col") == "whole path" else odd_folder
    before = given_table.copy(deep=True)
    options = {"validation_split": 0.4}
    if isinstance(how.get("y_col"), list) and how.get("class_mode", "categorical") not in ("raw", "multi_output", None):
        how = how | {"y_col": "class"}
    mine, my_words = outcome(lambda: listings.of_table(Arguments(**options), given_table, directory, **how))
    theirs, its_words = outcome(lambda: original(**options).flow_from_dataframe(given_table, directory, **how))
    assert my_words == its_words
    pd.testing.assert_frame_equal(given_table, before)
    if mine is not None:
        same_listing(mine, theirs)
