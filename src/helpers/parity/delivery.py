"""What a feed should deliver for a task, and what one epoch of a feed did deliver."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from helpers.errors import StudyError
from helpers.parity import matching, recovered_draws
from helpers.pipelines.feeds import Batch
from helpers.tasks import Task, transforms

SAMPLE = 256  # images whose pixels are recomputed


class Expected:
    """The task's source, and what its transform makes of it.

    Attributes:
        images: the source's, uint8 (n, height, width, channels); labels: its labels, (n,).
        shape: of a finished image.
        signatures: what each finished image is recognised by, float32 (n, features).
        recognised: how many different examples a perfect feed is recognised by.
        hit_rate: share of a perfect feed's images that are matched to their own source, 0 to 1.
    """

    def __init__(self, task: Task):
        self.task = task
        self.transform = transforms.get(task.transform)
        data = task.arrays()
        self.images, self.labels = data.images, data.labels
        self.shape = tuple(self.transform.output_shape(self.images.shape[1:]))
        self.signatures = self._signatures(1)
        # How many different examples a perfect feed is recognised by: all of them, but where a warp blurs them.
        matched = self._matched(2 if self.transform.random else 1)
        self.recognised = len(np.unique(matched))
        self.hit_rate = float(np.mean(matched == np.arange(len(matched))))

    def fewest_recognised(self, epochs: int = 8) -> int:
        """Returns the fewest different examples that any of some perfect epochs is recognised by.

        Pictures that are much alike are taken for each other now and then; one epoch may not show it.
        """
        later = [self._matched(part) for part in range(3, 3 + epochs if self.transform.random else 3)]
        return min([self.recognised, *(len(np.unique(matched)) for matched in later)])

    def _matched(self, part):
        """Returns the examples that those of a perfect epoch are taken for, (n,)."""
        signatures = self.signatures if part == 1 else self._signatures(part)
        return matching.match(signatures, self.labels, self.signatures, self.labels)

    def _signatures(self, part):
        generator = np.random.default_rng((self.task.seed, part))
        parts = []
        for start in range(0, len(self.images), 512):
            images = self.images[start : start + 512]
            draws = self.transform.draw_numpy(generator, len(images), images.shape[1:])
            parts.append(matching.signature(self.transform.name, self.transform.apply_numpy(images, draws)))
        return np.concatenate(parts)


@dataclass
class Delivered:
    """One epoch of a feed, in short.

    Attributes:
        sizes: examples of each batch.
        shapes: of an image, per batch; image_dtypes and label_forms (dtype, shape of one label) likewise.
        low: the smallest value of all images; high: the largest.
        labels: (n,), of one-hot ones the index of the largest.
        signatures: see `Expected`, float32 (n, features), in the order of delivery; None if an image had another shape.
        fingerprints: block means that tell whether an image changed, float32 (n, blocks); None likewise.
        sample: the first images, float32; None likewise.
        endless: whether it was broken off after twice the examples.
    """

    sizes: Sequence[int]
    shapes: Sequence[tuple[int, ...]]
    image_dtypes: Sequence[str]
    label_forms: Sequence[tuple[str, tuple[int, ...]]]
    low: float
    high: float
    labels: np.ndarray
    signatures: np.ndarray | None
    fingerprints: np.ndarray | None
    sample: np.ndarray | None
    endless: bool


def read_epoch(expected: Expected, epoch: Iterator[Batch]) -> Delivered:
    """Reads one epoch of a feed, batch by batch, and keeps what the checks need.

    Args:
        expected: what it should deliver.
        epoch: one of `feeds.delivered`.

    Raises:
        StudyError: if the feed is no feed, never ends by its own account, or does not give pairs.
    """
    forms, labels, signatures, fingerprints, sample = [], [], [], [], []
    low, high, total = np.inf, -np.inf, 0
    wanted = recovered_draws.SAMPLE.get(expected.transform.name, SAMPLE)
    most = 2 * len(expected.images) + expected.task.batch_size
    for images, given in map(_pair, epoch):
        forms.append((len(images), images.shape[1:], str(images.dtype), (str(given.dtype), given.shape[1:])))
        low, high = min(low, float(images.min())), max(high, float(images.max()))
        labels.append(given.argmax(axis=1) if given.ndim > 1 else given)
        if images.shape[1:] == expected.shape:
            images = images.astype(np.float32, copy=False)
            signatures.append(matching.signature(expected.transform.name, images))
            fingerprints.append(matching.block_means(images).reshape(len(images), -1))
            if total < wanted:
                sample.append(images[: wanted - total])
        total += len(images)
        if total > most:
            break
    sizes, shapes, image_dtypes, label_forms = zip(*forms, strict=True) if forms else [()] * 4
    whole = set(shapes) == {expected.shape}
    return Delivered(
        sizes,
        shapes,
        image_dtypes,
        label_forms,
        low,
        high,
        np.concatenate(labels) if labels else np.zeros(0),
        np.concatenate(signatures) if whole else None,
        np.concatenate(fingerprints) if whole else None,
        np.concatenate(sample) if whole else None,
        endless=total > most,
    )


def _pair(batch):
    if not isinstance(batch, tuple) or len(batch) != 2 or not all(isinstance(part, np.ndarray) for part in batch):
        raise StudyError(
            f"a feed for a task must give pairs (images, labels) (got {type(batch).__name__}); "
            "`parity.compare` takes other structures"
        )
    return batch
