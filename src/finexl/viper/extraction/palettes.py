"""The colors of a picture, by its pixels: what an encoder sees least well and anybody can count."""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE = 96
"""Pixels a side that are looked at."""
_HUES = (
    (15, "red tones"), (42, "orange tones"), (68, "yellow tones"), (160, "green tones"),
    (195, "teal tones"), (250, "blue tones"), (295, "purple tones"), (345, "pink tones"),
    (360, "red tones"),
)  # fmt: skip
"""Where each hue ends, in degrees."""
_WARM = ("red tones", "orange tones", "yellow tones", "pink tones")
GRAY = 0.05
"""Mean chroma (largest less smallest channel, in [0, 1]) of a picture without color."""
MUTED, VIVID = 0.16, 0.42
DARK, LIGHT = 0.22, 0.78
"""Mean brightness, in [0, 1]."""
RULES = 0.55
"""The part of all chroma that one hue, or one side of the circle, has where it rules."""


def palette(image: Image.Image) -> list[str]:
    """Return the listed colors that hold for a picture, what strikes most first."""
    small = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    pixels = small.reshape(-1, 3) / 255
    high, low = pixels.max(axis=1), pixels.min(axis=1)
    chroma, brightness = high - low, float((pixels @ (0.299, 0.587, 0.114)).mean())
    amount = float(chroma.mean())
    if amount < GRAY:
        return ["black and white" if float(high.std()) > 0.15 else "gray tones"]
    shares = _shares(pixels, chroma)
    ranked = sorted(shares, key=lambda hue: -shares[hue])
    warm = sum(shares[hue] for hue in shares if hue in _WARM)
    found = []
    if amount > VIVID:
        found.append("vibrant colors")
    elif amount < MUTED:
        found.append("pastel colors" if brightness > LIGHT else "muted colors")
    if sum(share > 0.1 for share in shares.values()) >= 4 and amount > MUTED:
        found.append("multicolored")
    if shares[ranked[0]] > RULES:
        rules = ranked[0]
        found.append("brown tones" if rules == "orange tones" and brightness < 0.45 else rules)
    if max(warm, 1 - warm) > 0.85:
        found.append("warm colors" if warm > 0.5 else "cool colors")
    if brightness < DARK:
        found.append("dark colors")
    return found or [ranked[0]]


def _shares(pixels: np.ndarray, chroma: np.ndarray) -> dict[str, float]:
    """Return each hue's part of all chroma."""
    r, g, b = pixels.T
    degrees = np.degrees(np.arctan2(np.sqrt(3) * (g - b), 2 * r - g - b)) % 360
    names = [name for _, name in _HUES]
    which = np.searchsorted([end for end, _ in _HUES], degrees, side="right")
    totals = dict.fromkeys(names, 0.0)
    for index, weight in enumerate(np.bincount(which.clip(max=len(names) - 1), chroma, len(names))):
        totals[names[index]] += float(weight)
    whole = sum(totals.values()) or 1.0
    return {name: total / whole for name, total in totals.items()}
