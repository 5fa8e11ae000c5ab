"""Do pipelines disturb each other in one process? The same comparison in one process and in a process each.

`python benchmarks/isolation.py` prints both ratios with their intervals, and whether they agree.
"""

import argparse

from helpers import comparison
from helpers.pipelines import read_specs
from helpers.tasks import Task
from helpers.timing import isolation


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transform", default="noise")
    parser.add_argument("--examples", type=int, default=2000)
    parser.add_argument("--budget-s", type=float, default=60)
    arguments = parser.parse_args()
    task = Task(transform=arguments.transform, examples=arguments.examples)
    specs = read_specs({"py_dataset": {}, "tf_data": {}})
    settings = {"reference": "py_dataset", "budget_s": arguments.budget_s}
    together = comparison.compare({label: spec.build(task) for label, spec in specs.items()}, **settings).ratio(
        "tf_data"
    )
    with isolation.started(task, specs) as started:
        apart = comparison.compare(started, **settings).ratio("tf_data")
        memory = {label: isolated.memory() for label, isolated in started.items()}
    print(f"time of tf_data / time of py_dataset, {arguments.transform}, {arguments.examples} images, batch 32")
    print(f"  in one process       {together}")
    print(f"  a process each       {apart}")
    differ = together.high < apart.low or apart.high < together.low
    print(f"  isolation changes the ratio by {apart.ratio / together.ratio - 1:+.1%}; intervals overlap: {not differ}")
    for label, used in memory.items():
        print(f"  {label}: {used['pipeline'] / 1e6:,.0f} MB of its own, {used['tree'] / 1e6:,.0f} MB with its process")


if __name__ == "__main__":
    main()
