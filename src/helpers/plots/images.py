"""Pictures of the images themselves."""

import math
from collections.abc import Iterable

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from helpers.errors import StudyError
from helpers.plots.style import WIDTH, styled


def augmented(images: ArrayLike, titles: Iterable[object] | None = None, *, columns: int = 8) -> Figure:
    """Draws a grid of pictures, such as one image augmented many times.

    Args:
        images: (n, height, width, 1 or 3), uint8 0 to 255 or float 0 to 1; values outside are clipped.
        titles: n texts; None: none.
        columns: pictures per row.

    Raises:
        StudyError: where these are no images, or the titles are not as many.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise StudyError(f"images must have shape (n, height, width, 1 or 3) (got {images.shape})")
    texts = [""] * len(images) if titles is None else [str(title) for title in titles]
    if len(texts) != len(images):
        raise StudyError(f"each image needs one title (got {len(texts)} for {len(images)})")
    pictures = images / 255 if images.dtype == np.uint8 else np.clip(images, 0, 1)
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    height = (1.25 if any(texts) else 1.0) * rows * WIDTH / columns
    with styled(rows, columns, height=height, squeeze=False) as (figure, grid):
        for axes in grid.ravel():
            axes.set_axis_off()
        for axes, picture, title in zip(grid.ravel(), pictures, texts, strict=False):
            grey = picture.shape[-1] == 1
            axes.imshow(picture[..., 0] if grey else picture, cmap="gray" if grey else None, vmin=0, vmax=1)
            if any(texts):
                axes.set_title(title, fontsize=9, loc="center")
        named = f": {', '.join(texts)}" if any(texts) else ""
        figure.set_label(f"{len(images)} pictures of {images.shape[2]} x {images.shape[1]} pixels{named}")
        return figure
