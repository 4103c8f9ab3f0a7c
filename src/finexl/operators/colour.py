"""Operators that change the colours and leave the drawing alone."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from finexl.operators.operator import blended, graded
from finexl.operators.raster import (
    Colour,
    Raster,
    blur,
    centred,
    chroma,
    chroma_scaled,
    gradient_map,
    grey,
    luma,
    mix,
    radius,
    ramp,
    rgb,
    screen,
    smooth,
    strength,
    unit,
)
from finexl.operators.regions import palette

_DUOTONES: tuple[tuple[Colour, Colour], ...] = (
    ((0.10, 0.08, 0.42), (1.00, 0.72, 0.55)),
    ((0.28, 0.02, 0.35), (0.98, 0.88, 0.25)),
    ((0.02, 0.25, 0.30), (1.00, 0.62, 0.68)),
    ((0.35, 0.03, 0.08), (0.65, 0.95, 0.90)),
    ((0.04, 0.10, 0.38), (0.55, 0.98, 0.72)),
)


@graded(
    "vivid", "saturated", "colourful", "vibrant hues", "rich colours",
    opposite=("muted colours", "desaturated", "pale", "drab"),
)  # fmt: skip
def saturate(image: Raster, level: float, _rng: Generator) -> Raster:
    """Move every colour away from grey."""
    return chroma_scaled(image, 1.0 + 2.2 * level)


@graded(
    "muted colours", "desaturated", "subdued hues", "dull colours",
    opposite=("vivid", "saturated", "colourful"),
)  # fmt: skip
def desaturate(image: Raster, level: float, _rng: Generator) -> Raster:
    """Move every colour most of the way to grey."""
    return chroma_scaled(image, 1.0 - 0.75 * level)


@blended(
    "black and white", "greyscale", "monochrome", "colourless", "no colour",
    opposite=("colour photograph", "in colour"),
)  # fmt: skip
def greyscale(image: Raster, _rng: Generator) -> Raster:
    """Keep the brightness alone."""
    return grey(luma(image))


@blended("sepia", "sepia toned", "brown monochrome", "brownish tint")
def sepia(image: Raster, _rng: Generator) -> Raster:
    """Tone the brightness from dark brown to cream."""
    return gradient_map(luma(image), (0.09, 0.05, 0.02), (0.60, 0.44, 0.27), (1.0, 0.94, 0.80))


@graded(
    "warm", "warm colours", "warm tones", "yellowish cast",
    opposite=("cool colours", "cold", "cool tones"),
)  # fmt: skip
def warm(image: Raster, level: float, _rng: Generator) -> Raster:
    """Raise red and lower blue, as under a lower colour temperature."""
    return image * _gain(level, (0.28, 0.0, -0.50))


@graded(
    "cool colours", "cold", "cool tones", "bluish cast",
    opposite=("warm", "warm colours", "warm tones"),
)  # fmt: skip
def cool(image: Raster, level: float, _rng: Generator) -> Raster:
    """Raise blue and lower red, as under a higher colour temperature."""
    return image * _gain(level, (-0.42, 0.02, 0.40)) + _gain(level, (0.0, 0.02, 0.10)) - 1.0


def _gain(level: float, change: Colour) -> Raster:
    return 1.0 + np.float32(level) * np.array(change, np.float32)


@blended("red", "red tint", "reddish", "crimson tones")
def red(image: Raster, _rng: Generator) -> Raster:
    """Light the scene with red."""
    return _tinted(image, (0.86, 0.10, 0.10))


@blended("green", "green tint", "greenish", "emerald tones")
def green(image: Raster, _rng: Generator) -> Raster:
    """Light the scene with green."""
    return _tinted(image, (0.12, 0.62, 0.18))


@blended("blue", "blue tint", "bluish", "azure tones")
def blue(image: Raster, _rng: Generator) -> Raster:
    """Light the scene with blue."""
    return _tinted(image, (0.12, 0.30, 0.90))


@blended("purple", "violet", "purple tint", "magenta and violet tones")
def purple(image: Raster, _rng: Generator) -> Raster:
    """Light the scene with purple."""
    return _tinted(image, (0.56, 0.16, 0.80))


def _tinted(image: Raster, colour: Colour) -> Raster:
    dark = (colour[0] * 0.1, colour[1] * 0.1, colour[2] * 0.1)
    light = (0.55 + 0.45 * colour[0], 0.55 + 0.45 * colour[1], 0.55 + 0.45 * colour[2])
    return mix(image, gradient_map(luma(image), dark, colour, light), 0.85)


@blended("golden hour", "golden light", "sunset light", "amber glow", "warm evening sun")
def golden_hour(image: Raster, _rng: Generator) -> Raster:
    """Low amber sun from the right, long warm highlights, brown shadows."""
    _, cols = centred(image.shape[:2])
    sun = ramp(cols / image.shape[1], -0.6, 0.6)
    tone = ramp(luma(image), -0.1, 0.9)
    toned = gradient_map(tone, (0.12, 0.04, 0.02), (0.90, 0.48, 0.14), (1.0, 0.92, 0.66))
    amber = mix(image * rgb(1.1, 0.84, 0.55), toned, 0.55)
    glow = blur(amber * grey(ramp(tone, 0.35, 0.9)), 14 * unit(image))
    haze = rgb(1.0, 0.60, 0.20) * (0.30 * grey(sun))
    return screen(np.clip(amber, 0, 1), np.clip(0.35 * glow + haze, 0, 1))


@blended(
    "teal and orange", "cinematic colour grading", "blockbuster look", "orange and blue grading"
)
def teal_orange(image: Raster, _rng: Generator) -> Raster:
    """Push shadows to teal and skin and light to orange."""
    tone = luma(image)
    orange = rgb(0.80, 0.08, -0.80)
    teal = rgb(-0.75, 0.22, 0.40)
    along = 1.3 * (chroma(image) @ orange) / (orange @ orange) + 0.36 * (ramp(tone, 0.0, 1.0) - 0.5)
    graded_tone = 0.03 + 0.25 * tone + 0.75 * ramp(tone, -0.05, 1.0)
    push = grey(np.tanh(along))
    return grey(graded_tone) + np.where(push > 0, push * orange, -push * teal)


@blended("pastel colours", "pastel", "soft light hues", "candy colours")
def pastel(image: Raster, _rng: Generator) -> Raster:
    """Light, even, milky colours: hues kept, shadows lifted."""
    hue = chroma(image)
    return 0.66 + 0.24 * grey(luma(image)) + 0.24 * hue / (strength(hue) + 0.10)


@blended("neon colours", "fluorescent", "electric hues", "synthwave colours", "garish")
def neon_colours(image: Raster, _rng: Generator) -> Raster:
    """Fluorescent pinks, cyans and greens over deep violet shadows."""
    tone = luma(image)
    hue = chroma(image)
    amount = strength(hue)
    wave = gradient_map(tone, (0.06, 0.0, 0.20), (0.85, 0.0, 0.80), (0.0, 1.0, 0.95))
    loud = grey(ramp(tone, 0.05, 0.7)) * 0.7 + 0.7 * hue / (amount + 0.05)
    return mix(wave, np.clip(loud, 0, 1), ramp(amount[..., 0], 0.03, 0.25) * 0.65)


@blended("limited palette", "few colours", "restricted palette", "simple colour scheme")
def limited_palette(image: Raster, rng: Generator) -> Raster:
    """Paint with the picture's own four main colours."""
    soft = smooth(image, 3 * unit(image), 0.15)
    colours, index = palette(soft, 4, rng)
    return chroma_scaled(colours, 1.25)[index]


