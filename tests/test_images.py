from __future__ import annotations

import hashlib
import io
import os
import struct
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finexl import images
from finexl.errors import UsageError
from finexl.images import ImageError, Picture, image_formats, load_image, printable

RED, WHITE = (255, 0, 0), (255, 255, 255)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def pixel(image: Image.Image, x: int = 0, y: int = 0) -> tuple[int, int, int]:
    assert image.mode == "RGB"
    value = image.getpixel((x, y))
    assert isinstance(value, tuple)
    return value[0], value[1], value[2]


def png(width: int, height: int, scanlines: bytes = b"", depth: int = 8, colour: int = 2) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(scanlines))
        + chunk(b"IEND", b"")
    )


# modes


@pytest.mark.parametrize("suffix", sorted(image_formats()))
def test_every_format_that_is_listed_is_read(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"a{suffix.upper()}", Image.new("RGB", (16, 8), (200, 40, 40)))
    image = load_image(path)
    assert image.size == (16, 8)
    np.testing.assert_allclose(np.asarray(image).mean((0, 1)), (200, 40, 40), atol=4)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, WHITE),
        ("L", 77, (77, 77, 77)),
        ("LA", (0, 128), (127, 127, 127)),
        ("La", (0, 128), None),
        ("PA", None, (0, 0, 0)),
        ("RGBA", (255, 0, 0, 0), WHITE),
        ("RGBA", (255, 0, 0, 255), RED),
        ("RGBA", (0, 0, 0, 51), (204, 204, 204)),
        ("RGBa", (0, 0, 0, 51), (204, 204, 204)),
        ("RGBX", (255, 0, 0, 9), RED),
        ("CMYK", (0, 255, 255, 0), RED),
        ("YCbCr", (255, 128, 128), WHITE),
        ("HSV", (0, 255, 255), RED),
        ("I;16", 65535, WHITE),
        ("I;16", 257 * 80, (80, 80, 80)),
        ("I;16", 100, (0, 0, 0)),
        ("I", 80, (80, 80, 80)),
        ("I", 257 * 80, (80, 80, 80)),
        ("F", 0.2, (51, 51, 51)),
        ("F", 80.4, (80, 80, 80)),
        ("F", 257.0 * 80, (80, 80, 80)),
    ],
)
def test_modes(mode: str, colour: object, expected: tuple[int, int, int] | None) -> None:
    if mode == "PA":
        image = Image.new("P", (3, 2)).convert("PA")
    else:
        image = Image.new(mode, (3, 2), colour)  # type: ignore[arg-type]
    if expected is None:
        with pytest.raises(ImageError, match=r"^an image in memory cannot be opened as an image: "):
            load_image(image)
        return
    rgb = load_image(image)
    assert rgb.size == (3, 2)
    assert pixel(rgb, 2, 1) == expected
    assert rgb is not image
    assert image.mode == mode


def test_16_bit_png_is_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    path = saved(tmp_path / "ramp.png", Image.fromarray(ramp))
    with Image.open(path) as stored:
        assert stored.mode.startswith("I")
    grey = np.asarray(load_image(path))[..., 0]
    np.testing.assert_array_equal(grey, np.arange(256).reshape(16, 16))


def test_16_bit_colour_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(1, 1, b"\0" + struct.pack(">HHH", 65535, 32896, 0), depth=16))
    assert pixel(load_image(path)) == (255, 128, 0)


def test_32_bits_outside_the_usual_ranges_are_stretched_to_their_own() -> None:
    values = np.array([[-1.0, 0.0, 1.0]], np.float32)
    grey = np.asarray(load_image(Image.fromarray(values)))[0, :, 0]
    np.testing.assert_array_equal(grey, [0, 128, 255])
    grey = np.asarray(load_image(Image.fromarray(np.array([[0, 2**30]], np.int32))))[0, :, 0]
    np.testing.assert_array_equal(grey, [0, 255])
    flat = load_image(Image.new("F", (2, 2), -3.0))
    assert pixel(flat) == (0, 0, 0)
    with pytest.raises(ImageError, match="no finite numbers"):
        load_image(Image.new("F", (2, 2), float("nan")))


