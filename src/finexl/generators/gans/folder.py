"""A GAN as a folder: settings, weights, and what training goes on from.

FOLDER/config.json                  architecture, conditioning, sizes
FOLDER/vocabulary.json              words and their numbers, for a model that reads prompts
FOLDER/model.safetensors            the generator
FOLDER/text_encoder.safetensors     ControlGAN's, trained apart
FOLDER/discriminator.safetensors    where the model is to be trained further

Networks are laid out without memory first and compared with the files' headers: only what fits is
opened, so that nothing larger than a file is ever allocated for it.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from finexl.errors import UsageError
from finexl.files import write_atomic
from finexl.generators.checkpoints import Shapes, header
from finexl.generators.gans.config import Config
from finexl.generators.gans.words import FILE as VOCABULARY

CONFIG = "config.json"
MODEL = "model.safetensors"
DISCRIMINATOR = "discriminator.safetensors"
PATTERNS = (CONFIG, VOCABULARY, "*.safetensors")
"""What of a hub's model is fetched."""
ARCHITECTURES: Mapping[str, tuple[str, str | None]] = {
    "conditional": ("conditional", "conditional"),
    "controlgan": ("controlgan", "controlgan_discriminators"),
    "mobile-stylegan": ("stylegan2", None),
}
"""The modules of an architecture's `Generator` and of its `Discriminator`; None: it has none."""
MOST_FRESH = 500_000_000
"""The most weights of a discriminator that no file bounds."""
_COUNTERS = re.compile(r"(.*\.)?num_batches_tracked")
"""Nothing reads them; older files lack them."""


def checked(folder: Path) -> Config:
    """Return a folder's settings.

    Raises:
        UsageError: they are missing, or of an architecture that is not known.
    """
    config = Config.read(folder / CONFIG)
    if config.architecture not in ARCHITECTURES:
        raise UsageError(
            f"{config.path} has the architecture {config.architecture!r}; known are "
            f"{', '.join(ARCHITECTURES)}."
        )
    if config.architecture == "controlgan" and config.conditioning != "text":
        raise config.wrong("conditioning", '"text" for a ControlGAN')
    return config


def outline(config: Config) -> Any:
    """Return the generator without memory: its widths, and nothing that could be run.

    Raises:
        UsageError: settings that cannot be.
    """
    return _laid_out(config, 0)


def generator(config: Config, dtype: str = "float32") -> Any:
    """Return the generator with its weights, on the processor.

    Raises:
        UsageError: no weights, a damaged file, or one that does not fit; says which tensor.
    """
    network = _laid_out(config, 0)
    for name, part in getattr(network, "parts", {}).items():
        _fill(part, config.folder / f"{name}.safetensors", dtype, config)
    _fill(network, config.folder / MODEL, dtype, config)
    return network.eval()


def discriminator(config: Config, seed: int) -> Any:
    """Return the discriminator that lies beside a generator; else a fresh one, drawn from a seed.

    Raises:
        UsageError: its file does not fit, or its settings are too large.
    """
    import torch

    if ARCHITECTURES[config.architecture][1] is None:
        raise UsageError(
            f"{config.folder} is a {config.architecture}, which has no discriminator here, and "
            "cannot be trained."
        )
    network = _laid_out(config, 1)
    if (config.folder / DISCRIMINATOR).is_file():
        _fill(network, config.folder / DISCRIMINATOR, "float32", config)
        return network
    count = sum(weight.numel() for weight in network.parameters())
    if count > MOST_FRESH:
        raise UsageError(
            f"{config.path} asks for a discriminator of {count:,} weights; at most {MOST_FRESH:,} "
            "are made."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _class(config, 1)(config)


def write(folder: Path, config: Config, generator: Any, discriminator: Any) -> None:
    """Write both networks as they are, with the settings, as `generator` opens them again."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    said = json.dumps(dict(config.said), ensure_ascii=False, indent=1)
    write_atomic(folder / CONFIG, said + "\n")
    if config.conditioning == "text":
        write_atomic(folder / VOCABULARY, (config.folder / VOCABULARY).read_bytes())
    parts = {f"{name}.safetensors": part for name, part in getattr(generator, "parts", {}).items()}
    for name, network in {MODEL: generator, DISCRIMINATOR: discriminator, **parts}.items():
        tensors = {
            key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()
        }
        write_atomic(folder / name, save(tensors, {"format": "pt"}))


def _class(config: Config, which: int) -> Any:
    module = f"finexl.generators.gans.{ARCHITECTURES[config.architecture][which]}"
    return getattr(importlib.import_module(module), ("Generator", "Discriminator")[which])


def _laid_out(config: Config, which: int) -> Any:
    """Return a network without memory."""
    import torch

    with torch.device("meta"):
        return _class(config, which)(config)


def _fill(network: Any, path: Path, dtype: str, config: Config) -> None:
    """Give a network a file's weights."""
    import torch
    from safetensors.torch import load_file

    wanted: Shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    found, _ = header(path)
    unused = re.compile(getattr(network, "unused", r"(?!)"))
    for key, shape in wanted.items():
        if key not in found and not _COUNTERS.fullmatch(key):
            raise UsageError(f"{path} lacks {key} {_said(shape)}, which {config.path} asks for.")
        if key in found and found[key] != shape:
            raise UsageError(
                f"{path} has {key} {_said(found[key])}, and {config.path} asks for {_said(shape)}."
            )
    extra = [key for key in found if key not in wanted and not unused.fullmatch(key)]
    if extra:
        raise UsageError(
            f"{path} has {extra[0]} {_said(found[extra[0]])}, for which {config.path} leaves no "
            "place."
        )
    try:
        held = load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise UsageError(f"{path} is damaged: {error}.") from error
    kept = {}
    for key, tensor in network.state_dict().items():
        whole = not tensor.is_floating_point()
        kind = tensor.dtype if whole else getattr(torch, dtype)
        given = held[key] if key in held else torch.zeros(tuple(tensor.shape))
        if key in held and given.is_floating_point() == whole:
            raise UsageError(f"{path} holds {key} as {given.dtype}, which it cannot be.")
        kept[key] = given.to(kind).clone()
    network.load_state_dict(kept, assign=True)


def _said(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "(one number)"
