"""The command `study report`: the first screen in ten lines, what changed to a second run, and the page of both."""

from pathlib import Path

from helpers.errors import StudyError
from helpers.machine import processes
from helpers.report import page
from helpers.report.first_screen import lines


def tell(run: str | Path, other: str | Path | None = None, *, fail_on_slower: bool = False) -> bool:
    """Prints a run's answers, and what changed to a second one; writes the page of both.

    Args:
        run: folder or Parquet file.
        other: of the second run; None: there is none.
        fail_on_slower: whether to look for a pipeline that became slower; two runs that cannot be compared are an
            error then.

    Returns:
        Whether one became slower, where that was asked.

    Raises:
        StudyError: where there is one run only though changes were asked for, or they cannot be told.
    """
    if fail_on_slower and not other:
        raise StudyError("--fail-on-slower needs two runs (got one); give RUN and RUN2")
    folder = Path(run).parent if Path(run).is_file() else Path(run)
    with processes.libraries_into(folder / processes.LIBRARIES):
        examined = page.examine(run, other, retry=True)
    if fail_on_slower and examined.untold:
        raise StudyError(examined.untold)
    for which, opened in enumerate(examined.runs):
        print("\n".join(lines(opened, examined.screen, which=which)))
    if examined.changed:
        print("\n".join(examined.changed.lines))
    elif examined.untold:
        print(f"what changed is not told: {examined.untold}")
    print(f"report: {page.write(run, other, examined=examined)}")
    return bool(fail_on_slower and examined.changed and examined.changed.is_slower)
