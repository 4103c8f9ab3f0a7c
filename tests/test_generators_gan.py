"""GANs as image sources: what they are asked, what is added, what does not fit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from tiny import judge

import tiny_gans
from finexl.errors import UsageError
from finexl.generators import Generator, Job, OutOfMemoryError, Settings
from finexl.generators.gan import drawn, load
from finexl.generators.gans import conditional, controlgan, edits
from finexl.generators.gans import folder as folders
from finexl.generators.gans.config import Config
from finexl.generators.gans.words import Vocabulary
from finexl.personalize import scenes

SETTINGS = Settings(device="cpu")
SHIPPED = Path(__file__).parents[1] / "examples" / "models" / "scenes-gan"
JOBS = [Job("a red cat", 1), Job("a blue mat on a cat", 2), Job("a cat", 3)]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gans.save(tmp_path_factory.mktemp("gans") / "small")


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gans.save(tmp_path_factory.mktemp("gans") / "control", tiny_gans.CONTROLGAN)


def pixels(model: Generator, jobs: list[Job]) -> list[bytes]:
    found = []
    for made in model.make(jobs):
        assert made.image is not None
        found.append(made.image.tobytes())
    return found


def values(model: Any, jobs: list[Job]) -> np.ndarray[Any, Any]:
    """Return what the network makes before it is rounded."""
    noise = np.stack([drawn(job.seed, model.network.noise) for job in jobs])
    found: np.ndarray[Any, Any] = model.network.pictures(
        noise, [j.prompt for j in jobs], None, None
    )
    return found


def changed(folder: Path, to: Path, **said: Any) -> Path:
    """Copy a model and change its settings."""
    to.mkdir()
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    found = json.loads((folder / "config.json").read_text())
    (to / "config.json").write_text(json.dumps({**found, **said}))
    return to


# what an image depends on


@pytest.mark.parametrize("kind", ["small", "control"])
def test_prompt_and_seed_alone_decide_the_image(kind: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    model = load(f"gan:{folder}", SETTINGS)
    together = values(model, JOBS)
    for i, job in enumerate(JOBS):
        np.testing.assert_allclose(values(model, [job])[0], together[i], atol=1e-5)
    assert pixels(model, JOBS) == pixels(load(f"gan:{folder}", SETTINGS), JOBS)
    same = [Job("a red cat", 1), Job("a blue cat", 1), Job("a red cat", 2)]
    assert len(set(pixels(model, same))) == 3
    side = model.network.sizes[-1]  # type: ignore[index]
    assert together.shape == (3, 3, side, side)


def test_the_noise_is_numpys_of_the_seed() -> None:
    wanted = np.random.default_rng(5).standard_normal(4, dtype=np.float32)
    assert drawn(5, 4).tobytes() == wanted.tobytes()
    assert drawn(5, 9)[:4].tobytes() == wanted.tobytes()
    assert drawn(-1, 4).dtype == np.float32


def test_what_it_says_of_itself(small: Path) -> None:
    model = load(f"gan:{small}", SETTINGS)
    assert (model.kind, model.name, model.seeded, model.notice) == ("gan", "small", True, None)
    assert model.batch == 8
    assert load(f"gan:{small}", Settings(device="cpu", batch=3)).batch == 3
    record = json.loads(json.dumps(model.record()))
    assert record["architecture"] == "conditional"
    assert record["size"] == 16
    assert "torch" in record["versions"]
    assert model.digest == load(f"gan:{small}", SETTINGS).digest
    assert model.digest != load(f"gan:{small}", Settings(device="cpu", dtype="float16")).digest


def test_words_that_are_not_known_mean_nothing_and_a_prompt_without_any_is_refused(
    small: Path,
) -> None:
    model = load(f"gan:{small}", SETTINGS)
    assert pixels(model, [Job("a red cat", 1)]) == pixels(model, [Job("A RED, purple cat!", 1)])
    with pytest.raises(UsageError, match=r"No word of the prompt 'xyz'.*blue, cat"):
        model.make([Job("xyz", 0)])


def test_a_picture_with_what_is_no_number_is_none(small: Path, tmp_path: Path) -> None:
    folder = changed(small, tmp_path / "nan")
    weights = load_file(folder / "model.safetensors")
    weights["picture.bias"][:] = np.nan
    save_file(weights, folder / "model.safetensors")
    (made,) = load(f"gan:{folder}", SETTINGS).make(JOBS[:1])
    assert (made.image, made.blank) == (None, "not a number")


def test_memory_that_runs_out_is_told_from_other_failures(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, raised in (
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), OutOfMemoryError),
        (MemoryError(), OutOfMemoryError),
        (RuntimeError("bad"), UsageError),
    ):
        model = load(f"gan:{small}", SETTINGS)

        def fail(*_: Any, error: Exception = error) -> Any:
            raise error

        monkeypatch.setattr(model.network, "pictures", fail)
        with pytest.raises(raised):
            model.make(JOBS)


def test_a_device_that_is_not_there_is_said(small: Path) -> None:
    with pytest.raises(UsageError, match=r"^small cannot make images so: \w"):
        load(f"gan:{small}", Settings(device="cuda:99")).make(JOBS)


def test_no_jobs_no_images(small: Path) -> None:
    assert load(f"gan:{small}", SETTINGS).make([]) == []


# classes, and none


def test_the_class_that_a_prompt_names(tmp_path: Path) -> None:
    said = {**tiny_gans.CONDITIONAL, "conditioning": "class", "classes": tiny_gans.CLASSES}
    config = Config.read(tiny_gans.settings(tmp_path / "c", said) / "config.json")
    assert config.class_in("a Dog, running") == 1
    assert config.class_in("my house cat") == 2
    assert config.class_in("a cat") == 0
    with pytest.raises(
        UsageError, match=r"names no class of .*its classes are cat, dog, house cat"
    ):
        config.class_in("hotdogs and cats")
    model = load(f"gan:{tiny_gans.save(tmp_path / 'd', said)}", SETTINGS)
    assert pixels(model, [Job("a dog", 1)]) == pixels(model, [Job("the dog", 1)])
    assert pixels(model, [Job("a dog", 1)]) != pixels(model, [Job("the cat", 1)])


def test_an_unconditional_model_says_that_prompts_change_nothing(tmp_path: Path) -> None:
    said = {**tiny_gans.CONDITIONAL, "conditioning": "none"}
    model = load(f"gan:{tiny_gans.save(tmp_path / 'free', said)}", SETTINGS)
    assert model.notice == (
        "free is unconditional: prompts are recorded, and do not change its images."
    )
    assert pixels(model, [Job("a dog", 1)]) == pixels(model, [Job("xyz", 1)])


# latent edits


def test_an_edit_moves_z_and_at_scale_0_changes_no_bit(small: Path, tmp_path: Path) -> None:
    z = np.arange(6, dtype=np.float32)
    save_file({"smile": z}, tmp_path / "smile.safetensors")
    save_file({"w": np.ones((1, 10), np.float32)}, tmp_path / "style.safetensors")
    base = load(f"gan:{small}", SETTINGS)
    at = {
        scale: load(f"gan:{small}+{tmp_path}/smile.safetensors@{scale}", SETTINGS)
        for scale in ("0", "0.5", "-2")
    }
    assert pixels(at["0"], JOBS) == pixels(base, JOBS)
    assert len({model.digest for model in (base, *at.values())}) == 4
    assert at["0.5"].name == "small + smile@0.5"
    noise = np.stack([drawn(job.seed, 6) + np.float32(0.5) * z for job in JOBS])
    wanted = base.network.pictures(noise, [job.prompt for job in JOBS], None, None)
    shown = ((wanted + 1) * 127.5).round().astype(np.uint8).transpose(0, 2, 3, 1)
    assert pixels(at["0.5"], JOBS) == [one.tobytes() for one in shown]
    both = load(
        f"gan:{small}+{tmp_path}/smile.safetensors@0+{tmp_path}/style.safetensors", SETTINGS
    )
    assert both.edits[1].scale == 1
    assert pixels(both, JOBS) != pixels(base, JOBS)
    assert [edit["scale"] for edit in both.record()["edits"]] == [0, 1]


def test_a_files_directions_are_added_up_and_names_decide_where_widths_are_alike(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.safetensors"
    ones = np.ones(3, np.float32)
    save_file({"a": ones, "b": 2 * ones, "w.c": 5 * ones}, path)
    edit = edits.read(str(path), 2.0, 3, 3)
    assert edit.z is not None
    assert edit.w is not None
    assert edit.z.tolist() == [3] * 3
    assert edit.w.tolist() == [5] * 3
    added = edits.added((edit, edit), "z")
    assert added is not None
    assert added.tolist() == [12] * 3


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"a": np.ones(7, np.float32)}, "has a of the shape 7, .*z is 6 and w is 10 wide"),
        ({"a": np.ones((6, 2), np.float32)}, "of the shape 6x2"),
        ({}, "holds 0 tensors"),
        ({"a": np.full(6, np.inf, np.float32)}, "numbers that are none"),
    ],
)
def test_a_direction_that_does_not_fit_is_refused(
    small: Path, tmp_path: Path, tensors: dict[str, Any], said: str
) -> None:
    save_file(tensors, tmp_path / "d.safetensors")
    with pytest.raises(UsageError, match=said):
        load(f"gan:{small}+{tmp_path}/d.safetensors", SETTINGS)


def test_references(small: Path, tmp_path: Path) -> None:
    odd = changed(small, tmp_path / "a+b@2")
    assert load(f"gan:{odd}", SETTINGS).name == "a+b@2"
    save_file({"a": np.ones(6, np.float32)}, tmp_path / "x+y@3.safetensors")
    model = load(f"gan:{odd}+{tmp_path}/x+y@3.safetensors@0.25", SETTINGS)
    assert [edit.scale for edit in model.edits] == [0.25]
    for text, said in (
        ("gan:", "is no gan:MODEL"),
        (f"gan:{small}+", "gan:.* is not complete"),
        (f"gan:{small}+{tmp_path}/none.safetensors", "There is no file"),
        (f"gan:{small}+{tmp_path}/none.pt", "pickle"),
        (f"gan:{small}+{tmp_path}/x+y@3.safetensors@much", "is a number"),
        ("gan:nowhere", "no name that is known here"),
        (f"gan:{small}/config.json", "is no GAN that is opened here"),
    ):
        with pytest.raises(UsageError, match=said):
            load(text, SETTINGS)


# settings that a GAN has not


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(device="cpu", steps=3), "takes no steps"),
        (Settings(device="cpu", guidance=3), "takes no guidance"),
        (Settings(device="cpu", negative="x"), "takes no negative prompt"),
        (Settings(device="cpu", more={"variant": "x"}), "takes no variant"),
        (Settings(device="cpu", size=17), "images of 16 pixels, not of 17"),
        (Settings(device="cpu", dtype="int8"), "no precision"),
    ],
)
def test_a_setting_that_would_change_nothing_is_refused(
    small: Path, settings: Settings, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        load(f"gan:{small}", settings)


# files that do not fit


def test_the_tensor_that_does_not_fit_is_named(small: Path, tmp_path: Path) -> None:
    def refused(said: str, folder: Path) -> None:
        with pytest.raises(UsageError, match=said):
            load(f"gan:{folder}", SETTINGS).make(JOBS)

    weights = load_file(small / "model.safetensors")
    for name, tensors, said in (
        ("a", {k: v for k, v in weights.items() if k != "start.bias"}, "lacks start.bias 128,"),
        ("b", {**weights, "start.bias": np.ones(5, np.float32)}, "start.bias 5, .*asks for 128"),
        ("i", {**weights, "start.bias": np.ones(128, np.int8)}, "start.bias as torch.int8"),
        ("c", {**weights, "more": np.ones((5, 2), np.float32)}, "has more 5x2, for which"),
    ):
        folder = changed(small, tmp_path / name)
        save_file(tensors, folder / "model.safetensors")
        refused(said, folder)
    folder = changed(small, tmp_path / "cut")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-9])
    refused("damaged", folder)
    (folder / "model.safetensors").unlink()
    refused("There is no file", folder)
    refused("asks for 12", changed(small, tmp_path / "w", w=12))


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"architecture": "biggan"}, "'biggan'; known are conditional, controlgan,"),
        ({"conditioning": "smell"}, "is one of text, class, none"),
        ({"z": 10**12}, "'z': 1000000000000, .*whole number from 1 to 8192"),
        ({"z": True}, "'z': true"),
        ({"w": None}, "'w': null"),
        ({"channels": [10**9, 8, 8]}, "list of 2 to 8 whole numbers from 1 to 1024"),
        ({"channels": [8] * 99}, "list of 2 to 8"),
        ({"discriminator": [8]}, "list of 2 whole numbers"),
        ({"length": 10**6}, "'length'"),
        ({"conditioning": "class"}, "'classes': null"),
    ],
)
def test_settings_that_cannot_be_are_named(
    small: Path, tmp_path: Path, said: dict[str, Any], error: str
) -> None:
    with pytest.raises(UsageError, match=error):
        load(f"gan:{changed(small, tmp_path / 'x', **said)}", SETTINGS)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "\x00"])
def test_settings_that_are_none(small: Path, tmp_path: Path, text: str) -> None:
    for name in ("config.json", "vocabulary.json"):
        folder = changed(small, tmp_path / name)
        (folder / name).write_text(text)
        with pytest.raises(UsageError, match=f"{name} (is missing or is no JSON|holds no JSON)"):
            load(f"gan:{folder}", SETTINGS)


def test_words_have_numbers_that_can_be(small: Path, tmp_path: Path) -> None:
    for number in (-1, 10**9, "1", None):
        folder = changed(small, tmp_path / str(number))
        (folder / "vocabulary.json").write_text(json.dumps({"cat": number}))
        with pytest.raises(UsageError, match="has to give each of at most 200,000 words"):
            load(f"gan:{folder}", SETTINGS)


def test_the_largest_settings_take_no_memory_before_a_file_is_there(tmp_path: Path) -> None:
    said = {
        **tiny_gans.CONTROLGAN,
        "channels": 512,
        "text": 4096,
        "discriminator": 512,
        "stages": 3,
    }
    folder = tiny_gans.settings(tmp_path / "huge", said)
    model = load(f"gan:{folder}", SETTINGS)
    with pytest.raises(UsageError, match="There is no file"):
        model.make(JOBS)
    with pytest.raises(UsageError, match=r"discriminator of [\d,]+ weights; at most 500,000,000"):
        folders.discriminator(folders.checked(folder), 0)


# the conditional architecture, written out


def test_the_words_are_mixed_one_by_one_and_summed() -> None:
    torch.manual_seed(0)
    words = conditional.Words(7, 4, 3).double()
    torch.nn.init.normal_(words.places)
    w = {name: value.detach().numpy() for name, value in words.named_parameters()}
    wanted = np.zeros(3)
    for place, number in enumerate((5, 2, 6)):
        each = w["inner.weight"] @ (w["words.weight"][number] + w["places"][place])
        each = each + w["inner.bias"]
        wanted += np.where(each > 0, each, 0.2 * each)
    wanted = w["outer.weight"] @ (wanted / math.sqrt(3)) + w["outer.bias"]
    found = words(torch.tensor([[5, 2, 6, 0]]))[0].detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_a_style_scales_and_shifts_what_has_unit_mean_square() -> None:
    torch.manual_seed(0)
    layer = conditional.Styled(torch.nn.Conv2d(2, 3, 1), 4).double()
    h, w = torch.randn(1, 2, 2, 2).double(), torch.randn(1, 4).double()
    mixed = torch.einsum("oi,nihw->nohw", layer.convolution.weight[..., 0, 0], h)
    mixed = mixed + layer.convolution.bias[:, None, None]
    style = layer.style(w)[0]
    for y in range(2):
        for x in range(2):
            one = mixed[0, :, y, x]
            one = one / (one.square().mean() + 1e-6).sqrt()
            wanted = torch.nn.functional.leaky_relu((1 + style[:3]) * one + style[3:], 0.2)
            torch.testing.assert_close(layer(h, w)[0, :, y, x], wanted)


# ControlGAN


def test_the_published_names_and_shapes() -> None:
    said = {"architecture": "controlgan", "length": 18}
    config = Config(Path("x/config.json"), said)
    config.__dict__["vocabulary"] = Vocabulary({"a": 5449}, 18, Path("x/vocabulary.json"))
    network = folders.outline(config)
    found = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    wanted = {
        "ca_net.fc.weight": (400, 256),
        "h_net1.fc.0.weight": (65536, 200),
        "h_net1.fc.1.running_mean": (65536,),
        "h_net1.upsample1.1.weight": (2048, 2048, 3, 3),
        "h_net1.upsample4.2.weight": (256,),
        "h_net2.att.conv_context.weight": (128, 256, 1, 1),
        "h_net2.channel_att.conv_context2.weight": (4096, 256, 1, 1),
        "h_net3.channel_att.conv_context3.weight": (16384, 256, 1, 1),
        "h_net2.residual.0.block.0.weight": (768, 384, 3, 3),
        "h_net3.residual.1.block.4.bias": (384,),
        "h_net3.upsample.1.weight": (256, 384, 3, 3),
        "img_net3.img.0.weight": (3, 128, 3, 3),
    }
    assert {name: found[name] for name in wanted} == wanted
    assert network.sizes == (64, 128, 256)
    encoder = network.parts["text_encoder"].state_dict()
    assert tuple(encoder["encoder.weight"].shape) == (5450, 300)
    assert tuple(encoder["rnn.weight_ih_l0_reverse"].shape) == (512, 300)
    judges = {
        name: tuple(value.shape)
        for name, value in folders._laid_out(config, 1).state_dict().items()
    }
    for name, shape in {
        "0.img_code_s16.2.weight": (128, 64, 4, 4),
        "1.img_code_s32.0.weight": (1024, 512, 4, 4),
        "1.img_code_s32_1.0.weight": (512, 1024, 3, 3),
        "2.img_code_s64.0.weight": (2048, 1024, 4, 4),
        "2.img_code_s64_2.1.weight": (512,),
        "2.COND_DNET.jointConv.0.weight": (512, 768, 3, 3),
        "0.UNCOND_DNET.outlogits.0.weight": (1, 512, 4, 4),
    }.items():
        assert judges[name] == shape


def test_what_the_published_weights_hold_beside_is_left_out(control: Path, tmp_path: Path) -> None:
    folder = changed(control, tmp_path / "published")
    weights = load_file(folder / "model.safetensors")
    weights["h_net2.att.conv_context2.weight"] = np.ones((4096, 8, 1, 1), np.float32)
    weights["h_net2.channel_att.conv_context3.weight"] = np.ones((16384, 8, 1, 1), np.float32)
    older = {key: value for key, value in weights.items() if "num_batches" not in key}
    assert len(older) < len(weights)
    save_file(older, folder / "model.safetensors")
    before = values(load(f"gan:{control}", SETTINGS), JOBS[:1])
    assert np.array_equal(values(load(f"gan:{folder}", SETTINGS), JOBS[:1]), before)


def test_both_attentions_written_out() -> None:
    torch.manual_seed(0)
    channels, text, side = 3, 4, 2
    spatial = controlgan.SpatialAttention(channels, text).double()
    channel = controlgan.ChannelAttention(text, side, 2).double()
    h, words = torch.randn(1, channels, side, side).double(), torch.randn(1, text, 5).double()
    absent = torch.tensor([[False, False, False, True, True]])
    keys = spatial.conv_context.weight[:, :, 0, 0].detach().numpy() @ words[0].numpy()
    flat = h[0].flatten(1).numpy()
    looked = np.zeros((channels, side * side))
    for place in range(side * side):
        powers = [math.exp(flat[:, place] @ keys[:, word]) for word in range(3)]
        for word in range(3):
            looked[:, place] += powers[word] / sum(powers) * keys[:, word]
    found = spatial(h, words, absent)
    np.testing.assert_allclose(found[0].detach().numpy(), looked, rtol=1e-9)
    maps = channel.conv_context2.weight[:, :, 0, 0].detach().numpy() @ words[0].numpy()
    stands = np.zeros((channels, side * side))
    for one in range(channels):
        powers = [math.exp(looked[one] @ maps[:, word]) for word in range(3)]
        for word in range(3):
            stands[one] += powers[word] / sum(powers) * maps[:, word]
    found = channel(torch.tensor(looked)[None], words, absent)
    np.testing.assert_allclose(found[0].detach().numpy(), stands, rtol=1e-9)


def test_the_augmentation_and_its_divergence() -> None:
    torch.manual_seed(0)
    augmentation = controlgan.Augmentation(5, 3).double()
    sentence, epsilon = torch.randn(2, 5).double(), torch.randn(2, 3).double()
    found, divergence = augmentation(sentence, epsilon)
    raw = augmentation.fc(sentence)
    gated = raw[:, :6] * torch.sigmoid(raw[:, 6:])
    mean, log = gated[:, :3], gated[:, 3:]
    torch.testing.assert_close(found, mean + torch.exp(log / 2) * epsilon)
    gaussian = torch.distributions.Normal
    wanted = torch.distributions.kl_divergence(
        gaussian(mean, torch.exp(log / 2)), gaussian(torch.zeros_like(mean), 1.0)
    )
    torch.testing.assert_close(divergence, wanted.mean())


def test_a_caption_is_read_alike_alone_and_beside_longer_ones() -> None:
    torch.manual_seed(0)
    encoder = controlgan.TextEncoder(7, 5, 6)
    numbers = torch.tensor([[3, 2, 0, 0], [1, 2, 3, 4]])
    words, sentences = encoder(numbers)
    alone, (last, _) = encoder.rnn(encoder.encoder(numbers[:1, :2]))
    torch.testing.assert_close(words[0, :, :2], alone[0].T)
    assert not words[0, :, 2:].any()
    torch.testing.assert_close(sentences[0], torch.cat([last[0, 0], last[1, 0]]))


def test_each_stage_is_a_size_that_can_be_asked_for(control: Path) -> None:
    for size in (64, 128):
        model = load(f"gan:{control}", Settings(device="cpu", size=size))
        (made,) = model.make(JOBS[:1])
        assert made.image is not None
        assert made.image.size == (size, size)


# ONNX


@pytest.mark.parametrize("label", [None, "numbers", "rows"])
def test_an_onnx_file(tmp_path: Path, label: str | None) -> None:
    path = tiny_gans.save_onnx(tmp_path / "net.onnx", label)
    model = load(f"gan:{path}", SETTINGS)
    assert (model.name, model.notice is None) == ("net", label is not None)
    job = Job("a house cat", 4)
    shift = 0 if label is None else 2
    row = np.tanh(drawn(4, 4) + np.float32(shift))
    wanted = np.broadcast_to(((row + 1) * 127.5).round().astype(np.uint8)[None, :, None], (4, 4, 3))
    (made,) = model.make([job])
    assert np.array_equal(np.asarray(made.image), wanted)
    save_file({"d": np.ones(4, np.float32)}, tmp_path / "d.safetensors")
    (moved,) = load(f"gan:{path}+{tmp_path}/d.safetensors@2", SETTINGS).make([job])
    row = np.tanh(drawn(4, 4) + np.float32(2) + np.float32(shift))
    assert np.asarray(moved.image)[0, :, 0].tolist() == ((row + 1) * 127.5).round().tolist()
    assert json.loads(json.dumps(model.record()))["architecture"] == "onnx"


def test_onnx_files_that_do_not_fit(tmp_path: Path) -> None:
    path = tiny_gans.save_onnx(tmp_path / "net.onnx", "rows")
    said = json.loads(path.with_suffix(".json").read_text())
    for config, error in (
        ({**said, "z": 5}, "cannot make images so"),
        ({**said, "conditioning": "none"}, "takes label, z, and .* says that it takes z"),
        ({**said, "conditioning": "text"}, '"class" or "none" for an .onnx file'),
    ):
        path.with_suffix(".json").write_text(json.dumps(config))
        with pytest.raises(UsageError, match=error):
            load(f"gan:{path}", SETTINGS).make([Job("cat", 0)])
    path.with_suffix(".json").write_text(json.dumps(said))
    path.write_bytes(b"nothing")
    with pytest.raises(UsageError, match="cannot be opened"):
        load(f"gan:{path}", SETTINGS).make([Job("cat", 0)])
    with pytest.raises(UsageError, match="There is no file"):
        load(f"gan:{tmp_path}/other.onnx", SETTINGS)
    with pytest.raises(UsageError, match="takes no size"):
        load(f"gan:{path}", Settings(size=32))


# the shipped model


def test_the_shipped_gan_makes_the_scenes_it_is_asked_for() -> None:
    wanted = scenes.SCENES[::9]
    model = load(f"gan:{SHIPPED}", SETTINGS)
    made = [
        one.image
        for one in model.make([Job(scenes.caption(s), 7 + i) for i, s in enumerate(wanted)])
    ]
    images = [image for image in made if image is not None]
    marks = judge.mark(images, wanted)
    assert len(images) == 24
    assert min(marks.shape, marks.colour, marks.background) >= 0.85


def test_the_shipped_gans_third_number_of_z_is_the_shapes_size(tmp_path: Path) -> None:
    save_file({"larger": np.eye(32, dtype=np.float32)[2]}, tmp_path / "larger.safetensors")
    jobs = [Job(scenes.caption(scene), 40 + i) for i, scene in enumerate(scenes.SCENES[::18])]
    radii = []
    for scale in (-1.5, 0.0, 1.5):
        model = load(f"gan:{SHIPPED}+{tmp_path}/larger.safetensors@{scale}", SETTINGS)
        images = [one.image for one in model.make(jobs)]
        found = [judge.judge(image).scene.radius for image in images if image is not None]
        assert len(found) == len(jobs)
        radii.append(np.mean(found))
    assert radii[0] + 0.01 < radii[1] < radii[2] - 0.01


def test_what_is_shipped_is_small_and_holds_no_pickle() -> None:
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert (SHIPPED / "README.md") in files
    assert sum(path.stat().st_size for path in files) < 12e6
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".md"}
