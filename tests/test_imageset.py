from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from finexl.errors import UsageError
from finexl.imageset import images_from, key_of, listed, read_images

posix = pytest.mark.skipif(os.name != "posix", reason="symlinks and odd file names")


def touch(folder: Path, *paths: str) -> Path:
    """Reading a set opens no picture, so that empty files serve."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


def manifest(folder: Path, *rows: dict[str, object], name: str = "manifest.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


# folders


def test_folder_is_read_recursively_in_code_point_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a10.jpg", "a2.JPEG", "B.webp", "sub/deep/c.tif", "sub.png", "é.gif")
    touch(tmp_path, ".hidden.png", ".git/x.png", "sub/._c.tif", "notes.txt", "png", "x.png.bak")
    images = read_images(tmp_path)
    assert images.kind == "folder"
    assert [picture.key for picture in images.pictures] == [
        "B",
        "a10",
        "a2",
        "b",
        "sub",
        "sub/deep/c",
        "é",
    ]
    assert [picture.source for picture in images.pictures][4:6] == [
        tmp_path / "sub.png",
        tmp_path / "sub/deep/c.tif",
    ]
    assert {(p.prompt, p.seed) for p in images.pictures} == {(None, None)}


def test_a_folder_named_like_an_image_is_entered(tmp_path: Path) -> None:
    touch(tmp_path, "x.png/y.png")
    assert [picture.key for picture in read_images(tmp_path).pictures] == ["x.png/y"]


def test_keys_have_no_suffix_and_one_spelling() -> None:
    assert key_of("a.b.png") == "a.b"
    assert key_of("sub/a.png.png") == "sub/a.png"
    assert key_of("plain") == "plain"
    assert key_of("..png") == "."
    assert key_of(unicodedata.normalize("NFD", "é.png")) == key_of("é.png") == "é"


@posix
def test_file_names_that_are_not_utf8_get_a_key_that_is(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).touch()
    (picture,) = read_images(tmp_path).pictures
    assert picture.key == r"caf\udce9"
    assert picture.name == r"caf\udce9.png"
    assert isinstance(picture.source, Path)
    assert picture.source.exists()


@posix
def test_links_in_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "set/a.png", "elsewhere/b.png")
    (tmp_path / "set" / "b.png").symlink_to(tmp_path / "elsewhere" / "b.png")
    (tmp_path / "set" / "again").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "loop.png").symlink_to("loop.png")
    keys = [picture.key for picture in read_images(tmp_path / "set").pictures]
    assert keys == ["a", "b", "loop"]  # what cannot be opened is named when it is opened
    (tmp_path / "latest").symlink_to("set")
    assert read_images(tmp_path / "latest").name == "latest"


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("pony", "pony"),
        ("pony/", "pony"),
        ("pony/BASE", "pony/BASE"),
        ("pony/lora/.", "pony/lora"),
        ("pony/v2/../out", "pony/out"),
        ("pony/v2", "v2"),
    ],
)
@pytest.mark.parametrize("through_manifest", [True, False])
def test_names(tmp_path: Path, where: str, name: str, through_manifest: bool) -> None:
    for folder in ("pony", "pony/BASE", "pony/lora", "pony/v2", "pony/out"):
        touch(tmp_path, f"{folder}/a.png")
        if through_manifest:
            manifest(tmp_path / folder, {"file": "a.png"})
    assert read_images(f"{tmp_path}/{where}").name == name


def test_name_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(touch(tmp_path, "pony/images/a.png") / "pony" / "images")
    for where in (".", "./", Path()):
        assert read_images(where).name == "pony/images"


def test_what_is_no_set(tmp_path: Path) -> None:
    touch(tmp_path, "empty/notes.txt", "empty/.a.png", "x.png")
    for where, message in (
        (tmp_path / "nowhere", "There is no folder or file"),
        ("", "There is no folder or file"),
        ("a\0b", "There is no folder or file"),
        ("a" * 5000, "There is no folder or file"),
        ("lora:sd15+x.safetensors", "There is no folder or file"),
        (tmp_path / "empty", r"has no images; put some there \(\.png, \.jpg"),
        (tmp_path / "x.png", "neither a folder of images nor a manifest"),
    ):
        with pytest.raises(UsageError, match=message):
            read_images(where)


# manifests


@pytest.mark.parametrize("key", ["file", "file_name", "image"])
@pytest.mark.parametrize("name", ["manifest.jsonl", "metadata.jsonl", "runs.JSONL"])
def test_manifest(tmp_path: Path, key: str, name: str) -> None:
    touch(tmp_path, "images/b.png", "images/a.png", "c.png", "not named.png")
    path = manifest(
        tmp_path,
        {key: "images/b.png", "prompt": " a cat ", "seed": 7, "model": "x"},
        {key: "./images/a.png", "prompt": "", "seed": None},
        {key: "c.png"},
        name=name,
    )
    images = read_images(tmp_path if name != "runs.JSONL" else path)
    assert images.kind == "manifest"
    assert [(p.key, p.source, p.prompt, p.seed) for p in images.pictures] == [
        ("c", tmp_path / "c.png", None, None),
        ("images/a", tmp_path / "images/a.png", "", None),
        ("images/b", tmp_path / "images/b.png", "a cat", 7),
    ]


def test_csv_manifest(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "manifest.csv").write_bytes(
        b'\xef\xbb\xbffile, prompt ,seed\r\na.png,"a cat, with a\r\nhat",3.0\r\n\r\n'
        b'b.png,,\r\nc.png,"a ""dog""",-1\r\n'
    )
    pictures = read_images(tmp_path).pictures
    assert [(p.key, p.prompt, p.seed) for p in pictures] == [
        ("a", "a cat, with a\nhat", 3),
        ("b", None, None),
        ("c", 'a "dog"', None),
    ]


