"""What an examination found, and how it shows itself: as text, in a notebook, as a page, as plain values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.doctor import face, verification
from helpers.doctor.case import Case
from helpers.doctor.findings import NO_RULE, SPEED, Finding
from helpers.doctor.headspace import Headspace
from helpers.doctor.remedies import Remedy
from helpers.doctor.stages import Stages
from helpers.errors import StudyError


@dataclass(frozen=True)
class Report:
    """What an examination found.

    Attributes:
        headspace: what the input takes of an epoch; None where the feed could not be trained on.
        stages: what each stage costs.
        findings: faults, those of content first, then by what they cost.
        remarks: faults of speed that cost less than the headspace's interval, and what else a reader should know.
        not_looked_at: fault -> what to give, so that it can be looked for.
        remedies: what the doctor can apply by itself, by the names of the faults.
        case: all that was read; None where the feed could not be.
    """

    headspace: Headspace | None
    stages: Stages | None
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...]
    not_looked_at: dict[str, str]
    remedies: Mapping[str, Remedy] = field(default_factory=dict, repr=False)
    case: Case | None = field(default=None, repr=False)

    @property
    def costliest(self) -> Finding | None:
        """The finding of speed whose remedy gains most; None without one."""
        of_speed = [finding for finding in self.findings if finding.kind == SPEED and finding.gain > 1]
        return max(of_speed, key=lambda finding: finding.gain, default=None)

    @property
    def sentence(self) -> str:
        """The main point."""
        wrong = len([finding for finding in self.findings if finding.kind != SPEED])
        data = "" if not wrong else f" The data has {wrong} fault{'s' * (wrong > 1)}."
        if self.headspace is None:
            return "The feed could not be read." + data * bool(wrong > 1)
        told = f"The input takes {self.headspace.share.value:.0%} of an epoch"
        bottleneck = self.stages.costliest if self.stages else None
        if not self.headspace.matters or bottleneck is None:
            return f"{told}: no faster input would gain a notable part.{data}"
        where = f" at {face.short(bottleneck.where)}" if bottleneck.where else ""
        told += f"; {bottleneck.name}{where} is the bottleneck"
        if self.costliest is None:
            return f"{told}; no input at all would be {self.headspace.at_most.value:.1f} times as fast.{data}"
        low, high = self.costliest.gain_interval
        done = self.remedies.get(self.costliest.fault)
        what = done.told if done else f"mending {self.costliest.fault}"
        return f"{told}; {what} gains {self.costliest.gain:.1f} times ({low:.1f} to {high:.1f}), predicted.{data}"

    def verify(self, *, change_data: bool = False, budget_s: float = 30.0) -> verification.Verification:
        """Makes the remedied feeds, proves that they deliver the same, and measures what they gain.

        Each reading counts as an epoch of the feed. The model is left as it was.

        Args:
            change_data: whether such remedies are tried, too, as change the data, like another order.
            budget_s: seconds of timing, about.

        Raises:
            StudyError: where the feed could not be read.
        """
        if self.case is None:
            raise StudyError("a feed must be readable to be remedied (got one that is not); mend that first")
        return verification.verify(self.case, self.remedies.values(), change_data=change_data, budget_s=budget_s)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values, as for JSON."""
        share = self.headspace.share if self.headspace else None
        most = self.headspace.at_most if self.headspace else None
        return {
            "sentence": self.sentence,
            "share": [share.value, share.low, share.high] if share else None,
            "at_most": [most.value, most.low, most.high] if most else None,
            "stages": [] if self.stages is None else _plain(self.stages.table.to_dict(orient="records")),
            "findings": [finding.to_dict() for finding in self.findings],
            "remarks": list(self.remarks),
            "not_looked_at": self.not_looked_at,
        }

    @property
    def not_looked_for(self) -> list[str]:
        """What could not be looked for, and what to give; sentences."""
        told = []
        for what in sorted(set(self.not_looked_at.values()) - {NO_RULE}):
            faults = [fault for fault, needed in self.not_looked_at.items() if needed == what]
            told.append(f"Not looked for without {what}: {', '.join(sorted(faults))}.")
        none = [fault for fault, what in self.not_looked_at.items() if what == NO_RULE]
        return [*told, f"No rule yet: {', '.join(none)}."] if none else told

    def __str__(self):
        told = [self.sentence, *([f"Headspace: {self.headspace}"] if self.headspace else [])]
        told += [str(self.stages)] if self.stages and self.stages.stages else []
        told += [f"Finding: {finding}" for finding in self.findings] or ["No fault was found."]
        told += [f"Remark: {remark}" for remark in self.remarks]
        return "\n".join([*told, *self.not_looked_for])

    def to_html(self) -> str:
        """Returns all of it, as a part of a page: the sentence, the graph, the findings as cards, the table."""
        return face.report(report=self, drawing=face.drawing(self.stages), cards=face.cards(self))

    def write(self, path: Path) -> None:
        """Writes a page that needs no other file.

        Args:
            path: of the page.

        Raises:
            StudyError: where it cannot be written.
        """
        face.write_page(path, self.to_html())

    def _repr_html_(self):
        return self.to_html()


def _plain(rows):
    return [
        {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
        for row in rows
    ]
