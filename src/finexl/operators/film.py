"""Operators of film, prints and old photographs."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import ImageDraw

from finexl.operators.marks import drawn
from finexl.operators.operator import blended, graded
from finexl.operators.raster import (
    Plane,
    Raster,
    Shape,
    blur,
    centred,
    chroma_scaled,
    clouds,
    gradient_map,
    grey,
    luma,
    mix,
    noise,
    radius,
    ramp,
    rgb,
    sample,
    screen,
    unit,
)


@graded("film grain", "grainy", "analogue film", "noisy texture", opposite=("clean", "noise-free"))
def film_grain(image: Raster, level: float, rng: Generator) -> Raster:
    """Add grey grain, strongest in the middle tones."""
    grain = noise(image.shape[:2], max(1.0, 1.3 * unit(image)), rng)
    tone = luma(image)
    return image + grey(0.15 * level * grain * (0.45 + 2.2 * tone * (1 - tone)))


@graded(
    "high iso noise", "colour noise", "digital noise", "speckled with noise", opposite=("clean",)
)
def colour_noise(image: Raster, level: float, rng: Generator) -> Raster:
    """Add specks and blotches of random colour, strongest in the dark."""
    u = unit(image)
    specks = 0.7 * noise(image.shape, max(1.0, u), rng) + 0.6 * noise(image.shape, 3.5 * u, rng)
    return image + 0.18 * level * specks * grey(1.2 - 0.6 * luma(image))


@blended("scratched old film", "scratches and dust", "damaged film", "silent movie look")
def old_film(image: Raster, rng: Generator) -> Raster:
    """Vertical scratches, hairs and dust on a flickering, nearly colourless print."""
    shape, u = image.shape[:2], unit(image)
    tone = ramp(0.92 * luma(image) + 0.02 * noise(shape, 1.5 * u, rng), -0.1, 1.0)
    print_ = mix(grey(tone), gradient_map(tone, (0.1, 0.07, 0.03), (1.0, 0.95, 0.83)), 0.7)
    print_ = print_ * grey(1.05 - 0.5 * ramp(radius(shape), 0.45, 1.1))
    light, dark = _dirt(shape, 16, 70, rng), _dirt(shape, 7, 60, rng)
    return mix(screen(np.clip(print_, 0, 1), grey(light)), np.zeros_like(image), 0.85 * dark)


def _dirt(shape: Shape, scratches: int, specks: int, rng: Generator) -> Plane:
    """Return scratches down the picture, hairs and specks, in white on black."""
    u = min(shape) / 384.0
    lines = rng.random((scratches, 4))
    dots, sizes = rng.random((specks, 2)), 0.5 + rng.exponential(0.8, specks)
    hairs = rng.random((5, 2)), rng.uniform(0, 360, 5)

    def paint(pen: ImageDraw.ImageDraw, scale: float) -> None:
        height, width = shape[0] * scale, shape[1] * scale
        thin = max(1, round(0.9 * u * scale))
        for x, top, length, lean in lines:
            start, end = (top * 1.4 - 0.4) * height, (top + length) * height
            pen.line((x * width, start, (x + 0.02 * (lean - 0.5)) * width, end), 200, thin)
        for (x, y), size in zip(dots * [width, height], sizes * u * scale, strict=True):
            pen.ellipse((x - size, y - 0.7 * size, x + size, y + 0.7 * size), 255)
        for (x, y), turn in zip(hairs[0] * [width, height], hairs[1], strict=True):
            r = 12 * u * scale
            pen.arc((x - r, y - r, x + r, y + r), turn, turn + 110, 220, thin)

    return drawn(shape, paint)


@blended("faded photograph", "aged photograph", "old faded print", "yellowed", "nostalgic snapshot")
def faded(image: Raster, rng: Generator) -> Raster:
    """Lifted blacks, lost colour and a yellow cast, as after decades in the sun."""
    shape, u = image.shape[:2], unit(image)
    pale = rgb(0.30, 0.24, 0.18) + chroma_scaled(image, 0.45) * rgb(0.64, 0.60, 0.50)
    stains = 0.10 * clouds(shape, 110 * u, rng) * ramp(radius(shape), 0.3, 1.0)
    return pale + 0.018 * grey(noise(shape, 1.4 * u, rng)) + grey(stains)


@graded("polaroid", "instant photo", "instant film frame", "white photo border")
def polaroid(image: Raster, level: float, rng: Generator) -> Raster:
    """Fade the picture like instant film and set it in a white frame, thickest below."""
    shape = image.shape[:2]
    rows, cols = centred(shape)
    thin, thick = 0.055 * level, 0.15 * level
    inner_row = (rows / shape[0] + (thick - thin) / 2) / (1 - thin - thick)
    inner_col = cols / shape[1] / (1 - 2 * thin)
    print_ = sample(image, inner_row * shape[0], inner_col * shape[1])
    faint = rgb(0.13, 0.15, 0.16) + chroma_scaled(print_, 0.8) * rgb(0.84, 0.80, 0.70)
    print_ = mix(print_, faint * grey(1.06 - 0.22 * radius(shape)), level)
    paper = rgb(0.95, 0.94, 0.91) + 0.01 * grey(noise(shape, 2 * unit(image), rng))
    inside = (np.abs(inner_row) < 0.5) & (np.abs(inner_col) < 0.5)
    return mix(paper, print_, inside.astype(np.float32))


@blended("double exposure", "superimposed images", "ghosting", "overlaid pictures")
def double_exposure(image: Raster, rng: Generator) -> Raster:
    """Expose the same film again: mirrored, larger and moved."""
    shape = image.shape[:2]
    rows, cols = centred(shape)
    zoom = rng.uniform(1.3, 1.7)
    ghost = sample(
        image[:, ::-1],
        rows / zoom + shape[0] * rng.uniform(-0.10, 0.10),
        cols / zoom + shape[1] * rng.uniform(-0.15, 0.15),
    )
    return screen(0.72 * image, 0.62 * ghost) * 1.05 - 0.04


@graded("chromatic aberration", "colour fringing", "red and cyan fringes", "anaglyph")
def chromatic_aberration(image: Raster, level: float, _rng: Generator) -> Raster:
    """Enlarge red and shrink blue, with a shift, so that edges show coloured fringes."""
    shape, u = image.shape[:2], unit(image)
    rows, cols = centred(shape)
    result = image.copy()
    for channel, sign in ((0, -1.0), (2, 1.0)):
        zoom = 1.0 + sign * 0.022 * level
        result[..., channel] = sample(
            image[..., channel], rows * zoom, cols * zoom + sign * 2.5 * u * level
        )
    return result


@blended("grunge", "dirty", "distressed", "gritty and worn", opposite=("clean", "pristine"))
def grunge(image: Raster, rng: Generator) -> Raster:
    """Stains, spatter, scratches and worn patches over a harsh, nearly colourless picture."""
    shape, u = image.shape[:2], unit(image)
    harsh = chroma_scaled(image, 0.5)
    harsh = mix(harsh, grey(ramp(luma(image), 0.1, 0.85)), 0.5) * rgb(0.92, 0.86, 0.74)
    stain = ramp(clouds(shape, 90 * u, rng), 0.50, 0.95) * clouds(shape, 8 * u, rng)
    spatter = ramp(noise(shape, 2.5 * u, rng) + noise(shape, 40 * u, rng), 2.2, 2.8)
    worn = ramp(noise(shape, 2 * u, rng) + 1.5 * noise(shape, 50 * u, rng), 2.3, 3.0)
    dark = np.clip(0.85 * stain + spatter + 0.35 * ramp(radius(shape), 0.5, 1.1), 0, 0.92)
    dirty = mix(harsh, rgb(0.10, 0.08, 0.05), dark)
    worn = np.clip(worn + blur(_dirt(shape, 22, 20, rng), 0.4 * u), 0, 0.85)
    return mix(dirty, rgb(0.80, 0.76, 0.68), worn)


FILM = (
    film_grain, colour_noise, old_film, faded, polaroid, double_exposure, chromatic_aberration,
    grunge,
)  # fmt: skip
