"""Pictures from anywhere: limited, and decoded where they can do no harm."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pytest
from fastapi.testclient import TestClient

from confined import exit_code
from finexl.errors import UsageError
from finexl.web.checking import check_pictures
from finexl.web.settings import Limits, Settings
from finexl.web.uploads import keep_uploads, safe_name
from website import HOSTILE, csrf, picture, visited


@dataclass
class Sent:
    filename: str | None
    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def file(self) -> BinaryIO:
        return io.BytesIO(self.content)


def png(width: int, height: int, rows: int = 0) -> bytes:
    """Return a grey PNG of these dimensions with so many rows of pixels in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(width + 1) * rows, 1)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    root = tmp_path_factory.mktemp("root")
    limits = Limits(pictures=3, picture_bytes=50_000, upload_bytes=400_000, pixels=100_000)
    with visited(Settings(roots=(root,), runs=root / "runs", limits=limits)) as client:
        yield client


def refusal(client: TestClient, files: Sequence[tuple[str, tuple[str, bytes]]]) -> tuple[int, str]:
    """Upload; return the status and the sentence; nothing may be left of it."""
    found = client.post("/api/explain/upload", files=files, headers=csrf(client))
    runs: Path = client.app.state.settings.runs  # type: ignore[attr-defined]
    assert list(runs.iterdir()) == []
    return found.status_code, found.json()["error"]


def both(name: str, content: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("base", ("a.png", picture())), ("personalized", (name, content))]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.txt", b"hello", "by its name"),
        ("a.svg", b"<svg/>", "by its name"),
        ("a.gif", picture(kind="GIF"), "by its name"),
        ("png", picture(), "by its name"),
        ("a.png", b"hello", "is no PNG, JPEG or WebP"),
        ("a.png", b"", "is no PNG, JPEG or WebP"),
        ("a.png", picture(kind="GIF"), "is no PNG, JPEG or WebP"),
        ("a.png", picture(kind="TIFF"), "is no PNG, JPEG or WebP"),
        ("a.jpg", picture(kind="JPEG")[:-200], "a.jpg: "),
        ("a.png", bytes(50_001), "larger than"),
        ("bomb.png", png(20_000, 20_000, 100), "400.0 megapixels"),
        ("bomb.png", png(2**31 - 1, 2**31 - 1), "bomb.png: "),
    ],
)
def test_what_is_no_picture_or_too_much_of_one_is_refused(
    client: TestClient, name: str, content: bytes, why: str
) -> None:
    status, said = refusal(client, both(name, content))
    assert status == 400
    assert why in said


def test_more_pictures_than_are_taken_are_refused(client: TestClient) -> None:
    many = [("base", (f"{i}.png", picture())) for i in range(4)]
    assert "the most is 3" in refusal(client, [*many, *both("b.png", picture())[1:]])[1]


def test_more_bytes_than_are_taken_are_refused(client: TestClient) -> None:
    large = [("base", (f"{i}.png", bytes(150_000))) for i in range(3)]
    assert refusal(client, large)[0] == 413


def test_a_side_without_pictures_and_two_of_one_name_are_refused(client: TestClient) -> None:
    assert refusal(client, both("a.png", picture())[:1])[0] == 422
    twice = [*both("a.png", picture()), ("base", ("x/A.PNG", picture()))]
    assert refusal(client, [*twice, ("base", ("a.PNG", picture()))])[0] == 400


def test_the_form_says_the_same_in_a_page(client: TestClient) -> None:
    files = [(f"{side}_files", file) for side, file in both(f"{HOSTILE}.png", b"no picture")]
    found = client.post("/explain", files=files, headers=csrf(client))
    assert found.status_code == 400
    assert "is no PNG, JPEG or WebP" in found.text
    assert HOSTILE not in found.text


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("cat.png", "cat.png"),
        ("../../etc/cat.png", "cat.png"),
        ("C:\\pictures\\cat.PNG", "cat.png"),
        (".hidden.png", "hidden.png"),
        ("猫 eins (2).jpeg", "猫 eins (2).jpeg"),
        ("a\0b\n.png", "a_b_.png"),
        ("..png", "_png"),
        (f"{HOSTILE}.png", "script_.png"),
        ("x" * 300 + ".png", "x" * 100 + ".png"),
        ("a:b|c*?.png", "a_b_c__.png"),
    ],
)
def test_names_stay_in_their_folder_and_keep_what_pairs_them(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_pictures_are_kept_as_they_are(tmp_path: Path) -> None:
    sides = {"base": [Sent("a.png", picture())], "other": [Sent("b.jpg", picture(kind="JPEG"))]}
    keep_uploads(sides, tmp_path, Limits())
    assert (tmp_path / "base" / "a.png").read_bytes() == picture()
    assert (tmp_path / "other" / "b.jpg").read_bytes() == picture(kind="JPEG")


class TestConfined:
    """Limits that pictures of an honest size do not need."""

    @pytest.fixture
    def large(self, tmp_path: Path) -> Path:
        path = tmp_path / "large.png"
        path.write_bytes(png(12_000, 12_000, 12_000))
        assert path.stat().st_size < 1_000_000
        return path

    def test_memory_ends(self, large: Path) -> None:
        limits = Limits(pixels=10**9, decoding_bytes=300_000_000)
        honest = large.with_name("honest.png")
        honest.write_bytes(png(1_000, 1_000, 1_000))
        check_pictures([honest], limits)
        with pytest.raises(UsageError):
            check_pictures([large], limits)

    def test_time_ends(self, large: Path) -> None:
        with pytest.raises(UsageError, match="limits of memory and time"):
            check_pictures([large], Limits(pixels=10**9, decoding_seconds=0))

    def test_a_process_that_may_decode_may_not_write(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        assert exit_code(f"open({str(path)!r}, 'wb', 0).write(b'x' * 10)", Limits()) == 1
        assert path.stat().st_size == 0

    def test_a_process_that_may_decode_may_not_take_all_memory(self) -> None:
        limits = Limits(decoding_bytes=500_000_000)
        assert exit_code("bytearray(10**9)", limits) == 1
        assert exit_code("bytearray(10**8)", limits) == 0
