"""Slices a results table by dataset, transform, batch size and pipeline: by parameters, or by widgets."""

import base64
import html

import pandas as pd

from helpers.errors import StudyError

ALL = "all"
CONTROLS = {
    "dataset": "dataset_label",
    "transform": "transform",
    "batch_size": "batch_size",
    "pipeline": "pipeline",
}


def slice_of(results: pd.DataFrame, *, dataset: str = "", transform: str = "", batch_size: int = 0, pipeline: str = ""):
    """Returns the rows that the controls choose; an empty text, 0 or "all" chooses everything.

    Args:
        results: rows of one machine.
        dataset: label of the data, as the table has it, or its short name.
        transform: a name of helpers.transforms.
        batch_size: examples a batch.
        pipeline: label; it is shown with its cell's reference.

    Raises:
        StudyError: where a value is not in the table.
    """
    chosen = results
    for name, value in (("dataset", dataset), ("transform", transform), ("batch_size", batch_size)):
        if value in ("", 0, ALL):
            continue
        column = CONTROLS[name]
        rows = results[column] == value
        if name == "dataset":
            rows |= results["dataset"] == value
        if not rows.any():
            raise StudyError(f"{name} must be one of {_listed(results, column)} (got {value!r})")
        chosen = chosen[rows.reindex(chosen.index)]
    if pipeline not in ("", ALL):
        if pipeline not in set(results["pipeline"]):
            raise StudyError(f"pipeline must be one of {_listed(results, 'pipeline')} (got {pipeline!r})")
        chosen = chosen[chosen["pipeline"].isin([pipeline]) | (chosen["pipeline"] == chosen["reference"])]
    return chosen


def picture(results: pd.DataFrame, **controls):
    """Draws the ratios of a slice; returns None where the slice holds no two pipelines of the same work."""
    from helpers import plots

    try:
        return plots.ratios(slice_of(results, **controls))
    except StudyError as error:
        if "got none" in str(error):
            return None
        raise


def explore(results: pd.DataFrame, **start):
    """Returns a widget: a control each for dataset, transform, batch size and pipeline, and the picture below.

    Args:
        results: rows of one machine.
        **start: where the controls stand at first, as for `slice_of`.
    """
    import ipywidgets

    from helpers.plots import style

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
        text = html.escape(str(figure.get_label()))
        data = base64.b64encode(style.png(figure)).decode()
        screen.value = f'<img alt="{text}" src="data:image/png;base64,{data}">'

    for control in controls.values():
        control.observe(draw, names="value")
    draw()
    return ipywidgets.VBox([ipywidgets.HBox(list(controls.values())), screen])


def _start(results, name, value):
    if value in (None, "", 0, ALL):
        return ALL
    chosen = slice_of(results, **{name: value})
    return value if name == "pipeline" else chosen[CONTROLS[name]].iloc[0]


def _listed(results, column):
    return ", ".join(map(str, sorted(results[column].unique())))
