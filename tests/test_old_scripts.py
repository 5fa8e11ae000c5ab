"""Scripts written for ImageDataGenerator, in the styles that public code has: the same with the original and the port.

Each takes the class under the name that its import line gives it, and returns what it saw: steps, batches, labels.
What Keras 3 itself no longer has (`fit_generator`, `flow.next()`) is written as it has to be written today.
"""

import functools
import math
import warnings

import keras
import numpy as np
import pandas as pd
import pytest
from tensorflow.keras.preprocessing.image import ImageDataGenerator as Original

from helpers.tf_image_data_generator import TFImageDataGenerator

pytestmark = pytest.mark.usefixtures("own_seed")

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), dtype=np.uint8)
LABELS = np.arange(50) % 5
GEOMETRY = {
    "rotation_range": 20,
    "width_shift_range": 0.2,
    "shear_range": 0.2,
    "zoom_range": 0.2,
    "horizontal_flip": True,
}


@pytest.fixture(autouse=True)
def without_warnings_of_users():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def endless(flow):
    """The line to change where a script counts on a flow that never ends."""
    return flow.endless() if hasattr(flow, "endless") else flow


def network(shape, outputs=1):
    model = keras.Sequential([keras.Input(shape), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(outputs)])
    model.layers[-1].set_weights(
        [np.linspace(-1, 1, shape[-1] * outputs).reshape(shape[-1], outputs), np.zeros(outputs)]
    )
    model.compile("sgd", "mse")
    return model


