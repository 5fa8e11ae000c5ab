"""Evidence for claims that are a matter of experience rather than of time: counted or tried here and now."""

from helpers.claims.evidence.collection import (
    APART,
    Evidence,
    collect,
    interpreter_jit,
    kept_for,
    knob_count,
    names,
    normalisation,
    timed,
    try_all,
)

__all__ = [
    "APART",
    "Evidence",
    "collect",
    "interpreter_jit",
    "kept_for",
    "knob_count",
    "names",
    "normalisation",
    "timed",
    "try_all",
]
