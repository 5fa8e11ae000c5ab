"""What the doctor is tried on: feeds with a fault, their healthy twins, and healthy feeds that look suspicious."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from helpers.pipelines import Feed

BATCH, CLASSES = 16, 4


@dataclass(frozen=True)
class Planted:
    """A fault; `sick` and `healthy` make feeds of the data, and `given` what goes with them to the doctor."""

    fault: str
    shape: str
    sick: Callable[["Data"], Any]
    healthy: Callable[["Data"], Any]
    given: Callable[["Data"], dict[str, Any]] = field(default=lambda data: {})
    given_healthy: Callable[["Data"], dict[str, Any]] | None = None


@dataclass(frozen=True)
class Healthy:
    """A feed without a fault, and why it looks as if it had one."""

    why: str
    feed: Callable[["Data"], Any]
    given: Callable[["Data"], dict[str, Any]] = field(default=lambda data: {})


class Data:
    """Smooth pictures of some classes, in a random order, 0 to 255."""

    def __init__(self, seed: int, examples: int = 256, side: int = 16, dtype: str = "float32"):
        generator = np.random.default_rng(seed)
        coarse = generator.random((examples, 4, 4, 3)) * 200 + 20
        self.x = tf.image.resize(coarse, (side, side)).numpy().astype(dtype)
        self.y = generator.integers(0, CLASSES, examples)
        self.order = np.argsort(self.y, kind="stable")
        self.sorted = self.x[self.order], self.y[self.order]
        self.n, self.seed = examples, seed

    def pairs(self):
        return tf.data.Dataset.from_tensor_slices((self.x, self.y))

    def source(self):
        return {"source": (self.x, self.y)}


class Sequence(keras.utils.PyDataset):
    """Batches of arrays by an index, with hooks for a fault."""

    def __init__(self, x, y, batch=BATCH, shuffle=True, change=None, length=None, take=None, seed=0, **options):
        super().__init__(**options)
        self.x, self.y, self.batch, self.shuffle, self.change, self.take = x, y, batch, shuffle, change, take
        self.length = -(-len(x) // batch) if length is None else length
        self.generator = np.random.default_rng(seed)
        self.index = np.arange(len(x))
        self.on_epoch_end()

    def __len__(self):
        return self.length

    def on_epoch_end(self):
        if self.shuffle:
            self.generator.shuffle(self.index)

    def __getitem__(self, number):
        chosen = self.index[number * self.batch : (number + 1) * self.batch]
        if self.take is not None:
            return self.take(self, number, chosen)
        x, y = self.x[chosen], self.y[chosen]
        return (x if self.change is None else self.change(x, number)), y


def flipped(image, label):
    return tf.image.random_flip_left_right(image), label


def brighter(image, label):
    return image + tf.random.uniform((), -40, 40), label


def model_of(*first):
    model = keras.Sequential([keras.Input((16, 16, 3)), *first, keras.layers.Conv2D(4, 3), keras.layers.Flatten()])
    model.add(keras.layers.Dense(CLASSES))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def shuffled(data):
    return data.pairs().shuffle(data.n).batch(BATCH)


def sequence(data, **options):
    return Sequence(data.x, data.y, **options)


def scaled(image, label):
    return image / 255.0, label


def sin_slow(image, label):
    values = image
    for _ in range(40):
        values = tf.sin(values) + image
    return values, label


class Frozen(Sequence):
    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        return x + np.random.default_rng(number).uniform(-20, 20, (len(x), 1, 1, 1)).astype(x.dtype), y


class Fresh(Sequence):
    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        return x + np.random.default_rng().uniform(-20, 20, (len(x), 1, 1, 1)).astype(x.dtype), y


class Shared(Sequence):
    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        return x + np.random.uniform(-40, 40), y


class OneByOne(Sequence):
    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        images = []
        for image in x:
            noise = sum(value * 0.5 for value in range(3000))
            images.append(image + 0 * noise)
        return np.stack(images), y


class Waiting(Sequence):
    def __getitem__(self, number):
        time.sleep(0.02)
        return super().__getitem__(number)


class ShuffledBatches(Sequence):
    """Its examples meet in the same batches; only the batches' order is drawn anew."""

    def on_epoch_end(self):
        self.batches = self.generator.permutation(self.length)

    def __getitem__(self, number):
        first = self.batches[number] * self.batch
        return self.x[first : first + self.batch], self.y[first : first + self.batch]


