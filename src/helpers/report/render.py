"""Fills the templates beside it, so that what a report shows is HTML with everything escaped."""

from pathlib import Path
from typing import Any

import jinja2

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def render(template: str, **values: Any) -> str:
    """Returns a template filled with values; what is not `markupsafe.Markup` is escaped.

    Args:
        template: name of a file in `templates/`.
        **values: what the template names.
    """
    return _TEMPLATES.get_template(template).render(values)
