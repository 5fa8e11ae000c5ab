"""The one error that a user's input causes, and what another error says in a line."""


class StudyError(ValueError):
    """What a user gave cannot be used: the message is one line that names the rule, what it got and the remedy."""


def first_line(error: BaseException | str, most: int = 160) -> str:
    """Returns the first line of what an error says, cut to `most` characters; its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0][:most] if lines else type(error).__name__
