"""Evidence for claims that are a matter of experience rather than of time: counted or tried here and now."""

from helpers.claims.evidence.collection import (
    APART as APART,
    Evidence as Evidence,
    collect as collect,
    interpreter_jit as interpreter_jit,
    kept_for as kept_for,
    names as names,
    timed as timed,
    try_all as try_all,
)
