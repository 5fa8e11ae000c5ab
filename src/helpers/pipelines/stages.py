"""The stages of a tf.data pipeline as they were written, and one element as it comes out of each."""

import collections
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from helpers import internals
from helpers.pipelines import feeds

FEW = 4  # values that are told one by one
LETTERS = 30  # of a text, its end


def kind(dataset: Any) -> str:
    """Returns a dataset's kind, such as "ParallelMap" or "Batch"."""
    return type(dataset).__name__.strip("_").removesuffix("Dataset").removesuffix("V2")


def in_order(dataset: Any) -> list[Any]:
    """Returns the datasets that a dataset is made of, sources first; what only sets options is left out."""
    found: list[Any] = []

    def visit(stage):
        for below in internals.dataset_inputs(stage):
            visit(below)
        if kind(stage) != "Options":
            found.append(stage)

    visit(internals.stage_of(dataset))
    return found


def after_each_stage(feed: Any, *, since: Any = None) -> pd.DataFrame:
    """Shows the first element as it comes out of each stage of a tf.data pipeline.

    Where a stage caches, every stage is read to its end: a cache that was read in part may pass for complete.

    Args:
        feed: what `feeds.opened` takes. Anything but tf.data has one row: its first batch.
        since: a dataset that it draws from; the stages before that one are left out.

    Returns:
        One row per stage: its kind and its function, then a column for each part of the element, as text: dtype, shape
        and range, or the values themselves where they are few.

    Raises:
        StudyError: as `feeds.opened`.
    """
    data = feeds.opened(feed).data
    if feeds.kind(data) != "tf.data":
        return pd.DataFrame([{"stage": type(data).__name__, **_parts(next(feeds.batches_of(feed)))}]).fillna("")
    stages = in_order(data)
    if since is not None:
        earlier = {id(stage) for stage in in_order(since)[:-1]}
        stages = [stage for stage in stages if id(stage) not in earlier]
    whole = any(kind(stage) == "Cache" for stage in stages)
    rows = []
    for stage in stages:
        elements = stage.as_numpy_iterator()
        first = next(elements)
        if whole and int(stage.cardinality()) != -1:  # tf.data.INFINITE_CARDINALITY
            collections.deque(elements, maxlen=0)
        _, _, function = internals.written_at(stage) or ("", 0, "")
        rows.append({"stage": f"{kind(stage)} {function}".strip(), **_parts(first)})
    return pd.DataFrame(rows).fillna("")


def told(value: Any) -> str:
    """Returns what an array or a number is, in one line: dtype, shape, range; its values where they are few."""
    array = np.asarray(value)
    if array.dtype.kind in "OSU":
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        return f"text {array.shape}" if array.ndim else repr(text if len(text) <= LETTERS else f"…{text[-LETTERS:]}")
    if array.size <= FEW:
        return f"{array.dtype} {np.array2string(array, precision=2, separator=', ')}"
    low, high = array.min(), array.max()
    between = f"{low:.2f} to {high:.2f}" if array.dtype.kind == "f" else f"{low} to {high}"
    return f"{array.dtype} {array.shape}, {between}"


def _parts(element):
    """Returns the parts of an element by name: keys of a dictionary, x and y of a pair."""
    if isinstance(element, Mapping):
        return {key: _part(part) for key, part in element.items()}
    if isinstance(element, tuple):
        names = ("x", "y", "weights")
        return {name: _part(part) for name, part in zip(names, element, strict=False)}
    return {"x": _part(element)}


def _part(part):
    if isinstance(part, Mapping):
        return ", ".join(f"{key}: {_part(each)}" for key, each in part.items())
    return "; ".join(map(_part, part)) if isinstance(part, tuple | list) else told(part)
