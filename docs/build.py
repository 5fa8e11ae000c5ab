"""Writes the site: lessons with their outputs, report, answer book, doctor's example, glossary, reference.

`make site` writes it into `site/`, which opens from disk and can be put on any web server. What takes long (lessons,
report, doctor) is kept in `data/runs/site` and done again only where what it is made of changed; `--as-kept` takes it
as it is, `--lessons 00 03` builds a part.
"""

import argparse
import datetime
import hashlib
import importlib
import inspect
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbclient
import nbformat
from links import broken

import helpers
from helpers import files, machine, paths, report, workshop
from helpers.claims import questions

ROOT = paths.project_root()
RESULTS = ROOT / "data" / "results" / "quick-2-cores"
COPIED = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "benchmarks", "data/README.md", "data/claims.yml"]
COPIED += ["data/questions.yml", "data/results", "notebooks/pictures", "notebooks/workshop", "src/helpers"]
LINK = re.compile(r"\[([^\]]*)\]\(((?!http|#|mailto)[^)#\s]+)(#[^)]*)?\)")
CONTENTS = {
    "Answers": ["answers", "data/results/README", "pages"],
    "Lessons": [],
    "For a class": [
        f"notebooks/workshop/{page}" for page in ("glossary", "setup", "instructor_guide", "notes", "checklist")
    ],
    "Reference": ["reference", "benchmarks/README", "benchmarks/upstream/README", "Data <data/README>"]
    + [f"data/results/{page.stem}" for page in sorted((ROOT / "data" / "results").glob("canary-*.md"))]
    + ["CONTRIBUTING", "CHANGELOG"],
}


def digest(*contents: bytes) -> str:
    return hashlib.sha256(b"\0".join(contents)).hexdigest()[:16]


def kept(path: Path, made_of: str, make, *, as_kept: bool) -> Path:
    """Makes a file again where what it is made of changed, which a file beside it says."""
    said = path.with_name(f"{path.name}.made-of")
    current = path.is_file() and (as_kept or (said.is_file() and said.read_text() == made_of))
    if not current:
        print(f"making {path.name}", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.scratch("site") as folder:
            files.write_whole(path, lambda whole: shutil.copyfile(make(folder), whole))
        said.write_text(made_of)
    return path


def executed(lesson: Path, folder: Path) -> Path:
    """Runs a lesson in the folder where it lies, and writes it with its outputs and the machine."""
    notebook = nbformat.read(lesson, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(lesson.parent)}}).execute()
    here = machine.describe()
    versions = ", ".join(f"{name} {here.versions[name]}" for name in ("python", "tensorflow", "keras"))
    gpus = f"{', '.join(here.gpus)}" if here.gpus else "no GPU"
    told = f"Run on {datetime.date.today()}: {here.cores:g} cores, {here.cpu}, {gpus}; {versions}. Yours will differ."
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(f":::{{note}}\n{told}\n:::", id="machine"))
    nbformat.write(notebook, folder / lesson.name)
    return folder / lesson.name


def report_page(folder: Path) -> Path:
    """Makes the report of the kit's own results."""
    copy = folder / RESULTS.name
    shutil.copytree(RESULTS, copy)
    return report.write(copy, examined=report.examine(copy, link=lambda lesson: f"notebooks/{Path(lesson).stem}.html"))


