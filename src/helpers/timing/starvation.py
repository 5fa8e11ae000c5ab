"""Whether a feed keeps the device busy: predicted from the parts, to be held against a measurement.

The parts are the time of a step on a batch held ready, and the time that the feed alone takes for a batch. A
feed that prepares the next batch during a step makes a step last the longer of the two, one that does not, their sum.
"""

import statistics
from dataclasses import dataclass
from typing import Any

from helpers import internals, timing
from helpers.errors import StudyError
from helpers.pipelines import feeds, graph
from helpers.timing import Training, models


@dataclass(frozen=True, kw_only=True)
class FeedTimes:
    """What a feed takes by itself, through `fit` with the smallest model.

    Attributes:
        first_batch_s: from the end of an epoch until the first batch of the next, seconds.
        batch_s: each later batch, seconds.
        end_s: from the last batch to the end of the epoch, seconds.
        batches: of an epoch.
        overlaps: whether the next batch is prepared while the device computes.
    """

    first_batch_s: float
    batch_s: float
    batches: int
    overlaps: bool
    end_s: float = 0.0

    def __post_init__(self):
        """Checks the numbers."""
        if min(self.first_batch_s, self.batch_s, self.end_s) < 0 or self.batches < 1:
            raise StudyError(f"times must be >= 0 and batches >= 1 (got {self})")

    def predict(self, step_s: float) -> Training:
        """Predicts an epoch with a step of `step_s` seconds; its `waiting_share` is that of an idle device.

        The first batch and the end are waited for in any case; each later batch for as long as it takes beyond the
        step before it, or wholly where nothing overlaps.
        """
        later = max(step_s, self.batch_s) if self.overlaps else step_s + self.batch_s
        epoch_s = self.first_batch_s + step_s + (self.batches - 1) * later + self.end_s
        return Training(epoch_s=epoch_s, step_s=step_s, batches=self.batches)


def busy_from(batch_size: int, image_s: float, *, cores: float = 1, handover_s: float = 0.0) -> float:
    """Returns the shortest step, in seconds, that a feed which overlaps keeps busy.

    Args:
        batch_size: images per batch.
        image_s: CPU seconds to prepare an image on one core.
        cores: how many prepare images at once: those of the machine for a parallel map of tf.data, at most
            `workers` for a PyDataset, and one for Python code, which the interpreter's lock keeps to one.
        handover_s: seconds per batch that no further core shortens.

    Raises:
        StudyError: for a number that cannot be.
    """
    if batch_size < 1 or image_s < 0 or cores <= 0 or handover_s < 0:
        raise StudyError(
            f"batch_size must be >= 1, cores > 0 and times >= 0 (got {batch_size}, {cores}, {image_s}, {handover_s})"
        )
    return max(batch_size * image_s / cores, handover_s)


def overlaps(feed: Any) -> bool:
    """Returns whether a feed's next batch is prepared while the device computes, with the backend in use.

    On TensorFlow, Keras prefetches from a PyDataset, and a tf.data pipeline works ahead where it has a prefetch, a
    parallel map, or a map and its batch in one, asked for or by TensorFlow's doing. On JAX every feed overlaps: a
    step only starts there, and while it computes the host goes on to the next batch.
    """
    import keras

    data = feeds.opened(feed).data
    if feeds.kind(data) != "tf.data" or keras.backend.backend() == "jax":
        return True
    names = graph.as_it_ran(data, read=False).names  # none where the graph is too large to be looked at
    names = names or [type(stage).__name__ for stage in internals.dataset_stages(data)]
    return any(kind in name for name in names for kind in ("Prefetch", "ParallelMap", "MapAndBatch"))


def take_apart(feed: Any, *, epochs: int = 3) -> FeedTimes:
    """Measures what a feed takes by itself: medians of some epochs after one that does not count.

    Args:
        feed: whatever `feeds.opened` takes.
        epochs: timed epochs.
    """
    feed = feeds.settled(feed)
    model = models.smallest(timing.first_batch(feed))
    timed = timing.time_epochs(model, feed, epochs)
    return FeedTimes(
        first_batch_s=statistics.median(epoch.first_batch_s for epoch in timed),
        batch_s=statistics.median(epoch.batch_s for epoch in timed) if timed[0].batches > 1 else 0.0,
        batches=timed[0].batches,
        overlaps=overlaps(feed),
        end_s=statistics.median(epoch.end_s for epoch in timed),
    )
