"""The command `study taste`."""

from helpers.cli.commands import DONE, SOME_FAILED, study

BUDGET_S = 8.0
SEQUENCE, TF_DATA = "py_dataset", "tf_data:map=batch"


@study.command()
def taste() -> int:
    """Compare a Sequence with tf.data once, in half a minute: three lines."""
    from helpers import comparison, machine, parity, ratios
    from helpers.cli.arguments import parse_pipelines
    from helpers.machine import processes
    from helpers.pipelines import read_specs
    from helpers.tasks import Task

    print("Half a minute: noise on 1,000 images of 32x32x3, in batches of 32, through fit …", flush=True)
    task = Task(dataset="synthetic", transform="noise", batch_size=32, examples=1000)
    specs = read_specs(parse_pipelines(f"{SEQUENCE},{TF_DATA}"))
    with processes.without_libraries():
        feeds = {label: spec.build(task) for label, spec in specs.items()}
        proof = parity.check(task, feeds)
        compared = comparison.compare(feeds, budget_s=BUDGET_S, examples=1000) if proof.same else None
    if compared is None:
        print(f"No ranking: {proof.verdict}")
        return SOME_FAILED
    ratio = compared.ratio(TF_DATA)
    verdict = ratios.in_words(compared.verdict(TF_DATA), ratio.low, ratio.high)
    print(
        f"The same work, proved: tf.data with a map per batch takes {ratio.ratio:.2f} times ({ratio.low:.2f} to "
        f"{ratio.high:.2f}) as long as a Sequence: {verdict}."
    )
    print(f"On {machine.describe().summary()}. Next: make lab (why), make study (the published claims).")
    return DONE