@pytest.mark.parametrize(
    "file", ["../secret.png", "sub/../../secret.png", "sub/../a.png", "/a.png"]
)
def test_manifest_may_not_leave_its_folder(tmp_path: Path, file: str) -> None:
    touch(tmp_path, "secret.png", "set/a.png", "set/sub/a.png")
    manifest(tmp_path / "set", {"file": "a.png"}, {"file": file})
    with pytest.raises(
        UsageError, match=r"line 2 names .*, which is not in the manifest's folder\.$"
    ):
        read_images(tmp_path / "set")


@posix
def test_manifest_may_not_leave_its_folder_by_a_link(tmp_path: Path) -> None:
    touch(tmp_path, "secret.png", "set/a.png")
    (tmp_path / "set" / "out").symlink_to(tmp_path)
    (tmp_path / "set" / "b.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "set" / "inside.png").symlink_to("a.png")
    for file in ("out/secret.png", "b.png"):
        manifest(tmp_path / "set", {"file": file})
        with pytest.raises(UsageError, match="not in the manifest's folder"):
            read_images(tmp_path / "set")
    manifest(tmp_path / "set", {"file": "inside.png"})
    (tmp_path / "linked").symlink_to("set")
    assert [picture.key for picture in read_images(tmp_path / "linked").pictures] == ["inside"]


@posix
def test_manifest_names_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "loop.png").symlink_to("loop.png")
    files = [f"{index}.png" for index in range(5)] + ["loop.png", "a" * 5000]
    manifest(tmp_path, *[dict[str, object](file=file) for file in files])
    with pytest.raises(UsageError, match=r"do not exist, 7 of 7: 0\.png, .*, 4\.png and 2 more\.$"):
        read_images(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"file": "a.png"}', "names a.png twice, at line 2 again"),
        ('{"file": "./a.png"}', "names a.png twice"),
        ('{"prompt": "a cat"}', "line 2 names no file; give one as file or file_name or image"),
        ('{"file": "."}', "names no file"),
        ('{"file": ["a.png"]}', "line 2: its file is no text"),
        ('{"file": "a\\u0000.png"}', "line 2: its file has characters that are no text"),
        ('{"file": "\\ud800.png"}', "line 2: its file has characters that are no text"),
        ('{"file": "b.png", "prompt": 3}', "line 2: its prompt is no text"),
        ('{"file": "b.png", "prompt": "' + "x" * 2001 + '"}', "line 2: its prompt has 2,001"),
        ('{"file": "b.png", "seed": 1.5}', "line 2: its seed is no whole number: '1.5'"),
        ('{"file": "b.png", "seed": true}', "its seed is no whole number"),
        ('{"file": "b.png", "seed": NaN}', "its seed is no whole number"),
        ('{"file": "b.png", "seed": "x"}', "its seed is no whole number"),
        ('{"file": "b.png", "seed": 1e99}', "its seed is no whole number"),
        ('{"file": "b.png", "seed": [1]}', "its seed is no whole number"),
        ('{"file": ', "line 2: it is not JSON"),
        ("[" * 100_000, "line 2: it is not JSON"),
        ('["b.png"]', "line 2: it is not a JSON object"),
    ],
)
def test_malformed_manifests_name_the_line(tmp_path: Path, line: str, message: str) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "manifest.jsonl").write_text('{"file": "a.png"}\n' + line)
    with pytest.raises(UsageError, match=message):
        read_images(tmp_path)


def test_manifest_without_rows(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "manifest.jsonl")
    with pytest.raises(UsageError, match="has no rows"):
        read_images(tmp_path)


# lists


def test_lists_keep_their_order(tmp_path: Path) -> None:
    image = Image.new("L", (2, 2))
    images = images_from([image, tmp_path / "b.png", str(tmp_path / "a.x.png")], "mine")
    assert (images.name, images.kind) == ("mine", "images")
    assert [picture.key for picture in images.pictures] == ["0", "b", "a.x"]
    assert [picture.source for picture in images.pictures] == [
        image,
        tmp_path / "b.png",
        tmp_path / "a.x.png",
    ]


def test_equal_names_in_a_list_fall_back_to_the_index() -> None:
    same = images_from(["one/a.png", "two/a.png", "b.png"], "mine")
    assert [picture.key for picture in same.pictures] == ["0", "1", "2"]
    mixed = images_from([Image.new("L", (2, 2)), "0.png"], "mine")
    assert [picture.key for picture in mixed.pictures] == ["0", "1"]


def test_lists_of_nothing_or_of_something_else() -> None:
    with pytest.raises(UsageError, match="No images were given for mine"):
        images_from([], "mine")
    with pytest.raises(UsageError, match="Item 1 of mine is a int"):
        images_from(["a.png", 3], "mine")  # type: ignore[list-item]


def test_listed() -> None:
    assert listed(["a", "b\n"]) == "a, b\\n"
    assert listed([str(n) for n in range(5)]) == "0, 1, 2, 3, 4"
    assert listed([str(n) for n in range(1205)]) == "0, 1, 2, 3, 4 and 1,200 more"
