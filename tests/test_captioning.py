"""Captions by a tiny BLIP-2 of the real class, against transformers' own parts put together."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from finexl.bench.data.captioning import Blip2, captioned, captions
from finexl.errors import FinexlError, PrerequisiteError, UsageError
from finexl.images import Picture
from finexl.imageset import ImageSet, images_from
from tiny_vlms import ID, SIZE, save_text_only, tokenizer_of_letters

QUERIES, PIXELS, LENGTH = 4, 16, 8


def pictures(n: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)) for _ in range(n)]


def save_blip2(folder: Path) -> None:
    layers = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.Blip2Config(
        vision_config={
            **layers, "intermediate_size": 32, "image_size": PIXELS, "patch_size": 4,
        },
        qformer_config={
            **layers, "intermediate_size": 32, "encoder_hidden_size": 16, "vocab_size": SIZE,
            "cross_attention_frequency": 1,
        },
        text_config={
            "model_type": "opt", "vocab_size": SIZE, "hidden_size": 16, "ffn_dim": 32,
            "num_hidden_layers": 2, "num_attention_heads": 2, "word_embed_proj_dim": 16,
            "max_position_embeddings": 64, "pad_token_id": ID["<pad>"], "bos_token_id": ID["</s>"],
            "eos_token_id": ID["</s>"],
        },
        num_query_tokens=QUERIES,
        image_token_index=ID["<image>"],
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.Blip2ForConditionalGeneration(config)
    for weights in model.parameters():
        if weights.ndim > 1:  # as they start, all pictures look alike
            torch.nn.init.normal_(weights, std=0.5)
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer_of_letters("").save_pretrained(folder)
    preprocessing = {
        "image_processor_type": "BlipImageProcessor",
        "size": {"height": PIXELS, "width": PIXELS},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing))
    processing = {"processor_class": "Blip2Processor", "num_query_tokens": QUERIES}
    (folder / "processor_config.json").write_text(json.dumps(processing))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blip2")
    save_blip2(folder)
    return folder


def blip2(folder: Path) -> Blip2:
    found = Blip2.load(str(folder), device="cpu")
    found.length = LENGTH
    return found


@dataclass
class Counting:
    """Says a picture's size, and counts how often it is asked."""

    revision: str = "1"
    dies_after: int = 99
    asked: list[tuple[int, int]] = field(default_factory=list)

    def caption(self, picture: Image.Image) -> str:
        if len(self.asked) >= self.dies_after:
            raise FinexlError("The power went out.")
        self.asked.append(picture.size)
        return f"a picture of {picture.width}"


def sized(widths: list[int]) -> ImageSet:
    return images_from([Image.new("RGB", (width, 5)) for width in widths], "sized")


def by_hand(folder: Path, picture: Image.Image) -> str:
    """Pixels, vision model, Q-Former, projection and the language model, a word at a time."""
    resized = picture.resize((PIXELS, PIXELS), Image.Resampling.BICUBIC)
    mean = np.array([0.48145466, 0.4578275, 0.40821073])
    std = np.array([0.26862954, 0.26130258, 0.27577711])
    pixels = ((np.asarray(resized) / 255 - mean) / std).transpose(2, 0, 1)[None]
    model: Any = transformers.Blip2ForConditionalGeneration.from_pretrained(folder).eval()
    letters = {number: token for token, number in ID.items()}
    with torch.no_grad():
        seen = model.vision_model(torch.from_numpy(pixels.astype(np.float32))).last_hidden_state
        queries = model.qformer(query_embeds=model.query_tokens, encoder_hidden_states=seen)
        shown = model.language_projection(queries.last_hidden_state)
        embed = model.language_model.get_input_embeddings()
        said: list[int] = []
        for _ in range(LENGTH):
            words = embed(torch.tensor([[ID["</s>"], *said]]))
            logits = model.language_model(inputs_embeds=torch.cat([shown, words], 1)).logits
            said.append(int(logits[0, -1].argmax()))
            if said[-1] == ID["</s>"]:
                break
    return " ".join("".join(letters[i] for i in said if len(letters[i]) == 1).split())


