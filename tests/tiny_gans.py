"""GANs of the real classes with few weights, made here: what they draw means nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

WORDS = {"<end>": 0, "a": 1, "red": 2, "cat": 3, "on": 4, "blue": 5, "mat": 6}
CONDITIONAL = {
    "architecture": "conditional",
    "conditioning": "text",
    "length": 5,
    "z": 6,
    "w": 10,
    "text": 8,
    "channels": [8, 8, 6],
    "discriminator": [6, 8],
    "features": 12,
    "r1": 1.0,
    "anchor": 1.0,
}
CONTROLGAN = {
    "architecture": "controlgan",
    "conditioning": "text",
    "length": 5,
    "z": 6,
    "condition": 4,
    "text": 8,
    "embedding": 7,
    "channels": 2,
    "residuals": 1,
    "stages": 2,
    "discriminator": 2,
}
CLASSES = {"cat": 0, "house cat": 2, "dog": 1}


def settings(folder: Path, said: Mapping[str, Any], words: Mapping[str, int] = WORDS) -> Path:
    """Write a model's settings and words."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(said))
    (folder / "vocabulary.json").write_text(json.dumps(words))
    return folder


def save(folder: Path, said: Mapping[str, Any] = CONDITIONAL, seed: int = 0) -> Path:
    """Write a whole model with random weights, its discriminator too."""
    import torch

    from finexl.generators.gans import conditional, controlgan, controlgan_discriminators
    from finexl.generators.gans import folder as folders

    config = folders.checked(settings(folder, said))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if config.architecture == "conditional":
            networks = conditional.Generator(config), conditional.Discriminator(config)
        else:
            networks = controlgan.Generator(config), controlgan_discriminators.Discriminator(config)
            for name, buffer in networks[0].named_buffers():
                if name.endswith("running_var"):
                    buffer.uniform_(0.5, 2.0)
                elif name.endswith("running_mean"):
                    buffer.normal_()
        folders.write(folder, config, *networks)
    return folder


def save_onnx(path: Path, label: str | None = None, z: int = 4) -> Path:
    """Write a network that repeats tanh of z's numbers, shifted by the label's number.

    Args:
        path: ends in .onnx; its settings are written beside it.
        label: "numbers" or "rows" (one-hot); None for no label.
        z: how many numbers; the picture is that wide, and as high.
    """
    from onnx import TensorProto, helper, save_model

    shape = helper.make_tensor("shape", TensorProto.INT64, [4], [-1, 1, 1, z])
    wide = helper.make_tensor("wide", TensorProto.INT64, [4], [1, 3, z, 1])
    inputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", z])]
    starts = [shape, wide]
    nodes = []
    added = "z"
    if label == "numbers":
        inputs.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]))
        starts.append(helper.make_tensor("column", TensorProto.INT64, [2], [-1, 1]))
        nodes += [
            helper.make_node("Cast", ["label"], ["number"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["number", "column"], ["shift"]),
            helper.make_node("Add", ["z", "shift"], ["added"]),
        ]
        added = "added"
    elif label == "rows":
        inputs.append(helper.make_tensor_value_info("label", TensorProto.FLOAT, ["n", 3]))
        values = np.repeat(np.arange(3.0), z)
        starts.append(helper.make_tensor("numbers", TensorProto.FLOAT, [3, z], values))
        nodes += [
            helper.make_node("MatMul", ["label", "numbers"], ["shift"]),
            helper.make_node("Add", ["z", "shift"], ["added"]),
        ]
        added = "added"
    nodes += [
        helper.make_node("Tanh", [added], ["row"]),
        helper.make_node("Reshape", ["row", "shape"], ["line"]),
        helper.make_node("Tile", ["line", "wide"], ["picture"]),
    ]
    output = helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 3, z, z])
    graph = helper.make_graph(nodes, "gan", inputs, [output], starts)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_model(model, path)
    said: dict[str, Any] = {"z": z, "conditioning": "none"}
    if label is not None:
        said |= {"conditioning": "class", "classes": CLASSES}
    path.with_suffix(".json").write_text(json.dumps(said))
    return path