def wrong_labels(shift):
    def take(self, number, chosen):
        return self.x[chosen], self.y[(chosen + shift) % len(self.y)]

    return take


def drawn_with_replacement(self, number, chosen):
    chosen = self.generator.integers(0, len(self.x), self.batch)
    return self.x[chosen], self.y[chosen]


def zipped(data):
    return tf.data.Dataset.zip(
        tf.data.Dataset.from_tensor_slices(data.x).shuffle(data.n),
        tf.data.Dataset.from_tensor_slices(data.y).shuffle(data.n),
    ).batch(BATCH)


def parts_of(data, share=0.75, step=1):
    cut = int(share * data.n)
    return (data.x[:cut], data.y[:cut]), (data.x[cut:], data.y[cut:])


def validation(change=lambda x, y: (x, y), part=1):
    def given(data):
        x, y = parts_of(data)[part]
        return {"validation": tf.data.Dataset.from_tensor_slices(change(x, y)).batch(BATCH)}

    return given


def training(data):
    x, y = parts_of(data)[0]
    return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(data.n).batch(BATCH)


def training_sequence(data):
    return Sequence(*parts_of(data)[0])


def split_by_class(data):
    x, y = data.sorted
    return tf.data.Dataset.from_tensor_slices((x[:192], y[:192])).shuffle(192).batch(BATCH)


def rest_by_class(data):
    return {"validation": tf.data.Dataset.from_tensor_slices((data.sorted[0][192:], data.sorted[1][192:])).batch(BATCH)}


def leaking(data):
    mixed = data.pairs().shuffle(data.n)
    return mixed.skip(64).batch(BATCH)


def leaking_validation(data):
    return {"validation": data.pairs().shuffle(data.n).take(64).batch(BATCH)}


def with_zeros(self, number, chosen):
    x, y = np.zeros((self.batch, *self.x.shape[1:]), self.x.dtype), np.zeros(self.batch, int)
    count = max(0, min(len(chosen), self.batch - 2))
    x[:count], y[:count] = self.x[chosen[:count]], self.y[chosen[:count]]
    return x, y


def in_python(image, label):
    return tf.ensure_shape(
        tf.numpy_function(lambda each: np.sort(each, axis=0) * np.float32(sum(range(2000))), [image], tf.float32),
        image.shape,
    ), label


def one_at_a_time(data):
    def generate():
        for x, y in zip(data.x, data.y, strict=True):
            yield x, sum(range(2000)) * 0 + y

    form = (tf.TensorSpec(data.x.shape[1:], tf.float32), tf.TensorSpec((), tf.int64))
    return tf.data.Dataset.from_generator(generate, output_signature=form).shuffle(64).batch(BATCH)


def without_autotune(dataset):
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def files_of(data, side):
    """JPEG files of the pictures, enlarged."""
    folder = Path(tempfile.mkdtemp())
    names = [str(folder / f"{number:04}.jpg") for number in range(data.n)]
    for name, image in zip(names, data.x, strict=True):
        keras.utils.save_img(name, keras.ops.convert_to_numpy(keras.ops.image.resize(image, (side, side))), scale=False)
    return tf.data.Dataset.from_tensor_slices((names, data.y))


def from_file(side):
    def read(name, label):
        return tf.image.resize(tf.io.decode_jpeg(tf.io.read_file(name), channels=3), (side, side)), label

    return read


def behind_an_old_cache(data, earlier):
    name = str(Path(tempfile.mkdtemp()) / "kept")

    def cached(change):
        return data.pairs().map(change).cache(name).shuffle(data.n).batch(BATCH)

    for _ in cached(earlier):
        pass
    return cached(scaled)


class OneCounter(Sequence):
    """Asks a counter of its own, not its argument, which batch is next."""

    next_batch = 0

    def __getitem__(self, number):
        here = self.next_batch
        time.sleep(0.002)
        self.next_batch = (here + 1) % self.length
        return super().__getitem__(here)


class Keeps(Sequence):
    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        self.history = [*getattr(self, "history", []), np.tile(x, (8, 1, 1, 1))]
        return x, y


