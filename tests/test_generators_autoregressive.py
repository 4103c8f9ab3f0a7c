"""Autoregressive image models: tiny ones of the real classes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from transformers.models.janus.modeling_janus import JanusVQVAEConfig, JanusVQVAEDecoder

import tiny_writers
from finexl.errors import FinexlError, UsageError
from finexl.generators import Job, Made, Settings
from finexl.generators import autoregressive as ar
from finexl.generators.base import OutOfMemoryError
from finexl.generators.tokens import chameleon, decoder, sampling
from finexl.generators.tokens.sampling import Sampling
from tiny_writers import CODES, COUNT, SIZE, VQ

FAMILIES = ("plain", "gpt2", "chameleon", "janus")
JOBS = [Job("a red cat", 3), Job("a much longer prompt about dogs", 4), Job("", 5)]
EXACT: dict[str, Any] = {"dtype": "float32", "device": "cpu"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("models")
    tiny_writers.save_plain(root / "plain")
    tiny_writers.save_plain(root / "gpt2", "gpt2")
    tiny_writers.save_chameleon(root / "chameleon")
    tiny_writers.save_chameleon(root / "bare", inside=False)
    tiny_writers.save_janus(root / "janus")
    return root


def model(text: object, **more: Any) -> ar.Autoregressive:
    return ar.load(f"ar:{text}", Settings(**{**EXACT, **more}))


def pixels(made: Sequence[Made]) -> list[NDArray[np.uint8]]:
    found = []
    for one in made:
        assert one.image is not None, one.blank
        found.append(np.asarray(one.image))
    return found


def low_rank(layer: str) -> dict[str, Any]:
    return {
        f"{layer}.lora_A.weight": torch.zeros(2, 4),
        f"{layer}.lora_B.weight": torch.zeros(4, 2),
    }


# the decoder


def test_the_decoder_is_the_one_that_transformers_has_for_janus() -> None:
    torch.manual_seed(0)
    theirs = JanusVQVAEDecoder(
        JanusVQVAEConfig(
            base_channels=32, channel_multiplier=[1, 2, 4], num_res_blocks=2, latent_channels=16
        )
    ).eval()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.add_(0.05 * torch.randn(weight.shape))
    # theirs attends on the coarsest grid, and numbers its levels from there
    ours = decoder.Decoder(
        {
            **VQ,
            "channel_multiplier": [1, 2, 4],
            "num_res_blocks": 2,
            "attn_resolutions": [4],
        }
    ).eval()
    named = {}
    for key, weight in theirs.state_dict().items():
        parts = key.split(".")
        if parts[0] == "up":
            parts[1] = str(2 - int(parts[1]))
        named[".".join(parts)] = weight
    ours.load_state_dict(named)
    rows = torch.randn(2, 16, 4, 4)
    with torch.no_grad():
        expected = theirs(rows)
        found = ours(rows)
    assert expected.shape == (2, 3, 16, 16)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"base_channels": 10**12},
        {"base_channels": 48},
        {"channel_multiplier": [1] * 10**5},
        {"channel_multiplier": "no"},
        {"channel_multiplier": [1, 10**9]},
        {"num_res_blocks": 0},
        {"resolution": None},
        {"embed_dim": -1},
    ],
)
def test_a_decoder_of_unbelievable_size_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="which no VQ decoder has"):
        decoder.untrained({**VQ, **change})


# what all families have in common


@pytest.mark.parametrize("family", FAMILIES)
def test_an_image_is_decided_by_prompt_and_seed_in_any_batch(folders: Path, family: str) -> None:
    source = model(folders / family)
    together = pixels(source.make(JOBS))
    alone = [pixels(source.make([job]))[0] for job in JOBS]
    again = pixels(model(folders / family).make(JOBS))
    for one, two, three in zip(together, alone, again, strict=True):
        assert one.shape == (SIZE, SIZE, 3)
        assert np.abs(one.astype(int) - two).max() <= 1
        assert (one == three).all()
    other = pixels(source.make([Job("a red cat", 9), Job("a dog", 3)]))
    assert (other[0] != together[0]).any()
    assert (other[1] != together[0]).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_likeliest_codes_are_those_of_running_the_whole_sequence_each_time(
    folders: Path, family: str
) -> None:
    source = model(folders / family, guidance=1, more={"top_k": 1})
    opened = source.opened
    prompts = [opened.prompt(job.prompt or "x") for job in JOBS]
    found, sound = sampling.write(opened, prompts, [], [1, 2, 3], source.sampling)
    assert sound == [True] * 3
    for prompt, row in zip(prompts, found, strict=True):
        codes: list[int] = []
        for _ in range(COUNT):
            with torch.no_grad():
                embedded = opened.words(torch.tensor([prompt]))
                if codes:
                    embedded = torch.cat([embedded, opened.images(torch.tensor([codes]))], dim=1)
                places = torch.arange(embedded.shape[1])[None]
                hidden, _ = opened.hidden(embedded, torch.ones_like(places), places, None)
                codes.append(int(opened.logits(hidden[:, -1]).argmax()))
        assert row.tolist() == codes


@pytest.mark.parametrize("family", FAMILIES)
def test_what_it_says_of_itself(folders: Path, family: str) -> None:
    source = model(folders / family, more={"temperature": 0.5})
    record = json.loads(json.dumps(source.record()))
    assert (source.kind, source.name, source.seeded, source.batch) == ("ar", family, True, 1)
    assert record["tokens"] == COUNT
    assert record["sampling"]["temperature"] == 0.5
    assert record["sampling"]["guidance"] > 1
    assert len(source.digest) == 64
    same, hotter = model(folders / family, more={"temperature": 0.5}), model(folders / family)
    assert same.digest == source.digest != hotter.digest


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_makes_images(folders: Path, family: str) -> None:
    made = pixels(model(folders / family, dtype="bfloat16").make(JOBS[:1]))
    assert made[0].std() > 1


@pytest.mark.parametrize("family", ["plain", "chameleon"])
def test_logits_that_are_no_numbers_make_a_blank_of_that_image_alone(
    folders: Path, family: str
) -> None:
    source = model(folders / family)
    inner = type(source.opened).logits
    calls = 0

    def broken(self: Any, hidden: Any) -> Any:
        nonlocal calls
        calls += 1
        found = inner(self, hidden).clone()
        if calls == 3:
            found[1] = torch.nan
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(source.opened), "logits", broken)
        made = source.make(JOBS)
    assert [one.blank for one in made] == [None, "not a number", None]


def test_memory_that_runs_out_is_said_so(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = model(folders / "plain")

    def full(*_: Any) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(type(source.opened), "hidden", full)
    with pytest.raises(OutOfMemoryError, match="for 3 images"):
        source.make(JOBS)


# sampling


def test_draws_follow_the_softmax() -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0])
    n = 4000
    generators = [torch.Generator().manual_seed(i) for i in range(n)]
    found = sampling.draw(logits.expand(n, 4), generators, Sampling(temperature=2.0))
    parts = np.bincount(found.numpy(), minlength=4) / n
    expected = (logits / 2).softmax(0).numpy()
    assert np.abs(parts - expected).max() < 4 * np.sqrt(0.25 / n)


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        (Sampling(top_k=2), {0, 1}),
        # probabilities .64 .24 .09 .03: the first two have .88
        (Sampling(top_p=0.6), {0}),
        (Sampling(top_p=0.7), {0, 1}),
        (Sampling(top_p=0.9), {0, 1, 2}),
        (Sampling(top_k=3, top_p=0.6), {0}),
    ],
)
def test_unlikely_tokens_are_never_drawn(settings: Sampling, allowed: set[int]) -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0])
    generators = [torch.Generator().manual_seed(i) for i in range(500)]
    found = sampling.draw(logits.expand(500, 4), generators, settings)
    assert set(found.tolist()) == allowed


def test_guidance_goes_past_the_prompts_logits_by_what_the_empty_one_lacks(folders: Path) -> None:
    guided = model(folders / "plain", guidance=3, more={"top_k": 1})
    opened = guided.opened
    prompt, blank = opened.prompt("a cat"), opened.blank([])
    found, _ = sampling.write(opened, [prompt], [blank], [0], guided.sampling)
    with torch.no_grad():
        rows = []
        for ids in (prompt, blank):
            places = torch.arange(len(ids))[None]
            embedded = opened.words(torch.tensor([ids]))
            hidden, _ = opened.hidden(embedded, torch.ones_like(places), places, None)
            rows.append(opened.logits(hidden[:, -1]))
    assert int(found[0, 0]) == int((rows[1] + 3 * (rows[0] - rows[1])).argmax())


def test_a_negative_prompt_takes_the_empty_ones_place(folders: Path) -> None:
    job = [Job("a cat", 0)]
    plain = pixels(model(folders / "plain").make(job))[0]
    less = pixels(model(folders / "plain", negative="dogs everywhere").make(job))[0]
    assert (plain != less).any()
    with pytest.raises(UsageError, match="only with a guidance above 1"):
        model(folders / "plain", negative="x", guidance=1).make(job)


# families


def test_janus_writes_the_codes_that_transformers_writes(folders: Path) -> None:
    source = model(folders / "janus", guidance=4, more={"top_k": 1})
    opened = source.opened
    prompts = [opened.prompt(job.prompt) for job in JOBS[:2]]
    blanks = [opened.blank(prompt) for prompt in prompts]
    found, _ = sampling.write(opened, prompts, blanks, [0, 1], source.sampling)
    for prompt, row in zip(prompts, found, strict=True):
        language = opened.language
        language.generation_config.generation_kwargs = {"boi_token_id": prompt[-1]}
        with torch.no_grad():
            expected = language.generate(
                torch.tensor([prompt]),
                attention_mask=torch.ones((1, len(prompt)), dtype=torch.long),
                generation_mode="image",
                do_sample=False,
                guidance_scale=4.0,
                use_cache=True,
            )
        assert expected[0].tolist() == row.tolist()
        made = opened.decode(row[None])
        theirs = language.decode_image_tokens(row[None]).permute(0, 3, 1, 2)
        torch.testing.assert_close(made, theirs)


def test_a_chameleons_codes_are_those_that_its_own_mapping_gives(folders: Path) -> None:
    opened = model(folders / "chameleon").opened
    codes = torch.arange(CODES)[None]
    own = opened.language.model.vocabulary_mapping
    expected = opened.words(own.convert_img2bpe(codes))
    torch.testing.assert_close(opened.images(codes), expected)
    shown = torch.rand(2, 3, SIZE, SIZE) * 2 - 1
    with torch.no_grad():
        tokens = opened.language.model.get_image_tokens(shown)
        torch.testing.assert_close(opened.images(opened.encode(shown)), opened.words(tokens))


def test_a_chameleons_prompt_ends_its_turn_and_begins_an_image(folders: Path) -> None:
    opened = model(folders / "chameleon").opened
    text = "a <racm3:break>b"
    ids = opened.prompt(text)
    known = tiny_writers.VOCABULARY
    assert "".join(known[i] for i in ids) == "<s>a  b<reserved08706><racm3:break>"
    assert [known[i] for i in opened.blank(ids)] == ["<s>", "<racm3:break>"]


def test_a_chameleon_without_a_decoder_says_what_to_add(folders: Path) -> None:
    job = [Job("a cat", 0)]
    with pytest.raises(UsageError, match=r"no VQ decoder.*\+DECODER\.safetensors"):
        model(folders / "bare").make(job)
    file = folders / "bare-vqgan.safetensors"
    whole = pixels(model(folders / "chameleon").make(job))[0]
    assert (pixels(model(f"{folders / 'bare'}+{file}").make(job))[0] == whole).all()
    with pytest.raises(UsageError, match="no VQ decoder"):
        model(f"{folders / 'bare'}+{file}@0").make(job)


def test_a_chameleon_whose_vocabulary_knows_no_images_is_refused(tmp_path: Path) -> None:
    for table in ({}, None, {"IMGIMGAZ": 1, chameleon.BEGIN: 2}, {"IMGIMGAZ": 10**9}):
        with pytest.raises(UsageError, match="no vocabulary_map with"):
            chameleon.vocabulary({"vocabulary_map": table, "vocab_size": 50}, CODES, tmp_path)


# what is laid over


def test_another_decoder_paints_otherwise_and_not_at_all_at_scale_0(
    folders: Path, tmp_path: Path
) -> None:
    job = [Job("a cat", 0)]
    for family in ("plain", "chameleon", "janus"):
        base = model(folders / family)
        state = base.opened.painter.state_dict()
        changed = {key: weight + 0.2 * torch.ones_like(weight) for key, weight in state.items()}
        file = tmp_path / f"{family}.safetensors"
        save_file({f"model.vqmodel.{key}": weight for key, weight in changed.items()}, file)
        plain = pixels(base.make(job))[0]
        source = model(f"{folders / family}+{file}")
        assert source.digest != base.digest
        assert (pixels(source.make(job))[0] != plain).any()
        assert source.record()["overlays"][0]["changed"] == len(state)
        assert source.name == f"{family} + {family}"
        assert (pixels(model(f"{folders / family}+{file}@0").make(job))[0] == plain).all()
        with pytest.raises(UsageError, match="no strength to set"):
            model(f"{folders / family}+{file}@0.5")


def test_files_that_do_not_fit_are_named_with_their_tensors(folders: Path, tmp_path: Path) -> None:
    job = [Job("a cat", 0)]
    state = load_file(folders / "bare-vqgan.safetensors")
    file = tmp_path / "wrong.safetensors"

    def tried(weights: dict[str, Any]) -> None:
        save_file(weights, file)
        model(f"{folders / 'bare'}+{file}").make(job)

    with pytest.raises(UsageError, match=r"lacks conv_in\.bias"):
        tried({key: value for key, value in state.items() if key != "decoder.conv_in.bias"})
    with pytest.raises(UsageError, match=r"other shapes conv_in\.bias \(3,\) for \(64,\)"):
        tried({**state, "decoder.conv_in.bias": torch.zeros(3)})
    with pytest.raises(UsageError, match=r"adds strange"):
        tried({**state, "decoder.strange": torch.zeros(3)})
    with pytest.raises(UsageError, match=r"neither a VQ decoder.*it has hello"):
        tried({"hello": torch.zeros(3)})
    with pytest.raises(UsageError, match=r"made for another model: bare \+ wrong has no x\.q_proj"):
        tried(
            {
                "x.q_proj.lora_A.weight": torch.zeros(2, 4),
                "x.q_proj.lora_B.weight": torch.zeros(4, 2),
            }
        )
    with pytest.raises(UsageError, match="no plain LoRA"):
        tried({"x.q_proj.lora_A.weight": torch.zeros(2, 4), "x.q_proj.dora": torch.zeros(2)})
    with pytest.raises(UsageError, match="does not fit"):
        tried(low_rank("model.layers.0.self_attn.q_proj"))


def test_whole_weights_lie_below_adapters_in_whatever_order_they_are_given(
    folders: Path, tmp_path: Path
) -> None:
    base = model(folders / "plain").opened
    whole, decoder_, adapter = (tmp_path / f"{name}.safetensors" for name in ("w", "d", "a"))
    own = base.trainable.state_dict()
    save_file({f"transformer.{key}": 1.2 * weight for key, weight in own.items()}, whole)
    save_file({key: 1.2 * weight for key, weight in base.painter.state_dict().items()}, decoder_)
    layer = "model.layers.0.self_attn.q_proj"
    torch.manual_seed(0)
    save_file(
        {
            f"{layer}.lora_A.weight": torch.randn(2, 32),
            f"{layer}.lora_B.weight": torch.randn(32, 2),
        },
        adapter,
    )
    rows, places = base.words(torch.tensor([[5, 6, 7]])), torch.arange(3)[None]

    def found(*files: Path) -> Any:
        opened = model("+".join(map(str, (folders / "plain", *files)))).opened
        with torch.no_grad():
            said = opened.logits(opened.hidden(rows, torch.ones_like(places), places, None)[0])
            return said, opened.decode(torch.arange(COUNT)[None] % CODES)

    wanted = found(whole, decoder_, adapter)
    for files in ((adapter, whole, decoder_), (whole, adapter, decoder_)):
        assert all(torch.equal(a, b) for a, b in zip(found(*files), wanted, strict=True))
    assert not torch.equal(found(whole, decoder_)[0], wanted[0])
    assert not torch.equal(found(adapter, decoder_)[0], wanted[0])


def test_references_take_paths_with_plus_and_at(folders: Path, tmp_path: Path) -> None:
    base = tmp_path / "a+b@2"
    shutil.copytree(folders / "plain", base)
    assert ar.parse(str(base)) == (str(base), [])
    file = tmp_path / "x@y.safetensors"
    file.write_bytes(b"")
    assert ar.parse(f"{base}+{file}@0.5") == (str(base), [(str(file), 0.5)])
    assert ar.parse(f"{base}+{file}") == (str(base), [(str(file), 1.0)])
    for text in ("", "a++b", "a+", "+b"):
        with pytest.raises(UsageError):
            ar.parse(text)


# ugly files


def copied(folders: Path, family: str, tmp_path: Path) -> Path:
    where = tmp_path / family
    shutil.copytree(folders / family, where)
    return where


def change(file: Path, **more: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **more}))


def refused(where: Path, said: str) -> None:
    with pytest.raises(FinexlError, match=said):
        model(where).make([Job("a cat", 0)])


def test_what_is_no_such_model_is_refused(folders: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", r"no config\.json")
    refused(tmp_path / "missing", "no folder and no hub id")
    where = copied(folders, "plain", tmp_path)
    (where / "config.json").write_text("[]")
    refused(where, "no object of settings")
    (where / "config.json").write_text("{" * 10_000)
    refused(where, r"has no config\.json that can be read")
    (where / "config.json").write_text('{"model_type": "llama"}')
    refused(where, "kind 'llama'; chameleon, janus, finexl-vq are known")


def test_sizes_that_no_model_has_are_refused_before_memory_is_taken(
    folders: Path, tmp_path: Path
) -> None:
    for family, part, said, more in (
        ("plain", "transformer", "hidden_size", {"hidden_size": 10**12}),
        ("chameleon", ".", "intermediate_size", {"intermediate_size": 10**12}),
        ("janus", ".", "num_hidden_layers", {"text_config": {"num_hidden_layers": 10**6}}),
        ("gpt2", "vq", "layers_per_block", {"layers_per_block": 10**6}),
    ):
        where = copied(folders, family, tmp_path)
        change(where / part / "config.json", **more)
        refused(where, f"{said} = 1000000")
    where = copied(folders, "plain", tmp_path / "again")
    change(where / "transformer" / "config.json", intermediate_size=4_000_000)
    refused(where, "do not belong together")


def test_a_plain_folder_whose_parts_do_not_fit_is_refused(folders: Path, tmp_path: Path) -> None:
    where = copied(folders, "plain", tmp_path)
    own = (where / "config.json").read_text()
    for more, said in (
        ({"size": 10**9}, "size = 1000000000, which no model has"),
        ({"size": 10**6}, "`size` has to be a whole number"),
        ({"size": True}, "`size` has to be a whole number"),
        ({"patch": 0}, "`patch` has to be"),
        ({"size": 18}, "are no grid of 4"),
        ({"patch": 1}, "has to have 3 channels"),
        ({"first_code": 10}, "does not fit 16 codes from 10 on"),
        ({"first_code": 10**5}, "does not fit 16 codes"),
        ({"size": 64}, "room for 256 codes"),
        ({"sampling": []}, "is no object"),
        ({"sampling": {"steps": 3}}, "takes no steps"),
        ({"sampling": {"guidance": "x"}}, "no number"),
    ):
        change(where / "config.json", **more)
        refused(where, said)
        (where / "config.json").write_text(own)


def test_weights_that_are_missing_or_pickled_are_named(folders: Path, tmp_path: Path) -> None:
    where = copied(folders, "plain", tmp_path)
    file = where / "transformer" / "model.safetensors"
    whole = load_file(file)
    save_file(
        {key: value for key, value in whole.items() if "layers.1.mlp.up" not in key},
        file,
        {"format": "pt"},
    )
    refused(where, r"lacks weights.*layers\.1\.mlp\.up_proj\.weight")
    file.rename(file.with_name("pytorch_model.bin"))
    refused(where, "no weights as safetensors")
    other = copied(folders, "chameleon", tmp_path)
    (other / "model.safetensors").write_bytes(b"hello")
    refused(other, "no safetensors file, or is damaged")
    with pytest.raises(UsageError, match="is a pickle"):
        model(f"{folders / 'plain'}+{where / 'transformer' / 'pytorch_model.bin'}")


@pytest.mark.parametrize(
    ("family", "part", "named"),
    [
        ("plain", "transformer", r"model\.layers\.1\.input_layernorm\.weight"),
        ("gpt2", "transformer", r"h\.1\.attn\.c_attn\.weight"),
        ("chameleon", ".", r"model\.layers\.1\.input_layernorm\.weight"),
        ("janus", ".", r"layers\.1\.input_layernorm\.weight"),
        ("plain", "vq", r"decoder\.mid_block\.attentions\.0"),
    ],
)
def test_weights_that_the_settings_leave_no_place_for_are_named(
    folders: Path, tmp_path: Path, family: str, part: str, named: str
) -> None:
    where = copied(folders, family, tmp_path)
    file = where / part / "config.json"
    said = json.loads(file.read_text())
    if part == "vq":
        said["mid_block_add_attention"] = False
    else:
        inner = said["text_config"] if family == "janus" else said
        inner["n_layer" if family == "gpt2" else "num_hidden_layers"] = 1
        inner.pop("layer_types", None)
    file.write_text(json.dumps(said))
    refused(where, rf"its config\.json leaves no place: .*{named}")


def test_what_published_files_hold_beside_weights_is_left_out(
    folders: Path, tmp_path: Path
) -> None:
    job = [Job("a cat", 0)]
    for family, part, names in (
        ("plain", "transformer", ["model.layers.0.self_attn.rotary_emb.inv_freq"]),
        ("gpt2", "transformer", ["transformer.h.0.attn.masked_bias"]),
        ("chameleon", ".", ["model.vqmodel.loss.logvar"]),
    ):
        where = copied(folders, family, tmp_path)
        file = where / part / "model.safetensors"
        more = {name: torch.ones(3) for name in names}
        save_file({**load_file(file), **more}, file, {"format": "pt"})
        assert (
            pixels(model(where).make(job))[0] == pixels(model(folders / family).make(job))[0]
        ).all()
    # the encoder is a part that the class has: what is too much of it says that settings are wrong
    weights = {**load_file(file), "model.vqmodel.encoder.down.9.block.0.norm1.bias": torch.ones(3)}
    save_file(weights, file, {"format": "pt"})
    refused(where, r"leaves no place: model\.vqmodel\.encoder\.down\.9")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"steps": 3}, "takes no steps"),
        ({"scheduler": "DDIMScheduler"}, "takes no scheduler"),
        ({"more": {"eta": 1}}, "takes no eta; it takes guidance"),
        ({"more": {"temperature": 0}}, "a temperature above 0"),
        ({"more": {"top_p": "nan"}}, r"top_p in \(0, 1\]"),
        ({"guidance": 0.5}, "a guidance of at least 1"),
        ({"more": {"top_k": "x"}}, "no number"),
        ({"dtype": "int8"}, "is no precision"),
        ({"size": 64}, "images of 16 pixels, not of 64"),
    ],
)
def test_settings_that_it_does_not_take_are_refused(
    folders: Path, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        model(folders / "plain", **settings).make([Job("a cat", 0)])
