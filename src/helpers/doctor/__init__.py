"""Why is mine slow, and is it right? A user's own feed and model, examined."""

from typing import Any

from helpers.doctor.examination import examine as examine
from helpers.doctor.findings import FAULTS as FAULTS, Finding as Finding
from helpers.doctor.headspace import Headspace as Headspace, headspace as headspace
from helpers.doctor.report import Report as Report
from helpers.doctor.verification import Verification as Verification


def __getattr__(name: str) -> Any:
    """Offers `Watch`, which needs Keras, once it is asked for."""
    if name == "Watch":
        from helpers.doctor.watch import Watch

        return Watch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
