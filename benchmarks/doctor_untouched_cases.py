"""The untouched half: faults as people report them in public, in other shapes than those that the rules were made with.

Tables, text, masks, dictionaries, records, encoded pictures, other batches and dtypes. No rule was tuned on them.
"""

import io
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from doctor_cases import CLASSES, Data, Healthy, Planted, Sequence, without_autotune
from PIL import Image

from helpers.pipelines import Feed

AUTOTUNE = tf.data.AUTOTUNE
BATCH = 24


def table_of(data):
    """Rows of 20 numbers that belong to their pictures."""
    rows = data.x.reshape(data.n, -1)[:, :20]
    return ((rows - rows.mean(axis=0)) / rows.std(axis=0)).astype("float32")


def rows(data, order=None):
    order = np.arange(data.n) if order is None else order
    return tf.data.Dataset.from_tensor_slices((table_of(data)[order], data.y[order]))


def masks_of(data):
    return (data.x[..., :1] > 120).astype("uint8")


def jpegs(data, side):
    """The pictures as JPEG, enlarged."""
    encoded = []
    for image in data.x:
        picture = Image.fromarray(image.astype("uint8")).resize((side, side))
        picture.save(content := io.BytesIO(), "JPEG")
        encoded.append(content.getvalue())
    return tf.data.Dataset.from_tensor_slices((encoded, data.y))


def decoded(side):
    def decode(content, label):
        return tf.image.resize(tf.io.decode_jpeg(content, channels=3), (side, side)) / 255, label

    return decode


def in_folder(name):
    return Path(tempfile.mkdtemp()) / name


class Rows(Sequence):
    """Rows of a table with their labels."""

    def __init__(self, data, **options):
        super().__init__(table_of(data), data.y, batch=BATCH, **options)


class RowsShuffledAlone(Rows):
    """Shuffles the features in place, and forgets the labels."""

    def on_epoch_end(self):
        self.generator.shuffle(self.x)


class ShuffledOnce(Rows):
    """Shuffles when it is made, never again."""

    def on_epoch_end(self):
        if not hasattr(self, "is_shuffled"):
            self.is_shuffled = True
            self.generator.shuffle(self.index)


class Overlapping(Rows):
    """Its slices overlap, and its end is never reached."""

    def __getitem__(self, number):
        first = number * (self.batch - 3)
        return self.x[first : first + self.batch], self.y[first : first + self.batch]


class FilledUp(Sequence):
    """Token numbers; the last batch is filled up with zeros, so that all have one size."""

    fill = True

    def __init__(self, data):
        super().__init__(np.random.default_rng(data.seed).integers(1, 500, (data.n, 32)), data.y, batch=BATCH)

    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        missing = self.batch - len(x) if self.fill else 0
        return np.pad(x, ((0, missing), (0, 0))), np.pad(y, (0, missing))


class NotFilledUp(FilledUp):
    fill = False


class Reseeded(Sequence):
    """Draws noise from a generator that is seeded for each batch."""

    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        np.random.seed(number)
        return x * np.random.uniform(0.7, 1.3, (len(x), 1, 1, 1)).astype("float32"), y


class Drawn(Sequence):
    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        return x * np.random.default_rng().uniform(0.7, 1.3, (len(x), 1, 1, 1)).astype("float32"), y


class OneCoin(Sequence):
    """Flips a whole batch, or none of it."""

    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        return (x[:, :, ::-1] if np.random.random() < 0.5 else x) / 255, y


class CoinEach(Sequence):
    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        heads = np.random.random(len(x)) < 0.5
        return np.where(heads[:, None, None, None], x[:, :, ::-1], x) / 255, y


class SharedBuffer(Rows):
    """Fills one array for all batches."""

    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        if getattr(self, "out", None) is None:
            self.out = np.empty((self.batch, x.shape[1]), x.dtype)
        self.out[: len(x)] = x
        return self.out[: len(x)], y


class PixelByPixel(Sequence):
    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        return np.stack([np.array([[pixel / 255 for pixel in row] for row in image]) for image in x]), y


class Decompositions(Rows):
    """Computes the same costly figures for the same rows in every epoch."""

    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        values = np.linalg.svd(x[:, :, None] * x[:, None, :], compute_uv=False)
        return np.concatenate([x, values], axis=1), y


