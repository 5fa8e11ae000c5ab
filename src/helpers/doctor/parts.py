"""A part of an epoch, where all of it would take too long; and reading that is given up at a deadline."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from helpers import internals
from helpers.doctor import lines
from helpers.errors import StudyError
from helpers.pipelines import feeds
from helpers.pipelines.feeds import Batch, Feed
from helpers.timing.epochs import NO_BATCH

LEAST_BATCHES = 4  # of a part
HANGS_S = 60.0  # without a batch for so long, a feed hangs
Value = TypeVar("Value")


@dataclass(frozen=True)
class Part:
    """What is read of each epoch.

    Attributes:
        feed: which delivers that much in an epoch.
        batches: of it.
        of: batches of a whole epoch; None: not known.
        first: the first batch, as NumPy arrays.
    """

    feed: Feed
    batches: int
    of: int | None
    first: Batch

    @property
    def is_whole(self) -> bool:
        """Whether it is all of an epoch."""
        return self.batches == self.of

    @property
    def said(self) -> str:
        """How much of an epoch it is, in words; "" for all of it."""
        whole = "an epoch whose length is not known" if self.of is None else f"{self.of} of an epoch"
        return "" if self.is_whole else f"measured on {self.batches} batches of {whole}"


class Hangs(StudyError):
    """A feed gave no batch for too long.

    Attributes:
        where: "file:line" of the user's in which it was at the deadline; "" where none is seen.
    """

    where = ""


def within(seconds: float, call: Callable[[], Value], what: str) -> Value:
    """Returns what a call returns, in a thread of its own that is given up at a deadline.

    Raises:
        Hangs: where it takes longer.
    """
    outcome: dict[str, Any] = {}

    def run():
        try:
            outcome["value"] = call()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if "error" in outcome:
        raise outcome["error"]
    if "value" not in outcome:
        given_up = Hangs(f"{what} must come to an end (nothing after {seconds:.0f} s); its reading was given up")
        given_up.where = lines.of_thread(thread.ident or 0)
        raise given_up
    return outcome["value"]


def has_cache(feed: Feed) -> bool:
    """Whether a tf.data feed caches: read in part, the cache may be taken for a whole one."""
    if feeds.kind(feed.data) != "tf.data":
        return False
    return any("Cache" in type(stage).__name__ for stage in internals.dataset_stages(feed.data))


def length(feed: Feed) -> int | None:
    """Returns the batches of an epoch, or None where that is not known."""
    if feed.steps_per_epoch is not None:
        return feed.steps_per_epoch
    if feeds.kind(feed.data) == "tf.data":
        known = int(feed.data.cardinality())
        return known if known >= 0 else None
    return getattr(feed.data, "num_batches", None)


def part_of(given: Any, seconds: float) -> Part:
    """Reads a feed for some seconds, and returns as much of an epoch as was read: all of it where that is possible.

    A feed with a cache is read to its end in any case.

    Args:
        given: as for `feeds.opened`, not a one-shot feed.
        seconds: that the reading may take; at least 4 batches are read.

    Raises:
        StudyError: as `feeds.opened`, for a feed without a batch, and for one that hangs.
    """
    feed = feeds.opened(given)
    whole_only = has_cache(feed)

    def read():
        start, first, count = time.perf_counter(), None, 0
        for count, batch in enumerate(feeds.batches_of(feed), 1):
            first = batch if first is None else first
            if not whole_only and count >= LEAST_BATCHES and time.perf_counter() - start > seconds:
                return first, count, length(feed)
        return first, count, count

    first, count, of = within(seconds + HANGS_S, read, "a batch of the feed")
    if not count:
        raise StudyError(NO_BATCH)
    return Part(feed if count == of else shortened(feed, count), count, of, first)


def of_generator(make: Callable[[], Any], steps: int | None, seconds: float) -> Feed:
    """Returns a feed of what a function makes, a generator, which can be read again and again.

    Args:
        make: the function, without arguments.
        steps: batches of an epoch, through which it goes on; None: it ends by itself, and is made anew.
        seconds: that counting its batches may take, where they are not given; at least 4 are read.

    Raises:
        StudyError: where it gives no batch, and for one that hangs.
    """
    from helpers.doctor.py_dataset_parts import OfGenerator

    def counted():
        start, count = time.perf_counter(), 0
        for count, _ in enumerate(make(), 1):
            if count >= LEAST_BATCHES and time.perf_counter() - start > seconds:
                break
        return count

    batches = within(seconds + HANGS_S, counted, "a batch of the generator") if steps is None else steps
    if not batches:
        raise StudyError(NO_BATCH)
    return Feed(OfGenerator(make, batches, again=steps is None), shuffle=False)


def shortened(feed: Feed, batches: int) -> Feed:
    """Returns a feed whose epochs are the first batches of another's."""
    import tensorflow as tf

    kind = feeds.kind(feed.data)
    endless = kind == "tf.data" and feed.data.cardinality() == tf.data.INFINITE_CARDINALITY
    if endless or kind == "generator":
        return replace(feed, steps_per_epoch=batches)
    if kind == "tf.data":
        return Feed(feed.data.take(batches))
    if kind == "PyDataset" and length(replace(feed, steps_per_epoch=None)) is not None:
        from helpers.doctor.py_dataset_parts import FirstBatches

        return replace(feed, data=FirstBatches(feed.data, batches), steps_per_epoch=None)
    return replace(feed, steps_per_epoch=batches)


def first_batch(given: Any) -> Batch:
    """Returns a feed's first batch as NumPy arrays; a feed with a cache is read to its end.

    Raises:
        StudyError: as `part_of`.
    """
    return part_of(given, 0.0).first
