"""Records an epoch with TensorFlow's profiler and reads its trace: who waited, who produced, what each stage took."""

import contextlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from helpers import files, internals
from helpers.errors import StudyError
from helpers.pipelines import feeds

# Names that TensorFlow 2.21 gives to what a timeline needs (core/kernels/data/iterator_ops.cc, prefetch_dataset_op.cc).
WAIT = "IteratorGetNextOp::DoCompute"
STEP = "multi_step_on_iterator"
# And what others give: Keras 3.4, and the candidate of 3.16, which asks for a batch before the step and not within it.
OTHER_NAMES = {
    "one_step_on_iterator": STEP,
    "one_step_on_data": STEP,
    "IteratorGetNextAsOptionalOp::DoCompute": WAIT,
}
PRODUCED, CONSUMED = "PrefetchProduce", "PrefetchConsume"
COLUMNS = ("thread", "event", "stage", "start_s", "end_s", "parallelism", "buffer_limit")
PICOSECOND = 1e-12


@dataclass(frozen=True)
class Trace:
    """The events of one epoch of `fit`, as the profiler saw them.

    Attributes:
        events: one row per event: thread, event, stage (the name that a stage was given or got), start_s and end_s
            (seconds since the epoch's first event), parallelism and buffer_limit (NaN where the event tells none).
        folder: where the trace lies, for TensorBoard; "" if it was not kept.
    """

    events: pd.DataFrame
    folder: str = ""

    def named(self, event: str) -> pd.DataFrame:
        """Returns the events of that name, in order."""
        return self.events[self.events["event"] == event].sort_values("start_s")

    @cached_property
    def epoch_s(self) -> float:
        """Seconds from the beginning of the first step to the end of the last."""
        steps = self.named(STEP)
        return float(steps["end_s"].max() - steps["start_s"].min())

    @property
    def waiting_s(self) -> float:
        """Seconds in which the training step waited for its next batch."""
        waits = self.named(WAIT)
        return float((waits["end_s"] - waits["start_s"]).sum())

    @property
    def waiting_share(self) -> float:
        """Share of the epoch spent waiting for data, 0 to 1."""
        return self.waiting_s / self.epoch_s

    def stages(self) -> pd.DataFrame:
        """Returns one row per stage of tf.data: name, calls of its iterator, seconds inside it, and what it chose.

        The seconds of a stage hold those of the stages that it calls in its own thread; `alone_s` is without them.
        """
        events = self.events[self.events["event"].str.startswith("Iterator::")].sort_values(["thread", "start_s"])
        inner = pd.Series(0.0, index=events.index)
        open_events: list[tuple] = []
        for row in events.itertuples():
            while open_events and (open_events[-1][1] != row.thread or open_events[-1][2] < row.end_s):
                open_events.pop()
            if open_events:
                inner[open_events[-1][0]] += row.end_s - row.start_s
            open_events.append((row.Index, row.thread, row.end_s))
        inside = events["end_s"] - events["start_s"]
        table = events.assign(
            calls=1,
            inside_s=inside,
            alone_s=inside - inner,
            depth=events["event"].str.count("::"),
            iterator=events["event"].str.removeprefix("Iterator::"),
        )
        told = {"calls": "sum", "inside_s": "sum", "alone_s": "sum", "parallelism": "last", "buffer_limit": "last"}
        return table.groupby(["depth", "iterator", "stage"]).agg(told).reset_index().drop(columns="depth")


def record(model: Any, feed: Any, *, folder: str | Path | None = None, warm_up: bool = True) -> Trace:
    """Trains one epoch under TensorFlow's profiler and reads the trace.

    Args:
        model: a compiled Keras model; its weights change.
        feed: whatever `feeds.opened` takes.
        folder: where the trace is kept for TensorBoard; None: it is read and thrown away.
        warm_up: whether an epoch without the profiler comes first, so that tracing the model is not in the picture.

    Raises:
        StudyError: if the feed is none, or the profiler wrote no step (as under another Keras backend).
    """
    import tensorflow as tf

    settled = feeds.settled(feed)

    def fit():
        opened = feeds.opened(settled)
        model.fit(opened.data, epochs=1, verbose=0, steps_per_epoch=opened.steps_per_epoch, shuffle=opened.shuffle)

    if warm_up:
        fit()
    with contextlib.ExitStack() as stack:
        kept_in = Path(folder or stack.enter_context(files.scratch("trace")))
        before = set(kept_in.glob("**/*.xplane.pb"))
        with tf.profiler.experimental.Profile(str(kept_in)):
            fit()
        (written,) = set(kept_in.glob("**/*.xplane.pb")) - before
        events = read(written)
    if not events["event"].isin([STEP]).any():
        raise StudyError("a trace needs training steps on TensorFlow (got none); set KERAS_BACKEND=tensorflow")
    return Trace(events, str(folder or ""))


def read(path: Path) -> pd.DataFrame:
    """Returns the events of a trace file (`*.xplane.pb`), as `Trace.events` has them.

    The file is an XSpace message.
    """
    rows = []
    for plane in internals.trace_space(Path(path).read_bytes()).planes:
        names = {number: told.name for number, told in plane.event_metadata.items()}
        keys = {number: told.name for number, told in plane.stat_metadata.items()}
        for line in plane.lines:
            thread = f"{line.name.split('/')[0]} {line.id % 1000:03}"
            for event in line.events:
                name = OTHER_NAMES.get(names[event.metadata_id], names[event.metadata_id])
                if not name.startswith(("Iterator::", "Prefetch", "PyFunc")) and name not in (WAIT, STEP):
                    continue
                stats = {keys[stat.metadata_id]: _value(stat, keys) for stat in event.stats}
                start = line.timestamp_ns * 1e-9 + event.offset_ps * PICOSECOND
                end = start + event.duration_ps * PICOSECOND
                settings = (stats.get("parallelism"), stats.get("buffer_limit"))
                rows.append((thread, name, str(stats.get("name", "")), start, end, *settings))
    events = pd.DataFrame(rows, columns=list(COLUMNS))
    for setting in ("parallelism", "buffer_limit"):  # "unavailable" where the profiler did not get the lock
        events[setting] = pd.to_numeric(events[setting], errors="coerce").astype(float)
    events[["start_s", "end_s"]] -= events["start_s"].min()
    return events.sort_values("start_s", ignore_index=True)


def _value(stat, keys):
    kind = stat.WhichOneof("value")
    value = getattr(stat, kind) if kind else None
    return keys.get(value, "") if kind == "ref_value" else value