class Cropped(Sequence):
    """Pictures of another size in each batch."""

    def __getitem__(self, number):
        x, y = super().__getitem__(number)
        side = 8 + (5 * number) % 9
        return x[:, :side, : 8 + (3 * number) % 9], y


class Opens(Sequence):
    def __init__(self, x, y, **options):
        super().__init__(x, y, **options)
        self.name = Path(tempfile.mkdtemp()) / "x.npy"
        np.save(self.name, np.tile(x, (8, 1, 1, 1)))

    def __getitem__(self, number):
        chosen = self.index[number * self.batch : (number + 1) * self.batch]
        return np.load(self.name)[chosen], self.y[chosen]


def shifted(row, label):
    return tf.sqrt(tf.abs(row - 3) + 1), label


def many_rows(data):
    rows = np.tile(data.x.reshape(data.n, -1)[:, :32], (64, 1))
    return tf.data.Dataset.from_tensor_slices((rows, np.tile(data.y, 64)))


def text_files(data, parallel):
    folder = Path(tempfile.mkdtemp())
    for number in range(6):
        lines = [" ".join(f"{value:.3f}" for value in image.ravel()[:64]) for image in data.x]
        (folder / f"{number}.txt").write_text("\n".join(lines * 4))
    names = tf.data.Dataset.list_files(str(folder / "*.txt"))
    options = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": False} if parallel else {}
    lines = names.interleave(tf.data.TextLineDataset, cycle_length=6 if parallel else 1, **options)
    return lines.batch(64).map(lambda text: tf.strings.length(text)[:, None])


def with_threads(data, threads):
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    return data.pairs().shuffle(64).map(sin_slow, num_parallel_calls=4).batch(BATCH).with_options(options)


def sample_wise(data, fits):
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)
    if fits:
        generator.fit(data.x)
    return generator.flow(data.x, data.y, batch_size=BATCH)


