"""How long a sweep still takes: the budgets of the cells that are left, and what the others took beyond theirs."""

import math
import time
from collections.abc import Callable, Iterable

from helpers.sweep.grid import Cell

AROUND_S = 10.0  # beside the rounds: a kernel, parity, the first batches; what the first cells are expected to take


class TimeLeft:
    """Foretells the end of a sweep, better with every cell that is done."""

    def __init__(self, cells: Iterable[Cell], *, clock: Callable[[], float] = time.monotonic):
        """Begins to count.

        Args:
            cells: that are to run.
            clock: seconds.
        """
        self._expected = {cell.id: cell.parameters["budget_s"] + AROUND_S for cell in cells}
        self._left, self._clock, self._start = dict(self._expected), clock, clock()

    def done(self, cell: Cell) -> None:
        """Notes that a cell has ended.

        Args:
            cell: one of those that were to run.
        """
        self._left.pop(cell.id, None)

    def seconds(self) -> float:
        """Returns the seconds that the cells which are left will take, as the others took."""
        finished = sum(self._expected.values()) - sum(self._left.values())
        pace = (self._clock() - self._start) / finished if finished else 1.0
        return pace * sum(self._left.values())

    def __str__(self):
        """In words."""
        minutes = math.ceil(self.seconds() / 60)
        return f"about {minutes} min left" if minutes > 1 else "about a minute left"