@blended("duotone", "two-colour print", "two-tone", "bichrome")
def duotone(image: Raster, rng: Generator) -> Raster:
    """Map shadows to one colour and lights to another, the pair drawn at random."""
    tone = ramp(luma(image), -0.1, 1.1)
    return gradient_map(tone, *_DUOTONES[rng.integers(len(_DUOTONES))])


@graded("inverted colours", "negative image", "photographic negative", "inverted")
def negative(image: Raster, level: float, _rng: Generator) -> Raster:
    """Replace x by 1 - x."""
    return mix(image, 1.0 - image, level)


@graded("posterized", "posterised", "colour banding", "hard tonal steps")
def posterise(image: Raster, level: float, _rng: Generator) -> Raster:
    """Round every channel to a few steps: 32 at the lowest level, 3 at the highest."""
    steps = round(32.0 * (3.0 / 32.0) ** level) - 1
    rounded: Raster = np.round(image * steps) / steps
    return rounded


@blended("thermal camera", "heat map colours", "infrared false colour", "false colour")
def thermal(image: Raster, _rng: Generator) -> Raster:
    """Show brightness as heat: blue, magenta, orange, yellow, white."""
    tone = blur(luma(image), 1.2 * unit(image))
    return gradient_map(
        tone, (0.0, 0.0, 0.15), (0.22, 0.0, 0.60), (0.75, 0.05, 0.50), (1.0, 0.45, 0.05),
        (1.0, 0.88, 0.15), (1.0, 1.0, 0.92),
    )  # fmt: skip


@blended("cyanotype", "prussian blue print", "blue and white print", "sun print")
def cyanotype(image: Raster, rng: Generator) -> Raster:
    """Tone from Prussian blue to pale paper, the sheet's edge brushed by hand."""
    tone = ramp(luma(image), -0.05, 0.95)
    edge = radius(image.shape[:2]) + 0.05 * rng.random()
    sheet = gradient_map(tone, (0.02, 0.10, 0.28), (0.16, 0.40, 0.64), (0.90, 0.95, 0.96))
    return sheet * grey(1.0 - 0.25 * ramp(edge, 0.75, 1.1))


COLOUR = (
    saturate, desaturate, greyscale, sepia, warm, cool, red, green, blue, purple, golden_hour,
    teal_orange, pastel, neon_colours, limited_palette, duotone, negative, posterise, thermal,
    cyanotype,
)  # fmt: skip
