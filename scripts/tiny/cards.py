"""The models' figures, measured on pictures of theirs, and the cards that give them."""

from __future__ import annotations

from pathlib import Path

from diffusers import StableDiffusionPipeline
from PIL import Image

from finexl.personalize import scenes
from finexl.personalize.scenes import SCENES, Scene
from tiny import diffusion, lora
from tiny.judge import Marks, mark

FEW = tuple(
    Scene(shape, colour, list(scenes.BACKGROUNDS)[(i + j) % 6])
    for i, shape in enumerate(scenes.SHAPES)
    for j, colour in enumerate(scenes.COLOURS)
)
"""One scene of every shape and colour."""


def row(name: str, marks: Marks) -> str:
    columns = (marks.shape, marks.colour, marks.background, marks.all)
    return f"| {name} | {marks.count} | " + " | ".join(f"{value:.2f}" for value in columns) + " |"


def sheet(images: list[Image.Image], columns: int) -> Image.Image:
    """Return pictures side by side, twice as large."""
    side = 2 * scenes.SIZE
    whole = Image.new("RGB", (columns * side, -(-len(images) // columns) * side))
    for number, image in enumerate(images):
        large = image.resize((side, side), Image.Resampling.NEAREST)
        whole.paste(large, (number % columns * side, number // columns * side))
    return whole


def weights(model: object) -> int:
    return sum(weight.numel() for weight in model.parameters())  # type: ignore[attr-defined]


def make(folder: Path, seconds: float) -> bool:
    """Measure and write the cards; `seconds` is not looked at."""
    del seconds
    base, adapters = folder / "scenes-diffusion", folder / "scenes-striped-lora"
    pipe = StableDiffusionPipeline.from_pretrained(base, use_safetensors=True)
    rows = []
    every = [scenes.caption(scene) for scene in SCENES]
    few = [scenes.caption(scene) for scene in FEW]
    images = diffusion.sampled(pipe, every)
    sheet(images[::3], 12).save(folder.parents[1] / "work" / "tiny" / "base.png")
    rows.append(row("20 steps, guidance 3", mark(images, SCENES)))
    images = diffusion.sampled(pipe, few, guidance=1.0)
    rows.append(row("20 steps, no guidance", mark(images, FEW)))
    images = diffusion.sampled(pipe, few, steps=50, guidance=7.5)
    rows.append(row("50 steps, guidance 7.5 (the pipeline's own)", mark(images, FEW)))
    print("\n".join(rows))
    (base / "README.md").write_text(
        BASE.format(
            unet=weights(pipe.unet) / 1e6,
            text=weights(pipe.text_encoder) / 1e6,
            steps=diffusion.STEPS,
            batch=diffusion.BATCH,
            rows="\n".join(rows),
        ),
        encoding="utf-8",
    )
    rows = []
    for step in lora.CHECKPOINTS:
        pipe.load_lora_weights(
            adapters, weight_name=f"step-{step:03d}.safetensors", adapter_name=lora.STYLE
        )
        for scale in (0.0, 0.5, 1.0) if step == lora.STEPS else (1.0,):
            pipe.set_adapters(lora.STYLE, scale)
            images = diffusion.sampled(pipe, few)
            if scale == 1.0:
                sheet(images, 12).save(folder.parents[1] / "work" / "tiny" / f"lora-{step}.png")
            marks = mark(images, FEW, lora.STYLE)
            name = f"| {step} | {scale:g} | {marks.level:.2f} | {marks.detected:.2f}"
            rows.append(f"{name} | {marks.shape:.2f} | {marks.all:.2f} |")
            print(rows[-1])
        pipe.unload_lora_weights()
    (adapters / "README.md").write_text(
        ADAPTER.format(rank=lora.RANK, batch=lora.BATCH, rows="\n".join(rows)), encoding="utf-8"
    )
    return True


BASE = """# scenes-diffusion

A real Stable Diffusion pipeline of diffusers' own classes, tiny: it draws one shape of one colour
on one background, 32 x 32 pixels, from captions such as "a red star on a grey background"
(`finexl.personalize.scenes`: six shapes, six colours, six backgrounds). It is there so that tests
and laptops can run everything that is done with large models. Its pictures are good for nothing
else.

```python
from diffusers import DiffusionPipeline

pipe = DiffusionPipeline.from_pretrained("examples/models/scenes-diffusion", use_safetensors=True)
pipe("a red star on a grey background", num_inference_steps=20, guidance_scale=3).images[0]
```

- **U-Net** (`UNet2DConditionModel`, {unet:.2f} M weights), trained by flow matching: it predicts
  noise minus picture (`prediction_type="flow_prediction"`, timestep 1000 σ). Sampled with
  `DPMSolverMultistepScheduler`; of diffusers' schedulers only those that know
  `use_flow_sigmas` can take its place (UniPC, DEIS, DPM-Solver singlestep); DDIM and Euler refuse.
- **Text encoder** (`CLIPTextModel`, {text:.2f} M weights), trained with it. The tokenizer has one
  token for each word of the captions and the styles' names; other words are read letter by letter,
  and mean nothing to the model.
- **Autoencoder** (`AutoencoderKL`): the identity, set and not trained, so that latents are pixels.
  Off by a fiftieth of a grey level in float32, half a level in float16, four in bfloat16.

Trained for {steps} steps of {batch} pictures, AdamW at 1e-3 (falling over the last two fifths),
averaged weights, every tenth caption left out; drawn pictures only. Seeds are fixed in the code:
`python scripts/train_tiny.py diffusion`, 33 minutes on one thread of a busy processor; then
`python scripts/train_tiny.py cards`. Length and schedule were changed while it ran, so a run from
the start gives a model like this one, not these bytes. A picture in 20 steps takes 0.7 s on one
thread, in a batch 0.4 s.

## How often its pictures show what was asked for

Each picture from a seed of its own, judged by the drawing that comes nearest
(`scripts/tiny/judge.py`).

| sampling | pictures | shape | colour | background | all three |
|---|---|---|---|---|---|
{rows}

Licence: that of this repository (Apache-2.0). No photograph, no artwork and no other model went
into it.
"""

ADAPTER = """# scenes-striped-lora

A personalization of `scenes-diffusion` at known levels: LoRAs (rank {rank}, peft, float16) after
50, 100, 200 and 400 training steps on striped scenes with their plain captions, so that every
scene comes out striped. Batches of {batch}, AdamW at 2e-3; `python scripts/train_tiny.py lora`.

```python
pipe.load_lora_weights(
    "examples/models/scenes-striped-lora",
    weight_name="step-400.safetensors",
    adapter_name="striped",
)
pipe.set_adapters("striped", 0.5)
```

`finexl` takes it as `lora:examples/models/scenes-diffusion+FILE@SCALE`.

## How striped its pictures are

36 captions, 20 steps, guidance 3, each from a seed of its own. The level is how far a picture lies
on the way from the plain drawing of what it shows (0) to the striped one (1); detected: above 0.5.

| training steps | scale | mean level | detected | shape right | all three right |
|---|---|---|---|---|---|
{rows}

Licence: that of this repository (Apache-2.0).
"""
