"""What can be said of a claim."""

from enum import StrEnum


class Judgement(StrEnum):
    """What a rule, or all rules of a claim together, say of it."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    DEPENDS = "depends"
    UNDECIDED = "undecided yet"
    NOT_TESTABLE = "not testable"
