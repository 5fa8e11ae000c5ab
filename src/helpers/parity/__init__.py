"""Proves that pipelines deliver the same work, or says in what they differ."""

from helpers.parity.report import ASPECTS, Report, check

__all__ = [
    "ASPECTS",
    "Report",
    "check",
]
