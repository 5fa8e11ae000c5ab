"""How often is the doctor right? Faults that were planted, their healthy twins, and healthy feeds that look suspicious.

Prints for each fault whether it was named, and for each healthy feed what was said of it, then the sums: named, missed,
abstained (a fault that was not looked for, and said so), false alarms. Two halves: the cases of `doctor_cases` were
written with the rules, and the rules were tuned on them; those of `doctor_untouched_cases` were written after the
rules, from what people report in public, and nothing was tuned on them. With `--predicted`, remedies are applied: the
predicted gain beside the measured one, and |log(predicted / measured)| over those that were measured within ±5%.
`--json FILE` keeps what came out of each case, so that all may be done in slices of `--limit-s` seconds.
"""

import argparse
import collections
import json
import math
import time
from pathlib import Path

import doctor_cases
import doctor_untouched_cases
import numpy as np

from helpers import doctor

HALVES = {"tuned": doctor_cases, "untouched": doctor_untouched_cases}
PRECISE = 0.05


def examined(feed, given, arguments):
    data = doctor_cases.Data(arguments.seed, arguments.examples)
    return doctor.examine(feed(data), budget_s=arguments.budget_s, **given(data))


def healthy(name, feed, given, arguments):
    """What is said of a healthy feed."""
    report = examined(feed, given, arguments)
    said = [finding.fault for finding in report.findings]
    if said:
        print(f"  FALSE ALARM {name}: {'; '.join(map(str, report.findings))}", flush=True)
    return said


def planted(case, arguments):
    """How a fault came out: named, missed or abstained; how far off predictions were; what is said of its twin."""
    report = examined(case.sick, case.given, arguments)
    faults = [finding.fault for finding in report.findings]
    abstained = "abstained" if case.fault in report.not_looked_at else "missed"
    came_out = "named" if case.fault in faults else abstained
    others = [fault for fault in faults if fault != case.fault]
    remarks = [remark.partition(" ")[0] for remark in report.remarks]
    print(f"{came_out:10}{case.fault} ({case.shape}); also {others}; remarks {remarks}", flush=True)
    errors = gains(report, arguments.verify_s) if arguments.predicted and report.case is not None else []
    twin = f"twin of {case.fault} ({case.shape})"
    said = healthy(twin, case.healthy, case.given_healthy or case.given, arguments)
    return {"came_out": came_out, "errors": errors, "said": said}


def gains(report, verify_s):
    """Applies what keeps the data; returns how far each prediction was off, and whether its gain is within ±5%."""
    errors = []
    for tried in report.verify(budget_s=verify_s).tried:
        if math.isnan(tried.error):
            continue
        precise = tried.gain.high / tried.gain.low <= (1 + PRECISE) ** 2
        errors.append((abs(tried.error), precise))
        note = "" if precise else ", not within ±5%"
        print(f"  {tried.remedy.name}: predicted {tried.remedy.gain:.2f}, measured {tried.gain}{note}", flush=True)
    return errors


def summary(outcomes):
    """The sums, in a few lines."""
    came_out = collections.Counter(outcome.get("came_out", "control") for outcome in outcomes)
    looked_for = came_out["named"] + came_out["missed"]
    alarms = [outcome["said"] for outcome in outcomes if outcome["said"]]
    faults = dict(collections.Counter(fault for said in alarms for fault in said))
    told = [
        f"{came_out['named']} of {looked_for} faults named, {came_out['missed']} missed, {came_out['abstained']} not "
        f"looked for; false alarms on {len(alarms)} of {len(outcomes)} healthy feeds {faults}"
    ]
    errors = [error for outcome in outcomes for error in outcome.get("errors", ())]
    for which, some in (
        ("measured within ±5%", [error for error, precise in errors if precise]),
        ("all that were measured", [error for error, _ in errors]),
    ):
        if some:
            median, most = np.quantile(some, [0.5, 0.9])
            told.append(
                f"|log(predicted / measured)| of {len(some)} gains, {which}: median {median:.2f}, "
                f"nine of ten within {most:.2f}"
            )
    return "\n".join(told)


def wanted(half, arguments):
    """Name -> a function that gives the outcome, of the cases that were asked for."""
    cases = HALVES[half]
    for number, case in enumerate(cases.PLANTED):
        if arguments.only in case.fault and arguments.kind in (None, doctor.FAULTS[case.fault][0]):
            yield f"{half} {number} {case.fault} ({case.shape})", lambda case=case: planted(case, arguments)
    if not arguments.only and arguments.kind in (None, "controls"):
        for number, control in enumerate(cases.HEALTHY):
            given = (control.why, control.feed, control.given, arguments)
            yield f"{half} control {number}", lambda given=given: {"said": healthy(*given)}


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
    parser.add_argument("--limit-s", type=float, default=math.inf, help="begin no case after that")
    parser.add_argument("--json", type=Path, help="keep outcomes here, and take those that are there")
    arguments = parser.parse_args()
    started = time.perf_counter()
    outcomes = json.loads(arguments.json.read_text()) if arguments.json and arguments.json.exists() else {}
    for half in HALVES if arguments.half == "both" else [arguments.half]:
        print(f"The {half} half", flush=True)
        cases = dict(wanted(half, arguments))
        for name, outcome in cases.items():
            if name not in outcomes and time.perf_counter() - started < arguments.limit_s:
                outcomes[name] = outcome()
                if arguments.json:
                    arguments.json.write_text(json.dumps(outcomes, indent=1))
        done = [outcomes[name] for name in cases if name in outcomes]
        left = f"; {len(cases) - len(done)} cases are left" if len(done) < len(cases) else ""
        print(f"\n{summary(done)}{left}\n", flush=True)


if __name__ == "__main__":
    main()
