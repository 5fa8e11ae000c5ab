"""The errors that a user's input causes, and how an error is told in one line."""


class StudyError(ValueError):
    """What a user gave cannot be used: the message is one line that names the rule, what it got and the remedy."""

    def __init__(self, message: str):
        super().__init__(" ".join(message.splitlines()))  # what it quotes may have several


class NotPrepared(StudyError):
    """The data is not there yet, and can be prepared."""


class NothingToShow(StudyError):
    """A table holds nothing of what a picture shows."""


def first_line(error: BaseException | str, most: int = 160) -> str:
    """Returns the first line of what an error says, cut to `most` characters; its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0][:most] if lines else type(error).__name__
