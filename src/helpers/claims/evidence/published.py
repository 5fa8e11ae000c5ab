"""Evidence on the published examples: what parity finds, and how far unlike work moves a speed."""

import numpy as np
from PIL import Image

from helpers import comparison, datasets, files, parity, pipelines
from helpers.claims.evidence.collection import Evidence, timed
from helpers.tasks import Task

BUDGET_S = 4.0  # for the rounds of one live comparison
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
        "supported" if differences else "refuted",
        "example 2 on 64 generated pictures, against a task with integer labels as in examples 1 and 3: "
        + _told(differences),
    )


def published_imitation() -> Evidence:
    """Whether the second answer's tf.data imitation does the work of the ImageDataGenerator that it imitates."""
    ready = [name for name in ("cifar10", "cifar10-standin") if datasets.is_prepared(name)]
    if not ready:
        return Evidence(
            "undecided yet", "neither cifar10 nor its stand-in is prepared", needs="`study prepare cifar10-standin`"
        )
    task = Task(dataset=ready[0], source="tfds", transform="shear_zoom_flip", examples=256, batch_size=BATCH)
    differences = _differences(task, "published_b3_imitation")
    return Evidence(
        "refuted" if differences else "supported",
        f"example 3 on 256 pictures of {task.describe().label}, against shear, zoom and flip: {_told(differences)}",
    )


def unlike_work() -> Evidence:
    """How far a speed moves when only the work differs: the two transforms that example 1 and 2 of A confuse."""
    task = Task(dataset="synthetic", transform="brightness", examples=500)
    feeds = {name: pipelines.build("py_dataset", task.but(transform=name)) for name in ("brightness", "noise")}
    compared = comparison.compare(feeds, reference="brightness", budget_s=BUDGET_S, precision=0.05)
    verdict = {"the same": "refuted", "undecided": "undecided yet"}.get(compared.verdict("noise"), "supported")
    return timed(
        verdict,
        "one API, one difference: noise on every pixel (example 1 of the first answer) takes "
        f"{compared.ratio('noise')} times as long as one number per image (its example 2)",
    )
