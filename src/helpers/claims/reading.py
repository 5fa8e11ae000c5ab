"""The project's files of claims, questions and facts: YAML with one list, each entry with an id of its own."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from helpers.errors import StudyError


def content_of(path: Path, listed: str) -> dict[str, Any]:
    """Reads a file that holds a list.

    Args:
        path: the file.
        listed: the name of its list, in the plural, and of the project's own file.

    Returns:
        All that it holds; under `listed` a list with at least one entry.

    Raises:
        StudyError: where it is not there, is no YAML, or holds no such list.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(
            f"{listed} must be a file that can be read (got {path}: {error}); see data/{listed}.yml"
        ) from None
    except yaml.YAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if getattr(error, "problem_mark", None) else ""
        raise StudyError(f"{path.name}{line}: {listed} must be YAML ({getattr(error, 'problem', error)})") from None
    if not isinstance(content, dict) or not isinstance(content.get(listed), list) or not content[listed]:
        raise StudyError(
            f"{path.name}: it must hold a list named {listed} (got {type(content).__name__}); see its head"
        )
    return content


def require_own_ids(ids: Iterable[str], name: str, entry: str) -> None:
    """Checks that no two entries have the same id.

    Args:
        ids: of all entries.
        name: of the file.
        entry: what an entry is called.

    Raises:
        StudyError: where an id comes more than once.
    """
    (id_, times), *_ = Counter(ids).most_common(1)
    if times > 1:
        raise StudyError(f"{name}: every {entry} needs an id of its own (got {id_} twice)")