class Loading(Rows):
    """Opens the whole file for each batch."""

    def __init__(self, data, **options):
        super().__init__(data, **options)
        self.file = in_folder("rows.npz")
        np.savez_compressed(self.file, x=np.tile(self.x, (1, 40)))

    def __getitem__(self, number):
        chosen = self.index[number * self.batch : (number + 1) * self.batch]
        return np.load(self.file)["x"][chosen], self.y[chosen]


class Loaded(Loading):
    def __init__(self, data, **options):
        super().__init__(data, **options)
        with np.load(self.file) as held:
            self.held = held["x"]

    def __getitem__(self, number):
        chosen = self.index[number * self.batch : (number + 1) * self.batch]
        return self.held[chosen], self.y[chosen]


class FromAfar(Rows):
    def __getitem__(self, number):
        time.sleep(0.03)
        return super().__getitem__(number)


class Keeping(Sequence):
    """Keeps what it has given, as a log."""

    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        self.log = [*getattr(self, "log", []), np.repeat(x, 12, axis=0)]
        return x, y


def generator_of(**options):
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    return ImageDataGenerator(**options)


def model_of(*first):
    model = keras.Sequential([keras.Input((16, 16, 3)), *first, keras.layers.DepthwiseConv2D(3)])
    model.add(keras.layers.GlobalMaxPooling2D())
    model.add(keras.layers.Dense(CLASSES))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def table_model(data):
    model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(256, "relu"), keras.layers.Dense(CLASSES)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return {"model": model}


def with_masks(data, order):
    images, masks = (
        tf.data.Dataset.from_tensor_slices(data.x),
        tf.data.Dataset.from_tensor_slices(masks_of(data)[order]),
    )
    return tf.data.Dataset.zip(images, masks).shuffle(data.n).batch(BATCH)


def by_name(data):
    """As names are sorted that have numbers without leading zeros."""
    return np.array(sorted(range(data.n), key=str))


def one_hot_rows(data, buffer):
    table, labels = table_of(data)[data.order], np.eye(CLASSES, dtype="float32")[data.y[data.order]]
    return (
        tf.data.Dataset.from_tensor_slices(({"a": table[:, :8], "b": table[:, 8:]}, labels))
        .shuffle(buffer)
        .batch(BATCH)
    )


def named_parts(image, label):
    return {"image": image, "mean": tf.reduce_mean(image, [1, 2, 3])}, label


def brightened(seed):
    def change(image, label):
        return tf.image.stateless_random_brightness(image, 30.0, seed), label

    return change


def brightened_anew(image, label):
    return tf.image.random_brightness(image, 30.0), label


def from_generator_of_batches(data):
    def generate():
        for start in range(0, data.n, BATCH):
            yield data.x[start : start + BATCH], data.y[start : start + BATCH]

    form = (tf.TensorSpec((None, 16, 16, 3), tf.float32), tf.TensorSpec((None,), tf.int64))
    return tf.data.Dataset.from_generator(generate, output_signature=form)


def off_by_ten(data, start):
    cut = data.n - 60
    return {
        "validation": tf.data.Dataset.from_tensor_slices((data.x[cut + start :], data.y[cut + start :])).batch(BATCH)
    }


def first_part(data):
    return tf.data.Dataset.from_tensor_slices((data.x[:-60], data.y[:-60])).shuffle(data.n).batch(BATCH)


def batches_split(data, reshuffle):
    return data.pairs().shuffle(data.n, seed=4, reshuffle_each_iteration=reshuffle).batch(BATCH)


