"""What comes from outside is taken as a value: parameters never become code, and archives are bounded."""

import io
import tarfile

import nbformat
import papermill
import pytest
from hypothesis import given, settings, strategies as st
from papermill.parameterize import parameterize_notebook

from helpers.datasets import unpack
from helpers.errors import StudyError

METADATA = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python"},
}
NASTY = st.one_of(
    st.sampled_from(
        ["'", '"', "'''", '"""', "\\", "\\\\'", "\n", "\r\n", "${HOME}", "{x}", "`id`", "\0", "# x", "\u2028"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
)
VALUES = st.recursive(
    st.one_of(NASTY, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NASTY, inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(value=VALUES, text=st.lists(NASTY, max_size=5).map("".join))
def test_parameters_reach_the_notebook_as_values_never_as_code(value, text):
    notebook = nbformat.v4.new_notebook(metadata={**METADATA, "papermill": {}})
    given_parameters = {"transform": text, "pipelines": value}
    made = parameterize_notebook(notebook, given_parameters, kernel_name="python3", language="python")
    found = {}
    exec(compile(made.cells[0].source, "cell", "exec"), {"__builtins__": {"float": float}}, found)
    assert found == given_parameters


def test_a_surrogate_in_a_parameter_fails_the_cell_before_anything_runs(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")], metadata=METADATA)
    nbformat.write(notebook, tmp_path / "in.ipynb")
    options = {"parameters": {"transform": "\ud800"}, "kernel_name": "python3", "progress_bar": False}
    with pytest.raises(UnicodeEncodeError):
        papermill.execute_notebook(tmp_path / "in.ipynb", tmp_path / "out.ipynb", prepare_only=True, **options)


def pax_record(key, value):
    """One record of a pax header: its length counts itself."""
    body = f" {key}={value}\n".encode()
    size = len(body) + 1
    while len(str(size)) + len(body) != size:
        size = len(str(size)) + len(body)
    return str(size).encode() + body


def archive_with(tmp_path, member, content=b""):
    place = tmp_path / "bad.tar"
    with open(place, "wb") as written:
        written.write(member.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512) + bytes(1024))
    return place


def refused(tmp_path, archive):
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(StudyError) as caught:
        unpack.unpack_folder(archive, tmp_path / "target", work=work, progress=lambda line: None)
    assert not (tmp_path / "target").exists()
    return str(caught.value)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_huge_header_is_refused_before_it_is_read(tmp_path, kind):
    member = tarfile.TarInfo("header")
    member.type, member.size = kind, 4 << 30  # tarfile would read all of it into memory
    assert "header must be at most 64 KiB (got one of 4194304 KiB)" in refused(
        tmp_path, archive_with(tmp_path, member, b"x" * 512)
    )


def test_headers_without_end_are_refused(tmp_path):
    member = tarfile.TarInfo("header")
    record = pax_record("comment", "x")
    member.type, member.size = tarfile.XHDTYPE, len(record)
    block = member.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0")
    (tmp_path / "endless.tar").write_bytes(block * 5000)
    assert "must be whole" in refused(tmp_path, tmp_path / "endless.tar")


def test_a_sparse_member_that_claims_more_than_it_holds_is_refused(tmp_path):
    content = pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.minor", "0")
    content += pax_record("GNU.sparse.name", "a/0.jpg") + pax_record("GNU.sparse.realsize", str(1 << 40))
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, len(content)
    file = tarfile.TarInfo("a/0.jpg")
    map_of_it = b"1\n0\n4\n"
    file.size = 512 + 4
    data = header.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512)
    data += file.tobuf(tarfile.USTAR_FORMAT) + map_of_it.ljust(512, b"\0") + b"jpeg".ljust(512, b"\0") + bytes(1024)
    (tmp_path / "sparse.tar").write_bytes(data)
    assert "must hold whole files (got the sparse file" in refused(tmp_path, tmp_path / "sparse.tar")


def test_more_members_than_allowed_are_refused_while_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "MOST_FILES", 100)
    with tarfile.open(tmp_path / "many.tar", "w") as tar:
        for number in range(200):
            member = tarfile.TarInfo(f"a/{number}.jpg")
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
    assert "at most 100 files" in refused(tmp_path, tmp_path / "many.tar")
