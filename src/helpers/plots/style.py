"""The one style of the kit's pictures, and how they are shown with their text alternative."""

import io
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

# Okabe and Ito's colours, which the colour-blind tell apart; ordered so that neighbours differ in grey too. A dark
# purple stands for their yellow, which a thin line on white does not show.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#4B0055", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "ooo", "+++", "|||")
# Builders keep their look in every picture.
KNOWN = ("py_dataset", "tf_data", "image_data_generator", "tf_image_data_generator", "keras_layers")
STYLE = {
    "figure.dpi": 100,
    "savefig.dpi": 100,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.alpha": 0.3,
    "hatch.linewidth": 0.6,
    "text.parse_math": False,  # a label may hold dollars
    "figure.constrained_layout.use": True,
}
WIDTH = 8.0  # inches


@contextmanager
def styled(
    rows: int = 1, columns: int = 1, *, height: float, width: float = WIDTH, **options: Any
) -> Iterator[tuple[Figure, Any]]:
    """Gives (figure, axes) in the kit's style; `height` and `width` in inches."""
    with plt.rc_context(STYLE):
        yield plt.subplots(rows, columns, figsize=(width, height), **options)


def show(figure: Figure, *, alt: str | None = None) -> None:
    """Displays a figure with its text alternative, once, and closes it.

    Args:
        figure: from `helpers.plots`, or any other.
        alt: what it shows, for those who cannot see it; None: the figure's own label.
    """
    from IPython.display import Image, display

    # Made here, not by the notebook's backend, which a kernel started with MPLBACKEND=agg has not.
    display(Image(data=png(figure), format="png", alt=alt or str(figure.get_label())))


def png(figure: Figure, *, software: str | None = None) -> bytes:
    """Returns a figure as a PNG file, and closes it; its label, and the software where given, stand in the file."""
    picture = io.BytesIO()
    figure.savefig(
        picture,
        format="png",
        bbox_inches="tight",
        metadata={"Software": software, "Description": str(figure.get_label())},
    )
    plt.close(figure)
    return picture.getvalue()


def look(name: str, among: Iterable[str] = ()) -> dict[str, str]:
    """Returns colour, marker and hatch of a builder or label: the same in every picture for the kit's own."""
    order = list(dict.fromkeys([*KNOWN, *among, name]))
    turn, number = divmod(order.index(name), len(COLOURS))
    shape = (number + turn) % len(COLOURS)  # where colours come again, they come with another marker and hatch
    return {"color": COLOURS[number], "marker": MARKERS[shape], "hatch": HATCHES[shape]}


def ratio_axis(axis: Any, values: Iterable[float]) -> None:
    """Gives a figure's axis a logarithmic scale for ratios, wide enough for these values, with plain numbers on it.

    Args:
        axis: `axes.xaxis` or `axes.yaxis`.
        values: those drawn; infinite ones and NaN have no say.
    """
    low, high, shown = ratio_scale(values)
    axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": (low, high)})
    axis.set_ticks(shown, [f"{step:g}" for step in shown])
    axis.set_ticks([], minor=True)


def ratio_scale(values: Iterable[float]) -> tuple[float, float, list[float]]:
    """Returns (low end, high end, the numbers to write) of a logarithmic scale wide enough for these ratios.

    Args:
        values: those drawn; infinite ones and NaN have no say.
    """
    finite = [value for value in values if math.isfinite(value) and value > 0]
    low, high = min([*finite, 0.9]) / 1.06, max([*finite, 1.1]) * 1.06
    steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    if high / low < 30:
        steps = sorted({*steps, 0.3, 0.7, 1.5, 3, 7})
    if high / low < 4 * 1.06**2:
        steps = sorted({*steps, 0.4, 0.6, 0.8, 0.9, 1.1, 1.25, 1.75, 2.5})
    return low, high, [step for step in steps if low <= step <= high]
