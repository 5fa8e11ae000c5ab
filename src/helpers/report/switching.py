"""What it takes to change over to a pipeline: the lines to write, and the lesson that explains them."""

import json
from dataclasses import dataclass

from helpers.results.answers import Feeder

AUTOTUNE = "num_parallel_calls=tf.data.AUTOTUNE"
SEQUENCE = (
    "class Batches(keras.utils.PyDataset):",
    "    def __len__(self):",
    "        return math.ceil(len(images) / {batch})",
    "    def __getitem__(self, index):",
    "        chosen = slice({batch} * index, {batch} * (index + 1))",
    "        return prepare(images[chosen], labels[chosen])",
)
RESIZED = "        resized = np.stack([cv2.resize(image, (224, 224)) for image in images[chosen]])"
DIRECTORY = "dataset = keras.utils.image_dataset_from_directory(folder, image_size=(224, 224), batch_size={batch})"
LAYERS = "dataset = dataset.map(lambda images, labels: (layers(images, training=True), labels))"
LESSONS = {
    "first": "01_compare_on_synthetic_data.ipynb",
    "opencv": "02_preprocess_heavily.ipynb",
    "stages": "04_feed_mnist_from_tfds.ipynb",
    "port": "05_match_imagedatagenerator.ipynb",
    "layers": "06_rebuild_it_in_tf_data_on_cifar10.ipynb",
    "iterator": "07_vary_cardinality_and_batch_size.ipynb",
    "workers": "09_add_workers.ipynb",
}


@dataclass(frozen=True)
class Switch:
    """How to change over.

    Attributes:
        lines: of Python that are new; `prepare` in them is the reader's own work on an example, or on a batch.
        rewrite: what has to be written anew besides; "" for nothing.
        lesson: the notebook that explains it.
    """

    lines: tuple[str, ...]
    rewrite: str
    lesson: str


def switch(old: Feeder, new: Feeder, *, batch_size: int) -> Switch | None:
    """Returns what it takes to change over from one pipeline to another; None where the kit has no words for it.

    Args:
        old: builder and knobs of what is there.
        new: of what is to be.
        batch_size: images per batch.
    """
    code, lesson = lines_of(new, batch_size=batch_size)
    if not code:
        return None
    there = lines_of(old, batch_size=batch_size)[0]
    stages = {"tf_data", "keras_layers"}
    rewrite = (
        "your own function, prepare(), in TensorFlow's operations"
        if new[0] == "tf_data" and old[0] not in stages
        else ""
    )
    return Switch(tuple(line for line in code if line not in there), rewrite, lesson)


def lines_of(feeder: Feeder, *, batch_size: int) -> tuple[list[str], str]:
    """Returns a pipeline's code and the lesson that explains it; ([], "") where the kit has no words for it.

    The code expects `images`, `labels`, `prepare`, `model`, and in the case of Keras' own `folder` and `layers`.

    Args:
        feeder: its builder and knobs.
        batch_size: images per batch.
    """
    builder, knobs = feeder[0], json.loads(feeder[1])
    makers = {
        "tf_data": _tf_data,
        "py_dataset": _sequence,
        "image_data_generator": _generator,
        "tf_image_data_generator": _port,
        "keras_layers": _layers,
        "keras_directory": _directory,
    }
    code, lesson = makers[builder](knobs) if builder in makers else ([], "")
    return [line.replace("{batch}", str(batch_size)) for line in code], LESSONS.get(lesson, "")


def _fit(name, knobs, endless):
    if knobs.get("repeat"):
        return f"model.fit({endless}, steps_per_epoch=len({name}), epochs=20)"
    return f"model.fit({name}, epochs=20)"


def _tf_data(knobs):
    mapped, cache = knobs.get("map", "element"), knobs.get("cache", "none")
    batched = "dataset = dataset.batch({batch})"
    prepared = f"dataset = dataset.map(prepare, {AUTOTUNE})"
    code = ["dataset = tf.data.Dataset.from_tensor_slices((images, labels))"]
    if mapped == "gather":
        code = ["images, labels = tf.constant(images), tf.constant(labels)"]
        code.append("dataset = tf.data.Dataset.range(len(images))")
        prepared = "dataset = dataset.map(lambda rows: prepare(tf.gather(images, rows), tf.gather(labels, rows)), "
        prepared += f"{AUTOTUNE})"
    elif cache != "none":
        code.append("dataset = dataset.cache()" if cache == "memory" else "dataset = dataset.cache(file)")
    code.append("dataset = dataset.shuffle(len(images))")
    code += [prepared, batched] if mapped == "element" else [batched, prepared]
    if knobs.get("prefetch") != 0:
        code.append("dataset = dataset.prefetch(tf.data.AUTOTUNE)")
    code.append(_fit("dataset", knobs, "dataset.repeat()"))
    is_plain = not set(knobs) - {"repeat"}
    return code, "iterator" if knobs.get("repeat") else "first" if is_plain else "stages"


def _sequence(knobs):
    code, lesson = list(SEQUENCE), "first"
    if knobs.get("backend") == "opencv":
        code = ["import cv2", *code[:-1], RESIZED, "        return prepare(resized, labels[chosen])"]
        lesson = "opencv"
    if workers := knobs.get("workers"):
        return [*code, f"model.fit(Batches(workers={workers}), epochs=20)"], "workers"
    return [*code, "model.fit(Batches(), epochs=20)"], lesson


def _generator(knobs):
    code = ["from tensorflow.keras.preprocessing.image import ImageDataGenerator", *_flow()]
    return [*code, _fit("flow", knobs, "flow")], "port"


def _port(knobs):
    code = ["from helpers.tf_image_data_generator import TFImageDataGenerator as ImageDataGenerator", *_flow()]
    return [*code, _fit("flow", knobs, "flow.endless()")], "port"


def _flow():
    return [
        "generator = ImageDataGenerator(shear_range=0.2, zoom_range=0.2, horizontal_flip=True, rescale=1 / 255)",
        "flow = generator.flow(images, labels, batch_size={batch})",
    ]


def _layers(knobs):
    code, _ = _tf_data(knobs | {"map": "batch"})
    return [*(LAYERS if "dataset.map(" in line else line for line in code)], "layers"


def _directory(knobs):
    return [DIRECTORY, _fit("dataset", knobs, "dataset.repeat()")], "layers"
