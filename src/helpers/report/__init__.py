"""The report of a run: its verdicts, and one self-contained HTML page."""

from helpers.report.changes import (
    print_changes as print_changes,
    tell as tell,
)
from helpers.report.page import (
    NOTEBOOK as NOTEBOOK,
    REPORT as REPORT,
    to_html as to_html,
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
    print_verdicts as print_verdicts,
)
