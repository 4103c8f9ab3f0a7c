from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from finexl.errors import UsageError
from finexl.images import Picture
from finexl.imageset import ImageSet, read_images
from finexl.prompts import PromptRow, read_prompts, with_prompts


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def a_set(*names: str, **known: object) -> ImageSet:
    pictures = (
        Picture(name.rpartition(".")[0], Path("set") / name, **known)  # type: ignore[arg-type]
        for name in names
    )
    return ImageSet("mine", "folder", tuple(pictures))


# files of prompts


@pytest.mark.parametrize(
    ("content", "prompts"),
    [
        (b"a cat\na dog\n", ["a cat", "a dog"]),
        (b"\xef\xbb\xbfa cat\r\na dog", ["a cat", "a dog"]),
        (b"a cat\ra dog\n\n \r\n", ["a cat", "a dog"]),
        (b"\na cat, by day\n\n  a dog\n\n", ["", "a cat, by day", "", "a dog"]),
        ("one\u2028line\x0b\x1ctoo\nкот".encode(), ["one\u2028line\x0b\x1ctoo", "кот"]),
    ],
)
def test_text_has_a_prompt_a_line(tmp_path: Path, content: bytes, prompts: list[str]) -> None:
    rows = read_prompts(written(tmp_path / "p.TXT", content))
    assert rows == [PromptRow(prompt) for prompt in prompts]


def test_csv_and_jsonl_name_files_and_seeds(tmp_path: Path) -> None:
    expected = [PromptRow("a cat, sitting", "a.png", 3), PromptRow("a dog", "b.png")]
    csv = b'seed,prompt,file\n3,"a cat, sitting",a.png\n,a dog,b.png\n'
    jsonl = (
        b'{"prompt": "a cat, sitting", "file": "a.png", "seed": "3"}\n\n'
        b'{"prompt": "a dog", "file": "b.png"}'
    )
    assert read_prompts(written(tmp_path / "p.csv", csv)) == expected
    assert read_prompts(written(tmp_path / "p.jsonl", jsonl)) == expected


def test_empty_cell_is_an_empty_prompt(tmp_path: Path) -> None:
    path = written(tmp_path / "p.csv", b"prompt,seed\na cat,1\n,2\n")
    assert read_prompts(path) == [PromptRow("a cat", None, 1), PromptRow("", None, 2)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.txt", b"", "has no rows"),
        ("p.txt", b" \n\r\n", "has no rows"),
        ("p.txt", b"a\r\nb\r\ncaf\xe9\n", "line 3: it is not UTF-8 text"),
        ("p.txt", "a cat".encode("utf-16"), "line 1: it is not UTF-8 text"),
        ("p.txt", b"a\n" + b"x" * 2001, "line 2: its prompt has 2,001 characters, the most is 2,0"),
        ("p.txt", b"a\nb\0c", "line 2: its prompt has characters that are no text"),
        ("p.csv", b"", "has no rows"),
        ("p.csv", b"prompt,file\n", "has no rows"),
        ("p.csv", b"text,file\na cat,a.png\n", "has no prompts; give them as `prompt`"),
        (
            "p.csv",
            b"prompt,file\na cat, black,a.png\n",
            "line 2: it has 3 cells where the header has",
        ),
        ("p.csv", b'prompt\na cat\n"a dog\n', "line 3: it is not CSV"),
        ("p.csv", b"prompt,seed\na cat,one\n", "line 2: its seed is no whole number: 'one'"),
        ("p.jsonl", b'{"prompt": "a"}\n{"promt": "b"}\n', "line 2: it has no prompt"),
        ("p.jsonl", b'{"prompt": "a"}\n"b"\n', "line 2: it is not a JSON object"),
        ("p.md", b"a cat", r"is not a \.txt, \.csv or \.jsonl file"),
    ],
)
def test_wrong_files_name_the_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_prompts(written(tmp_path / name, content))


