"""The published claims: read from `data/claims.yml`, checked, and judged on a table of results."""

from helpers.claims.file import VERDICTS, Claim, Rule, combine, decide, judge, load, wanted_evidence

__all__ = [
    "VERDICTS",
    "Claim",
    "Rule",
    "combine",
    "decide",
    "judge",
    "load",
    "wanted_evidence",
]