def test_cmyk_jpeg(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Image.new("CMYK", (16, 16), (0, 255, 255, 0)))
    np.testing.assert_allclose(pixel(load_image(path), 8, 8), RED, atol=4)


@pytest.mark.parametrize("transparency", [0, b"\x00\xff"])
def test_palette_with_transparency_is_laid_over_white(
    tmp_path: Path, transparency: int | bytes
) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((1, 0), 1)
    rgb = load_image(saved(tmp_path / "a.png", image, transparency=transparency))
    assert [pixel(rgb, x) for x in (0, 1)] == [WHITE, RED]


def test_transparent_colour_of_a_png_without_alpha(tmp_path: Path) -> None:
    image = Image.new("RGB", (2, 1))
    image.putpixel((1, 0), RED)
    rgb = load_image(saved(tmp_path / "a.png", image, transparency=(0, 0, 0)))
    assert [pixel(rgb, x) for x in (0, 1)] == [WHITE, RED]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tiff"])
def test_first_frame_of_an_animation(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, (0, 255, 0), (0, 0, 255))]
    path = tmp_path / f"a{suffix}"
    lossless = {"lossless": True} if suffix == ".webp" else {}
    saved(path, frames[0], save_all=True, append_images=frames[1:], **lossless)
    assert pixel(load_image(path)) == RED


# EXIF


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff"])
def test_exif_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = np.zeros((16, 32), np.uint8)
    upright[:8, :16] = 255  # white at the top left, wide: tells all eight apart
    stored = {  # the inverse of what a viewer does
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored)).convert("RGB")
    seen = load_image(saved(tmp_path / f"a{suffix}", image, exif=exif))
    np.testing.assert_allclose(np.asarray(seen)[..., 0], upright, atol=12)
    np.testing.assert_array_equal(np.asarray(load_image(seen)), np.asarray(seen))


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"])
def test_broken_exif_does_not_cost_the_picture(tmp_path: Path, exif: bytes) -> None:
    path = saved(tmp_path / "a.jpg", Image.new("RGB", (8, 8), "white"), exif=exif)
    assert pixel(load_image(path)) == WHITE


@pytest.mark.parametrize("action", ["error", "default"])
def test_odd_tiff_metadata_neither_warns_nor_costs_the_picture(tmp_path: Path, action: str) -> None:
    path = saved(tmp_path / "a.tiff", Image.new("RGB", (8, 8), "white"), tiffinfo={270: "x" * 20})
    entry = struct.pack("<HHI", 270, 2, 21)  # tag, text, count
    assert entry in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(entry, struct.pack("<HHI", 270, 2, 10**6)))
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter(action)  # type: ignore[arg-type]
        assert pixel(load_image(path)) == WHITE
    assert leaked == []


# what is no picture


def truncated(path: Path, image: Image.Image) -> Path:
    saved(path, image)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