def sorted_parts(data):
    x, y = data.sorted
    return (x[: 3 * data.n // 4], y[: 3 * data.n // 4]), (x[3 * data.n // 4 :], y[3 * data.n // 4 :])


def swapped_validation(data):
    blue = data.x * np.array([1.0, 0.7, 0.3], "float32")
    return {"validation": tf.data.Dataset.from_tensor_slices((blue[-60:, ..., ::-1], data.y[-60:])).batch(BATCH)}


def straight_validation(data):
    blue = data.x * np.array([1.0, 0.7, 0.3], "float32")
    return {"validation": tf.data.Dataset.from_tensor_slices((blue[-60:], data.y[-60:])).batch(BATCH)}


def tinted(data):
    blue = data.x * np.array([1.0, 0.7, 0.3], "float32")
    return tf.data.Dataset.from_tensor_slices((blue[:-60], data.y[:-60])).shuffle(data.n).batch(BATCH)


def centred_flow(data, fits):
    generator = generator_of(featurewise_center=True)
    if fits:
        generator.fit(data.x)
    return generator.flow(data.x, data.y, batch_size=BATCH)


def cached_in_a_file(data, factor):
    file = str(in_folder("cache"))

    def pipeline(by):
        return rows(data).map(lambda row, label: (row * by, label)).cache(file).shuffle(data.n).batch(BATCH)

    for _ in pipeline(factor):
        pass
    return pipeline(1.0)


def by_index(data, shuffle):
    x, y, order = tf.constant(data.x), tf.constant(data.y), tf.data.Dataset.range(data.n)
    order = order.shuffle(data.n) if shuffle else order
    return order.map(lambda index: (x[index], y[index]), num_parallel_calls=AUTOTUNE).batch(BATCH)


def texts(data):
    return tf.data.Dataset.from_tensor_slices(([",".join(map(str, row)) for row in table_of(data)], data.y))


def parsed_by_python(text, label):
    numbers = tf.numpy_function(lambda value: np.array(value.decode().split(","), "float32"), [text], tf.float32)
    return tf.ensure_shape(numbers, (20,)), label


def parsed(text, label):
    return tf.strings.to_number(tf.strings.split(text, ",")), label


def parsed_whole(text, label):
    return tf.reshape(tf.strings.to_number(tf.strings.split(text, ",").flat_values), (-1, 20)), label


def yielded_rows(data):
    def generate():
        for row, label in zip(table_of(data), data.y, strict=True):
            yield row.tolist(), label

    form = (tf.TensorSpec((20,), tf.float32), tf.TensorSpec((), tf.int64))
    return tf.data.Dataset.from_generator(generate, output_signature=form).batch(BATCH)


def long_table(data):
    times = max(1, 16_384 // data.n)
    return np.tile(table_of(data), (times, 1)), np.tile(data.y, times)


def logarithm(row, label):
    return tf.math.log1p(tf.abs(row) * 2), label


def cropped(image, label):
    larger = tf.image.resize(image, (96, 96))
    return tf.image.resize(tf.image.random_crop(larger, (80, 80, 3)), (16, 16)), label


def records(data, parallel):
    folder = Path(tempfile.mkdtemp())
    for number in range(8):
        with tf.io.TFRecordWriter(str(folder / f"{number}.tfrecord")) as writer:
            for row in np.tile(data.x[number::8], (8, 1, 1, 1)):
                writer.write(row.tobytes())
    files = tf.data.Dataset.from_tensor_slices(sorted(map(str, folder.glob("*.tfrecord")))).shuffle(8)
    if parallel:
        read = files.interleave(
            tf.data.TFRecordDataset, cycle_length=4, num_parallel_calls=AUTOTUNE, deterministic=False
        )
    else:
        read = files.flat_map(tf.data.TFRecordDataset)
    batches = read.batch(BATCH)
    return batches.map(lambda text: tf.reshape(tf.io.decode_raw(text, tf.float32), (-1, 16, 16, 3)))


def nothing_ahead(data, prefetch):
    dataset = (
        rows(data)
        .repeat(20)
        .batch(BATCH)
        .map(lambda row, label: (tf.linalg.matmul(row, row, transpose_b=True) @ row, label))
    )
    return without_autotune(dataset.prefetch(2) if prefetch else dataset)


def heavy(image, label):
    for _ in range(4):
        image = tf.image.resize(tf.image.resize(image, (112, 112)), (16, 16))
    return image, label


def few_threads(data, threads):
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    return data.pairs().shuffle(data.n).map(heavy, num_parallel_calls=8).batch(BATCH).with_options(options)


def of_many_lengths(data, longest):
    lengths = np.random.default_rng(data.seed).integers(5, 60, data.n)
    tokens = tf.data.Dataset.from_generator(
        lambda: ((np.ones(length, "int32") * length, length % 2) for length in lengths),
        output_signature=(tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.int32)),
    )
    return tokens.cache().shuffle(data.n).padded_batch(8, padded_shapes=((longest,), ()))


def tokens(data, dtype):
    numbers = np.random.default_rng(data.seed).integers(0, 9000, (data.n, 300)).astype(dtype)
    return tf.data.Dataset.from_tensor_slices((numbers, data.y)).shuffle(data.n).batch(BATCH)


def sources_of_rows(data):
    return {"source": (table_of(data), data.y)}


PLANTED = [
    Planted(
        "label_mismatch",
        "masks sorted by another rule than their images",
        lambda d: with_masks(d, by_name(d)),
        lambda d: with_masks(d, np.arange(d.n)),
        lambda d: {"source": (d.x, masks_of(d))},
    ),
    Planted("label_mismatch", "rows shuffled without their labels", RowsShuffledAlone, Rows),
    Planted(
        "label_mismatch",
        "table, labels of the row before",
        lambda d: tf.data.Dataset.from_tensor_slices((table_of(d), np.roll(d.y, 1))).shuffle(d.n).batch(BATCH),
        lambda d: rows(d).shuffle(d.n).batch(BATCH),
        sources_of_rows,
    ),
    Planted(
        "weak_shuffle",
        "two inputs, one-hot, small buffer",
        lambda d: one_hot_rows(d, 12),
        lambda d: one_hot_rows(d, d.n),
    ),
    Planted(
        "frozen_order",
        "shuffled in __init__ only",
        lambda d: Feed(ShuffledOnce(d), shuffle=False),
        lambda d: Feed(Rows(d), shuffle=False),
        sources_of_rows,
    ),
    Planted(
        "frozen_order",
        "cache at the end",
        lambda d: rows(d).shuffle(d.n).batch(BATCH).cache(),
        lambda d: rows(d).cache().shuffle(d.n).batch(BATCH),
    ),
    Planted(
        "shuffle_after_batch",
        "dictionary, map in between",
        lambda d: d.pairs().batch(BATCH).map(named_parts).shuffle(32),
        lambda d: d.pairs().shuffle(d.n).batch(BATCH).map(named_parts),
    ),
    Planted(
        "epochs_mixed",
        "a small buffer behind repeat()",
        lambda d: Feed(rows(d).repeat().shuffle(60).batch(32), steps_per_epoch=d.n // 32),
        lambda d: Feed(rows(d).shuffle(60).repeat().batch(32), steps_per_epoch=d.n // 32),
    ),
    Planted(
        "wrong_length",
        "a generator that ends before its steps",
        lambda d: Feed(from_generator_of_batches(d), steps_per_epoch=d.n // BATCH + 6),
        from_generator_of_batches,
    ),
    Planted(
        "lost_examples",
        "tail dropped, never shuffled",
        lambda d: rows(d).batch(BATCH, drop_remainder=True),
        lambda d: rows(d).batch(BATCH),
        lambda d: {"role": "evaluation"},
    ),
    Planted(
        "lost_examples",
        "floor in __len__",
        lambda d: Rows(d, shuffle=False, length=d.n // BATCH),
        Rows,
        sources_of_rows,
    ),
    Planted("repeated_examples", "slices that overlap", lambda d: Overlapping(d, shuffle=False), Rows, sources_of_rows),
    Planted("garbage_examples", "tokens, the last batch filled up", FilledUp, NotFilledUp),
    Planted(
        "frozen_augmentation",
        "stateless, with one seed",
        lambda d: d.pairs().map(brightened((1, 2))).shuffle(d.n).batch(BATCH),
        lambda d: d.pairs().map(brightened_anew).shuffle(d.n).batch(BATCH),
    ),
    Planted(
        "frozen_augmentation",
        "seeded for each batch",
        lambda d: Reseeded(d.x, d.y, shuffle=False, batch=BATCH),
        lambda d: Drawn(d.x, d.y, shuffle=False, batch=BATCH),
        Data.source,
    ),
    Planted(
        "shared_draws", "one coin for a batch", lambda d: OneCoin(d.x, d.y), lambda d: CoinEach(d.x, d.y), Data.source
    ),
    Planted(
        "augmented_validation",
        "ImageDataGenerator",
        first_part,
        first_part,
        lambda d: {"validation": generator_of(rotation_range=20).flow(d.x[-60:], d.y[-60:], shuffle=False)},
        lambda d: {"validation": generator_of().flow(d.x[-60:], d.y[-60:], shuffle=False)},
    ),
    Planted(
        "split_leak",
        "a split that overlaps",
        first_part,
        first_part,
        lambda d: off_by_ten(d, -10),
        lambda d: off_by_ten(d, 0),
    ),
    Planted(
        "split_leak",
        "take and skip of shuffled batches",
        lambda d: batches_split(d, True).skip(3),
        lambda d: batches_split(d, False).skip(3).unbatch().shuffle(d.n).batch(BATCH),
        lambda d: {"validation": batches_split(d, True).take(3)},
        lambda d: {"validation": batches_split(d, False).take(3)},
    ),
    Planted(
        "biased_split",
        "the end of a sorted set",
        lambda d: Sequence(*sorted_parts(d)[0]),
        lambda d: Sequence(d.x[:-60], d.y[:-60]),
        lambda d: {"validation": Sequence(*sorted_parts(d)[1], shuffle=False)},
        lambda d: {"validation": Sequence(d.x[-60:], d.y[-60:], shuffle=False)},
    ),
    Planted("train_validation_differ", "blue for red", tinted, tinted, swapped_validation, straight_validation),
    Planted(
        "wrong_scale",
        "a model that expects 0 to 255, given 0 to 1",
        lambda d: Sequence(d.x / 255, d.y),
        lambda d: Sequence(d.x, d.y),
        lambda d: {"model": model_of(keras.layers.Rescaling(1 / 127.5, -1))},
    ),
    Planted(
        "wrong_scale",
        "divided twice",
        lambda d: d.pairs().shuffle(d.n).batch(BATCH).map(lambda x, y: (x / 255 / 255, y)),
        lambda d: d.pairs().shuffle(d.n).batch(BATCH).map(lambda x, y: (x / 255, y)),
        lambda d: {"model": model_of()},
    ),
    Planted("unfitted_statistics", "centred", lambda d: centred_flow(d, False), lambda d: centred_flow(d, True)),
    Planted("stale_cache", "file", lambda d: cached_in_a_file(d, 3.0), lambda d: cached_in_a_file(d, 1.0)),
    Planted(
        "unstable_order",
        "shuffled indices",
        lambda d: by_index(d, True),
        lambda d: by_index(d, False),
        lambda d: {"role": "evaluation", **d.source()},
    ),
    Planted("unsafe_workers", "one buffer", lambda d: SharedBuffer(d, workers=4), lambda d: Rows(d, workers=4)),
    Planted(
        "python_in_map",
        "text parsed by Python",
        lambda d: texts(d).map(parsed_by_python).batch(BATCH),
        lambda d: texts(d).batch(BATCH).map(parsed_whole),
    ),
    Planted("slow_generator", "rows of a table", yielded_rows, lambda d: rows(d).batch(BATCH)),
    Planted(
        "map_per_element",
        "rows of a long table",
        lambda d: tf.data.Dataset.from_tensor_slices(long_table(d)).map(logarithm).batch(128),
        lambda d: tf.data.Dataset.from_tensor_slices(long_table(d)).batch(128).map(logarithm),
    ),
    Planted(
        "sequential_map",
        "random crops",
        lambda d: d.pairs().shuffle(d.n).map(cropped).batch(BATCH),
        lambda d: d.pairs().shuffle(d.n).map(cropped, num_parallel_calls=AUTOTUNE).batch(BATCH),
    ),
    Planted("sequential_read", "records", lambda d: records(d, False), lambda d: records(d, True)),
    Planted(
        "no_prefetch",
        "autotune off",
        lambda d: nothing_ahead(d, False),
        lambda d: nothing_ahead(d, True),
        table_model,
    ),
    Planted(
        "no_cache",
        "JPEG decoded in every epoch",
        lambda d: jpegs(d, 64).map(decoded(48), num_parallel_calls=AUTOTUNE).shuffle(64).batch(BATCH),
        lambda d: jpegs(d, 64).map(decoded(48), num_parallel_calls=AUTOTUNE).cache().shuffle(64).batch(BATCH),
    ),
    Planted(
        "no_cache",
        "PyDataset, figures of rows",
        lambda d: Decompositions(d, shuffle=False),
        lambda d: Rows(d, shuffle=False),
    ),
    Planted(
        "oversized_source",
        "encoded pictures",
        lambda d: jpegs(d, 320).shuffle(d.n).map(decoded(32), num_parallel_calls=AUTOTUNE).batch(BATCH),
        lambda d: jpegs(d, 32).map(decoded(32), num_parallel_calls=AUTOTUNE).cache().shuffle(d.n).batch(BATCH),
    ),
    Planted(
        "heavy_shuffle_buffer",
        "decoded pictures",
        lambda d: jpegs(d, 96).map(decoded(96), num_parallel_calls=AUTOTUNE).shuffle(d.n).batch(BATCH),
        lambda d: jpegs(d, 96).shuffle(d.n).map(decoded(96), num_parallel_calls=AUTOTUNE).batch(BATCH),
    ),
    Planted(
        "wasted_work",
        "a filter on labels behind the work",
        lambda d: d.pairs().map(heavy).filter(lambda image, label: label == 0).shuffle(d.n).batch(8),
        lambda d: d.pairs().filter(lambda image, label: label == 0).map(heavy).cache().shuffle(d.n).batch(8),
    ),
    Planted("reload_per_batch", "compressed file", Loading, Loaded),
    Planted("single_worker", "far storage", FromAfar, lambda d: FromAfar(d, workers=6)),
    Planted("thread_starvation", "one thread", lambda d: few_threads(d, 1), lambda d: few_threads(d, 0)),
    Planted(
        "tiny_batches",
        "rows, one by one",
        lambda d: rows(d).shuffle(d.n).batch(1),
        lambda d: rows(d).shuffle(d.n).batch(32),
    ),
    Planted("wide_dtype", "tokens", lambda d: tokens(d, "int64"), lambda d: tokens(d, "int32")),
    Planted("retracing", "sequences", lambda d: of_many_lengths(d, None), lambda d: of_many_lengths(d, 64)),
    Planted(
        "per_item_python", "pixel by pixel", lambda d: PixelByPixel(d.x, d.y), lambda d: Sequence(d.x, d.y, batch=BATCH)
    ),
    Planted("memory_growth", "a log of batches", lambda d: Keeping(d.x, d.y), lambda d: Sequence(d.x, d.y)),
]

HEALTHY = [
    Healthy("a table in the order of the disk, for training a regression", lambda d: rows(d).batch(BATCH)),
    Healthy(
        "a stream of windows over a series",
        lambda d: (
            tf.data.Dataset.range(d.n + 9)
            .window(10, shift=1, drop_remainder=True)
            .flat_map(lambda window: window.batch(10))
            .map(lambda window: (tf.cast(window[:9], tf.float32), tf.cast(window[9], tf.float32)))
            .shuffle(d.n)
            .batch(BATCH)
        ),
    ),
    Healthy("raw text", lambda d: texts(d).shuffle(d.n).batch(BATCH)),
    Healthy("masks of images", lambda d: with_masks(d, np.arange(d.n)), lambda d: {"source": (d.x, masks_of(d))}),
    Healthy(
        "an oversampled class, by intent",
        lambda d: rows(d, np.r_[np.arange(d.n), np.flatnonzero(d.y == 0)]).shuffle(999).batch(BATCH),
    ),
    Healthy(
        "black pictures that are data",
        lambda d: (
            tf.data.Dataset.from_tensor_slices((np.where(d.y[:, None, None, None] == 3, 0, d.x), d.y))
            .shuffle(d.n)
            .batch(BATCH)
        ),
        lambda d: {"source": (np.where(d.y[:, None, None, None] == 3, 0, d.x), d.y)},
    ),
    Healthy("a shuffled evaluation that keeps its labels, as training data", lambda d: by_index(d, True), Data.source),
    Healthy(
        "two epochs in one pass, counted by steps",
        lambda d: Feed(rows(d).shuffle(d.n).repeat().batch(32), steps_per_epoch=d.n // 32),
    ),
    Healthy("standardised by the feed", lambda d: rows(d).shuffle(d.n).batch(BATCH), table_model),
    Healthy("a buffer of names", lambda d: jpegs(d, 32).shuffle(d.n).batch(BATCH)),
    Healthy("validation that is cropped at the centre", first_part, lambda d: off_by_ten(d, 0)),
    Healthy("workers on arrays of their own", lambda d: Rows(d, workers=3)),
]
