from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from finexl.errors import FinexlError, UsageError
from finexl.files import write_atomic


def test_writes_text_as_utf8_and_bytes_untouched(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.txt", "é\r\n")
    write_atomic(tmp_path / "b.bin", b"\x00\xff")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa9\r\n"
    assert (tmp_path / "b.bin").read_bytes() == b"\x00\xff"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.bin"]


def test_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("a much longer old content")
    write_atomic(path, "new")
    assert path.read_text() == "new"


def test_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_atomic(tmp_path / "ours", "x")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "ours")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize(
    ("failing", "code", "kind"),
    [
        ("os.fsync", errno.ENOSPC, FinexlError),
        ("os.fsync", errno.EIO, UsageError),
        ("pathlib.Path.replace", errno.EACCES, UsageError),
    ],
)
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failing: str,
    code: int,
    kind: type[FinexlError],
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    path = tmp_path / "a.json"
    path.write_text("old")
    monkeypatch.setattr(failing, fail)
    with pytest.raises(FinexlError, match=r"a\.json cannot be written: .*\.$") as caught:
        write_atomic(path, "new")
    assert type(caught.value) is kind
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "a.json"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder_folder_and_long_name_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        write_atomic(tmp_path / "no" / "a.json", "x")
    with pytest.raises(UsageError, match="is a folder"):
        write_atomic(tmp_path, "x")
    with pytest.raises(UsageError, match="cannot be written"):
        write_atomic(tmp_path / ("a" * 300), "x")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        write_atomic(tmp_path / "file" / "a.json", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="permission denied"):
        write_atomic(tmp_path / "a", "x")
    tmp_path.chmod(0o700)


@pytest.mark.skipif(os.name != "posix", reason="symlinks and pipes")
def test_symlinks_stay_and_pipes_are_written_to(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "there" / "real.txt")
    write_atomic(link, "through")
    assert link.is_symlink()
    assert (tmp_path / "there" / "real.txt").read_text() == "through"
    read, write = os.pipe()
    write_atomic(Path(f"/dev/fd/{write}"), "piped")
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == "piped"