def doctor_page(folder: Path) -> Path:
    """Has the doctor examine the README's example."""
    example = f"from pathlib import Path\n{doctor_example()}\nreport.write(Path('doctor.html'))\n"
    (folder / "train.py").write_text(example, encoding="utf-8")
    subprocess.run([sys.executable, "train.py"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / "doctor.html"


def doctor_example() -> str:
    """Returns the README's example of the doctor, without the remedies' verification."""
    (code,) = (code for code in _python_of("README.md") if "doctor.examine" in code)
    return "\n".join(line for line in code.splitlines() if "verify" not in line)


def _python_of(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S)


def answer_book() -> str:
    """Returns the page of questions, answers and evidence."""
    parts = ["# What people ask\n\nEach answer is decided by evidence that is run: `study answers --check`."]
    for question in questions.load():
        evidence = question.evidence
        decided = {
            "claim": f"Decided by claim {evidence.told}, {evidence.verdict} on the kit's results.",
            "lesson": f"Decided by a cell of [lesson {evidence.told[:2]}](notebooks/{evidence.told}).",
            "fact": f"Decided by the fact {evidence.told}.",
            "run": f"Decided by these lines:\n\n```python\n{evidence.told}\n```",
        }[evidence.kind]
        asked = ", ".join(f"[{t}]({link})" for t, link in zip(question.threads, question.links, strict=True))
        parts.append(f"({question.id})=\n## {question.question}\n\n{question.answer}\n\n{decided}\n\nAsked in {asked}.")
    return "\n\n".join(parts)


def reference() -> dict[str, str]:
    """Returns the pages of public functions and classes: name -> reStructuredText, a page per room of the house."""
    pages = {}
    for found in pkgutil.iter_modules(helpers.__path__, "helpers."):
        if found.name in ("helpers.cli", "helpers.internals"):
            continue
        module = importlib.import_module(found.name)
        lines = [found.name, "=" * len(found.name), "", f".. automodule:: {found.name}", "   :no-members:", ""]
        for name, value in sorted(vars(module).items()):
            mine = str(getattr(value, "__module__", "")).startswith(found.name)
            if name.startswith("_") or not mine or not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            kind = "autoclass" if inspect.isclass(value) else "autofunction"
            lines += [f".. {kind}:: {found.name}.{name}", *(["   :members:"] if kind == "autoclass" else []), ""]
        if len(lines) > 6:
            pages[found.name] = "\n".join(lines)
    return pages


def title_of(lesson: Path) -> str:
    """Returns a lesson's number and heading."""
    heading = nbformat.read(lesson, as_version=4).cells[0].source.splitlines()[0]
    return f"{lesson.name.partition('_')[0]} {heading.removeprefix('# ')}"


def links_of_the_site(text: str, page: Path, source: Path) -> str:
    """Returns Markdown whose links hold on the site: the README is its first page, what is not copied has no link."""

    def of_the_site(link):
        words, target, place = link[1], page.parent / link[2], link[3] or ""
        if target.resolve() == (source / "README.md").resolve():
            return f"[{words}]({os.path.relpath(source / 'index.md', page.parent)}{place})"
        return link[0] if target.is_file() else words

    return LINK.sub(of_the_site, text)


def lay_out(source: Path, lessons: list[Path], pages: dict[str, Path]) -> None:
    """Writes what Sphinx reads: a copy of the project's pages, and those that are made here."""
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, source / name)
    shutil.rmtree(source / "notebooks" / "workshop" / "learner")
    for lesson in lessons:
        shutil.copyfile(lesson, source / "notebooks" / lesson.name)
    for name, page in pages.items():
        shutil.copyfile(page, source / name)
    shutil.copytree(ROOT / "docs" / "_static", source / "_static")
    shutil.copyfile(ROOT / "docs" / "conf.py", source / "conf.py")
    (source / "answers.md").write_text(answer_book(), encoding="utf-8")
    (source / "pages.md").write_text(
        '# Report and doctor\n\n- <a href="report.html">The report of the quick sweep</a>\n'
        "- <a href=\"doctor.html\">The doctor's page on the README's example</a>\n",
        encoding="utf-8",
    )
    rooms = reference()
    for name, text in rooms.items():
        (source / f"{name}.rst").write_text(text, encoding="utf-8")
    listed = "\n".join(rooms)
    (source / "reference.md").write_text(f"# Reference\n\n```{{toctree}}\n{listed}\n```\n", encoding="utf-8")
    contents = {**CONTENTS, "Lessons": [f"{title_of(lesson)} <notebooks/{lesson.stem}>" for lesson in lessons]}
    (source / "README.md").rename(source / "index.md")
    trees = "\n".join(
        f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(entries) + "\n```\n"
        for caption, entries in contents.items()
    )
    for page in source.rglob("*.md"):
        page.write_text(links_of_the_site(page.read_text(encoding="utf-8"), page, source), encoding="utf-8")
    with (source / "index.md").open("a", encoding="utf-8") as index:
        index.write(f"\n{trees}")
    for path in (source / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = links_of_the_site(cell.source, path, source)
        nbformat.write(notebook, path)


def build(out: Path, keep: Path, numbers: list[str], *, as_kept: bool) -> list[str]:
    """Builds the site into a folder, and returns what is wrong with its links.

    Args:
        out: the folder; what is there and was not built here stays.
        keep: where what takes long is kept.
        numbers: of the lessons, such as "00"; none: all.
        as_kept: whether what is kept is taken although it would be made anew.
    """
    known = {lesson.name.partition("_")[0]: lesson for lesson in workshop.lessons()}
    lessons = []
    for number in numbers or known:
        lesson, text = known[number], known[number].read_bytes()
        lessons.append(
            kept(keep / lesson.name, digest(text), lambda at, lesson=lesson: executed(lesson, at), as_kept=as_kept)
        )
    of_results = digest(*(path.read_bytes() for path in sorted(RESULTS.glob("*.*"))), known["10"].read_bytes())
    pages = {
        "report.html": kept(keep / "report.html", of_results, report_page, as_kept=as_kept),
        "doctor.html": kept(keep / "doctor.html", digest(doctor_example().encode()), doctor_page, as_kept=as_kept),
    }
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.mkdir()
        lay_out(source, lessons, pages)
        command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-d", f"{folder}/trees"]
        command += ["-D", "html_extra_path=report.html,doctor.html", str(source), f"{folder}/site"]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
        shutil.copytree(f"{folder}/site", out, dirs_exist_ok=True)  # beside it, myst-nb leaves a folder of its own
    return broken(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "site", help="where the site goes")
    parser.add_argument("--kept", type=Path, default=ROOT / "data" / "runs" / "site", help="where outputs are kept")
    parser.add_argument("--lessons", nargs="*", default=[], metavar="NN", help="only these")
    parser.add_argument("--as-kept", action="store_true", help="take kept outputs although a lesson changed")
    given = parser.parse_args()
    wrong = build(given.out, given.kept, given.lessons, as_kept=given.as_kept)
    print(f"{given.out / 'index.html'} opens in a browser")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
