"""The report of a run: its verdicts, and one self-contained HTML page."""

from helpers.report.changes import print_changes as print_changes
from helpers.report.page import (
    REPORT as REPORT,
    examine as examine,
    html as html,
    verdict_table as verdict_table,
    write as write,
)
from helpers.report.run import (
    EVIDENCE as EVIDENCE,
    MACHINE as MACHINE,
    SIGNS as SIGNS,
    Run as Run,
    find as find,
    judge as judge,
    open_runs as open_runs,
)
from helpers.report.telling import tell as tell
