"""Proves that pipelines deliver the same work, or says in what they differ."""

from helpers.parity.pairwise import compare as compare
from helpers.parity.report import ASPECTS as ASPECTS, Report as Report, check as check
