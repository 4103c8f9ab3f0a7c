"""Pixels made ready for an image tower by torch, so that gradients reach them.

The same as transformers' own processors do with Pillow: resized with a filter that is widened when
it shrinks, cut to the middle, shifted and scaled by mean and standard deviation.
"""

from __future__ import annotations

from typing import Any

from finexl.errors import UsageError

MODES = {2: "bilinear", 3: "bicubic"}
"""Pillow's numbers for filters, by torch's names."""


def prepared(pixels: Any, processor: Any) -> Any:
    """Return what a tower takes of pixels (n, 3, h, w) in [0, 1].

    Args:
        pixels: a float tensor.
        processor: transformers' image processor, which says what is done.

    Raises:
        UsageError: it asks for a filter that is not known here.
    """
    if processor.do_resize:
        pixels = _resized(pixels, processor)
    if getattr(processor, "do_center_crop", False):
        height, width = processor.crop_size["height"], processor.crop_size["width"]
        top, left = (pixels.shape[-2] - height) // 2, (pixels.shape[-1] - width) // 2
        pixels = pixels[..., max(top, 0) : top + height, max(left, 0) : left + width]
    if not processor.do_normalize:
        return pixels
    mean, std = (
        pixels.new_tensor(one).reshape(1, 3, 1, 1)
        for one in (processor.image_mean, processor.image_std)
    )
    return (pixels - mean) / std


def _resized(pixels: Any, processor: Any) -> Any:
    import torch

    height, width = pixels.shape[-2:]
    size, mode = dict(processor.size), MODES.get(int(processor.resample))
    if mode is None:
        raise UsageError(
            f"This encoder resizes with Pillow's filter {int(processor.resample)}, which has no "
            "gradients here; bilinear and bicubic have."
        )
    if size.get("shortest_edge"):
        short, shortest = min(height, width), int(size["shortest_edge"])
        wanted = (int(shortest * height / short), int(shortest * width / short))
    else:
        wanted = (int(size["height"]), int(size["width"]))
    found = torch.nn.functional.interpolate(
        pixels, wanted, mode=mode, antialias=True, align_corners=False
    )
    return found.clamp(0, 1)  # as the rounding to 255 levels does
