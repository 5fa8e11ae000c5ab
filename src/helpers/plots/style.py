"""The one style of the kit's pictures, and how they are shown with their text alternative."""

import io
from contextlib import contextmanager

# Okabe and Ito's colours, which the colour-blind tell apart; ordered so that neighbours differ in grey too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
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
    "figure.constrained_layout.use": True,
}
WIDTH = 8.0  # inches


@contextmanager
def styled(rows=1, columns=1, *, height, width=WIDTH, **options):
    """Gives (figure, axes) in the kit's style; `height` and `width` in inches."""
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        yield plt.subplots(rows, columns, figsize=(width, height), **options)


def show(figure, *, alt: str | None = None) -> None:
    """Displays a figure with its text alternative, once, and closes it.

    Args:
        figure: from `helpers.plots`, or any other.
        alt: what it shows, for those who cannot see it; None: the figure's own label.
    """
    from IPython.display import Image, display

    text = alt or str(figure.get_label())
    # Made here, not by the notebook's backend, which a kernel started with MPLBACKEND=agg has not.
    display(Image(data=png(figure), format="png", alt=text))


def png(figure) -> bytes:
    """Returns a figure as a PNG file, and closes it."""
    import matplotlib.pyplot as plt

    picture = io.BytesIO()
    figure.savefig(picture, format="png", bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    return picture.getvalue()


def look(name: str, among=()) -> dict:
    """Returns colour, marker and hatch of a builder or label: the same in every picture for the kit's own."""
    order = [*KNOWN, *(one for one in dict.fromkeys(among) if one not in KNOWN)]
    place = order.index(name) if name in order else len(order)
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "hatch": HATCHES[place % len(HATCHES)],
    }
