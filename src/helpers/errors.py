"""The errors that a user's input causes, and how an error is told in one line."""


class StudyError(ValueError):
    """What a user gave cannot be used: the message is one line that names the rule, what it got and the remedy."""


class NotPrepared(StudyError):
    """The data is not there yet, and can be prepared."""


class NothingToShow(StudyError):
    """A table holds nothing of what a picture shows."""


def first_line(error: BaseException, *, most: int = 160) -> str:
    """Returns the first line of an error's text, or the name of its type where it has none.

    Args:
        error: the error.
        most: characters at most.
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0][:most]
