"""Operators of light, exposure and weather."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import ImageDraw

from finexl.operators.marks import drawn
from finexl.operators.operator import blended, graded
from finexl.operators.raster import (
    Plane,
    Raster,
    blur,
    centred,
    chroma_scaled,
    clouds,
    gradient_map,
    grey,
    luma,
    mix,
    radius,
    ramp,
    rgb,
    screen,
    smooth,
    unit,
)


@graded("bright", "light", "well lit", "luminous", opposite=("dark", "dim", "poorly lit"))
def brighten(image: Raster, level: float, _rng: Generator) -> Raster:
    """Raise the exposure without losing the highlights."""
    lifted: Raster = image ** np.float32(1.0 / (1.0 + 1.4 * level))
    return mix(lifted, np.ones_like(image), 0.12 * level)


@graded("dark", "dim", "poorly lit", "underexposed", opposite=("bright", "light", "well lit"))
def darken(image: Raster, level: float, _rng: Generator) -> Raster:
    """Lower the exposure."""
    dark: Raster = image ** np.float32(1.0 + 0.6 * level) * (1.0 - 0.55 * level)
    return dark


@blended(
    "high contrast", "strong contrast", "contrasty", "harsh light and shadow",
    opposite=("low contrast", "flat light", "flat tones"),
)  # fmt: skip
def high_contrast(image: Raster, _rng: Generator) -> Raster:
    """Drive tones apart on both sides of the picture's mean."""
    tone = luma(image)
    middle = float(np.clip(tone.mean(), 0.3, 0.6))
    steep = 1.0 / (1.0 + np.exp(-12.0 * (tone - middle)))
    return chroma_scaled(image, 1.2) + grey(steep - tone)


@graded(
    "low contrast", "flat light", "flat tones", "washed out",
    opposite=("high contrast", "strong contrast"),
)  # fmt: skip
def low_contrast(image: Raster, level: float, _rng: Generator) -> Raster:
    """Draw all tones towards a light grey."""
    return mix(image, np.full_like(image, 0.55), 0.72 * level)


@blended("hdr", "high dynamic range", "tone-mapped", "strong local contrast", "gritty clarity")
def hdr(image: Raster, _rng: Generator) -> Raster:
    """Even out light over the picture and exaggerate it inside each part."""
    tone, u = luma(image), unit(image)
    wide, near = smooth(tone, 24 * u, 0.25), smooth(tone, 4 * u, 0.08)
    mapped = 0.5 + 0.45 * (wide - 0.5) + 2.6 * (near - wide) + 3.2 * (tone - near)
    return chroma_scaled(image, 1.5) + grey(mapped - tone)


@blended("overexposed", "high key", "blown highlights", "bleached by light")
def overexpose(image: Raster, _rng: Generator) -> Raster:
    """Let in far too much light: highlights burn out and spill over."""
    hot = image * 2.3 + 0.06
    spill = blur(np.clip(hot - 0.9, 0.0, 1.2), 8 * unit(image))
    return screen(np.clip(hot, 0, 1), np.clip(spill, 0, 1))


@blended(
    "night", "night scene", "low key lighting", "moonlit", "nocturnal",
    opposite=("daylight", "daytime"),
)  # fmt: skip
def night(image: Raster, _rng: Generator) -> Raster:
    """Moonlight: dark, blue, colourless but for what shines."""
    tone = luma(image)
    moon = gradient_map(
        tone**1.5 * 0.75, (0.01, 0.015, 0.04), (0.14, 0.19, 0.33), (0.55, 0.64, 0.82)
    )
    lamps = image * grey(ramp(tone, 0.75, 1.0)) * 0.35
    return (moon + lamps) * grey(1.0 - 0.55 * ramp(radius(image.shape[:2]), 0.2, 1.1))


@blended("silhouette", "backlit", "dark shapes against a bright sky", "black shapes on light")
def silhouette(image: Raster, _rng: Generator) -> Raster:
    """Black out whatever is darker than the rest and light what is behind it."""
    u = unit(image)
    tone = smooth(blur(luma(image), 1.5 * u), 6 * u, 0.12)
    cut = _split(tone)
    rows, _ = centred(image.shape[:2])
    sky = gradient_map(
        ramp(rows / image.shape[0], -0.5, 0.5), (0.98, 0.78, 0.52), (1.0, 0.90, 0.70)
    )
    behind = mix(sky, np.clip(blur(image, 4 * u) * 1.2 + 0.15, 0, 1), 0.45)
    return mix(np.full_like(image, 0.03), behind, ramp(tone, cut - 0.05, cut + 0.05))


def _split(tone: Plane) -> float:
    """Return the threshold that best separates dark from light (Otsu)."""
    count, edges = np.histogram(tone, bins=64, range=(0.0, 1.0))
    middle = (edges[1:] + edges[:-1]) / 2
    below, mass = np.cumsum(count), np.cumsum(count * middle)
    above = below[-1] - below
    gap = mass / np.maximum(below, 1) - (mass[-1] - mass) / np.maximum(above, 1)
    return float(edges[1:][np.argmax(below * above * gap * gap)])


@graded("vignette", "dark corners", "darkened edges", "spotlit centre")
def vignette(image: Raster, level: float, _rng: Generator) -> Raster:
    """Darken towards the corners."""
    fall = ramp(radius(image.shape[:2]), 0.25, 1.0)
    return image * grey(1.0 - 0.92 * level * fall)


