"""MobileStyleGAN: its parts against naive loops, its edits against sums in w."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finexl.errors import UsageError
from finexl.generators import Job, Settings

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402 - after the check that torch is there

from finexl.generators import gan  # noqa: E402
from finexl.generators.gans import folder, stylegan2  # noqa: E402
from finexl.generators.gans.config import Config  # noqa: E402

SAID: Mapping[str, Any] = {
    "architecture": "mobile-stylegan",
    "conditioning": "none",
    "z": 8,
    "layers": 2,
    "channels": [16, 8, 4],
    "truncation": 0.7,
}
WIDTH = 8
SIZE = 32


def config(where: Path, **other: Any) -> Config:
    path = where / folder.CONFIG
    path.write_text(json.dumps({**SAID, **other}))
    return Config.read(path)


@pytest.fixture
def network(tmp_path: Path) -> Any:
    return drawn(config(tmp_path))


def drawn(said: Config) -> Any:
    """Return a generator whose every weight is random, noise and mean too."""
    torch.manual_seed(0)
    network = stylegan2.Generator(said)
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(0, 0.3)
    return network.eval()


def noise(count: int) -> Any:
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(1))


def naive_haar(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the four bands of (c, 2s, 2s), square by square: lows first, then three for each."""
    channels, side = image.shape[0], image.shape[1] // 2
    bands = np.zeros((4 * channels, side, side), np.float32)
    for c in range(channels):
        for y in range(side):
            for x in range(side):
                (p, q), (r, s) = image[c, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
                bands[c, y, x] = (p + q + r + s) / 2
                bands[channels + 3 * c : channels + 3 * c + 3, y, x] = (
                    (p + q - r - s) / 2,
                    (p - q + r - s) / 2,
                    (p - q - r + s) / 2,
                )
    return bands


def test_the_wavelet_step_undoes_a_haar_transform() -> None:
    image = np.random.default_rng(0).standard_normal((5, 6, 6)).astype(np.float32)
    found = stylegan2.inverse_haar(torch.from_numpy(naive_haar(image))[None])[0].numpy()
    np.testing.assert_allclose(found, image, atol=1e-6)


@pytest.mark.parametrize("depthwise", [True, False])
def test_scaling_the_channels_is_scaling_the_weights_sample_by_sample(depthwise: bool) -> None:
    torch.manual_seed(2)
    layer = stylegan2.Modulated(6, 4, WIDTH, 5, depthwise)
    torch.nn.init.normal_(layer.noise)
    h, w = torch.randn(3, 6, 5, 5), torch.randn(3, WIDTH)
    with torch.no_grad():
        found = layer(h, w)
        for one in range(3):
            style = layer.style.weight @ w[one] + layer.style.bias
            if depthwise:
                own = layer.depthwise.weight * style[:, None, None, None]
                middle = functional.conv2d(h[one : one + 1], own, padding=1, groups=6)
                mixed = torch.einsum("oi,ihw->ohw", layer.mix.weight[..., 0, 0], middle[0])
            else:
                own = layer.mix.weight * style[None, :, None, None]
                mixed = functional.conv2d(h[one : one + 1], own, padding=1)[0]
            raw = mixed + layer.noise[0] + layer.mix.bias[:, None, None]
            wanted = torch.where(raw > 0, raw, 0.2 * raw)
            np.testing.assert_allclose(found[one], wanted, atol=1e-5)


def test_truncation_draws_styles_towards_their_mean(tmp_path: Path) -> None:
    z = noise(4)
    full, half, none = (drawn(config(tmp_path, truncation=psi)) for psi in (1, 0.5, 0))
    with torch.no_grad():
        w = full.styles(z)
        np.testing.assert_allclose(half.styles(z), (w + full.mean) / 2, atol=1e-6)
        np.testing.assert_allclose(none.styles(z), full.mean.expand(4, -1), atol=1e-6)


def test_the_mapping_does_not_heed_the_length_of_z(network: Any) -> None:
    with torch.no_grad():
        np.testing.assert_allclose(
            network.styles(noise(3)), network.styles(7 * noise(3)), rtol=1e-4, atol=1e-5
        )


def test_sizes_are_averages_of_the_largest(network: Any) -> None:
    with torch.no_grad():
        pictures, _ = network(noise(2), network.condition(["a", "b"]))
    assert network.sizes == (SIZE // 4, SIZE // 2, SIZE)
    assert [tuple(one.shape) for one in pictures] == [(2, 3, size, size) for size in network.sizes]
    large = pictures[-1].numpy().reshape(2, 3, SIZE // 4, 4, SIZE // 4, 4)
    np.testing.assert_allclose(pictures[0], large.mean(axis=(3, 5)), atol=1e-5)


def test_an_edit_is_added_to_w_and_edits_add_up(network: Any) -> None:
    z, one, other = noise(2), noise(5)[3], noise(5)[4]
    with torch.no_grad():
        edited = network(z, (), one + 2 * other)[0][-1]
        wanted = network.draw(network.styles(z) + one + 2 * other)
        np.testing.assert_allclose(edited, wanted, atol=1e-6)
        assert float((edited - network(z, (), None)[0][-1]).abs().max()) > 0.01


def test_an_image_is_the_same_in_any_batch(network: Any) -> None:
    with torch.no_grad():
        together = network(noise(3), ())[0][-1]
        for one in range(3):
            alone = network(noise(3)[one : one + 1], ())[0][-1]
            np.testing.assert_allclose(together[one], alone[0], atol=1e-5)


def test_it_can_be_differentiated_by_w(network: Any) -> None:
    # what finds directions by descent needs; operations in place must not break it
    w = noise(1).double().requires_grad_()
    small = network.double()
    small.draw(w).square().mean().backward()
    step = torch.zeros_like(w)
    step[0, 0] = 1e-6
    with torch.no_grad():
        rise = small.draw(w + step).square().mean() - small.draw(w - step).square().mean()
    assert w.grad is not None
    assert float(w.grad[0, 0]) == pytest.approx(float(rise) / 2e-6, rel=1e-4)


@pytest.fixture
def model(tmp_path: Path, network: Any) -> Path:
    """A folder as scripts/fetch_faces.py writes it, and a direction beside it."""
    from safetensors.numpy import save_file as save_directions
    from safetensors.torch import save_file

    save_file(network.state_dict(), tmp_path / folder.MODEL)
    save_directions({"w": noise(6)[5].numpy()}, tmp_path / "smile.safetensors")
    return tmp_path


def made(reference: str, **settings: Any) -> np.ndarray[Any, Any]:
    found = gan.load(reference, Settings(device="cpu", **settings)).make(
        [Job("a face", 3), Job("a face", 4)]
    )
    images = [one.image for one in found]
    assert all(image is not None for image in images)
    return np.stack([np.asarray(image) for image in images])


def test_an_edit_at_scale_0_is_the_base_bit_for_bit_and_at_1_is_not(model: Path) -> None:
    base, direction = made(f"gan:{model}"), model / "smile.safetensors"
    assert base.shape == (2, SIZE, SIZE, 3)
    assert (base[0] != base[1]).any()
    np.testing.assert_array_equal(made(f"gan:{model}+{direction}@0"), base)
    assert np.abs(made(f"gan:{model}+{direction}@1").astype(int) - base).max() > 5


def test_a_smaller_size_can_be_asked_for(model: Path) -> None:
    assert made(f"gan:{model}", size=SIZE // 4).shape == (2, SIZE // 4, SIZE // 4, 3)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("channels", [10**12, 8], "numbers from 1 to 2048"),
        ("channels", [16], "a list of 2 to 9"),
        ("channels", [6, 8], "four divides"),
        ("layers", 10**9, "from 1 to 32"),
        ("z", 0, "from 1 to 2048"),
        ("truncation", 1.5, "from 0 to 1"),
        ("truncation", "much", "from 0 to 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    tmp_path: Path, key: str, value: Any, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        stylegan2.Generator(config(tmp_path, **{key: value}))
