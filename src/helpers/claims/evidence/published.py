"""Evidence on the published examples: what parity finds, and how far unlike work moves a speed."""

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow.keras.preprocessing.image import ImageDataGenerator

from helpers import comparison, datasets, files, parity, pipelines
from helpers.claims.evidence.collection import Evidence, timed
from helpers.claims.judgement import Judgement
from helpers.tasks import Task

BUDGET_S = 16.0  # for the rounds of one live comparison
BATCH = 32


def _differences(task, builder):
    """What parity finds when a published example is held against a task: "aspect (found, not expected)"."""
    report = parity.check(task, {builder: pipelines.build(builder, task)})
    of_aspect = {
        row.aspect: f"{row.aspect}: {row.found} instead of {row.expected}" for row in report.differences.itertuples()
    }
    return list(of_aspect.values())


def _told(differences):
    count = f"{len(differences)} {'difference' if len(differences) == 1 else 'differences'}"
    return f"{count}: {'; '.join(differences)}" if differences else "alike"


def published_generator() -> Evidence:
    """Whether the second answer's ImageDataGenerator example does the task that its two other examples' labels set."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), np.uint8)
    with files.scratch("evidence") as folder:
        for number, image in enumerate(pixels):
            of_class = folder / f"class {number % 2}"
            of_class.mkdir(exist_ok=True)
            Image.fromarray(image).save(of_class / f"{number:03}.png")
        task = Task(dataset=f"folder:{folder}", source="folder", transform="shear_zoom_flip", batch_size=BATCH)
        differences = _differences(task, "published_b2_image_data_generator")
    return Evidence(
        Judgement.SUPPORTED if differences else Judgement.REFUTED,
        "example 2 on 64 generated pictures, against a task with integer labels as in examples 1 and 3: "
        + _told(differences),
    )


def published_imitation() -> Evidence:
    """Whether the second answer's tf.data imitation does the work of the ImageDataGenerator that it imitates."""
    ready = [name for name in ("cifar10", "cifar10-standin") if datasets.is_prepared(name)]
    if not ready:
        return Evidence(
            Judgement.UNDECIDED, "neither cifar10 nor its stand-in is prepared", needs="`study prepare cifar10-standin`"
        )
    task = Task(dataset=ready[0], source="tfds", transform="shear_zoom_flip", examples=256, batch_size=BATCH)
    differences = _differences(task, "published_b3_imitation")
    return Evidence(
        Judgement.REFUTED if differences else Judgement.SUPPORTED,
        f"example 3 on 256 pictures of {task.describe().label}, against shear, zoom and flip: {_told(differences)}",
    )


def normalisations() -> Evidence:
    """Whether three functions that bring 0 … 255 to 0 … 1 differ: ImageDataGenerator's, tf.image's, a Keras layer's."""
    values = np.arange(256, dtype=np.uint8)
    images = values.reshape(1, 16, 16, 1)
    made = {
        "ImageDataGenerator(rescale=1/255)": next(ImageDataGenerator(rescale=1 / 255.0).flow(images, batch_size=1)),
        "convert_image_dtype": tf.image.convert_image_dtype(images, tf.float32).numpy(),
        "Rescaling(1/255)": np.asarray(keras.layers.Rescaling(1 / 255.0)(images)),
    }
    generator, *others = made.values()
    equal = [int((generator == other).sum()) for other in others]
    apart = max(float(np.abs(generator - other).max()) for other in others)
    return Evidence(
        Judgement.REFUTED if min(equal) == len(values) else Judgement.SUPPORTED,
        f"of {len(values)} values {' and '.join(list(made)[1:])} give the same bits as {next(iter(made))} for "
        f"{' and '.join(map(str, equal))}, and differ by at most {apart:.0e}; without rescale it leaves 0 to 255",
    )


def unlike_work() -> Evidence:
    """How far a speed moves when only the work differs: the two transforms that example 1 and 2 of A confuse."""
    task = Task(dataset="synthetic", transform="brightness", examples=1500)
    feeds = {name: pipelines.build("py_dataset", task.but(transform=name)) for name in ("brightness", "noise")}
    compared = comparison.compare(feeds, reference="brightness", budget_s=BUDGET_S, precision=0.05)
    verdict = {"the same": Judgement.REFUTED, "undecided": Judgement.UNDECIDED}.get(
        compared.verdict("noise"), Judgement.SUPPORTED
    )
    return timed(
        verdict,
        "one API, one difference: noise on every pixel (example 1 of the first answer) takes "
        f"{compared.ratio('noise')} times as long as one number per image (its example 2)",
    )