@blended("foggy", "misty", "hazy", "atmospheric haze", opposite=("clear air", "crisp visibility"))
def fog(image: Raster, rng: Generator) -> Raster:
    """Veil the scene, most where it is far: the upper middle."""
    shape, u = image.shape[:2], unit(image)
    rows, _ = centred(shape)
    depth = 1.0 - ramp(rows / shape[0], -0.15, 0.6)
    veil = 0.62 + 0.28 * depth + 0.22 * (clouds(shape, 130 * u, rng) - 0.5)
    air = rgb(0.80, 0.83, 0.86)
    return mix(blur(chroma_scaled(image, 0.6), 1.0 * u), air, np.clip(veil, 0, 0.97))


@blended("glowing", "dreamy glow", "bloom", "ethereal", "radiant haze")
def bloom(image: Raster, _rng: Generator) -> Raster:
    """Let the lights spill softly over everything."""
    u = unit(image)
    lights = image * grey(ramp(luma(image), 0.05, 0.65))
    halo = 0.55 * blur(lights, 5 * u) + 0.45 * blur(lights, 20 * u)
    return screen(mix(image, blur(image, 3 * u), 0.5), halo)


@blended("lens flare", "sun flare", "shooting into the sun", "bright light streaks")
def lens_flare(image: Raster, rng: Generator) -> Raster:
    """A sun in an upper corner with rays, haze and a row of ghosts across the centre."""
    shape = image.shape[:2]
    size = float(min(shape))
    rows, cols = centred(shape)
    sun_row, sun_col = -0.33 * shape[0], rng.choice([-0.33, 0.33]) * shape[1]
    down, right = (rows - sun_row) / size, (cols - sun_col) / size
    away = np.hypot(down, right)
    rays = np.cos(np.arctan2(down, right) * 7.0 + rng.uniform(0, 6)) ** 8 * np.exp(-away / 0.25)
    streak = np.exp(-np.abs(down) / 0.008 - np.abs(right) / 0.5)
    core = np.exp(-((away / 0.10) ** 2)) * 1.6 + 0.8 * np.exp(-away / 0.30) + 0.45 * rays + streak
    light = grey(core) * rgb(1.0, 0.86, 0.60)
    for along, wide in ((0.4, 0.05), (0.75, 0.09), (-0.4, 0.04), (-0.75, 0.13), (-1.15, 0.07)):
        away = np.hypot(rows - along * sun_row, cols - along * sun_col) / size
        disc = ramp(-away, -wide, -wide * 0.85) * (0.5 + 0.5 * ramp(away, 0, wide))
        light = light + grey(disc) * rng.uniform(0.05, 0.4, 3).astype(np.float32)
    return screen(image, np.clip(light, 0, 1))


@blended("light leak", "leaked light", "analogue light streaks", "sunburnt film")
def light_leak(image: Raster, rng: Generator) -> Raster:
    """Red and orange light that got into the camera at one side."""
    shape = image.shape[:2]
    rows, cols = centred(shape)
    side = rng.choice([-1.0, 1.0])
    angle = side * rng.uniform(-0.35, 0.35)
    depth = 0.5 - side * (cols / shape[1] + np.tan(angle) * rows / shape[0])
    depth = depth + 0.25 * (clouds(shape, 0.6 * min(shape), rng) - 0.5)
    heat = np.clip(1.0 - depth / 0.62, 0.0, 1.0)
    light = gradient_map(heat, (0, 0, 0), (0.55, 0.05, 0.08), (1.0, 0.40, 0.05), (1.0, 0.90, 0.60))
    return screen(mix(image, np.full_like(image, 0.6), 0.18), light)


@blended("rainy", "rain", "rain streaks", "wet weather")
def rain(image: Raster, rng: Generator) -> Raster:
    """Slanted bright streaks under a grey sky."""
    shape, u = image.shape[:2], unit(image)
    slant = rng.uniform(-0.3, 0.3)
    n = 420
    places = rng.random((n, 2)) * [shape[1] * 1.2, shape[0] * 1.2] - [
        0.1 * shape[1],
        0.1 * shape[0],
    ]
    lengths, glints = rng.uniform(14, 46, n) * u, rng.integers(70, 255, n)

    def paint(pen: ImageDraw.ImageDraw, scale: float) -> None:
        width = max(1, round(1.1 * u * scale))
        for (x, y), length, glint in zip(places * scale, lengths * scale, glints, strict=True):
            pen.line((x, y, x + slant * length, y + length), int(glint), width)

    overcast = chroma_scaled(image, 0.45) * rgb(0.60, 0.66, 0.73) + 0.06
    drops = drawn(shape, paint)
    return screen(np.clip(overcast, 0, 1), grey(0.75 * np.clip(drops + blur(drops, u), 0, 1)))


@blended("snowy", "falling snow", "snowflakes", "wintry")
def snow(image: Raster, rng: Generator) -> Raster:
    """White flakes, near and far, in cold white air."""
    shape, u = image.shape[:2], unit(image)

    def flakes(n: int, small: float, large: float) -> Plane:
        places = rng.random((n, 2)) * [shape[1], shape[0]]
        sizes = rng.uniform(small, large, n) * u

        def paint(pen: ImageDraw.ImageDraw, scale: float) -> None:
            for (x, y), r in zip(places * scale, sizes * scale, strict=True):
                pen.ellipse((x - r, y - r, x + r, y + r), 255)

        return drawn(shape, paint)

    cold = mix(chroma_scaled(image, 0.5), rgb(0.82, 0.88, 0.95), 0.35)
    near = blur(flakes(60, 3.0, 6.0), 1.4 * u) * 0.85
    far = blur(flakes(900, 0.7, 2.2), 0.4 * u)
    return screen(screen(np.clip(cold, 0, 1), grey(far)), grey(near))


LIGHT = (
    brighten, darken, high_contrast, low_contrast, hdr, overexpose, night, silhouette, vignette,
    fog, bloom, lens_flare, light_leak, rain, snow,
)  # fmt: skip