PLANTED = [
    Planted("label_mismatch", "tf.data", zipped, shuffled, Data.source),
    Planted("label_mismatch", "tf.data, without a source", zipped, shuffled),
    Planted("label_mismatch", "PyDataset", lambda d: sequence(d, take=wrong_labels(1)), sequence, Data.source),
    Planted(
        "label_mismatch",
        "tf.data, sorted labels",
        lambda d: tf.data.Dataset.from_tensor_slices((d.x, d.sorted[1])).shuffle(d.n).batch(BATCH),
        shuffled,
        Data.source,
    ),
    Planted(
        "weak_shuffle",
        "tf.data",
        lambda d: tf.data.Dataset.from_tensor_slices(d.sorted).shuffle(16).batch(BATCH),
        lambda d: tf.data.Dataset.from_tensor_slices(d.sorted).shuffle(d.n).batch(BATCH),
    ),
    Planted("weak_shuffle", "PyDataset", lambda d: Sequence(*d.sorted, shuffle=False), lambda d: Sequence(*d.sorted)),
    Planted(
        "shuffle_after_batch",
        "tf.data",
        lambda d: d.pairs().batch(BATCH).shuffle(64),
        shuffled,
    ),
    Planted("shuffle_after_batch", "PyDataset", lambda d: ShuffledBatches(d.x, d.y), sequence),
    Planted(
        "frozen_order",
        "tf.data",
        lambda d: d.pairs().shuffle(d.n, reshuffle_each_iteration=False).batch(BATCH),
        shuffled,
    ),
    Planted(
        "frozen_order",
        "tf.data, cache",
        lambda d: d.pairs().shuffle(d.n).cache().batch(BATCH),
        lambda d: d.pairs().cache().shuffle(d.n).batch(BATCH),
    ),
    Planted(
        "epochs_mixed",
        "tf.data",
        lambda d: Feed(d.pairs().repeat().shuffle(d.n).batch(BATCH), steps_per_epoch=d.n // BATCH),
        lambda d: Feed(d.pairs().shuffle(d.n).repeat().batch(BATCH), steps_per_epoch=d.n // BATCH),
    ),
    Planted("wrong_length", "tf.data", lambda d: Feed(shuffled(d), steps_per_epoch=d.n // BATCH + 3), shuffled),
    Planted(
        "wrong_length",
        "tf.data, repeated",
        lambda d: Feed(d.pairs().shuffle(d.n).repeat().batch(BATCH), steps_per_epoch=5),
        lambda d: Feed(d.pairs().shuffle(d.n).repeat().batch(BATCH), steps_per_epoch=d.n // BATCH),
    ),
    Planted("wrong_length", "tf.data, endless", lambda d: shuffled(d).repeat(), shuffled),
    Planted("wrong_length", "PyDataset", lambda d: sequence(d, length=d.n // BATCH + 1), sequence),
    Planted(
        "lost_examples",
        "PyDataset",
        lambda d: sequence(d, length=d.n // BATCH - 2, shuffle=False),
        sequence,
        Data.source,
    ),
    Planted("lost_examples", "tf.data", lambda d: d.pairs().take(200).shuffle(200).batch(BATCH), shuffled, Data.source),
    Planted(
        "repeated_examples", "PyDataset", lambda d: sequence(d, take=drawn_with_replacement), sequence, Data.source
    ),
    Planted(
        "repeated_examples", "PyDataset, without a source", lambda d: sequence(d, take=drawn_with_replacement), sequence
    ),
    Planted(
        "repeated_examples",
        "tf.data",
        lambda d: d.pairs().concatenate(d.pairs().take(64)).shuffle(400).batch(BATCH),
        shuffled,
        Data.source,
    ),
    Planted("garbage_examples", "PyDataset", lambda d: sequence(d, take=with_zeros), sequence),
    Planted(
        "garbage_examples",
        "tf.data",
        lambda d: shuffled(d).map(lambda x, y: (tf.concat([x[:-2], tf.zeros_like(x[:2])], 0), y)),
        shuffled,
    ),
    Planted(
        "frozen_augmentation",
        "tf.data",
        lambda d: d.pairs().map(flipped).cache().shuffle(d.n).batch(BATCH),
        lambda d: d.pairs().cache().shuffle(d.n).batch(BATCH).map(flipped),
    ),
    Planted("frozen_augmentation", "PyDataset", lambda d: Frozen(d.x, d.y, shuffle=False), lambda d: Fresh(d.x, d.y)),
    Planted(
        "shared_draws",
        "tf.data",
        lambda d: shuffled(d).map(brighter),
        lambda d: d.pairs().shuffle(d.n).map(brighter).batch(BATCH),
        Data.source,
    ),
    Planted("shared_draws", "PyDataset", lambda d: Shared(d.x, d.y), lambda d: Fresh(d.x, d.y), Data.source),
    Planted("split_leak", "tf.data", leaking, training, leaking_validation, validation()),
    Planted("split_leak", "PyDataset", sequence, training_sequence, validation()),
    Planted("biased_split", "tf.data", split_by_class, training, rest_by_class, validation()),
    Planted(
        "augmented_validation",
        "tf.data",
        training,
        training,
        lambda d: {"validation": validation()(d)["validation"].unbatch().map(brighter).batch(BATCH)},
        validation(),
    ),
    Planted(
        "augmented_validation",
        "PyDataset",
        training_sequence,
        training_sequence,
        lambda d: {"validation": Fresh(*parts_of(d)[1])},
        validation(),
    ),
    Planted(
        "train_validation_differ", "tf.data", lambda d: training(d).map(scaled), training, validation(), validation()
    ),
    Planted(
        "train_validation_differ",
        "PyDataset",
        training_sequence,
        training_sequence,
        validation(lambda x, y: (x / 127.5 - 1, y)),
        validation(),
    ),
    Planted(
        "wrong_scale",
        "tf.data",
        lambda d: shuffled(d).map(scaled),
        shuffled,
        lambda d: {"model": model_of(keras.layers.Rescaling(1 / 255))},
    ),
    Planted(
        "wrong_scale",
        "tf.data, not rescaled",
        shuffled,
        lambda d: shuffled(d).map(scaled),
        lambda d: {"model": model_of()},
    ),
    Planted(
        "wrong_scale",
        "PyDataset",
        sequence,
        lambda d: sequence(d, change=lambda x, n: x / 255),
        lambda d: {"model": model_of()},
    ),
    Planted(
        "unstable_order",
        "tf.data",
        shuffled,
        lambda d: d.pairs().batch(BATCH),
        lambda d: {"role": "evaluation", **d.source()},
    ),
    Planted(
        "unstable_order", "PyDataset", sequence, lambda d: sequence(d, shuffle=False), lambda d: {"role": "evaluation"}
    ),
    Planted("python_in_map", "tf.data", lambda d: d.pairs().shuffle(d.n).map(in_python).batch(BATCH), shuffled),
    Planted("slow_generator", "tf.data", one_at_a_time, shuffled),
    Planted(
        "no_cache",
        "tf.data",
        lambda d: d.pairs().map(sin_slow).shuffle(64).batch(BATCH),
        lambda d: d.pairs().map(sin_slow).cache().shuffle(64).batch(BATCH),
    ),
    Planted(
        "sequential_map",
        "tf.data",
        lambda d: without_autotune(d.pairs().shuffle(64).map(sin_slow).batch(BATCH)),
        lambda d: d.pairs().shuffle(64).map(sin_slow, num_parallel_calls=2).batch(BATCH),
    ),
    Planted(
        "wasted_work",
        "tf.data",
        lambda d: d.pairs().shuffle(64).map(sin_slow).shard(4, 0).batch(BATCH),
        lambda d: d.pairs().shard(4, 0).shuffle(64).map(sin_slow).batch(BATCH),
    ),
    Planted("per_item_python", "PyDataset", lambda d: OneByOne(d.x, d.y), sequence),
    Planted("single_worker", "PyDataset", lambda d: Waiting(d.x, d.y), lambda d: Waiting(d.x, d.y, workers=8)),
    Planted("tiny_batches", "tf.data", lambda d: d.pairs().shuffle(d.n).batch(2), shuffled),
    Planted("tiny_batches", "PyDataset", lambda d: sequence(d, batch=2), sequence),
    Planted("wide_dtype", "tf.data", lambda d: shuffled(d).map(lambda x, y: (tf.cast(x, tf.float64), y)), shuffled),
    Planted("wide_dtype", "PyDataset", lambda d: Sequence(d.x.astype("float64"), d.y), sequence),
    Planted(
        "oversized_source",
        "tf.data",
        lambda d: files_of(d, 256).shuffle(d.n).map(from_file(16)).batch(BATCH),
        lambda d: files_of(d, 16).map(from_file(16)).cache().shuffle(d.n).batch(BATCH),
    ),
    Planted(
        "heavy_shuffle_buffer",
        "tf.data",
        lambda d: files_of(d, 64).map(from_file(64)).shuffle(d.n).batch(BATCH),
        lambda d: files_of(d, 64).map(from_file(64)).cache().shuffle(d.n).batch(BATCH),
    ),
    Planted(
        "stale_cache",
        "tf.data",
        lambda d: behind_an_old_cache(d, lambda image, label: (image, label)),
        lambda d: behind_an_old_cache(d, scaled),
    ),
    Planted("unsafe_workers", "PyDataset", lambda d: OneCounter(d.x, d.y, workers=4), lambda d: sequence(d, workers=4)),
    Planted("memory_growth", "PyDataset", lambda d: Keeps(d.x, d.y), sequence),
    Planted(
        "map_per_element",
        "tf.data",
        lambda d: many_rows(d).map(shifted).batch(256),
        lambda d: many_rows(d).batch(256).map(shifted),
    ),
    Planted("sequential_read", "tf.data", lambda d: text_files(d, False), lambda d: text_files(d, True)),
    Planted(
        "no_prefetch",
        "tf.data",
        lambda d: without_autotune(d.pairs().shuffle(64).batch(BATCH).map(sin_slow)),
        lambda d: without_autotune(d.pairs().shuffle(64).batch(BATCH).map(sin_slow).prefetch(2)),
        lambda d: {"model": model_of(keras.layers.Rescaling(1 / 255))},
    ),
    Planted("retracing", "PyDataset", lambda d: Cropped(d.x, d.y), sequence),
    Planted("reload_per_batch", "PyDataset", lambda d: Opens(d.x, d.y), sequence),
    Planted("thread_starvation", "tf.data", lambda d: with_threads(d, 1), lambda d: with_threads(d, 0)),
    Planted(
        "unfitted_statistics",
        "ImageDataGenerator",
        lambda d: sample_wise(d, False),
        lambda d: sample_wise(d, True),
    ),
]

HEALTHY = [
    Healthy("a plain map, which TensorFlow makes parallel", lambda d: d.pairs().shuffle(d.n).map(scaled).batch(BATCH)),
    Healthy(
        "a test set in the order of the disk",
        lambda d: tf.data.Dataset.from_tensor_slices(d.sorted).batch(BATCH),
        lambda d: {"role": "evaluation"},
    ),
    Healthy(
        "pixels to 255 for a model that rescales",
        shuffled,
        lambda d: {"model": model_of(keras.layers.Rescaling(1 / 255))},
    ),
    Healthy("eight workers that wait", lambda d: Waiting(d.x, d.y, workers=8)),
    Healthy(
        "another tail is dropped in every epoch",
        lambda d: d.pairs().take(250).shuffle(250).batch(BATCH, drop_remainder=True),
        lambda d: {"source": (d.x[:250], d.y[:250])},
    ),
    Healthy("a table", lambda d: tf.data.Dataset.from_tensor_slices((d.x[:, 0, 0], d.y)).shuffle(d.n).batch(BATCH)),
    Healthy("no labels", lambda d: tf.data.Dataset.from_tensor_slices(d.x).shuffle(d.n).batch(BATCH)),
    Healthy(
        "sample weights",
        lambda d: tf.data.Dataset.from_tensor_slices((d.x, d.y, np.ones(d.n, "float32"))).shuffle(d.n).batch(BATCH),
    ),
    Healthy(
        "several inputs",
        lambda d: tf.data.Dataset.from_tensor_slices(({"a": d.x, "b": d.x[:, 0, 0]}, d.y)).shuffle(d.n).batch(BATCH),
    ),
    Healthy(
        "never ends, with its steps",
        lambda d: Feed(d.pairs().shuffle(d.n).repeat().batch(BATCH), steps_per_epoch=d.n // BATCH),
    ),
    Healthy(
        "labels in other codes",
        lambda d: tf.data.Dataset.from_tensor_slices((d.x, 10 - d.y)).shuffle(d.n).batch(BATCH),
        Data.source,
    ),
    Healthy(
        "one-hot labels",
        lambda d: tf.data.Dataset.from_tensor_slices((d.x, np.eye(CLASSES)[d.y])).shuffle(d.n).batch(BATCH),
        Data.source,
    ),
    Healthy("seeded shuffle", lambda d: d.pairs().shuffle(d.n, seed=1).batch(BATCH)),
    Healthy(
        "two zipped datasets, shuffled together",
        lambda d: (
            tf.data.Dataset.zip(tf.data.Dataset.from_tensor_slices(d.x), tf.data.Dataset.from_tensor_slices(d.y))
            .shuffle(d.n)
            .batch(BATCH)
        ),
        Data.source,
    ),
    Healthy("a part of the source by purpose is another feed's", training, validation()),
    Healthy(
        "augmented behind a cache", lambda d: d.pairs().cache().shuffle(d.n).batch(BATCH).map(flipped), Data.source
    ),
    Healthy(
        "sequences of many lengths in buckets",
        lambda d: (
            tf.data.Dataset.from_tensor_slices((np.tile(np.arange(1, 33), (d.n, 1)), d.y))
            .shuffle(d.n)
            .padded_batch(BATCH)
        ),
    ),
    Healthy(
        "few examples", lambda d: tf.data.Dataset.from_tensor_slices((d.x[:20], d.y[:20])).shuffle(20).batch(BATCH)
    ),
    Healthy(
        "one class is rare",
        lambda d: (
            tf.data.Dataset.from_tensor_slices((d.x, (np.arange(d.n) % 50 == 0).astype(int))).shuffle(d.n).batch(BATCH)
        ),
    ),
    Healthy(
        "a regression in its own order",
        lambda d: tf.data.Dataset.from_tensor_slices((d.x, d.x.mean(axis=(1, 2, 3)))).shuffle(d.n).batch(BATCH),
    ),
    Healthy("a Sequence as in the manual", lambda d: Sequence(d.x, d.y, shuffle=False)),
    Healthy("pixels already 0 to 1", lambda d: shuffled(d).map(scaled), lambda d: {"model": model_of()}),
    Healthy("normalised by the model", shuffled, lambda d: {"model": model_of(keras.layers.BatchNormalization())}),
    Healthy("a cached feed", lambda d: d.pairs().map(sin_slow).cache().shuffle(d.n).batch(BATCH)),
    Healthy("a prefetch that is written", lambda d: shuffled(d).prefetch(2)),
]
