"""How often is the doctor right? Faults that were planted, their healthy twins, and healthy feeds that look suspicious.

Prints for each fault whether it was named, and for each healthy feed what was said of it, then the sums: named, missed,
abstained (a fault that was not looked for, and said so), false alarms. The cases were written with the rules: they show
that the rules do what they say, not how they do on feeds that nobody has seen.
"""

import argparse
import collections

from doctor_cases import HEALTHY, PLANTED, Data

from helpers import doctor


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", type=int, default=256)
    parser.add_argument("--budget-s", type=float, default=4.0)
    parser.add_argument("--kind", choices=["speed", "content", "controls"], help="only a part of the cases")
    parser.add_argument("--only", default="", help="of faults whose name holds this")
    arguments = parser.parse_args()
    counts, alarms = collections.Counter(), collections.Counter()

    def examined(feed, given):
        data = Data(arguments.seed, arguments.examples)
        return doctor.examine(feed(data), budget_s=arguments.budget_s, **given(data))

    def healthy(name, feed, given, ignored=()):
        report = examined(feed, given)
        said = [finding.fault for finding in report.findings]
        counts["healthy"] += 1
        counts["false alarms"] += bool(said)
        alarms.update(said)
        if said:
            print(f"  FALSE ALARM {name}: {'; '.join(map(str, report.findings))}", flush=True)

    for planted in PLANTED:
        if arguments.only not in planted.fault or arguments.kind not in (None, doctor.FAULTS[planted.fault][0]):
            continue
        report = examined(planted.sick, planted.given)
        faults = [finding.fault for finding in report.findings]
        named = planted.fault in faults
        came_out = "named" if named else "abstained" if planted.fault in report.not_looked_at else "missed"
        counts[came_out] += 1
        others = [fault for fault in faults if fault != planted.fault]
        remarks = [remark.partition(" ")[0] for remark in report.remarks]
        said = f"{planted.fault} ({planted.shape}); also {others}; remarks {remarks}"
        print(f"{came_out:10}{said}", flush=True)
        healthy(f"twin of {planted.fault} ({planted.shape})", planted.healthy, planted.given_healthy or planted.given)
    for control in HEALTHY if not arguments.only and arguments.kind in (None, "controls") else ():
        healthy(control.why, control.feed, control.given)
    looked_for = counts["named"] + counts["missed"]
    print(
        f"\n{counts['named']} of {looked_for} faults named, {counts['missed']} missed, {counts['abstained']} not looked"
        f" for; false alarms on {counts['false alarms']} of {counts['healthy']} healthy feeds {dict(alarms)}"
    )


if __name__ == "__main__":
    main()
