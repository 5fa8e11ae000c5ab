"""Checks of arguments, said once; each raises a StudyError that names the rule, what it got and the remedy."""

import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from helpers.errors import StudyError

Value = TypeVar("Value")


def shown(value: object) -> str:
    """Returns a value as it was given, in one short line."""
    told = repr(value)
    return told if len(told) <= 80 else f"{told[:80]}…"


def plain_yaml(text: str, *, loader: Any = None) -> Any:
    """Returns what YAML says, of the plain types only.

    Args:
        text: the YAML.
        loader: a subclass of PyYAML's SafeLoader, or None for that itself.

    Raises:
        ValueError: with one line, where it is no YAML.
    """
    import yaml

    try:
        return yaml.load(text, loader or yaml.SafeLoader)
    except StudyError:
        raise
    except Exception as error:  # PyYAML's constructors raise what they meet: a KeyError of "!!bool x"
        raise ValueError(" ".join(str(error).split())[:200]) from None


def few(names: Sequence[str], most: int = 3) -> str:
    """Returns some names in one line: the first ones, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def whole(name: str, value: object, *, least: int = 0, most: int | None = None) -> None:
    """Raises StudyError unless `value` is a whole number >= `least` and <= `most`; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < least:
        raise StudyError(f"{name} must be a whole number >= {least} (got {shown(value)})")
    if most is not None and int(value) > most:
        raise StudyError(f"{name} must be a whole number <= {most} (got {shown(value)})")


def between(name: str, value: object, low: float, high: float, *, remedy: str = "") -> None:
    """Raises StudyError unless `value` is a number above `low` and below `high`."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not low < value < high:  # type: ignore[operator]  # Real has no order with float for mypy
        rule = f"above {low:g}" + (f" and below {high:g}" if math.isfinite(high) else "")
        raise StudyError(f"{name} must be {rule} (got {shown(value)})" + (f"; {remedy}" if remedy else ""))


def share(name: str, value: object, *, remedy: str = "") -> None:
    """Raises StudyError unless `value` is a number above 0 and below 1."""
    between(name, value, 0, 1, remedy=remedy)


def one_of(name: str, value: Value, choices: Iterable[Value], *, remedy: str = "") -> None:
    """Raises StudyError unless `value` is one of `choices`, and of the same type: 1 is not True."""
    listed = list(choices)
    if not any(type(value) is type(choice) and value == choice for choice in listed):
        named = ", ".join(str(choice) if isinstance(choice, str) else repr(choice) for choice in listed)
        raise StudyError(f"{name} must be one of {named} (got {shown(value)})" + (f"; {remedy}" if remedy else ""))


def known(what: str, keys: Iterable[str], choices: Iterable[str]) -> None:
    """Raises StudyError for the first of `keys` that is none of `choices`; `what` comes before its name."""
    listed = sorted(choices)
    for key in keys:
        if key not in listed:
            raise StudyError(f"{what} {key!r}; it may have {', '.join(listed)}")


def image_size(value: object) -> tuple[int, int] | None:
    """Returns (height, width) as whole numbers >= 1, or None for None.

    Raises:
        StudyError: for anything else.
    """
    if value is None:
        return None
    sides = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else []
    if len(sides) != 2:
        raise StudyError(f"image_size must be (height, width) in pixels (got {shown(value)})")
    for side in sides:
        whole("image_size", side, least=1)
    return int(sides[0]), int(sides[1])
