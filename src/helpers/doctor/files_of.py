"""The files behind a feed: how large the originals of its pictures are, and which cache files were there before it."""

import contextlib
import io
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from helpers import internals
from helpers.doctor.case import Case
from helpers.doctor.rebuilding import CannotRebuild, Chain
from helpers.errors import StudyError
from helpers.pipelines import feeds

SOME = 8  # originals that are looked at
READ_BYTES = 1 << 20  # of a file, which may be one of many records
SIGNATURES = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n")  # where a JPEG or a PNG begins
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")


def sizes(case: Case) -> Iterator[tuple[int, int]]:
    """Yields (height, width) of some originals: files, encoded pictures, or arrays that stages make smaller.

    Args:
        case: the feed.
    """
    if case.kind == "tf.data":
        yield from _of_arrays(case.stages.datasets)
        if case.stages.datasets and not _has_cache(case):
            yield from _of_texts(_texts_of(case.stages.datasets[0]))
        return
    data = getattr(case.feed.data, "whole", case.feed.data)
    given = [getattr(data, "filepaths", None), *vars(data).values()]
    for value in given:
        if isinstance(value, list | tuple | np.ndarray) and len(value):
            texts = [str(each) for each in value[:SOME] if isinstance(each, str | Path)]
            yield from _of_texts(text.encode() for text in texts if text.lower().endswith(PICTURES))


def _has_cache(case):
    return any(stage.first_epoch_only for stage in case.stages.stages)


def _of_arrays(datasets):
    """Pictures whose size is known before they are made smaller."""
    import tensorflow as tf

    for dataset in datasets[:1]:
        for spec in tf.nest.flatten(dataset.element_spec):
            shape = spec.shape
            if shape.rank == 3 and shape.is_fully_defined() and shape[-1] in (1, 3, 4) and min(shape[:2]) > 4:
                yield int(shape[0]), int(shape[1])


def _texts_of(dataset):
    import tensorflow as tf

    specs = tf.nest.flatten(dataset.element_spec)
    if not any(spec.dtype == tf.string and spec.shape.rank == 0 for spec in specs):
        return
    for element in dataset.take(SOME).as_numpy_iterator():
        yield from (part for part in tf.nest.flatten(element) if isinstance(part, bytes))


def _of_texts(texts: Iterable[bytes]):
    """Pictures by their files' names, or encoded, alone or within a record; only the headers are read."""
    for text in texts:
        file = _file_named(text)
        if file is None:
            yield from _in_bytes(text)
        else:
            with contextlib.suppress(OSError), file.open("rb") as opened:
                yield from _in_bytes(opened.read(READ_BYTES))


def _file_named(text):
    with contextlib.suppress(UnicodeDecodeError, ValueError, OSError):
        if len(text) < 4096 and Path(text.decode()).is_file():
            return Path(text.decode())
    return None


def _in_bytes(encoded):
    from PIL import Image

    starts = (found.start() for found in SIGNATURES.finditer(encoded))
    for start in itertools.islice(itertools.chain([0], starts), SOME):
        with contextlib.suppress(OSError, ValueError, SyntaxError), Image.open(io.BytesIO(encoded[start:])) as picture:
            yield picture.height, picture.width
            if start == 0:
                return


def without_new_ones(given: Any) -> tuple[Any, list[str]]:
    """Returns a feed that writes no cache file which is not there yet, and what is to be said of that.

    Args:
        given: as for `feeds.opened`.
    """
    try:
        feed = feeds.opened(given)
    except StudyError:
        return given, []
    if feeds.kind(feed.data) != "tf.data":
        return given, []
    names = [internals.told(stage, "filename") for stage in internals.dataset_stages(feed.data)]
    new = [name for name in names if name and not Path(f"{name}.index").exists()]
    if not new:
        return given, []
    chain = Chain.of(feed.data)
    for place, step in enumerate(chain.steps):
        if step.kind == "Cache" and internals.told(step.original, "filename") in new:
            chain = chain.replaced(place, step.made_by(lambda below: below.cache()))
    try:
        data = chain.built()
    except CannotRebuild:
        data = feed.data
    if {internals.told(stage, "filename") for stage in internals.dataset_stages(data)} & {*new}:
        return given, [f"The cache file {new[0]} is written by reading the feed, as by training on it."]
    in_memory = replace(feed, data=data)
    return in_memory, [f"The cache file {new[0]} is not there yet: examined with a cache in memory instead."]


def of_caches(given: Any) -> frozenset[str]:
    """Returns the names of a tf.data feed's cache files that are there.

    Args:
        given: as for `feeds.opened`.
    """
    try:
        data = feeds.opened(given).data
    except StudyError:
        return frozenset()
    if feeds.kind(data) != "tf.data":
        return frozenset()
    names = [internals.told(stage, "filename") for stage in internals.dataset_stages(data)]
    return frozenset(name for name in names if name and Path(f"{name}.index").exists())
