"""The networks as ONNX files with small weights: computing in float32, stored in less.

Weights are stored as float16 (backbone) or as int8 with a float32 scale for each output (sentence
encoder) and are turned back to float32 when the file is opened, so that no result depends on what
else is in a batch, as it would with activations quantised on the fly.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from encoder.networks import sentence, stage_statistics

OPSET = 17
SMALLEST = 4096
"""Weights with fewer numbers stay as they are."""


def export_image_model(checkpoint: Path, target: Path, side: int) -> None:
    model = stage_statistics(checkpoint, side)
    pixels = torch.rand(2, 3, side, side)
    _export(model, (pixels,), target, ["pixels"], {"pixels": {0: "n"}})
    _pad_inside_convolutions(target)
    _show_stages(target)
    _shrink(target, _half)


def export_text_model(weights: Path, target: Path) -> None:
    model = sentence(weights)
    ids = torch.ones(2, 12, dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[0, 8:] = 0
    axes = {name: {0: "n", 1: "t"} for name in ("input_ids", "attention_mask")}
    _export(model, (ids, mask), target, list(axes), axes)
    _shrink(target, _eight_bits)


def _export(model: Any, arguments: Any, target: Path, names: list[str], axes: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter is deprecated, and does what we need
        torch.onnx.export(
            model,
            arguments,
            str(target),
            input_names=names,
            output_names=["rows"],
            dynamic_axes={**axes, "rows": {0: "n"}},
            opset_version=OPSET,
            dynamo=False,
        )


def _pad_inside_convolutions(path: Path) -> None:
    """Give each convolution the zeros that a node before it adds: half of the time was theirs.

    PyTorch's convolutions cannot pad one side alone, as strides of two need; ONNX's can.
    """
    model = onnx.load(path)
    graph = model.graph
    padding = {node.output[0]: node for node in graph.node if node.op_type == "Pad"}
    widths = _values(model, [node.input[1] for node in padding.values()])
    for node in graph.node:
        before = padding.get(node.input[0]) if node.op_type == "Conv" else None
        if before is None:
            continue
        _, _, top, left, _, _, bottom, right = widths[before.input[1]]
        for attribute in node.attribute:
            if attribute.name == "pads":
                assert not any(attribute.ints)
                attribute.ints[:] = [top, left, bottom, right]
        node.input[0] = before.input[0]
    _drop_unused(graph)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _show_stages(path: Path) -> None:
    """Let the network give, beside the rows, the channels whose statistics they are."""
    model = onnx.load(path)
    squares = {node.output[0] for node in model.graph.node if node.op_type == "Mul"}
    means = [node for node in model.graph.node if node.op_type == "ReduceMean"]
    for name in (node.input[0] for node in means if node.input[0] not in squares):
        shape = ["n", *(f"{name}_{axis}" for axis in ("channels", "height", "width"))]
        shown = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        model.graph.output.append(shown)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _values(model: Any, names: list[str]) -> dict[str, Any]:
    """Return what these intermediate values, which depend on no input, come to."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    for name in dict.fromkeys(names):
        shown.graph.output.append(helper.make_tensor_value_info(name, TensorProto.INT64, [None]))
    session = onnxruntime.InferenceSession(shown.SerializeToString())
    side = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    pixels = np.zeros((1, 3, side, side), dtype=np.float32)
    asked = list(dict.fromkeys(names))
    return dict(zip(asked, session.run(asked, {"pixels": pixels}), strict=True))


def _drop_unused(graph: Any) -> None:
    used = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if used.intersection(node.output):
            used.update(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))


def _shrink(path: Path, store: Any) -> None:
    """Replace each large weight by a smaller one and the nodes that restore it."""
    model = onnx.load(path)
    graph = model.graph
    kept, nodes = [], []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < SMALLEST:
            kept.append(weight)
            continue
        smaller, restoring = store(weight.name, values)
        kept += smaller
        nodes += restoring
    body = [*nodes, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(body)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _half(name: str, values: Any) -> tuple[list[Any], list[Any]]:
    stored = numpy_helper.from_array(values.astype(np.float16), f"{name}_half")
    return [stored], [helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT)]


def _eight_bits(name: str, values: Any) -> tuple[list[Any], list[Any]]:
    # an embedding has a scale for each row (word), a matrix for each column (output)
    axis = 1 if len(values) > 4096 else 0
    scale = np.abs(values).max(axis=axis, keepdims=True) / 127.0
    scale = np.where(scale > 0, scale, 1.0).astype(np.float32)
    whole = np.rint(values / scale).astype(np.int8)
    stored = [
        numpy_helper.from_array(whole, f"{name}_int8"),
        numpy_helper.from_array(scale, f"{name}_scale"),
    ]
    nodes = [
        helper.make_node("Cast", [f"{name}_int8"], [f"{name}_wide"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}_wide", f"{name}_scale"], [name]),
    ]
    return stored, nodes
