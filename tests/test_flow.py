"""A flow of the port: the surface of the original's iterators, epochs, pairs, and nothing silently different."""

import gc
import warnings
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings, strategies as st
from originals import original

from helpers.tf_image_data_generator import Flow, TFImageDataGenerator, pairs

IMAGES = np.random.default_rng(0).integers(0, 256, (70, 12, 12, 3), dtype=np.uint8)
LABELS = np.arange(70)
GEOMETRY = {"rotation_range": 25, "width_shift_range": 0.1, "height_shift_range": 0.2, "horizontal_flip": True}


pytestmark = pytest.mark.usefixtures("without_the_warnings_about_oddities")


def port(**options):
    return TFImageDataGenerator(**options)


def smallest(shape=(12, 12, 3)):
    model = keras.Sequential([keras.Input(shape), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


ON_ITS_OWN_ACCOUNT = {
    "shuffle",  # a method of every tf.data.Dataset
    "index_array",  # refused with a line
    "image_data_generator",  # each names its own
    "index_generator",
    "lock",
    "white_list_formats",
}


def same_surface(theirs, ours):
    for name in sorted(set(dir(theirs)) - ON_ITS_OWN_ACCOUNT):
        if name.startswith("_") or callable(getattr(theirs, name)):
            continue
        np.testing.assert_equal(np.asarray(getattr(ours, name)), np.asarray(getattr(theirs, name)), err_msg=name)


def test_a_flow_of_arrays_has_the_originals_attributes():
    arguments = IMAGES, LABELS, 32, True, None, 7  # by position
    theirs, ours = (make().flow(*arguments) for make in (original, port))
    assert isinstance(ours, tf.data.Dataset) and isinstance(ours, Flow)
    same_surface(theirs, ours)
    assert len(ours) == len(theirs) == ours.cardinality()
    assert ours.samples == 70 and ours.labels.tolist() == LABELS.tolist()
    with pytest.raises(AttributeError, match="index_array"):
        _ = ours.index_array


@pytest.mark.parametrize("class_mode", ["categorical", "sparse", "binary", "input", None])
def test_a_flow_of_folders_has_the_originals_attributes(picture_folder, class_mode):
    classes = ["bird", "cat"] if class_mode == "binary" else None
    arguments = picture_folder, (24, 20), "rgb", classes, class_mode, 16, False  # by position
    theirs, ours = (make().flow_from_directory(*arguments) for make in (original, port))
    same_surface(theirs, ours)
    assert len(ours) == len(theirs) == ours.cardinality()


def test_a_flow_of_a_table_has_the_originals_attributes(picture_folder):
    import pandas as pd

    names = sorted(str(path.relative_to(picture_folder)) for path in picture_folder.rglob("*.jpg"))
    table = pd.DataFrame({"filename": names, "class": [name.split("/")[0] for name in names]})
    arguments = table, picture_folder, "filename", "class", None, (20, 20)
    theirs, ours = (make().flow_from_dataframe(*arguments, shuffle=False) for make in (original, port))
    same_surface(theirs, ours)
    np.testing.assert_array_equal(ours[1][0], theirs[1][0])


@pytest.mark.parametrize("mode", ["stream", "semantics"])
def test_python_reads_arrays_that_can_be_written_to(mode):
    flow = port(rescale=1 / 255, mode=mode).flow(IMAGES, LABELS, batch_size=32, shuffle=False)
    for images, labels in (*flow, next(flow), flow[1]):
        assert isinstance(images, np.ndarray) and isinstance(labels, np.ndarray)
        images[images > 0.5] = 1
    np.testing.assert_array_equal(next(iter(flow))[0], IMAGES[:32] * np.float32(1 / 255))


def test_fit_map_and_functions_read_tensors():
    flow = port(rescale=1 / 255).flow(IMAGES, LABELS.astype("float32"), batch_size=32)

    @tf.function
    def count(batches):
        seen = 0
        for images, _ in batches:
            assert isinstance(images, tf.Tensor)
            seen += tf.shape(images)[0]
        return seen

    assert count(flow) == 70 and count(iter(flow)) == 70
    derived = flow.map(lambda images, labels: (images * 2, labels)).prefetch(1)
    assert not isinstance(derived, Flow) and all(isinstance(images, tf.Tensor) for images, _ in derived)
    model = smallest()
    seen = model.fit(flow, epochs=3, validation_data=flow, verbose=0)
    assert len(seen.history["val_loss"]) == 3
    assert model.predict(flow.map(lambda images, _: images), verbose=0).shape == (70, 1)


@pytest.mark.parametrize("mode", ["stream", "semantics"])
def test_items_of_a_shuffled_epoch_are_every_row_once_and_drawn_anew_on_a_second_visit(mode):
    flow = port(**GEOMETRY, mode=mode).flow(IMAGES, LABELS, batch_size=16, seed=5)
    rows = np.concatenate([flow[number][1] for number in (3, 0, 1, 4, 2)])
    assert sorted(rows) == list(range(70))
    images, labels = flow[0]
    again, same_labels = flow[0]
    np.testing.assert_array_equal(labels, same_labels)
    assert not np.array_equal(images, again)
    flow.on_epoch_end()
    assert flow[0][1].tolist() != labels.tolist()
    with pytest.raises(ValueError, match="Asked to retrieve element 5, but the Sequence has length 5"):
        flow[5]


def test_items_and_next_are_the_originals_in_a_stream():
    theirs, ours = (
        made.flow(IMAGES, LABELS, batch_size=16, seed=5)
        for made in (original(**GEOMETRY), port(**GEOMETRY, mode="stream"))
    )
    for number in (2, 0, 2, 4):
        for part, expected in zip(ours[number], theirs[number], strict=True):
            np.testing.assert_array_equal(part, expected)
    theirs, ours = (
        made.flow(IMAGES, LABELS, batch_size=16, seed=5)
        for made in (original(**GEOMETRY), port(**GEOMETRY, mode="stream"))
    )
    for _ in range(12):
        for part, expected in zip(next(ours), next(theirs), strict=True):
            np.testing.assert_array_equal(part, expected)
        assert (ours.batch_index, ours.total_batches_seen) == (theirs.batch_index, theirs.total_batches_seen)


def test_next_goes_on_and_reset_begins_an_epoch():
    flow = port().flow(IMAGES, LABELS, batch_size=32, shuffle=False)
    assert [next(flow)[1][0] for _ in range(5)] == [0, 32, 64, 0, 32]
    flow.reset()
    assert next(flow)[1][0] == 0 and flow.batch_index == 1


@pytest.mark.parametrize("mode", ["stream", "semantics", "corrected"])
def test_an_endless_flow_gives_the_epochs_of_the_finite_one_without_an_end(mode):
    flow = port(**GEOMETRY, mode=mode).flow(IMAGES, LABELS, batch_size=32, seed=1)
    endless = flow.endless()
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY
    assert len(endless) == 3 and endless.n == 70
    batches = iter(endless)
    for _ in range(3):
        for images, labels in flow:
            expected_images, expected_labels = next(batches)
            np.testing.assert_array_equal(labels, expected_labels)
            np.testing.assert_array_equal(images, expected_images)


def test_an_endless_flow_trains_with_steps_as_old_scripts_count_them():
    flow = port(**GEOMETRY).flow(IMAGES, LABELS.astype("float32"), batch_size=32)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Your input ran out of data")
        seen = smallest().fit(flow.endless(), steps_per_epoch=flow.n // flow.batch_size, epochs=5, verbose=0)
    assert len(seen.history["loss"]) == 5


def test_what_a_flow_was_made_with_is_not_changed_silently():
    flow = port().flow(IMAGES, LABELS, batch_size=16)
    for name, value in {"batch_size": 8, "shuffle": False, "seed": 3, "labels": LABELS[::-1], "n": 10}.items():
        with pytest.raises(AttributeError, match=f"{name} is settled when a flow is made"):
            setattr(flow, name, value)
    flow.mine = 3
    assert flow.mine == 3 and len(next(flow)[0]) == 16
    with pytest.raises(AttributeError, match=r"write next\(flow\)"):
        flow.next()
    with pytest.raises(AttributeError, match="no attribute 'class_indices'"):
        _ = flow.class_indices


def test_statistics_set_by_hand_are_used_as_the_original_uses_them():
    flows = []
    for made in (original(featurewise_center=True), port(featurewise_center=True)):
        made.mean = [123.68, 116.779, 103.939]
        flows.append(made.flow(IMAGES, batch_size=70, shuffle=False))
    np.testing.assert_array_equal(next(flows[1]), next(flows[0]))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("per", ["channel", "pixel"])
def test_statistics_of_any_shape_that_broadcasts_are_the_originals(data_format, per):
    images = IMAGES if data_format == "channels_last" else IMAGES.transpose(0, 3, 1, 2)
    options = {"featurewise_center": True, "featurewise_std_normalization": True, "data_format": data_format}
    axes = 0 if per == "pixel" else (0, 1, 2) if data_format == "channels_last" else (0, 2, 3)
    flows = []
    for made in (original(**options, rescale=1 / 255), port(**options, rescale=1 / 255)):
        made.mean = images.mean(axes, keepdims=True)[0] / 255
        made.std = images.astype("float32").std(axes, keepdims=True)[0] / 255
        flows.append(made.flow(images, batch_size=70, shuffle=False))
    np.testing.assert_array_equal(next(flows[1]), next(flows[0]))


def test_a_setting_changed_after_a_flow_was_made_is_warned_about():
    made = port(featurewise_center=True)
    made.flow(IMAGES)
    with pytest.warns(UserWarning, match="mean has changed after a flow was made"):
        made.mean = 3.0


@pytest.mark.parametrize("name", ["standardize", "random_transform", "apply_transform", "get_random_transform"])
def test_an_overridden_step_is_refused_in_one_line(name):
    overridden = type("Mine", (TFImageDataGenerator,), {name: lambda self, *arguments: arguments[0]})()
    set_by_hand = port()
    setattr(set_by_hand, name, lambda image: image)
    for made in (overridden, set_by_hand):
        with pytest.raises(ValueError, match=f"{name} is overridden") as caught:
            made.flow(IMAGES)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", ["stream", "semantics"])
def test_only_what_was_delivered_is_saved(tmp_path, mode):
    flow = port(mode=mode).flow(IMAGES, LABELS, batch_size=4, save_to_dir=tmp_path, save_prefix="seen")
    batches = iter(flow)
    for count in (1, 2, 3):
        next(batches)
        assert len(list(tmp_path.glob("seen_*.png"))) == 4 * count
    assert len(flow[2][1]) == 4 and len(list(tmp_path.glob("seen_*.png"))) == 16


SIZES = st.sampled_from([(8, 8), (9, 14), (64, 64), (100, 40)])


def halves(count, size, channels):
    """Images of which each has its own number in its left half: where it went shows how it was moved."""
    images = np.zeros((count, *size, channels), np.uint8)
    images[:, :, : size[1] // 2] = 200
    images[:, : size[0] // 4] = 90
    return images


@settings(max_examples=15, deadline=None)
@given(
    mode=st.sampled_from(["stream", "semantics", "corrected"]),
    size=SIZES,
    channels=st.sampled_from([1, 3, 4]),
    batch_size=st.integers(1, 40),
    dtype=st.sampled_from(["uint8", "float32"]),
    photometric=st.booleans(),
    shuffle=st.booleans(),
)
def test_images_and_masks_of_one_seed_stay_together(mode, size, channels, batch_size, dtype, photometric, shuffle):
    count = 30
    images, masks = halves(count, size, channels), halves(count, size, 1).astype(dtype)
    options = {**GEOMETRY, "shear_range": 10, "zoom_range": 0.2, "mode": mode, "jit_compile": False}
    changes = {"brightness_range": (0.5, 1.5)} if photometric else {}
    arguments = {"batch_size": batch_size, "shuffle": shuffle, "seed": 3}
    flows = [
        TFImageDataGenerator(**options, **changes).flow(images, **arguments),
        TFImageDataGenerator(**options).flow(masks, **arguments),
    ]
    bare = TFImageDataGenerator(**options).flow(images[..., :1], **arguments)
    alone = list(zip(bare, flows[1], strict=True))
    for image, mask in alone:  # two flows of one seed, side by side
        np.testing.assert_array_equal(image, mask)
    together = pairs(*flows)
    assert together.n == count and len(together) == -(-count // batch_size)
    for (image, mask), (_, expected) in zip(together, alone, strict=True):
        if mode != "stream" or not photometric:  # a stream's brightness moves its later draws
            np.testing.assert_array_equal(mask, expected)
        if not photometric:
            np.testing.assert_array_equal(image[..., :1], mask)


@pytest.mark.parametrize("mode", ["stream", "semantics"])
def test_plain_masks_keep_their_values_whatever_happens_to_the_images(mode):
    masks = halves(20, (16, 16), 1)
    options = {**GEOMETRY, "brightness_range": (0.5, 1.5), "channel_shift_range": 20.0, "mode": mode}
    flows = [TFImageDataGenerator(**options).flow(data, batch_size=8, seed=1) for data in (masks, masks)]
    seen = set()
    for images, found in pairs(*flows, plain=True):
        assert images.shape == found.shape
        seen |= set(np.unique(found))
    assert seen <= {0.0, 90.0, 200.0}


def test_pairs_of_folders_sizes_and_tables_fit_and_several_inputs_too(picture_folder):
    options = {"class_mode": None, "batch_size": 16, "seed": 2}
    images = port(**GEOMETRY, rescale=1 / 255).flow_from_directory(picture_folder, (24, 24), **options)
    masks = port(**GEOMETRY).flow_from_directory(picture_folder, (12, 12), "grayscale", **options)
    both = pairs(images, masks, plain=True)
    image, mask = next(both)
    assert image.shape == (16, 24, 24, 3) and mask.shape == (16, 12, 12, 1)
    model = keras.Sequential([keras.Input((24, 24, 3)), keras.layers.AveragePooling2D(2), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(both.endless(), steps_per_epoch=2, epochs=2, verbose=0)
    labelled = port(**GEOMETRY).flow_from_directory(
        picture_folder, (12, 12), class_mode="sparse", batch_size=16, seed=2
    )
    (first, second), labels = pairs((labelled, masks))[0]
    assert first.shape == (16, 12, 12, 3) and second.shape == (16, 12, 12, 1) and labels.shape == (16,)


@pytest.mark.parametrize(
    ("generator", "options", "match"),
    [
        ({}, {"batch_size": 8}, "same batch_size"),
        ({"rotation_range": 3}, {}, "same geometric options"),
        ({"mode": "stream"}, {}, "same mode"),
    ],
)
def test_pairs_that_could_not_stay_together_are_refused(generator, options, match):
    with pytest.raises(ValueError, match=match) as caught:
        pairs(port().flow(IMAGES), port(**generator).flow(IMAGES, **options))
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="same n"):
        pairs(port().flow(IMAGES), port().flow(IMAGES[:9]))
    with pytest.raises(ValueError, match="need targets"):
        pairs(port().flow(IMAGES))


def test_a_system_without_affinity_and_fork_has_flows_too(monkeypatch):
    monkeypatch.delattr("os.sched_getaffinity", raising=False)  # macOS and Windows
    monkeypatch.delattr("os.fork", raising=False)  # Windows
    monkeypatch.delattr("os.sched_setaffinity", raising=False)
    flow = port(**GEOMETRY, rescale=1 / 255).flow(IMAGES, LABELS, batch_size=32)
    assert sum(len(labels) for _, labels in flow) == 70
    assert next(flow.endless())[0].shape == (32, 12, 12, 3)


@pytest.mark.parametrize("mode", ["stream", "semantics"])
def test_a_flow_that_nobody_names_gives_its_images_back(mode):
    flow = port(**GEOMETRY, mode=mode).flow(IMAGES, LABELS, batch_size=32)
    derived = flow.map(lambda images, labels: labels)
    for read in (flow, flow.endless().take(2), derived):
        assert len(list(read)) in (2, 3)
    next(flow), flow[0]
    images = weakref.ref(flow.batches.maker)
    del flow, read
    gc.collect()
    assert len(list(derived)) == 3  # what is derived from it keeps it
    del derived
    gc.collect()
    assert images() is None
