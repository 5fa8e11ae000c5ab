"""Draws who does what when: the producer of batches, the queue of those that are ready, and the training step."""

import numpy as np
from matplotlib.figure import Figure

from helpers.errors import StudyError
from helpers.plots.style import COLOURS, styled
from helpers.timing.traces import CONSUMED, PRODUCED, STEP, WAIT, Trace


def queue(trace: Trace) -> tuple[np.ndarray, np.ndarray]:
    """Returns (times in seconds, batches that are ready from each of them on): made so far less taken so far.

    Raises:
        StudyError: where the trace has no queue of TensorFlow's, as for a PyDataset with several workers.
    """
    made = trace.named(PRODUCED)["end_s"].to_numpy()
    taken = trace.named(CONSUMED)["end_s"].to_numpy()
    if len(taken) == 0:
        raise StudyError("a timeline needs a prefetch (got none in the trace); use prefetch, or one worker")
    made = np.sort(made)[: len(taken)]  # the last call finds that the data is over, and makes no batch
    times = np.concatenate([made, taken])
    order = np.argsort(times, kind="stable")
    return times[order], np.cumsum(np.where(order < len(made), 1, -1))


def draw(traces: dict[str, Trace], *, batches: int = 12) -> Figure:
    """Draws the middle of an epoch of each pipeline on one clock: producer, queue, consumer.

    Args:
        traces: label -> trace.
        batches: steps shown of the slowest pipeline; the others show as many milliseconds.
    """
    spans = {label: _window(trace, batches) for label, trace in traces.items()}
    length = max(end - start for start, end in spans.values())
    with styled(len(traces), 1, height=1.0 + 1.45 * len(traces), sharex=True, squeeze=False) as (figure, all_axes):
        for axes, (label, trace) in zip(all_axes[:, 0], traces.items(), strict=True):
            _draw_trace(axes, trace, spans[label][0], length)
            axes.set_title(f"{label}: {trace.waiting_share:.0%} of the epoch waiting", fontsize=10)
        all_axes[-1, 0].set_xlabel("time from the middle of the epoch on (ms)")
        handles, names = all_axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper left", ncols=len(names), frameon=False)
        told = "; ".join(f"{label}: {trace.waiting_share:.0%} waiting" for label, trace in traces.items())
        figure.set_label(f"Timelines of producer, queue and training step in the middle of an epoch. {told}")
        return figure


def _window(trace, batches):
    steps = trace.named(STEP)
    first = max(0, min(len(steps) // 2, len(steps) - batches))
    last = min(first + batches, len(steps)) - 1
    return steps["start_s"].iloc[first], steps["end_s"].iloc[last]


def _draw_trace(axes, trace, start, length):
    def bars(events, row, label, **looks):
        shown = events[(events["end_s"] > start) & (events["start_s"] < start + length)]
        left = np.clip(shown["start_s"] - start, 0, length) * 1e3
        right = np.clip(shown["end_s"] - start, 0, length) * 1e3
        axes.broken_barh(list(zip(left, right - left, strict=True)), (row, 0.8), label=label, **looks)

    edge = {"edgecolor": "black", "linewidth": 0.4}
    bars(trace.named(PRODUCED), 2, "makes a batch", facecolor=COLOURS[0], **edge)
    bars(trace.named(STEP), 0, "trains", facecolor=COLOURS[4], **edge)
    bars(trace.named(WAIT), 0, "waits for a batch", facecolor=COLOURS[1], hatch="////", **edge)
    times, ready = queue(trace)
    deepest = max(int(ready.max()), 1)
    axes.step((times - start) * 1e3, 1 + 0.8 * ready / deepest, where="post", color="black", label="batches ready")
    axes.axhline(1, color="0.6", linewidth=0.6)
    axes.set(xlim=(0, length * 1e3), ylim=(-0.15, 2.95))
    axes.set_yticks([2.4, 1.4, 0.4], ["producer", f"queue (0 to {deepest})", "consumer"])
    axes.grid(visible=False)
