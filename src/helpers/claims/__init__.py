"""The published claims: read from `data/claims.yml`, checked, and judged on a table of results."""

from helpers.claims.file import Claim, Rule, combine, decide, judge, load, wanted_evidence
from helpers.claims.judgement import Judgement

__all__ = [
    "Claim",
    "Judgement",
    "Rule",
    "combine",
    "decide",
    "judge",
    "load",
    "wanted_evidence",
]
