"""How the command line's arguments read: paths, ports, shares, seconds, pipelines with their knobs."""

import math
import re
from pathlib import Path
from typing import Any

import click

from helpers import checks, paths
from helpers.errors import StudyError


class _Path(click.Path):
    """A path that can be: "" would be the current folder, and no name holds a NUL."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Returns the path."""
        if not str(value) or "\0" in str(value):
            self.fail(f"must be a path (got {str(value)!r})", param, ctx)
        paths.expanded(value)
        return super().convert(value, param, ctx)


PATH = _Path(path_type=Path)
PORT = click.IntRange(0, 65535)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def share(text: str) -> float:
    """Returns a share above 0 and below 1, of "0.03" or "3%"."""
    value = _number(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 < value < 1:
        raise click.BadParameter(f"must be above 0 and below 1, or above 0% and below 100% (got {text!r})")
    return value


def seconds(text: str) -> float:
    """Returns seconds above 0, of "60" or "60s"."""
    value = _number(text.removesuffix("s"))
    if not 0 < value < math.inf:
        raise click.BadParameter(f"must be above 0 seconds, as in 60s or 60 (got {text!r})")
    return value


def parse_pipelines(text: str) -> dict[str, dict[str, Any]]:
    """Returns label -> {"builder": name, **knobs} of "name,name:knob=value:knob=value".

    Raises:
        StudyError: where an entry does not read so, or comes twice.
    """
    specs: dict[str, dict[str, Any]] = {}
    for entry in map(str.strip, text.split(",")):
        name, *settings = re.split(r":(?!//|\d)", entry)  # not within grpc://host:port
        if entry in specs:
            raise StudyError(f"each pipeline may come once (got {entry!r} twice); give it another knob")
        specs[entry] = {"builder": name}
        for setting in settings:
            knob, equals, value = setting.partition("=")
            if not equals:
                raise StudyError(f"a knob must read name=value (got {setting!r}); as in tf_data:cache=memory")
            # YAML would read "none" as text and "true" as a switch, which is what the knobs take.
            try:
                specs[entry][knob] = checks.plain_yaml(value)
            except ValueError:
                raise StudyError(
                    f"a knob's value must be plain (got {setting!r}); as in tf_data:cache=memory"
                ) from None
    return specs
