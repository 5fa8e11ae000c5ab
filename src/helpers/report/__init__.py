"""The report of a run: its verdicts, and one self-contained HTML page."""

from helpers.report.run import (
    EVIDENCE,
    MACHINE,
    NOTEBOOK,
    REPORT,
    SIGNS,
    Run,
    find,
    judge,
    open_runs,
    print_verdicts,
    to_html,
    verdict_table,
    write,
)

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