@pytest.mark.parametrize("suffix", sorted(image_formats()))
def test_truncated_files_are_errors(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = truncated(tmp_path / f"half{suffix}", Image.fromarray(noise))
    with pytest.raises(ImageError, match=rf"half{suffix} cannot be opened as an image: [^.]+\.$"):
        load_image(path)


def bad_files(folder: Path) -> dict[str, str]:
    (folder / "text.png").write_text("I am no picture.")
    (folder / "empty.png").touch()
    (folder / "folder.png").mkdir()
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "dangling.png").symlink_to("nowhere.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "bomb.png").write_bytes(png(100_000, 100_000))
    (folder / "big.png").write_bytes(png(8_001, 8_000))
    (folder / "zero.png").write_bytes(png(0, 5))
    (folder / "short.png").write_bytes(png(64, 64))
    (folder / "vector.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with (folder / "huge.png").open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)
    return {
        "text": "not one of PNG, JPEG",
        "empty": "it is empty",
        "folder": "it is a folder",
        "loop": "too many levels of symbolic links",
        "dangling": "no such file",
        "pipe": "not a regular file",
        "bomb": "pixels",
        "big": r"64\.0 megapixels and the most is 64",
        "zero": "",
        "short": "truncated",
        "vector": "not one of PNG, JPEG",
        "huge": "256 MB and the most is 256",
    }


@pytest.mark.skipif(os.name != "posix", reason="symlinks and pipes")
@pytest.mark.parametrize("action", ["error", "default"])
def test_bad_files_are_named_with_the_reason(tmp_path: Path, action: str) -> None:
    for name, reason in bad_files(tmp_path).items():
        with warnings.catch_warnings(record=True) as leaked:
            warnings.simplefilter(action)  # type: ignore[arg-type]
            with pytest.raises(
                ImageError, match=rf"{name}\.png cannot be opened.*: .*{reason}.*\.$"
            ):
                load_image(tmp_path / f"{name}.png")
        assert leaked == []
    with pytest.raises(UsageError, match="no such file"):
        load_image(tmp_path / "missing.png")


def test_a_bomb_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(8_001, 8_000))

    def decode(_: Image.Image) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", decode)
    with pytest.raises(ImageError, match="megapixels"):
        load_image(path)
    with Image.open(path) as opened, pytest.raises(ImageError, match="megapixels"):
        load_image(opened)


def test_our_limit_holds_whatever_pillows_own_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGB", (30, 20)))
    for limit in (None, 400):  # None switches Pillow's off; 400 makes it warn
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert load_image(path).size == (30, 20)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    (tmp_path / "bomb.png").write_bytes(png(100_000, 100_000))
    with pytest.raises(ImageError, match=r"10,000\.0 megapixels"):
        load_image(tmp_path / "bomb.png")


def test_in_memory_images_without_pixels_or_closed() -> None:
    with pytest.raises(ImageError, match="no pixels"):
        load_image(Image.new("RGB", (0, 5)))
    closed = Image.new("RGB", (4, 4))
    closed.close()
    with pytest.raises(ImageError, match=r"^image 3 cannot be opened"):
        Picture("3", closed).open()


def test_file_names_that_are_no_text_do_not_break_the_message(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\x1b[31m\n.png"))
    with pytest.raises(ImageError) as caught:
        load_image(path)
    message = str(caught.value)
    assert r"caf\udce9\x1b[31m\n.png cannot be opened" in message
    assert "\n" not in message
    assert printable("naïve – 图片 👩‍🎨.png") == "naïve – 图片 👩‍🎨.png"


def test_the_callers_warning_filters_survive_threads(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGB", (8, 8)))
    before = list(warnings.filters)
    threads = [
        threading.Thread(target=lambda: [load_image(path) for _ in range(50)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


# pictures


def test_file_handle_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[io.IOBase] = []
    original = images._open_file

    def remember(path: Path) -> object:
        opened.append(original(path))  # type: ignore[arg-type]
        return opened[-1]

    monkeypatch.setattr(images, "_open_file", remember)
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    path = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    picture = Picture("a", path)
    picture.open().getpixel((0, 0))
    picture.digest()
    assert [file.closed for file in opened] == [True, True]


def test_digest_of_a_file_is_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    content = b"any bytes " * 300_000
    path.write_bytes(content)
    assert Picture("a", path).digest() == hashlib.sha256(content).hexdigest()
    with pytest.raises(ImageError, match="no such file"):
        Picture("b", tmp_path / "b.png").digest()


def test_digest_of_an_image_is_of_what_is_seen() -> None:
    red = Image.new("RGB", (2, 3), RED)
    digest = Picture("0", red).digest()
    assert digest == hashlib.sha256(b"RGB 2x3\n" + bytes(RED) * 6).hexdigest()
    assert Picture("5", red.convert("RGBA")).digest() == digest
    assert Picture("0", Image.new("RGB", (3, 2), RED)).digest() != digest
    palettes = []
    for colour in (RED, WHITE):
        indexed = Image.new("P", (2, 3))
        indexed.putpalette(colour)
        palettes.append(Picture("0", indexed).digest())
    assert palettes[0] == digest != palettes[1]


def test_names_for_messages(tmp_path: Path) -> None:
    assert Picture("sub/a", tmp_path / "sub" / "a.PNG").name == "sub/a.PNG"
    assert Picture("3", Image.new("L", (1, 1))).name == "image 3"
