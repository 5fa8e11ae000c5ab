"""The report of a run: its verdicts, and one self-contained HTML page."""

from helpers.report.page import NOTEBOOK, REPORT, to_html, verdict_table, write
from helpers.report.run import EVIDENCE, MACHINE, SIGNS, Run, find, judge, open_runs, print_verdicts

__all__ = [
    "EVIDENCE",
    "MACHINE",
    "NOTEBOOK",
    "REPORT",
    "SIGNS",
    "Run",
    "find",
    "judge",
    "open_runs",
    "print_verdicts",
    "to_html",
    "verdict_table",
    "write",
]