class Steps(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.trained = self.tested = 0

    def on_train_batch_end(self, batch, logs=None):
        self.trained += 1

    def on_test_batch_end(self, batch, logs=None):
        self.tested += 1


def cats_and_dogs(ImageDataGenerator, folder, tmp_path):
    batch_size = 10
    train_datagen = ImageDataGenerator(rescale=1.0 / 255, shear_range=0.2, zoom_range=0.2, horizontal_flip=True)
    test_datagen = ImageDataGenerator(rescale=1.0 / 255)
    names = ["bird", "cat"]
    options = {"target_size": (20, 20), "batch_size": batch_size, "class_mode": "binary", "classes": names}
    train_generator = train_datagen.flow_from_directory(folder, **options)
    validation_generator = test_datagen.flow_from_directory(folder, **options)
    steps, model = Steps(), network((20, 20, 3))
    model.fit(
        train_generator,
        steps_per_epoch=train_generator.samples // batch_size,
        validation_data=validation_generator,
        validation_steps=validation_generator.samples // batch_size,
        callbacks=[steps],
        verbose=0,
    )
    return steps.trained, steps.tested, train_generator.class_indices


def bottleneck_features(ImageDataGenerator, folder, tmp_path):
    datagen = ImageDataGenerator(rescale=1.0 / 255)
    generator = datagen.flow_from_directory(folder, target_size=(15, 15), batch_size=16, class_mode=None, shuffle=False)
    return network((15, 15, 3), 4).predict(generator, verbose=0)


def features_filled_in_batch_by_batch(ImageDataGenerator, folder, tmp_path):
    sample_count, batch_size = 40, 20
    features, labels = np.zeros((sample_count, 4)), np.zeros(sample_count)
    generator = ImageDataGenerator(rescale=1.0 / 255).flow_from_directory(
        folder, target_size=(15, 15), batch_size=batch_size, class_mode="sparse", seed=3
    )
    model, i = network((15, 15, 3), 4), 0
    for inputs_batch, labels_batch in generator:
        features[i * batch_size : (i + 1) * batch_size] = model.predict(inputs_batch, verbose=0)
        labels[i * batch_size : (i + 1) * batch_size] = labels_batch
        i += 1  # noqa: SIM113
        if i * batch_size >= sample_count:
            break
    return features, labels


def predictions_by_name(ImageDataGenerator, folder, tmp_path):
    test_generator = ImageDataGenerator(rescale=1.0 / 255).flow_from_directory(
        directory=folder, target_size=(16, 16), color_mode="rgb", batch_size=1, class_mode=None, shuffle=False, seed=42
    )
    step_size_test = test_generator.n // test_generator.batch_size
    test_generator.reset()
    predicted = network((16, 16, 3), 3).predict(test_generator, steps=step_size_test, verbose=0)
    labels = {number: name for name, number in test_generator.class_indices.items()}
    predictions = [labels.get(number) for number in np.argmax(predicted, axis=1)]
    return pd.DataFrame({"Filename": test_generator.filenames, "Predictions": predictions}).to_dict("list")


def confusion_matrix(ImageDataGenerator, folder, tmp_path):
    test_batches = ImageDataGenerator(preprocessing_function=lambda image: image / 127.5 - 1).flow_from_directory(
        directory=folder, target_size=(16, 16), batch_size=10, shuffle=False
    )
    predictions = network((16, 16, 3), 9).predict(x=test_batches, steps=len(test_batches), verbose=0)
    matrix = np.zeros((9, 9), int)
    np.add.at(matrix, (test_batches.classes, np.argmax(predictions, axis=-1)), 1)
    return matrix, math.ceil(test_batches.samples / test_batches.batch_size)


def one_folder_split_in_two(ImageDataGenerator, folder, tmp_path):
    datagen = ImageDataGenerator(rescale=1.0 / 255, validation_split=0.25, **GEOMETRY)
    seen = []
    for subset in ("training", "validation"):
        generator = datagen.flow_from_directory(folder, (16, 16), batch_size=16, subset=subset, seed=1)
        seen += [generator.samples, generator.num_classes, generator.image_shape, *next(generator)]
    return seen


def cifar_example(ImageDataGenerator, folder, tmp_path):
    x_train = IMAGES.astype("float32") / 255
    datagen = ImageDataGenerator(
        featurewise_center=True,
        samplewise_center=False,
        featurewise_std_normalization=True,
        zca_whitening=False,
        rotation_range=0,
        width_shift_range=0.1,
        height_shift_range=0.1,
        horizontal_flip=True,
        vertical_flip=False,
    )
    datagen.fit(x_train)
    steps = Steps()
    targets = LABELS.astype("float32")
    network((16, 16, 3)).fit(datagen.flow(x_train, targets, batch_size=8), epochs=2, callbacks=[steps], verbose=0)
    return steps.trained, datagen.mean, datagen.std, next(datagen.flow(x_train, LABELS, batch_size=8, seed=6))


def epochs_by_hand(ImageDataGenerator, folder, tmp_path):
    datagen, model = ImageDataGenerator(rescale=1 / 255.0, **GEOMETRY), network((16, 16, 3))
    losses, sizes = [], []
    for epoch in range(2):
        batches = 0
        for x_batch, y_batch in datagen.flow(IMAGES, LABELS, batch_size=16, seed=epoch):
            losses.append(float(model.train_on_batch(x_batch, y_batch)))
            sizes.append(len(x_batch))
            batches += 1  # noqa: SIM113
            if batches >= len(IMAGES) / 16:
                break
    return np.round(losses, 4), sizes


def nine_variants_of_a_picture(ImageDataGenerator, folder, tmp_path):
    samples = np.expand_dims(IMAGES[0].astype("float32"), 0)
    it = ImageDataGenerator(brightness_range=[0.2, 1.0], rotation_range=40).flow(samples, batch_size=1, seed=1)
    return [next(it)[0].astype("uint8") for _ in range(9)]


def pictures_written_to_a_folder(ImageDataGenerator, folder, tmp_path):
    x = IMAGES[:1].astype("float32")
    datagen = ImageDataGenerator(fill_mode="nearest", **GEOMETRY)
    i, seen = 0, []
    for batch in endless(
        datagen.flow(x, batch_size=1, save_to_dir=tmp_path, save_prefix="cat", save_format="png", seed=2)
    ):
        seen.append(batch)
        i += 1  # noqa: SIM113
        if i > 20:
            break
    return seen, len(list(tmp_path.glob("cat_0_*.png"))) > 15  # names are drawn: some may meet


def masks_beside_images(ImageDataGenerator, folder, tmp_path):
    def adjust(img, mask):
        img /= 255
        mask = mask / 255
        mask[mask > 0.5] = 1
        mask[mask <= 0.5] = 0
        return img, mask

    def train_generator(batch_size):
        image_datagen, mask_datagen = ImageDataGenerator(**GEOMETRY), ImageDataGenerator(**GEOMETRY)
        options = {"class_mode": None, "target_size": (24, 24), "batch_size": batch_size, "seed": 1}
        image_generator = image_datagen.flow_from_directory(folder, color_mode="rgb", **options)
        mask_generator = mask_datagen.flow_from_directory(folder, color_mode="grayscale", **options)
        for img, mask in zip(endless(image_generator), endless(mask_generator), strict=False):
            yield adjust(img, mask)

    batches = train_generator(8)
    return [next(batches) for _ in range(12)]


def two_inputs(ImageDataGenerator, folder, tmp_path):
    def both(first, second):
        while True:
            x1, x2 = next(first), next(second)
            yield [x1[0], x2[0]], x1[1]

    gen = ImageDataGenerator(horizontal_flip=True, vertical_flip=True, zoom_range=0.1)
    flows = [
        gen.flow(IMAGES, LABELS, batch_size=16, seed=666),
        gen.flow(IMAGES[:, ::-1], LABELS, batch_size=16, seed=666),
    ]
    made = both(*flows)
    return [next(made) for _ in range(6)]


def four_flows_indexed(ImageDataGenerator, folder, tmp_path):
    datagen = ImageDataGenerator(rescale=1.0 / 255, fill_mode="constant", **GEOMETRY)
    arguments = {"target_size": (12, 12), "batch_size": 9, "class_mode": None, "seed": 7}
    flows = [datagen.flow_from_directory(folder, color_mode=mode, **arguments) for mode in ("rgb", "grayscale", "rgba")]
    return [[flow[number] for flow in flows] for number in range(len(flows[0]))]


def table(folder):
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))
    kinds = [name.split("/")[0] for name in names]
    return pd.DataFrame({"id": names, "label": kinds, "x": np.arange(len(names)) / 7, "y": -np.arange(len(names))})


