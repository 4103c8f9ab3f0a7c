"""Describing one pair: the networks' parts, writing, opening a folder, and that they can learn."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from fake_encoder import FakeEncoder
from finexl.bench.baselines import pairs
from finexl.bench.baselines.chg2cap import Chg2Cap
from finexl.bench.baselines.diff_caption import DiffCaption
from finexl.bench.baselines.nets.backbone import embedded_grids
from finexl.bench.baselines.nets.captioner import CONFIG, NETS, WEIGHTS, open_captioner
from finexl.bench.baselines.nets.decoding import beam
from finexl.bench.baselines.nets.layers import Attention, Seen, causal, waves
from finexl.bench.baselines.nets.settings import (
    END,
    PAD,
    SPECIAL,
    START,
    Settings,
    read_settings,
)  # fmt: skip
from finexl.bench.methods import Case, Method
from finexl.encoders.embedded import Embedded
from finexl.errors import PrerequisiteError, UsageError
from finexl.imageset import images_from
from finexl.measure import Measure

MODELS = Path(__file__).parents[1] / "examples" / "models"
METHODS: Mapping[str, Callable[[Path], Method]] = {"diff-caption": DiffCaption, "chg2cap": Chg2Cap}
WORDS = (*SPECIAL, "much", "slightly", "more", "vivid", "film", "grain", "no", "difference")
CAPTIONS = ("much more vivid", "slightly more vivid", "much more film grain", "no difference")
both = pytest.mark.parametrize("architecture", list(NETS))


def settings_of(architecture: str, cnn: bool = True) -> Settings:
    features, channels = (3, (8, 16)) if cnn else (127, ())
    backbone = "cnn" if cnn else "embedded"
    return Settings(
        architecture, backbone, features, channels, 4, 32, 2, 64, 1, 1, 6, WORDS, dropout=0.0
    )


def net_of(architecture: str, cnn: bool = True, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return NETS[architecture](settings_of(architecture, cnn)).eval()


def save(folder: Path, architecture: str, cnn: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).write_text(settings_of(architecture, cnn).written())
    state = net_of(architecture, cnn).state_dict()
    save_file({name: rows.contiguous() for name, rows in state.items()}, folder / WEIGHTS)
    return folder


def pictures(n: int, side: int = 20) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)) for _ in range(n)]


def case_of(n: int = 3, seed: int = 0) -> Case:
    made = pictures(2 * n)
    rows = np.ones((n, 8))
    sets = images_from(made[:n], "base"), images_from(made[n:], "personalized")
    return Case(*sets, rows, rows, Measure(FakeEncoder(), "subspace", (), 0), (), None, seed)


# --- parts ----------------------------------------------------------------------------------------


def test_attention_is_each_heads_softmax_of_products() -> None:
    torch.manual_seed(0)
    attention = Attention(12, 3)
    x, memory, seen = torch.randn(2, 5, 12), torch.randn(2, 7, 12), torch.rand(5, 7) > 0.3
    seen[:, 0] = True
    q, k, v = attention.query(x), attention.key(memory), attention.value(memory)
    expected = torch.zeros(2, 5, 12)
    for n in range(2):
        for head in range(3):
            at = slice(4 * head, 4 * head + 4)
            for t in range(5):
                scores = torch.stack([q[n, t, at] @ k[n, s, at] / 2 for s in range(7)])
                weights = torch.where(seen[t], scores, -torch.inf).exp()
                expected[n, t, at] = (weights / weights.sum()) @ v[n, :, at]
    torch.testing.assert_close(attention(x, memory, seen), attention.out(expected))


def test_places_are_told_by_sines_and_cosines() -> None:
    found = waves(4, 6)
    assert found[3, 2].item() == pytest.approx(np.sin(3 / 10_000 ** (2 / 6)))
    assert found[3, 3].item() == pytest.approx(np.cos(3 / 10_000 ** (2 / 6)))


def test_features_are_standardised_and_pixels_seen_by_a_cnn() -> None:
    seen = Seen(5, ())
    seen.mean.fill_(2.0)
    seen.spread.fill_(4.0)
    torch.testing.assert_close(seen(torch.full((1, 2, 2, 5), 6.0)), torch.ones(1, 2, 2, 5))
    assert Seen(3, (8, 16))(torch.zeros(2, 16, 16, 3)).shape == (2, 4, 4, 16)


@both
def test_a_word_sees_none_that_follows(architecture: str) -> None:
    net = net_of(architecture)
    memory = net.encode(torch.rand(1, 16, 16, 3), torch.rand(1, 16, 16, 3))
    words, changed = torch.tensor([[START, 5, 7, 8]]), torch.tensor([[START, 5, 9, 10]])
    hidden = () if architecture == "chg2cap" else (torch.zeros(1, 4, dtype=torch.bool),)
    one, two = (net.score(memory, each, *hidden) for each in (words, changed))
    torch.testing.assert_close(one[:, :2], two[:, :2])
    assert (one[:, 2:] - two[:, 2:]).abs().max() > 1e-3
    assert causal(3).tolist() == [[True, False, False], [True, True, False], [True] * 3]


@both
def test_each_of_a_batch_is_read_for_itself(architecture: str) -> None:
    net = net_of(architecture)
    before, after = torch.rand(3, 16, 16, 3), torch.rand(3, 16, 16, 3)
    words = torch.tensor([[START, 5, 7]] * 3)
    together = net.decode(net.encode(before, after), words)
    for i in range(3):
        alone = net.decode(net.encode(before[i : i + 1], after[i : i + 1]), words[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-5, rtol=1e-4)
    assert (net.decode(net.encode(after, before), words) - together).abs().max() > 1e-4


def test_aligning_sees_the_pair_and_the_caption() -> None:
    net = net_of("diff-caption")
    memory = net.encode(torch.rand(2, 16, 16, 3), torch.rand(2, 16, 16, 3))
    cosines = net.align(memory, torch.tensor([[5, 7, 8, END], [5, 7, 8, END]]))
    other = net.align(memory, torch.tensor([[6, 7, 9, END], [6, 7, 9, END]]))
    assert cosines.shape == (2,)
    assert cosines.abs().max() <= 1 + 1e-6
    assert (cosines - other).abs().min() > 1e-6
    assert (cosines[0] - cosines[1]).abs() > 1e-6


def test_a_difference_of_pictures_is_of_what_is_seen_of_them() -> None:
    settings = dataclasses.replace(settings_of("diff-caption"), difference=True)
    net = NETS["diff-caption"](settings).eval()
    before, after = torch.rand(1, 16, 16, 3), torch.rand(1, 16, 16, 3)
    seen: list[Any] = []
    net.project.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    net.encode(before, after)
    expected = 2 * (net.seen(after) - net.seen(before)).flatten(1, 2)
    torch.testing.assert_close(seen[1], expected)


def test_grids_are_means_of_the_encoders_places() -> None:
    encoder, made = Embedded(threads=1), pictures(2, 64)
    places = encoder.embed_places(made)
    grids = embedded_grids(encoder, made, 4)
    assert grids.shape == (2, 4, 4, 127)
    np.testing.assert_allclose(grids[1, 2, 3], places[1, 8:12, 12:].mean((0, 1)), rtol=1e-4)


# --- writing --------------------------------------------------------------------------------------


def language(seed: int, sharp: float = 2.0) -> Callable[[Any], Any]:
    """Scores of the next word that depend on the last two."""
    table = sharp * torch.randn(13, 13, 13, generator=torch.Generator().manual_seed(seed))

    def scores(words: Any) -> Any:
        before = words[:, -2] if words.shape[1] > 1 else torch.zeros_like(words[:, -1])
        return table[before, words[:, -1]]

    return scores


def likelihood(scores: Callable[[Any], Any], caption: list[int]) -> float:
    """The mean log-probability of a word, the end among them."""
    words, total = [START], 0.0
    for word in [*caption, END]:
        found = scores(torch.tensor([words]))[0].double()
        found[[PAD, START, 3, 4]] = -torch.inf
        total += float(torch.log_softmax(found, 0)[word])
        words.append(word)
    return total / (len(caption) + 1)


@pytest.mark.parametrize("seed", range(8))
def test_one_beginning_is_greedy(seed: int) -> None:
    scores, words = language(seed), [START]
    while len(words) <= 6:
        found = scores(torch.tensor([words]))[0].clone()
        found[[PAD, START, 3, 4]] = -torch.inf
        if int(found.argmax()) == END:
            break
        words.append(int(found.argmax()))
    assert beam(scores, 1, 6) == words[1:]


@pytest.mark.parametrize("seed", range(4))
def test_enough_beginnings_find_the_likeliest_caption(seed: int) -> None:
    scores, free = language(seed), range(5, 13)
    every = [list(found) for size in range(4) for found in product(free, repeat=size)]
    best = max(every, key=lambda caption: likelihood(scores, caption))
    assert beam(scores, 2000, 3) == best


def test_more_beginnings_are_no_worse_in_the_mean() -> None:
    def mean(width: int) -> float:
        found = [(language(s), beam(language(s), width, 3)) for s in range(20)]
        return float(np.mean([likelihood(scores, caption) for scores, caption in found]))

    assert mean(5) > mean(1)


# --- opening --------------------------------------------------------------------------------------


@both
def test_what_was_written_is_read_again(architecture: str, tmp_path: Path) -> None:
    settings = settings_of(architecture)
    (tmp_path / CONFIG).write_text(settings.written())
    assert read_settings(tmp_path / CONFIG) == dataclasses.replace(settings, dropout=0.1)
    numbers = settings.numbers("much more film grain")
    assert numbers == [START, 5, 7, 9, 10, END]
    assert settings.text(numbers) == "much more film grain"
    with pytest.raises(UsageError, match="'neon' is not among"):
        settings.numbers("much more neon")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("architecture", "other"), ("width", 10**12), ("width", 33), ("layers", 0),
        ("heads", "2"), ("side", True), ("channels", [10**9]), ("channels", []), ("words", ["a"]),
        ("words", [*WORDS, WORDS[-1]]), ("backbone", "embedded"), ("features", 4),
        ("difference", 1),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(key: str, value: object, tmp_path: Path) -> None:
    said = json.loads(settings_of("chg2cap").written()) | {key: value}
    (tmp_path / CONFIG).write_text(json.dumps(said))
    with pytest.raises(UsageError, match=r"config\.json has"):
        read_settings(tmp_path / CONFIG)


def test_settings_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_settings(tmp_path / CONFIG)
    (tmp_path / CONFIG).write_text("[]")
    with pytest.raises(UsageError, match="no JSON object"):
        read_settings(tmp_path / CONFIG)


@both
def test_weights_that_do_not_fit_are_refused(architecture: str, tmp_path: Path) -> None:
    folder = save(tmp_path, architecture)
    other = next(name for name in NETS if name != architecture)
    with pytest.raises(UsageError, match=f"kind {architecture}; give one of {other}"):
        open_captioner(folder, other)
    state = load_file(folder / WEIGHTS)
    save_file({**state, "words.weight": torch.zeros(13, 31)}, folder / WEIGHTS)
    with pytest.raises(UsageError, match=r"words.weight is \(13, 31\), and \(13, 32\)"):
        open_captioner(folder, architecture)
    save_file({k: v for k, v in state.items() if k != "out.bias"}, folder / WEIGHTS)
    with pytest.raises(UsageError, match=r"out.bias is None"):
        open_captioner(folder, architecture)
    (folder / WEIGHTS).write_bytes(b"no")
    with pytest.raises(UsageError, match="damaged"):
        open_captioner(folder, architecture)
    (folder / WEIGHTS).unlink()
    with pytest.raises(UsageError, match="There is no file"):
        open_captioner(folder, architecture)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "find_spec", lambda _: None)
    with pytest.raises(PrerequisiteError, match=r"finexl\[torch\]"):
        DiffCaption(tmp_path).tell(case_of())


# --- the methods ----------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("cnn", [True, False])
def test_one_pair_of_the_seed_is_told(architecture: str, cnn: bool, tmp_path: Path) -> None:
    method = METHODS[architecture](save(tmp_path, architecture, cnn))
    captioner = open_captioner(tmp_path, architecture)
    case = case_of(seed=5)
    drawn = int(np.random.default_rng(5).integers(3))
    said = captioner.describe(
        case.base.pictures[drawn].open(), case.personalized.pictures[drawn].open()
    )
    told = method.tell(case)
    assert told == method.tell(case)
    assert told.scores == {}
    expected = "No difference found" if said in ("", "no difference") else said
    assert told.text.casefold() == f"{expected.casefold()}."


@both
def test_four_pairs_can_be_learnt(architecture: str, tmp_path: Path) -> None:
    settings = dataclasses.replace(settings_of(architecture, cnn=False), features=8, side=2)
    torch.manual_seed(1)
    net = NETS[architecture](settings).train()
    before = torch.randn(4, 2, 2, 8)
    after = before + 5 * torch.eye(4, 8)[:, None, None]
    numbers = [settings.numbers(caption) for caption in CAPTIONS]
    words = torch.tensor([one + [PAD] * (6 - len(one)) for one in numbers])
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(60 if architecture == "chg2cap" else 350):
        memory = net.encode(before, after)
        if architecture == "chg2cap":
            scores, wanted = net.score(memory, words[:, :-1]), words[:, 1:]
        else:
            hidden = (torch.rand(words.shape) < 0.6) & (words > START)
            scores, wanted = net.score(memory, words, hidden), torch.where(hidden, words, PAD)
        loss = torch.nn.functional.cross_entropy(
            scores.flatten(0, 1), wanted.flatten(), ignore_index=PAD, reduction="sum"
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    (tmp_path / CONFIG).write_text(settings.written())
    state = {name: rows.contiguous() for name, rows in net.state_dict().items()}
    save_file(state, tmp_path / WEIGHTS)
    for width in (1, 3):
        captioner = open_captioner(tmp_path, architecture, width)
        said = [captioner.write(b, a) for b, a in zip(before, after, strict=True)]
        assert said == list(CAPTIONS)


@both
def test_the_small_models_are_whole(architecture: str) -> None:
    folder = MODELS / architecture
    captioner = open_captioner(folder, architecture)
    assert (folder / WEIGHTS).stat().st_size < 6_000_000
    assert {"slightly", "moderately", "much", "more", "film", "grain"} <= set(
        captioner.settings.words
    )
