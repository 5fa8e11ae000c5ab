"""How a report looks: the graph as a picture, findings as cards with the offending data, one self-contained page."""

import base64
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import escape

from helpers import files
from helpers.doctor.findings import Finding
from helpers.doctor.stages import Stage, Stages

WIDTH, LEAST_WIDTH, GAP, HEIGHT = 760, 74, 16, 66  # of the picture's boxes, in pixels
LETTER = 6.2  # pixels of a letter
SIDE = 72  # pixels of an example's picture
MOST_NUMBERS = 6  # of an example that is no picture
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Box:
    """A stage in the picture; lengths in pixels, `lines` its texts, `share` of the cost, 0 to 1."""

    x: float
    width: float
    lines: tuple[str, ...]
    share: float
    is_bottleneck: bool
    is_kept: bool
    waits: bool

    @property
    def colour(self) -> str:
        """The fill: the redder, the larger the share."""
        if self.is_kept:
            return "#e8f1e4"
        return "#ffffff" if math.isnan(self.share) else f"hsl(14, 90%, {97 - 32 * self.share:.0f}%)"


@dataclass(frozen=True)
class Drawing:
    """The stages from left to right, and what the picture says in words."""

    boxes: tuple[Box, ...]
    width: float
    height: float
    said: str


@dataclass(frozen=True)
class Card:
    """A finding with its examples: (number, the source of its picture or "", its numbers as text)."""

    finding: Finding
    told: str
    examples: tuple[tuple[int, str, str], ...]


def report(**values: Any) -> str:
    """Returns a report as HTML.

    Args:
        **values: what its template names.
    """
    return files.filled(TEMPLATES / "report.html", **values)


def write_page(path: Path, body: str) -> None:
    """Writes a page that needs no other file, whole or not at all.

    Args:
        path: of the page.
        body: HTML.

    Raises:
        StudyError: where it cannot be written.
    """
    title = f"Examination: {path.stem}"
    page = files.page(f"<main>\n<h1>{escape(title)}</h1>\n{body}\n</main>", title=title)
    files.write_whole(path, lambda place: place.write_text(page, encoding="utf-8"))


def short(where: str) -> str:
    """Returns "file:line" without the folder.

    Args:
        where: with it.
    """
    return where.rpartition("/")[2]


def drawing(stages: Stages | None) -> Drawing | None:
    """Lays the stages out from left to right, each as wide as its share of the cost; None without a stage.

    Args:
        stages: of a feed.
    """
    if stages is None or not stages.outer:
        return None
    shown = list(stages.outer)
    shares = [share if math.isfinite(share := stages.share(stage)) else 0.0 for stage in shown]
    texts = [_lines(stage, share, stages.batches) for stage, share in zip(shown, shares, strict=True)]
    widths = [
        max(LEAST_WIDTH, LETTER * max(map(len, lines)) + 12, WIDTH * share)
        for lines, share in zip(texts, shares, strict=True)
    ]
    starts = [1 + sum(widths[:number]) + number * GAP for number in range(len(widths))]
    boxes = tuple(
        Box(
            start,
            width,
            lines,
            share,
            stage is stages.costliest,
            stage.first_epoch_only,
            bool(stage.note),
        )
        for start, width, lines, share, stage in zip(starts, widths, texts, shares, shown, strict=True)
    )
    said = ", ".join(f"{stage.name} {share:.0%}" for stage, share in zip(shown, shares, strict=True))
    return Drawing(boxes, starts[-1] + widths[-1] + 1, HEIGHT, f"Stages from source to end, share of the cost: {said}")


def _lines(stage: Stage, share: float, batches: int):
    name, _, function = stage.name.partition(" ")
    cost = f"{1e3 * stage.cost_s / max(batches, 1):.2g} ms per batch" if math.isfinite(stage.cost_s) else ""
    if stage.first_epoch_only:
        cost = "first epoch only"
    calls = f", {stage.calls} calls" if stage.calls and stage.calls > 1 else ""
    where = f" {short(stage.where)}" if stage.where else ""
    return tuple(line for line in (name + calls, (function + where).strip(), f"{share:.0%} {cost}".strip()) if line)


def cards(report: Any) -> list[Card]:
    """Returns the findings with their examples as pictures, or as numbers.

    Args:
        report: a `Report`.
    """
    return [_card(finding, report) for finding in report.findings]


def _card(finding, report):
    remedy = report.remedies.get(finding.fault)
    applied = "" if remedy is None else f"verify() can apply: {remedy.told}"
    changes = f", which changes {remedy.changes}" if remedy is not None and remedy.changes else ""
    shown = [(number, _picture(value), _numbers(value)) for number, value in finding.examples if value is not None]
    return Card(finding, applied + changes, tuple(shown))


def _picture(value):
    """Returns an image as a PNG in a data URI; "" for what is none."""
    from PIL import Image

    value = np.asarray(value)
    if value.ndim != 3 or value.shape[-1] not in (1, 3) or min(value.shape[:2]) < 4 or value.dtype.kind not in "biuf":
        return ""
    low, high = float(np.nanmin(value)), float(np.nanmax(value))
    low, high = (0.0, 255.0) if 1.5 < high <= 255 and low >= 0 else (min(low, 0.0), max(high, 1e-9))
    pixels = np.uint8(255 * np.clip((value.astype(float) - low) / (high - low), 0, 1)).squeeze()
    image = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    image.save(content := io.BytesIO(), "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def _numbers(value):
    flat = np.asarray(value).ravel()
    told = ", ".join(f"{each:.4g}" if isinstance(each, np.floating) else str(each) for each in flat[:MOST_NUMBERS])
    return f"[{told}{', …' if len(flat) > MOST_NUMBERS else ''}]"
