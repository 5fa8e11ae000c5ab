"""What each stage of a feed costs, as one table for all kinds of feeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
from markupsafe import escape

from helpers.pipelines.graph import Graph

DISAGREE = 0.20


@dataclass(frozen=True)
class Stage:
    """A stage of a feed. Figures are of the epoch, or of the part of it, that was read; NaN: not measured.

    Attributes:
        name: of the stage, with the user's function.
        where: "file:line" of that function; "" where there is none.
        cpu_s: CPU seconds.
        wall_s: seconds by the clock.
        calls: at once; None: not known.
        elements, bytes: delivered; None: not known.
        first_epoch_only: whether a cache behind it keeps what it made.
        free_epoch_s: seconds that an epoch would take were this stage free, predicted.
        of_lock: share of its time in which it held the interpreter's lock, 0 to 1.
        queued_s: seconds by the clock in which it was ready to run and others had the cores.
        note: what else a reader should know.
        inner: whether it is a part of the stage before it, such as a line.
    """

    name: str
    where: str = ""
    cpu_s: float = math.nan
    wall_s: float = math.nan
    calls: int | None = None
    elements: int | None = None
    bytes: int | None = None
    first_epoch_only: bool = False
    free_epoch_s: float = math.nan
    of_lock: float = math.nan
    queued_s: float = 0.0
    note: str = ""
    inner: bool = False

    @property
    def cost_s(self) -> float:
        """Its CPU seconds, or by the clock where these were not measured; 0 behind a cache."""
        if self.first_epoch_only:
            return 0.0
        return self.cpu_s if math.isfinite(self.cpu_s) else self.wall_s


@dataclass(frozen=True)
class Stages:
    """The stages of a feed, from its source on.

    Attributes:
        stages: in their order.
        batches: of what was read.
        remarks: sentences that a reader of the table should know.
        graph: of tf.data as it ran; without nodes for all else.
        datasets: the tf.data.Datasets of the stages, in their order; () for all else.
    """

    stages: tuple[Stage, ...]
    batches: int
    remarks: tuple[str, ...] = ()
    graph: Graph = field(default_factory=Graph)
    datasets: tuple[Any, ...] = ()

    @property
    def outer(self) -> list[Stage]:
        """The stages that are no part of another."""
        return [stage for stage in self.stages if not stage.inner]

    def share(self, stage: Stage) -> float:
        """Returns a stage's share of the cost of all, 0 to 1; NaN where it was not measured."""
        total = sum(each.cost_s for each in self.outer if math.isfinite(each.cost_s))
        if stage.inner:  # told by the clock, as a part of the one stage that there is
            return stage.wall_s / self.outer[0].wall_s
        return stage.cost_s / total if total > 0 else math.nan

    @property
    def costliest(self) -> Stage | None:
        """The stage that costs most in every epoch."""
        known = [stage for stage in self.outer if math.isfinite(stage.cost_s)]
        return max(known, key=lambda stage: stage.cost_s, default=None)

    def with_free_epochs(self, seconds: Sequence[float]) -> "Stages":
        """Returns them with what an epoch would take were each of them free."""
        return replace(
            self,
            stages=tuple(replace(stage, free_epoch_s=each) for stage, each in zip(self.stages, seconds, strict=True)),
        )

    @property
    def table(self) -> pd.DataFrame:
        """One row per stage: stage, where, CPU and wall ms per batch, share, calls, elements, MB, epoch if free."""
        batches = max(self.batches, 1)
        rows = [
            {
                "stage": "  " * stage.inner + stage.name + " (first epoch only)" * stage.first_epoch_only,
                "where": stage.where,
                "CPU ms/batch": 1e3 * stage.cpu_s / batches,
                "wall ms/batch": 1e3 * stage.wall_s / batches,
                "share": self.share(stage),
                "calls": stage.calls,
                "elements": stage.elements,
                "MB": None if stage.bytes is None else stage.bytes / 1e6,
                "epoch if free, s": stage.free_epoch_s,
                "lock": stage.of_lock,
                "note": stage.note,
            }
            for stage in self.stages
        ]
        table = pd.DataFrame(rows)
        return table.drop(columns=[name for name in table if table[name].isna().all() or (table[name] == "").all()])

    def __str__(self):
        told = [self.table.round(3).to_string(index=False, na_rep="")] if self.stages else []
        return "\n".join([*told, *self.remarks])

    def to_html(self) -> str:
        """Returns the table and the remarks, as a part of a page."""
        table = self.table.round(3).to_html(index=False, na_rep="") if self.stages else ""
        return table + "".join(f"<p>{escape(remark)}</p>" for remark in self.remarks)

    def _repr_html_(self):
        return self.to_html()


def disagreement(what: str, first: tuple[str, float], second: tuple[str, float]) -> list[str]:
    """Returns a remark where two ways of measuring the same disagree by over 20%.

    Args:
        what: was measured.
        first: how, and the figure.
        second: likewise.
    """
    if not (first[1] > 0 and second[1] > 0) or abs(math.log(first[1] / second[1])) <= math.log1p(DISAGREE):
        return []
    return [
        f"Two ways of measuring {what} disagree: {1e3 * first[1]:.0f} ms by {first[0]}, "
        f"{1e3 * second[1]:.0f} ms by {second[0]}."
    ]