def classes_of_a_table(ImageDataGenerator, folder, tmp_path):
    datagen = ImageDataGenerator(rescale=1.0 / 255.0, validation_split=0.25)
    seen = []
    for subset in ("training", "validation"):
        generator = datagen.flow_from_dataframe(
            dataframe=table(folder),
            directory=folder,
            x_col="id",
            y_col="label",
            subset=subset,
            batch_size=32,
            seed=42,
            shuffle=True,
            class_mode="categorical",
            target_size=(16, 16),
        )
        seen += [generator.n // generator.batch_size, generator.class_indices, *next(generator)]
    return seen


def numbers_of_a_table(ImageDataGenerator, folder, tmp_path):
    datagen = ImageDataGenerator(rescale=1.0 / 255)
    seen = []
    for mode, column in (("raw", ["x", "y"]), ("multi_output", ["x", "y"])):
        generator = datagen.flow_from_dataframe(
            table(folder), folder, "id", column, target_size=(16, 16), class_mode=mode, batch_size=20, seed=0
        )
        images, numbers = next(generator)
        seen += [images, np.asarray(numbers), np.asarray(generator.labels)]
    return seen


def mean_of_imagenet_by_hand(ImageDataGenerator, folder, tmp_path):
    datagen = ImageDataGenerator(featurewise_center=True)
    datagen.mean = np.array([123.68, 116.779, 103.939], dtype="float32")
    generator = datagen.flow_from_directory(
        folder, class_mode="binary", classes=["bird", "cat"], target_size=(16, 16), seed=4
    )
    return [next(generator) for _ in range(2)]


def all_labels_by_index(ImageDataGenerator, folder, tmp_path):
    flow = ImageDataGenerator(samplewise_center=True, samplewise_std_normalization=True).flow(
        IMAGES, LABELS, 12, seed=1
    )
    images, labels = zip(*(flow[i] for i in range(len(flow))), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def autoencoder(ImageDataGenerator, folder, tmp_path):
    generator = ImageDataGenerator(rescale=1 / 255.0).flow_from_directory(
        folder, target_size=(16, 16), class_mode="input", batch_size=24, shuffle=False
    )
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Dense(3, kernel_initializer="ones")])
    model.compile("sgd", "mse")
    return np.round(model.evaluate(generator, verbose=0), 4), next(generator)