def test_captions_are_those_of_the_parts_put_together_by_hand(saved: Path) -> None:
    model = blip2(saved)
    shown = pictures(3)
    found = [model.caption(picture) for picture in shown]
    assert found == [by_hand(saved, picture) for picture in shown]
    assert len(set(found)) > 1  # else the pictures would not have been looked at


def test_the_revision_is_of_the_files_and_of_how_captions_are_decoded(
    saved: Path, tmp_path: Path
) -> None:
    save_blip2(tmp_path)
    assert blip2(tmp_path).revision == blip2(saved).revision
    longer = blip2(saved)
    longer.length = LENGTH + 1
    (tmp_path / "generation_config.json").write_text("{}")
    assert len({blip2(saved).revision, longer.revision, blip2(tmp_path).revision}) == 3


def test_only_pictures_without_a_prompt_are_captioned(tmp_path: Path) -> None:
    bare = sized([3, 4]).pictures
    known = Picture("k", Image.new("RGB", (9, 9)), "known", 5)
    empty = Picture("e", Image.new("RGB", (8, 8)), "")
    captioner = Counting()
    images = ImageSet("mixed", "images", (bare[0], known, empty, bare[1]))
    found = captioned(images, captioner, tmp_path)
    prompts = [picture.prompt for picture in found.pictures]
    assert prompts == ["a picture of 3", "known", "", "a picture of 4"]
    assert captioner.asked == [(3, 5), (4, 5)]
    assert [picture.key for picture in found.pictures] == ["0", "k", "e", "1"]


def test_a_picture_is_captioned_once_for_each_model(tmp_path: Path) -> None:
    first, again, other = Counting(), Counting(), Counting("2")
    images = sized([3, 4, 3]).pictures
    texts = [captions(images, captioner, tmp_path) for captioner in (first, again, other)]
    assert texts == [["a picture of 3", "a picture of 4", "a picture of 3"]] * 3
    assert [len(captioner.asked) for captioner in (first, again, other)] == [2, 0, 2]


def test_broken_off_it_goes_on_after_what_was_captioned(tmp_path: Path) -> None:
    images = sized([3, 4, 5]).pictures
    with pytest.raises(FinexlError, match="power"):
        captions(images, Counting(dies_after=2), tmp_path)
    (file,) = tmp_path.iterdir()
    with file.open("ab") as opened:
        opened.write(b'{"digest": "cut sh')  # killed in a line
    after = Counting()
    assert captions(images, after, tmp_path)[2] == "a picture of 5"
    assert after.asked == [(5, 5)]
    assert len(captions(images, Counting(dies_after=0), tmp_path)) == 3


@pytest.mark.parametrize(
    "line",
    ["[]", "1", '{"digest": 1, "caption": "x"}', '{"caption": "x"}', '{"digest": "", "c'],
)
def test_damaged_lines_of_the_cache_are_as_good_as_absent(tmp_path: Path, line: str) -> None:
    images = sized([3]).pictures
    captions(images, Counting(), tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_text(f"{line}\n")
    after = Counting()
    assert captions(images, after, tmp_path) == ["a picture of 3"]
    assert len(after.asked) == 1


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert captions(sized([3]).pictures, Counting(), tmp_path / "file") == ["a picture of 3"]


# what cannot caption


def test_what_is_no_blip2_model(tmp_path: Path) -> None:
    save_text_only(tmp_path)
    with pytest.raises(UsageError, match="not a model that transformers can open as BLIP-2"):
        blip2(tmp_path).caption(pictures(1)[0])


def test_a_pickle_is_refused(saved: Path, tmp_path: Path) -> None:
    torch.save({}, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_bytes((saved / "config.json").read_bytes())
    with pytest.raises(UsageError, match=r"captioning model .* has only pytorch_model\.bin"):
        blip2(tmp_path).caption(pictures(1)[0])


def test_a_name_that_is_neither_folder_nor_hub_id() -> None:
    with pytest.raises(UsageError, match=r"the paper's is Salesforce/blip2-opt-2\.7b"):
        Blip2.load("nothing here")


def test_a_missing_extra_is_named(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        PrerequisiteError, match=r"pip install 'finexl\[torch\]'; or leave captions out"
    ):
        blip2(saved).caption(pictures(1)[0])
