"""Project bundles: the same bytes everywhere, and nothing in them that their files do not show."""

import io
import json
import os
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedplat.config import bundle
from fedplat.errors import DataError

FILES = {"app.py": b"print(1)\n", "deep/er.py": b"", "é.txt": b"x" * 999}
GOOD = bundle.pack(FILES)


def project(folder):
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def archive(entries, method=zipfile.ZIP_STORED):
    """An archive of someone else's making."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, content in entries:
            made.writestr(zipfile.ZipInfo(name) if method == 0 else name, content)
    return buffer.getvalue()


# ── making ───────────────────────────────────────────────────────────────────────────────────────


def test_the_same_files_give_the_same_bytes_whenever_and_wherever_they_are(tmp_path):
    first = project(tmp_path / "a")
    second = project(tmp_path / "b")
    for path in second.rglob("*"):
        os.utime(path, (0, 0))
    (second / "app.py").chmod(0o700)
    packed = bundle.pack(bundle.collect(first))
    assert packed == bundle.pack(bundle.collect(second)) == GOOD
    (second / "app.py").write_bytes(b"print(2)\n")
    assert bundle.digest(bundle.pack(bundle.collect(second))) != bundle.digest(packed)


def test_what_is_no_code_of_the_project_is_left_out(tmp_path):
    folder = project(tmp_path)
    for name in (".git/config", "__pycache__/app.cpython-311.pyc", "x.pyc", ".env"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("secret")
    assert bundle.collect(folder) == FILES


def test_one_file_is_a_bundle_of_an_app(tmp_path):
    (tmp_path / "mine.py").write_bytes(b"x")
    assert bundle.collect(tmp_path / "mine.py") == {"app.py": b"x"}


@pytest.mark.parametrize("target", ["/etc/hostname", "..", "app.py"])
def test_a_link_is_refused(tmp_path, target):
    (project(tmp_path) / "link").symlink_to(target)
    with pytest.raises(DataError, match=r"link: is a link.*copy what it points to"):
        bundle.collect(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(project(tmp_path) / "pipe")
    with pytest.raises(DataError, match="pipe: is no plain file"):
        bundle.collect(tmp_path)


def test_a_folder_without_an_app_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds no app\.py"):
        bundle.collect(tmp_path)


def test_what_is_too_large_is_refused(tmp_path, monkeypatch):
    project(tmp_path)
    monkeypatch.setattr(bundle, "MAX_FILES", 2)
    with pytest.raises(DataError, match="more than 2 files"):
        bundle.collect(tmp_path)
    monkeypatch.setattr(bundle, "MAX_BYTES", 100)
    with pytest.raises(DataError, match=r"é\.txt: is no plain file of at most"):
        bundle.collect(tmp_path)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def test_a_bundle_gives_its_files_back_and_they_are_written_where_they_belong(tmp_path):
    files = bundle.unpack(GOOD, "x")
    assert files == FILES
    assert bundle.extract(files, tmp_path / "out").read_bytes() == FILES["app.py"]
    assert (tmp_path / "out" / "deep" / "er.py").is_file()


@pytest.mark.parametrize(
    "name",
    [
        "../x.py",
        "/x.py",
        "a/../../x.py",
        "a//b",
        "./x",
        "a\\b",
        "c:x",
        "x/",
        "a\nb",
        "",
        ".",
        "a.",
        "a /b",
        "é" * 101,
    ],
)
def test_a_name_that_leaves_the_folder_or_is_not_portable_is_refused(name):
    for content in (
        archive([("app.py", b""), (name, b"")]),
        bundle.pack({"app.py": b"", name: b""}),
    ):
        with pytest.raises(DataError):
            bundle.unpack(content, "x")


@pytest.mark.parametrize(
    "names",
    [("A.py", "a.py"), ("D/x", "d/X"), ("é.py", "e\u0301.py")],
    ids=["case", "folder", "accent"],
)
def test_names_that_are_one_where_case_or_accents_do_not_count_are_refused(names):
    with pytest.raises(DataError, match="accents"):
        bundle.unpack(bundle.pack({"app.py": b"", **dict.fromkeys(names, b"")}), "x")


@pytest.mark.parametrize("names", [("a", "a/b"), ("A", "a/b/c"), ("app.py/x",)])
def test_a_file_that_stands_where_a_folder_has_to_is_refused(names):
    with pytest.raises(DataError, match="as a file and as a folder"):
        bundle.unpack(bundle.pack({"app.py": b"", **dict.fromkeys(names, b"")}), "x")


def test_names_that_are_one_on_another_system_are_refused():
    with pytest.raises(DataError, match="case alone"):
        bundle.unpack(bundle.pack({"app.py": b"", "App.py": b""}), "x")


def test_a_compressed_archive_is_refused_before_it_is_read():
    bomb = archive([("app.py", b"0" * (1 << 20))], zipfile.ZIP_DEFLATED)
    assert len(bomb) < 5000
    with pytest.raises(DataError, match="is compressed or overlaps"):
        bundle.unpack(bomb, "x")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#!/bin/sh\n" + GOOD,  # a program that is an archive too
        GOOD[:-1],
        GOOD + b"x",
        archive(FILES.items()),  # of other times and modes
        bundle.pack({"b.py": b""}),
        bundle.pack(dict(reversed(FILES.items()))).replace(b"print(1)", b"print(2)"),
    ],
)
def test_what_fedplat_would_not_have_made_is_refused(content):
    with pytest.raises(DataError, match="fedplat bundle make"):
        bundle.unpack(content, "x")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_refused():
    with pytest.raises(DataError, match="not as fedplat makes"):
        bundle.unpack(archive([("app.py", b"1"), ("app.py", b"2")]), "x")


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_byte_of_a_bundle_can_be_changed_unnoticed(position, change):
    damaged = bytearray(GOOD)
    damaged[position] ^= change
    try:
        files = bundle.unpack(bytes(damaged), "x")
    except DataError:
        return
    assert bundle.pack(files) == bytes(damaged)  # another bundle, of another digest


# ── the command ──────────────────────────────────────────────────────────────────────────────────


def test_the_command_makes_a_bundle_and_shows_it(fedplat):
    project(fedplat.folder / "project")
    [made] = fedplat("bundle", "make", "project", "--json").records
    assert made == {"bundle": "project.zip", "digest": bundle.digest(GOOD), "bytes": len(GOOD)}
    again = fedplat("bundle", "make", "project", "-o", "again.zip")
    assert again.out == f"{made['digest']}  again.zip\n"
    shown = fedplat("bundle", "show", "again.zip")
    assert shown.out.splitlines()[0] == f"{made['digest']}  again.zip"
    assert [line.split() for line in shown.out.splitlines()[1:]] == [
        [str(len(FILES[name])), name] for name in sorted(FILES)
    ]
    plain = json.loads(fedplat("bundle", "show", "again.zip", "--json").out)
    assert plain["files"] == {name: len(one) for name, one in FILES.items()}


def test_the_command_refuses_what_is_none_and_writes_nothing(fedplat):
    (fedplat.folder / "none.zip").write_bytes(b"PK")
    shown = fedplat("bundle", "show", "none.zip")
    assert (shown.code, shown.out) == (2, "") and "none.zip: is no bundle" in shown.err
    made = fedplat("bundle", "make", "nowhere")
    assert (made.code, made.out) == (2, "") and "holds no app.py" in made.err
    assert not (fedplat.folder / "nowhere.zip").exists()