def test_missing_and_endless_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"p\.txt cannot be read: no such file"):
        read_prompts(tmp_path / "p.txt")
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(UsageError, match="cannot be read: is a directory"):
        read_prompts(tmp_path / "folder.txt")
    (tmp_path / "zero.txt").symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="larger than 64 MB"):
        read_prompts(tmp_path / "zero.txt")


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30).map(str.strip),
        min_size=1,
        max_size=8,
    )
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("prompts") / "p.txt"
    path.write_text("\n".join([*texts, "end"]), encoding="utf-8")
    assert [row.prompt for row in read_prompts(path)] == [*texts, "end"]


# giving them to pictures


def test_by_order() -> None:
    images = with_prompts(
        a_set("a.png", "b.png", seed=9), [PromptRow("a cat"), PromptRow("a dog", None, 0)]
    )
    assert [(p.key, p.prompt, p.seed) for p in images.pictures] == [
        ("a", "a cat", 9),
        ("b", "a dog", 0),
    ]
    assert images.warnings == ()


def test_by_order_needs_as_many() -> None:
    for n in (0, 2, 4):
        with pytest.raises(
            UsageError, match=rf"prompts, {n}, is not that of the images of mine, 3;"
        ):
            with_prompts(a_set("a.png", "b.png", "c.png"), [PromptRow("x")] * n)


@pytest.mark.parametrize(
    ("file", "hits"),
    [
        ("sub/a.png", [1]),
        ("./sub/a.png", [1]),
        ("sub/a", [1]),
        ("a.png", [0]),  # the path itself wins over another's file name
        ("a", [0]),
        ("b.png", [2, 3]),
        ("b", [2, 3]),
        ("e\u0301.png", [4]),
    ],
)
def test_by_file(file: str, hits: list[int]) -> None:
    images = a_set("a.png", "sub/a.png", "x/b.png", "y/b.png", "é.png")
    prompts = [p.prompt for p in with_prompts(images, [PromptRow("a cat", file)]).pictures]
    assert [index for index, prompt in enumerate(prompts) if prompt == "a cat"] == hits
    assert prompts.count(None) == 5 - len(hits)


def test_by_file_says_what_did_not_fit() -> None:
    rows = [PromptRow("a cat", "a.png", 5), PromptRow("a dog", "z.png")]
    images = with_prompts(a_set("a.png", "b.png", "c.png", prompt="old"), rows)
    assert [(p.prompt, p.seed) for p in images.pictures] == [
        ("a cat", 5),
        ("old", None),
        ("old", None),
    ]
    assert images.warnings == (
        "No image of mine for 1 of the 2 prompts: z.png.",
        "No prompt for 2 of the 3 images of mine: b.png, c.png.",
    )


def test_by_file_with_an_image_in_memory() -> None:
    images = ImageSet("mine", "images", (Picture("0", Image.new("L", (1, 1))),))
    assert with_prompts(images, [PromptRow("a cat", "0")]).pictures[0].prompt == "a cat"


def test_by_file_gone_wrong() -> None:
    images = a_set("a.png", "b.png")
    with pytest.raises(UsageError, match=r"No prompt names an image of mine: x\.png"):
        with_prompts(images, [PromptRow("a cat", "x.png")])
    with pytest.raises(UsageError, match="A file is named by 1 of the 2 prompts only"):
        with_prompts(images, [PromptRow("a cat", "a.png"), PromptRow("a dog")])
    with pytest.raises(UsageError, match=r"Two different prompts are given for a\.png"):
        with_prompts(images, [PromptRow("a cat", "a.png"), PromptRow("a dog", "a")])
    same = with_prompts(images, [PromptRow("a cat", "a.png"), PromptRow("a cat", "a")])
    assert same.pictures[0].prompt == "a cat"


@pytest.mark.parametrize(("n", "warned"), [(9, False), (12, True)])
def test_files_out_of_the_order_of_their_numbers_are_warned_of(
    tmp_path: Path, n: int, warned: bool
) -> None:
    for i in range(n):
        Image.new("RGB", (4, 4)).save(tmp_path / f"{i}.png")
    images = with_prompts(read_images(tmp_path), [PromptRow(f"prompt {i}") for i in range(n)])
    assert any("0, 1, 10, 11, …" in warning for warning in images.warnings) == warned
