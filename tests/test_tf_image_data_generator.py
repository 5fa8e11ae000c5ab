import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from helpers.tf_image_data_generator import TFImageDataGenerator

IMAGES = np.random.default_rng(0).integers(0, 256, (70, 12, 12, 3), dtype=np.uint8)
LABELS = np.arange(70)
GEOMETRY = {
    "rotation_range": 25,
    "width_shift_range": 0.1,
    "height_shift_range": 0.2,
    "shear_range": 10,
    "zoom_range": 0.2,
    "horizontal_flip": True,
}


def both(mode="stream", **options):
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the oddities that it warns about are wanted here
        jit_compile = options.pop("jit_compile", True)
        return ImageDataGenerator(**options), TFImageDataGenerator(**options, mode=mode, jit_compile=jit_compile)


def worst_difference(images, labels, *, epochs=2, batch_size=32, shuffle=True, **options):
    """The largest difference of all batches of the two, and whether all labels are the same."""
    original, port = both(**options)
    if options.keys() & {"featurewise_center", "featurewise_std_normalization", "zca_whitening"}:
        original.fit(images)
        port.fit(images)
    arguments = {"batch_size": batch_size, "shuffle": shuffle, "seed": 3}
    theirs = original.flow(images, labels, **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ours = port.flow(images, labels, **arguments)
    worst = 0.0
    for _ in range(epochs):
        for images_here, labels_here in ours.as_numpy_iterator():
            images_there, labels_there = next(theirs)
            np.testing.assert_array_equal(labels_here, labels_there)
            assert images_here.dtype == images_there.dtype
            worst = max(worst, float(np.abs(images_here - images_there).max()))
    assert theirs.batch_index == 0  # the same number of batches
    return worst


@pytest.mark.parametrize("fill_mode", ["nearest", "reflect", "wrap", "constant"])
@pytest.mark.parametrize("order", [0, 1])
def test_the_stream_is_the_originals_bit_for_bit(fill_mode, order):
    options = GEOMETRY | {"fill_mode": fill_mode, "cval": 9.0, "interpolation_order": order, "rescale": 1 / 255}
    assert worst_difference(IMAGES, LABELS, **options) == 0


@pytest.mark.slow
def test_a_thousand_shuffled_images_with_a_partial_batch_are_the_same_in_two_epochs():
    images = np.random.default_rng(1).integers(0, 256, (1000, 32, 32, 3), dtype=np.uint8)
    assert worst_difference(images, np.arange(1000), batch_size=128, rescale=1 / 255, **GEOMETRY) == 0


@pytest.mark.parametrize("cval", [-40.5, pytest.param(300.25, marks=pytest.mark.slow)])
def test_brightness_of_images_that_leave_0_to_255_is_rounded_as_the_original_does(cval):
    options = {"zoom_range": [1.0, 1.8], "fill_mode": "constant", "brightness_range": (0.4, 1.7), "rescale": 1 / 255}
    assert worst_difference(IMAGES, LABELS, cval=cval, **options) == 0


@pytest.mark.filterwarnings("ignore:on images that are not square")
@pytest.mark.parametrize("mode", ["stream", pytest.param("semantics", marks=pytest.mark.slow)])
def test_large_images_which_are_moved_one_by_one_are_the_same(mode):
    images = np.random.default_rng(2).integers(0, 256, (5, 131, 150, 3), dtype=np.uint8)
    changes = {"channel_shift_range": 20.0, "brightness_range": (0.4, 1.7), "rescale": 1 / 255}
    if mode == "stream":
        assert worst_difference(images, np.arange(5), epochs=1, batch_size=3, **GEOMETRY, **changes) == 0
        return
    compiled, plain = (
        both(mode, **GEOMETRY, **changes, jit_compile=jit)[1].flow(images, seed=1) for jit in (True, False)
    )
    np.testing.assert_array_equal(next(compiled), next(plain))


def test_images_that_are_not_square_are_the_same():
    images = np.random.default_rng(2).integers(0, 256, (40, 7, 13, 1), dtype=np.uint8)
    assert worst_difference(images, np.arange(40), **GEOMETRY) == 0


CONFIGURATIONS = st.fixed_dictionaries(
    {},
    optional={
        "rotation_range": st.sampled_from([5, 90.5]),
        "width_shift_range": st.sampled_from([0.3, 4, [-2, 3]]),
        "height_shift_range": st.sampled_from([0.1, 2.5]),
        "shear_range": st.just(15.0),
        "zoom_range": st.sampled_from([0.3, [0.5, 0.9]]),
        "channel_shift_range": st.just(40.0),
        "brightness_range": st.just((0.4, 1.7)),
        "horizontal_flip": st.booleans(),
        "vertical_flip": st.booleans(),
        "rescale": st.just(1 / 255),
        "fill_mode": st.sampled_from(["nearest", "reflect", "wrap", "constant"]),
        "cval": st.sampled_from([17.0, -40.5, 300.25]),
        "interpolation_order": st.sampled_from([0, 1]),
        "featurewise_center": st.booleans(),
        "featurewise_std_normalization": st.booleans(),
    },
)
SHAPES = st.sampled_from([(28, 28, 1), (32, 32, 3), (12, 12, 3), (9, 14, 4)])


@settings(max_examples=20, deadline=None)
@given(options=CONFIGURATIONS, shape=SHAPES)
def test_any_configuration_gives_the_originals_pixels(options, shape):
    images = np.random.default_rng(5).integers(0, 256, (6, *shape), dtype=np.uint8)
    assert worst_difference(images, np.arange(6), epochs=1, batch_size=4, jit_compile=False, **options) <= 1e-12


@settings(max_examples=8, deadline=None)
@given(options=CONFIGURATIONS, shape=SHAPES)
def test_any_configuration_compiled_by_xla_gives_the_originals_pixels(options, shape):
    images = np.random.default_rng(5).integers(0, 256, (6, *shape), dtype=np.uint8)
    assert worst_difference(images, np.arange(6), epochs=1, batch_size=6, **options) <= 1e-12


@pytest.mark.parametrize(
    "options",
    [
        {"samplewise_center": True, "samplewise_std_normalization": True, "rescale": 1 / 255},
        {"interpolation_order": 3, "rotation_range": 20},
        {"preprocessing_function": np.sqrt, "rotation_range": 20},
    ],
)
def test_samplewise_splines_and_functions_are_the_same_within_rounding(options):
    assert worst_difference(IMAGES, LABELS, **options) <= 1e-6


def test_without_xla_the_pixels_are_the_same():
    _, port = both(mode="semantics", **GEOMETRY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        plain = TFImageDataGenerator(**GEOMETRY, jit_compile=False)
    for ours, theirs in zip(port.flow(IMAGES, seed=1), plain.flow(IMAGES, seed=1), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_default_mode_is_reproducible_fresh_every_epoch_and_knows_its_length():
    _, port = both(mode="semantics", rotation_range=20)
    dataset, again = (port.flow(IMAGES, LABELS, batch_size=32, seed=4) for _ in range(2))
    assert int(dataset.cardinality()) == 3
    first, second = (np.concatenate([images for images, _ in dataset.as_numpy_iterator()]) for _ in range(2))
    np.testing.assert_array_equal(first, np.concatenate([images for images, _ in again.as_numpy_iterator()]))
    assert not np.array_equal(first, second)


def test_corrected_shifts_move_along_their_own_axis():
    gradient = np.repeat(np.arange(0, 240, 20, dtype=np.uint8)[None, :, None, None], 12, axis=2)
    original, _ = both(width_shift_range=[3.0])
    port = TFImageDataGenerator(width_shift_range=[3.0], mode="corrected")
    # The rows differ, the columns do not: a shift of the width changes nothing, the original's moves rows.
    assert np.array_equal(next(iter(port.flow(gradient, seed=0))), gradient.astype("float32"))
    assert not np.array_equal(next(original.flow(gradient, seed=0)), gradient.astype("float32"))


def test_what_the_original_gets_wrong_silently_is_warned_about():
    with pytest.warns(UserWarning, match="moves nothing"):
        TFImageDataGenerator(width_shift_range=1, height_shift_range=1)


@pytest.mark.parametrize(
    "options", [{"mode": "exact"}, {"fill_mode": "mirror"}, {"dtype": "float16"}, {"zoom_range": [1, 2, 3]}]
)
def test_what_cannot_be_is_refused_in_one_line(options):
    with pytest.raises(ValueError) as caught:
        TFImageDataGenerator(**options)
    assert "\n" not in str(caught.value)


def test_a_folder_is_read_as_the_original_reads_it(picture_folder):
    original, port = both(rescale=1 / 255)
    options = {"target_size": (32, 32), "batch_size": 16, "shuffle": False}
    theirs = original.flow_from_directory(picture_folder, **options)
    ours = port.flow_from_directory(picture_folder, **options)
    assert ours.class_indices == theirs.class_indices
    for images, labels in ours.as_numpy_iterator():
        expected_images, expected_labels = next(theirs)
        np.testing.assert_array_equal(labels, expected_labels)
        np.testing.assert_array_equal(images, expected_images)


def test_zca_is_the_originals_and_within_rounding_where_a_batch_is_whitened_at_once():
    images = np.random.default_rng(0).uniform(0, 255, (60, 6, 6, 3)).astype("float32")
    options = {"featurewise_center": True, "zca_whitening": True}
    assert worst_difference(images, np.arange(60), **options) <= 1e-6  # image by image, as the original
    theirs, at_once = both(mode="semantics", **options)
    theirs.fit(images)
    at_once.fit(images)
    (ours,) = at_once.flow(images, batch_size=60, shuffle=False)
    assert np.abs(ours - next(theirs.flow(images, batch_size=60, shuffle=False))).max() <= 5e-6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_channels_first_and_dtype_are_the_originals(dtype):
    images = IMAGES[:20].transpose(0, 3, 1, 2)
    original, port = both(**GEOMETRY, data_format="channels_first", dtype=dtype)
    theirs = next(original.flow(images, batch_size=20, seed=2))
    (ours,) = port.flow(images, batch_size=20, seed=2)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= (0 if dtype == "float32" else 1e-11)


@pytest.mark.filterwarnings("ignore:subset='training'")
@pytest.mark.parametrize("subset", ["training", "validation"])
def test_subsets_weights_and_further_inputs_are_the_originals(subset):
    original, port = both(rescale=1 / 255, validation_split=0.3)
    more = np.arange(70)[:, None] * 2.0
    options = {"batch_size": 16, "seed": 1, "subset": subset, "ignore_class_split": True}
    theirs = original.flow((IMAGES, [more]), LABELS, sample_weight=LABELS / 10, **options)
    ours = port.flow((IMAGES, [more]), LABELS, sample_weight=LABELS / 10, **options)
    assert int(ours.cardinality()) == len(theirs)
    for (images, further), labels, weights in ours.as_numpy_iterator():
        (expected_images, expected_further), expected_labels, expected_weights = next(theirs)
        np.testing.assert_array_equal(images, expected_images)
        np.testing.assert_array_equal(further, expected_further)
        np.testing.assert_array_equal(labels, expected_labels)
        np.testing.assert_allclose(weights, expected_weights)


@pytest.mark.parametrize(
    "options",
    [
        {"class_mode": "binary", "classes": ["bird", "cat"]},
        {"class_mode": "sparse", "color_mode": "grayscale"},
        {"class_mode": "input", "color_mode": "rgba"},
        {"class_mode": None, "interpolation": "bilinear", "target_size": (20, 40)},
        {"target_size": (17, 45)},
        {"target_size": (48, 20), "keep_aspect_ratio": True, "subset": "validation"},
    ],
)
def test_every_way_to_read_a_folder_is_the_originals(picture_folder, options):
    original, port = both(rescale=1 / 255, validation_split=0.25)
    options = {"target_size": (32, 32), "batch_size": 16, "seed": 5} | options
    theirs = original.flow_from_directory(picture_folder, **options)
    ours = port.flow_from_directory(picture_folder, **options)
    assert int(ours.cardinality()) == len(theirs)
    for made in ours.as_numpy_iterator():
        expected = next(theirs)
        if options.get("class_mode", "categorical") is None:
            made, expected = (made,), (expected,)
        for part, expected_part in zip(made, expected, strict=True):
            assert part.dtype == expected_part.dtype
            np.testing.assert_array_equal(part, expected_part)


def test_png_is_decoded_as_the_original_decodes_it(tmp_path):
    from PIL import Image

    (tmp_path / "only").mkdir()
    for number, image in enumerate(IMAGES[:5]):
        Image.fromarray(image).save(tmp_path / "only" / f"{number}.png")
    original, port = both()
    options = {"target_size": (12, 12), "shuffle": False, "class_mode": None}
    (ours,) = port.flow_from_directory(tmp_path, **options)
    np.testing.assert_array_equal(ours, next(original.flow_from_directory(tmp_path, **options)))


def test_a_table_of_files_is_read_as_the_original_reads_it(picture_folder):
    import pandas as pd

    names = sorted(str(path.relative_to(picture_folder)) for path in picture_folder.rglob("*.jpg"))[::5]
    table = pd.DataFrame({"filename": names, "class": np.linspace(0, 1, len(names))})
    original, port = both(rescale=1 / 255)
    options = {"directory": picture_folder, "class_mode": "raw", "target_size": (32, 32), "batch_size": 4, "seed": 9}
    theirs = original.flow_from_dataframe(table, **options)
    for images, labels in port.flow_from_dataframe(table, **options).as_numpy_iterator():
        expected_images, expected_labels = next(theirs)
        np.testing.assert_array_equal(images, expected_images)
        np.testing.assert_array_equal(labels, expected_labels)


def test_pictures_are_saved_where_that_is_asked_for(tmp_path):
    _, port = both(horizontal_flip=True)
    for _ in port.flow(IMAGES[:10], batch_size=4, save_to_dir=tmp_path, save_prefix="seen"):
        pass
    assert len(list(tmp_path.glob("seen_*.png"))) == 10


def test_small_batches_are_cut_from_larger_spans_without_losing_any():
    images = np.random.default_rng(3).integers(0, 256, (1000, 4, 4, 1), dtype=np.uint8)
    _, port = both(mode="semantics")
    sizes, labels = [], []
    for batch, batch_labels in port.flow(images, np.arange(1000), batch_size=7, seed=0).as_numpy_iterator():
        np.testing.assert_array_equal(batch, images[batch_labels])
        sizes.append(len(batch))
        labels.extend(batch_labels)
    assert sizes == [7] * 142 + [6]
    assert sorted(labels) == list(range(1000))


@pytest.mark.parametrize(
    "options",
    [
        {"width_shift_range": [-2, 3, 5]},
        {"height_shift_range": 4},
        {"height_shift_range": 0.25},
        {"zoom_range": [0.5, 0.9]},
        {"channel_shift_range": 30.0},
        {"brightness_range": (0.4, 1.7)},
        {"rotation_range": 40, "horizontal_flip": True},
    ],
)
def test_draws_by_hash_have_the_originals_distribution(options):
    from scipy import stats

    from helpers.tf_image_data_generator import arguments
    from helpers.tf_image_data_generator.draws import COLUMNS, draw_hashed, draw_stream

    _, port = both(**options)
    ranges = arguments.ranges(port, 20, 20)
    ours = draw_hashed(3, np.arange(4000), ranges)
    theirs = draw_stream(np.random.RandomState(0), 4000, ranges)
    for place, name in enumerate(COLUMNS):
        if name.startswith("flip"):
            ours[:, place] = ours[:, place] > 0.5
        assert stats.ks_2samp(ours[:, place], theirs[:, place]).pvalue > 1e-4, name


COPIED = """
import sys

sys.modules["helpers"] = None  # from here on, `import helpers` fails
import pkgutil
from importlib import import_module

import numpy as np

import borrowed
import keras.src.legacy.preprocessing.image as legacy

for name in [name for name, value in vars(legacy).items() if getattr(value, "__module__", "") == legacy.__name__]:
    delattr(legacy, name)  # a Keras without the class that is deprecated

modules = [import_module(f"borrowed.{module.name}") for module in pkgutil.iter_modules(borrowed.__path__)]
images = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)
options = {"rotation_range": 20, "brightness_range": (0.5, 1.5), "rescale": 1 / 255, "featurewise_center": True}
generator = borrowed.TFImageDataGenerator(**options)
generator.fit(images, augment=True)
assert generator.standardize(generator.random_transform(images[0].astype("float32"))).shape == (8, 8, 3)
batches = list(generator.flow(images, np.arange(10), batch_size=4, seed=1).as_numpy_iterator())
files = generator.flow_from_directory(sys.argv[1], target_size=(16, 16), batch_size=32)
print(len(modules), [len(labels) for _, labels in batches], sum(len(labels) for _, labels in files))
"""


@pytest.mark.slow
def test_the_folder_copied_elsewhere_under_another_name_works_without_the_kit(tmp_path, picture_folder):
    import helpers.tf_image_data_generator as port

    source = Path(port.__file__).parent
    shutil.copytree(source, tmp_path / "borrowed", ignore=shutil.ignore_patterns("__pycache__"))
    ran = subprocess.run(
        [sys.executable, "-c", COPIED, str(picture_folder)], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    modules = len(list(source.glob("*.py"))) - 1
    assert ran.stdout.splitlines()[-1] == f"{modules} [4, 4, 2] 72"


def test_its_affine_map_in_numpy_needs_no_tensorflow():
    code = "import sys; from helpers.tf_image_data_generator import affine; print('tensorflow' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_a_system_that_does_not_tell_the_usable_cores_has_all_of_them(monkeypatch):
    monkeypatch.delattr("os.sched_getaffinity")  # as on macOS
    (batch,) = both(mode="semantics", rescale=1 / 255)[1].flow(IMAGES, batch_size=70, shuffle=False)
    np.testing.assert_array_equal(batch, IMAGES * np.float32(1 / 255))


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((IMAGES, LABELS[:-1]), {}),
        ((IMAGES[0],), {}),
        (((IMAGES, [LABELS[:-1]]),), {}),
        ((IMAGES, LABELS), {"sample_weight": np.ones(3)}),
        ((IMAGES, LABELS), {"subset": "test"}),
        ((IMAGES, LABELS), {"subset": "training"}),
    ],
)
def test_arrays_that_do_not_fit_are_refused_in_the_originals_words(arguments, options):
    original, port = both(validation_split=0.3)
    with pytest.raises(ValueError) as theirs:
        original.flow(*arguments, **options)
    with pytest.raises(ValueError) as ours:
        port.flow(*arguments, **options)
    assert str(ours.value) == str(theirs.value)


def test_folders_and_options_are_refused_with_the_originals_errors(tmp_path, picture_folder):
    original, port = both()
    for how in ({"directory": tmp_path / "none"}, {"directory": picture_folder, "class_mode": "all"}):
        with pytest.raises((ValueError, FileNotFoundError)) as theirs:
            original.flow_from_directory(**how)
        with pytest.raises(type(theirs.value)) as ours:
            port.flow_from_directory(**how)
        mine, its = (str(error.value).split("one of:")[0] for error in (ours, theirs))  # a set's order is nobody's
        assert mine == its
    with pytest.raises(TypeError, match="unexpected keyword argument 'rotation'"):
        TFImageDataGenerator(rotation=20)
    with pytest.raises(ValueError, match="a flow must have images"):
        port.flow_from_directory(tmp_path)
    with pytest.raises(ValueError, match="batch_size must be >= 1"):
        port.flow(IMAGES, batch_size=0)


@pytest.mark.parametrize("mode", ["semantics", "corrected"])
def test_draws_belong_to_an_example_and_an_epoch_whatever_the_batch(mode):
    options = {**GEOMETRY, "brightness_range": (0.5, 1.5)}
    seen = []
    for batch_size, shuffle in ((7, False), (32, True)):
        flow = both(mode=mode, **options)[1].flow(IMAGES, LABELS, batch_size=batch_size, shuffle=shuffle, seed=3)
        images, labels = (np.concatenate(parts) for parts in zip(*flow, strict=True))
        seen.append(images[np.argsort(labels)])
    np.testing.assert_array_equal(*seen)


@settings(max_examples=25, deadline=None)
@given(
    key=st.integers(0, 2**63 - 1),
    rows=st.lists(st.integers(0, 2**40), min_size=1, max_size=20, unique=True),
    columns=st.integers(1, 12),
)
def test_a_hashed_number_depends_on_its_key_row_and_column_alone(key, rows, columns):
    from helpers.tf_image_data_generator.draws import hashed_units

    units = hashed_units(key, np.array(rows), columns)
    assert units.shape == (len(rows), columns) and (units >= 0).all() and (units < 1).all()
    np.testing.assert_array_equal(units[-1:], hashed_units(key, np.array(rows[-1:]), columns))
    assert (units != hashed_units(key ^ 1, np.array(rows), columns)).all()


def test_hashed_numbers_are_uniform_and_independent_along_rows_columns_and_keys():
    from scipy import stats

    from helpers.tf_image_data_generator.draws import hashed_units

    rows = np.arange(20_000)
    for units in (hashed_units(key, rows, 10) for key in (0, 1, 2**62)):
        assert stats.kstest(units.ravel(), "uniform").pvalue > 1e-4
        for lag in (1, 2, 10):
            flat = units.ravel()
            assert abs(np.corrcoef(flat[lag:], flat[:-lag])[0, 1]) < 0.01
    one, other = (hashed_units(key, rows, 10).ravel() for key in (7, 8))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.01


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"])
def test_photographs_are_read_with_every_interpolation_as_the_original_reads_them(tmp_path, interpolation):
    from PIL import Image

    generator = np.random.default_rng(4)
    (tmp_path / "only").mkdir()
    for number, size in enumerate([(375, 500), (480, 321), (150, 90), (233, 640)]):
        coarse = Image.fromarray(generator.integers(0, 256, (9, 12, 3), dtype=np.uint8))
        coarse.resize(size[::-1], Image.Resampling.BICUBIC).save(tmp_path / "only" / f"{number}.jpg", quality=92)
    original, port = both(**GEOMETRY, rescale=1 / 255, jit_compile=False)
    for side in (150, 224):
        arguments = tmp_path, (side, side)
        options = {"interpolation": interpolation, "class_mode": None, "seed": 1}
        (ours,) = port.flow_from_directory(*arguments, **options)
        np.testing.assert_array_equal(ours, next(original.flow_from_directory(*arguments, **options)))


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=25, deadline=None)
@given(options=CONFIGURATIONS, shape=SHAPES, jit_compile=st.booleans())
def test_the_default_mode_does_to_its_own_draws_what_the_original_does_to_them(options, shape, jit_compile):
    from helpers.tf_image_data_generator.draws import COLUMNS

    images = np.random.default_rng(5).integers(0, 256, (6, *shape), dtype=np.uint8)
    original, port = both(mode="semantics", **options, jit_compile=jit_compile)
    for made in (original, port):
        made.fit(images)
    flow = port.flow(images, batch_size=6, shuffle=False, seed=1)
    plan = flow.batches.again().plan
    draws = plan.draws(*plan.batch(0))
    for found, image, row in zip(next(iter(flow)), images, draws, strict=True):
        drawn = dict(zip(COLUMNS, row.tolist(), strict=True))
        drawn |= {name: drawn[name] > 0.5 for name in ("flip_horizontal", "flip_vertical")}
        drawn["channel_shift_intensity"] = drawn.pop("channel_shift") if port.channel_shift_range else None
        drawn["brightness"] = drawn["brightness"] if port.brightness_range else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            expected = original.standardize(original.apply_transform(image.astype("float32"), drawn))
        # A coordinate at rounding noise from a border, a half or a whole may fall on the other side: few pixels.
        assert (np.abs(found - expected) <= 1e-4 * max(1, np.abs(expected).max())).mean() > 0.97