def names_of_each_batch(ImageDataGenerator, folder, tmp_path):
    generator = ImageDataGenerator().flow_from_directory(
        folder, (16, 16), shuffle=False, batch_size=10, class_mode="sparse"
    )
    seen = []
    for _ in range(len(generator) - 1):
        _, labels = next(generator)
        idx = (generator.batch_index - 1) * generator.batch_size
        seen.append((generator.filenames[idx : idx + generator.batch_size], labels))
    return seen


def whitened_and_fitted_with_augmentation(ImageDataGenerator, folder, tmp_path):
    x = IMAGES[..., :1].astype("float32")
    datagen = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True, vertical_flip=True)
    datagen.fit(x, augment=True, rounds=2, seed=1)
    return next(datagen.flow(x, shuffle=False, seed=2))


def weights_beside_labels(ImageDataGenerator, folder, tmp_path):
    flow = ImageDataGenerator(horizontal_flip=True).flow(
        IMAGES, LABELS, sample_weight=LABELS / 5, batch_size=20, seed=2
    )
    return [next(flow) for _ in range(4)]


SCRIPTS = (
    cats_and_dogs,
    bottleneck_features,
    features_filled_in_batch_by_batch,
    predictions_by_name,
    confusion_matrix,
    one_folder_split_in_two,
    cifar_example,
    epochs_by_hand,
    nine_variants_of_a_picture,
    pictures_written_to_a_folder,
    masks_beside_images,
    two_inputs,
    four_flows_indexed,
    classes_of_a_table,
    numbers_of_a_table,
    mean_of_imagenet_by_hand,
    all_labels_by_index,
    autoencoder,
    names_of_each_batch,
    whitened_and_fitted_with_augmentation,
    weights_beside_labels,
)


def flat(value):
    """What a script saw, as a list of plain values and arrays: lists and tuples count the same."""
    if isinstance(value, dict):
        return [item for key in value for item in (key, *flat(value[key]))]
    if isinstance(value, list | tuple):
        return [len(value), *(item for part in value for item in flat(part))]
    return [value]


def run(script, kind, folder, tmp_path):
    np.random.seed(0)
    keras.utils.set_random_seed(0)
    tmp_path.mkdir()
    return flat(script(kind, folder, tmp_path))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_a_script_sees_the_same_with_the_port(script, picture_folder, tmp_path):
    stream = functools.partial(TFImageDataGenerator, mode="stream", jit_compile=False)
    theirs = run(script, Original, picture_folder, tmp_path / "original")
    ours = run(script, stream, picture_folder, tmp_path / "port")
    assert len(ours) == len(theirs)
    for mine, expected in zip(ours, theirs, strict=True):
        if isinstance(expected, np.ndarray):
            assert mine.dtype == expected.dtype and mine.shape == expected.shape
            np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-5)
        else:
            assert mine == expected


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_a_script_runs_as_far_and_sees_the_same_shapes_in_the_default_mode(script, picture_folder, tmp_path):
    theirs = run(script, Original, picture_folder, tmp_path / "original")
    default = functools.partial(TFImageDataGenerator, jit_compile=False)  # compiled, they take longer and are no other
    ours = run(script, default, picture_folder, tmp_path / "port")
    assert len(ours) == len(theirs)
    for mine, expected in zip(ours, theirs, strict=True):
        assert type(mine) is type(expected)
        if isinstance(expected, np.ndarray):
            assert (mine.dtype, mine.shape) == (expected.dtype, expected.shape)
