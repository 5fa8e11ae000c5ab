"""How often is the doctor right? Faults that were planted, their healthy twins, and healthy feeds that look suspicious.

Prints for each fault whether it was named, and for each healthy feed what was said of it, then the sums: named, missed,
abstained (a fault that was not looked for, and said so), false alarms. Two halves: the cases of `doctor_cases` were
written with the rules, and the rules were tuned on them; those of `doctor_untouched_cases` were written after the
rules, from what people report in public, and nothing was tuned on them. With `--predicted`, remedies are applied: the
predicted gain beside the measured one, and |log(predicted / measured)| over those that were measured within ±5%.
"""

import argparse
import collections
import math

import doctor_cases
import doctor_untouched_cases
import numpy as np

from helpers import doctor

HALVES = {"tuned": doctor_cases, "untouched": doctor_untouched_cases}
PRECISE = 0.05


class Score:
    """What came out so far."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.counts, self.alarms = collections.Counter(), collections.Counter()
        self.errors = []

    def examined(self, feed, given):
        data = doctor_cases.Data(self.arguments.seed, self.arguments.examples)
        return doctor.examine(feed(data), budget_s=self.arguments.budget_s, **given(data))

    def healthy(self, name, feed, given):
        report = self.examined(feed, given)
        said = [finding.fault for finding in report.findings]
        self.counts["healthy"] += 1
        self.counts["false alarms"] += bool(said)
        self.alarms.update(said)
        if said:
            print(f"  FALSE ALARM {name}: {'; '.join(map(str, report.findings))}", flush=True)

    def planted(self, case):
        report = self.examined(case.sick, case.given)
        faults = [finding.fault for finding in report.findings]
        named = case.fault in faults
        came_out = "named" if named else "abstained" if case.fault in report.not_looked_at else "missed"
        self.counts[came_out] += 1
        others = [fault for fault in faults if fault != case.fault]
        remarks = [remark.partition(" ")[0] for remark in report.remarks]
        print(f"{came_out:10}{case.fault} ({case.shape}); also {others}; remarks {remarks}", flush=True)
        if self.arguments.predicted and report.case is not None:
            self.gains(report)
        self.healthy(f"twin of {case.fault} ({case.shape})", case.healthy, case.given_healthy or case.given)

    def gains(self, report):
        """Applies what keeps the data, and notes how far the predictions were off."""
        for tried in report.verify(budget_s=self.arguments.verify_s).tried:
            if math.isnan(tried.error):
                continue
            gain = tried.gain
            precise = gain.high / gain.low <= (1 + PRECISE) ** 2
            self.errors += [(abs(tried.error), precise)]
            note = "" if precise else ", not within ±5%"
            print(f"  {tried.remedy.name}: predicted {tried.remedy.gain:.2f}, measured {gain}{note}", flush=True)

    def __str__(self):
        looked_for = self.counts["named"] + self.counts["missed"]
        told = [
            f"{self.counts['named']} of {looked_for} faults named, {self.counts['missed']} missed, "
            f"{self.counts['abstained']} not looked for; false alarms on {self.counts['false alarms']} of "
            f"{self.counts['healthy']} healthy feeds {dict(self.alarms)}"
        ]
        for which, errors in (
            ("measured within ±5%", [error for error, precise in self.errors if precise]),
            ("all that were measured", [error for error, _ in self.errors]),
        ):
            if errors:
                median, most = np.quantile(errors, [0.5, 0.9])
                told.append(
                    f"|log(predicted / measured)| of {len(errors)} gains, {which}: median {median:.2f}, "
                    f"nine of ten within {most:.2f}"
                )
        return "\n".join(told)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", type=int, default=256)
    parser.add_argument("--budget-s", type=float, default=4.0)
    parser.add_argument("--half", choices=[*HALVES, "both"], default="both")
    parser.add_argument("--kind", choices=["speed", "content", "controls"], help="only a part of the cases")
    parser.add_argument("--only", default="", help="of faults whose name holds this")
    parser.add_argument("--predicted", action="store_true", help="apply remedies, and measure what they gain")
    parser.add_argument("--verify-s", type=float, default=20.0, help="seconds of measuring each feed's remedies")
    arguments = parser.parse_args()
    for half, cases in HALVES.items():
        if arguments.half not in (half, "both"):
            continue
        print(f"The {half} half", flush=True)
        score = Score(arguments)
        for case in cases.PLANTED:
            if arguments.only in case.fault and arguments.kind in (None, doctor.FAULTS[case.fault][0]):
                score.planted(case)
        for control in cases.HEALTHY if not arguments.only and arguments.kind in (None, "controls") else ():
            score.healthy(control.why, control.feed, control.given)
        print(f"\n{score}\n", flush=True)


if __name__ == "__main__":
    main()
