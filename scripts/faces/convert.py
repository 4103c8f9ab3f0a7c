"""From OpenVINO's IR (a graph in XML, its constants in one file) to safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

_TYPES = {"f32": np.float32, "i64": np.int64, "i32": np.int32}


class Graph:
    """An IR's layers, its constants by layer, and who reads what."""

    def __init__(self, stem: Path) -> None:
        root = ElementTree.parse(stem.with_suffix(".xml")).getroot()
        raw = stem.with_suffix(".bin").read_bytes()
        self.layers = {layer.get("id"): layer for layer in root.iter("layer")}
        self.inputs: dict[Any, list[Any]] = {}
        self.readers: dict[Any, list[Any]] = {}
        for edge in root.iter("edge"):
            self.inputs.setdefault(edge.get("to-layer"), []).append(edge.get("from-layer"))
            self.readers.setdefault(edge.get("from-layer"), []).append(edge.get("to-layer"))
        self.constants = {
            key: _constant(layer, raw)
            for key, layer in self.layers.items()
            if layer.get("type") == "Const"
        }
        self.names = {self.layers[key].get("name"): key for key in self.constants}

    def of(self, kind: str) -> list[Any]:
        """Return the layers of a type, in the order in which they compute."""
        return [key for key, layer in self.layers.items() if layer.get("type") == kind]

    def constant_into(self, key: Any) -> NDArray[np.float32] | None:
        """Return the constant that a layer reads, if it reads one."""
        found = [self.constants[one] for one in self.inputs[key] if one in self.constants]
        return found[0] if found else None

    def reader(self, key: Any) -> Any:
        """Return the one layer of arithmetic that reads another's output."""
        (one,) = (k for k in self.readers[key] if self.layers[k].get("type") != "ShapeOf")
        return one


def _constant(layer: ElementTree.Element, raw: bytes) -> NDArray[Any]:
    data = layer.find("data")
    assert data is not None
    kind = np.dtype(_TYPES[str(data.get("element_type"))])
    count = int(str(data.get("size"))) // kind.itemsize
    shape = [int(size) for size in str(data.get("shape") or "").split(",") if size.strip()]
    found: NDArray[Any] = np.frombuffer(raw, kind, count, int(str(data.get("offset"))))
    return found.reshape(shape)


def mapping(graph: Graph) -> dict[str, NDArray[np.float32]]:
    """Return the mapping network's tensors by the names that MobileStyleGAN gives them."""
    tensors = {}
    biases = [value for value in graph.constants.values() if value.shape == (512,)]
    for number, (key, bias) in enumerate(zip(graph.of("MatMul"), biases, strict=True)):
        weight = graph.constant_into(key)
        assert weight is not None
        tensors[f"mapping.{number}.weight"] = weight
        tensors[f"mapping.{number}.bias"] = bias
    return tensors


def synthesis(graph: Graph) -> dict[str, NDArray[np.float32]]:
    """Return the synthesis network's tensors; scales that stand beside weights are joined in."""
    tensors = {"constant": _named(graph, "m.input.input")}
    mixes = iter(graph.of("Convolution"))
    _modulated(graph, tensors, next(mixes), "m.conv1", "start")
    count = sum(str(name).endswith("up.modulation.weight") for name in graph.names)
    for place in range(count):
        theirs, ours = f"m.layers.{place}", f"blocks.{place}"
        _style(graph, tensors, f"{theirs}.up.modulation", f"{ours}.style")
        for their_part, our_part in (("conv1", "first"), ("conv2", "second")):
            part, name = f"{theirs}.{their_part}", f"{ours}.{our_part}"
            _modulated(graph, tensors, next(mixes), part, name)
            depthwise = _named(graph, f"{part}.conv.weight_dw")
            tensors[f"{name}.depthwise.weight"] = depthwise.reshape(len(depthwise), 1, 3, 3)
    last = f"m.layers.{count - 1}.to_img"
    _style(graph, tensors, f"{last}.conv.modulation", "style")
    tensors["picture.weight"] = _named(graph, f"{last}.conv.weight")
    tensors["picture.bias"] = _named(graph, f"{last}.bias").ravel()
    return tensors


def _named(graph: Graph, name: str) -> NDArray[np.float32]:
    return graph.constants[graph.names[name]]


def _style(graph: Graph, tensors: dict[str, Any], theirs: str, ours: str) -> None:
    """A style's linear layer, times the constant with which its output is multiplied."""
    added = graph.reader(graph.names[f"{theirs}.bias"])
    multiplied = graph.reader(graph.reader(added))
    scale = graph.constant_into(multiplied)
    factor = np.float32(1 if scale is None else scale.item())
    tensors[f"{ours}.weight"] = _named(graph, f"{theirs}.weight") * factor
    tensors[f"{ours}.bias"] = _named(graph, f"{theirs}.bias").ravel() * factor


def _modulated(graph: Graph, tensors: dict[str, Any], mix: Any, theirs: str, ours: str) -> None:
    """The style, the mixing weights (demodulated already), then noise, then bias."""
    _style(graph, tensors, f"{theirs}.conv.modulation", f"{ours}.style")
    noisy = graph.reader(mix)
    tensors[f"{ours}.mix.weight"] = graph.constant_into(mix)
    tensors[f"{ours}.noise"] = graph.constant_into(noisy)
    tensors[f"{ours}.mix.bias"] = _named(graph, f"{theirs}.bias").ravel()
