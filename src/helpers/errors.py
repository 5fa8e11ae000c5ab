"""The errors that a user's input causes."""


class StudyError(ValueError):
    """What a user gave cannot be used: the message is one line that names the rule, what it got and the remedy."""


class NothingToShow(StudyError):
    """A table holds nothing of what a picture shows."""
