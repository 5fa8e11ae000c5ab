"""The published claims: read from `data/claims.yml`, checked, and judged on a table of results."""

from helpers.claims.file import (
    Claim as Claim,
    Rule as Rule,
    combine as combine,
    decide as decide,
    judge as judge,
    load as load,
    wanted_evidence as wanted_evidence,
)
from helpers.claims.judgement import (
    Judgement as Judgement,
)
