"""Slices a results table by dataset, transform, batch size and pipeline: by parameters, or by widgets."""

import base64
from typing import Any

import ipywidgets
import pandas as pd
from markupsafe import escape
from matplotlib.figure import Figure

from helpers.errors import NothingToShow, StudyError
from helpers.plots.results import ratios
from helpers.plots.style import png

ALL = "all"
EVERYTHING = ("", 0, ALL)
CONTROLS = {
    "dataset": "dataset_label",
    "transform": "transform",
    "batch_size": "batch_size",
    "pipeline": "pipeline",
}


def slice_of(
    results: pd.DataFrame,
    *,
    dataset: str = "",
    transform: str = "",
    batch_size: int | str = 0,
    pipeline: str = "",
) -> pd.DataFrame:
    """Returns the rows that the controls choose; an empty text, 0 or "all" chooses everything.

    Args:
        results: rows of one machine.
        dataset: label of the data, as the table has it, or its short name.
        transform: a name of helpers.tasks.transforms.
        batch_size: examples per batch.
        pipeline: label; it is shown with its cell's reference.

    Raises:
        StudyError: where a value is not in the table.
    """
    chosen = pd.Series(True, index=results.index)
    controls = {"dataset": dataset, "transform": transform, "batch_size": batch_size, "pipeline": pipeline}
    for name, value in controls.items():
        if value not in EVERYTHING:
            rows = results[CONTROLS[name]] == value
            if name == "dataset":
                rows |= results["dataset"] == value
            if not rows.any():
                known = ", ".join(map(str, sorted(results[CONTROLS[name]].unique())))
                raise StudyError(f"{name} must be one of {known} (got {value!r})")
            if name == "pipeline":
                rows |= results["pipeline"] == results["reference"]
            chosen &= rows
    return results[chosen]


def picture(results: pd.DataFrame, **controls: Any) -> Figure | None:
    """Draws the ratios of a slice; returns None where the slice holds no two pipelines of the same work."""
    try:
        return ratios(slice_of(results, **controls))
    except NothingToShow:
        return None


def explore(results: pd.DataFrame, **start: Any) -> ipywidgets.VBox:
    """Returns a widget: controls for dataset, transform, batch size and pipeline, and the picture below.

    Args:
        results: rows of one machine.
        **start: where the controls stand at first, as for `slice_of`.
    """

    def options(column):
        values = sorted(results[column].unique())
        return [(ALL, ALL), *((str(value), value if isinstance(value, str) else int(value)) for value in values)]

    controls = {
        name: ipywidgets.Dropdown(
            description=name.replace("_", " "),
            options=options(column),
            value=_start(results, name, start.get(name)),
        )
        for name, column in CONTROLS.items()
    }
    # An HTML widget rather than an Output: it carries the text alternative, and no notebook runner waits for it.
    screen = ipywidgets.HTML()

    def draw(_=None):
        figure = picture(results, **{name: control.value for name, control in controls.items()})
        if figure is None:
            screen.value = "No two pipelines did the same work here: choose other values."
            return
        data = base64.b64encode(png(figure)).decode()
        screen.value = f'<img alt="{escape(figure.get_label())}" src="data:image/png;base64,{data}">'

    for control in controls.values():
        control.observe(draw, names="value")
    draw()
    return ipywidgets.VBox([ipywidgets.HBox(list(controls.values())), screen])


def _start(results, name, value):
    if value in (None, *EVERYTHING):
        return ALL
    chosen = slice_of(results, **{name: value})
    return value if name == "pipeline" else chosen[CONTROLS[name]].iloc[0]
