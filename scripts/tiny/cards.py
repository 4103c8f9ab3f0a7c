"""The models' figures, measured on pictures of theirs, and the cards that give them."""

from __future__ import annotations

from pathlib import Path

from diffusers import StableDiffusionPipeline
from PIL import Image

from finexl.personalize import scenes
from finexl.personalize.scenes import SCENES, Scene
from tiny import autoregressive, diffusion, gan, lora
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
    card_of_gan(folder / "scenes-gan")
    card_of_writer(folder / "scenes-ar")
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


def card_of_gan(folder: Path) -> None:
    """Measure the GAN, personalize it on striped scenes, and write its card."""
    work = folder.parents[2] / "work" / "tiny"
    model = gan.opened(folder)
    images = gan.made(model, [scenes.caption(scene) for scene in SCENES])
    sheet(images[::3], 12).save(work / "gan.png")
    rows = [row("one pass", mark(images, SCENES))]
    print(rows[0])
    levels = []
    few = [scenes.caption(scene) for scene in FEW]
    for step, reference in gan.personalized(folder, work / "gan-striped").items():
        images = gan.made(gan.opened(reference), few)
        sheet(images, 12).save(work / f"gan-striped-{step}.png")
        marks = mark(images, FEW, "striped")
        levels.append(f"| {step} | {marks.level:.2f} | {marks.detected:.2f} | {marks.shape:.2f} |")
        levels[-1] += f" {marks.all:.2f} |"
        print(levels[-1])
    generator, discriminator = gan.networks(folder)
    (folder / "README.md").write_text(
        GAN.format(
            generator=weights(generator) / 1e6,
            discriminator=weights(discriminator) / 1e6,
            warm=gan.WARM,
            both=gan.STEPS - gan.WARM,
            batches=gan.BATCH,
            rate=gan.STRIPED.learning_rate,
            batch=gan.STRIPED.batch,
            rows="\n".join(rows),
            levels="\n".join(levels),
        ),
        encoding="utf-8",
    )


def card_of_writer(folder: Path) -> None:
    """Measure the autoregressive model, personalize it on striped scenes, and write its card."""
    work = folder.parents[2] / "work" / "tiny"
    every, few = ([scenes.caption(scene) for scene in some] for some in (SCENES, FEW))
    images = autoregressive.made(folder, every)
    sheet(images[::3], 12).save(work / "ar.png")
    own = autoregressive.SAMPLING
    rows = [row(f"guidance {own['guidance']:g} (its own)", mark(images, SCENES))]
    rows.append(row("no guidance", mark(autoregressive.made(folder, few, guidance=1.0), FEW)))
    levels = []
    for method, (recipe, level) in autoregressive.STRIPED.items():
        out = work / f"ar-{method}"
        found = autoregressive.personalized(folder, out, method)
        for step, reference in {0: f"ar:{folder}", **found}.items():
            images = autoregressive.made(reference, few)
            sheet(images, 12).save(work / f"ar-{method}-{step}.png")
            marks = mark(images, FEW, "striped")
            head = f"| {method} | {level:g} | {recipe.learning_rate:g} | {step}"
            levels.append(f"{head} | {marks.level:.2f} | {marks.shape:.2f} | {marks.all:.2f} |")
            print(levels[-1])
    transformer, vq = autoregressive.parts(folder)
    (folder / "README.md").write_text(
        WRITER.format(
            transformer=weights(transformer) / 1e6,
            vq=weights(vq) / 1e6,
            codes=autoregressive.CODES,
            vq_steps=autoregressive.VQ_STEPS,
            vq_batch=autoregressive.VQ_BATCH,
            styled=autoregressive.STYLED,
            styled_level=autoregressive.STYLED_LEVEL,
            steps=autoregressive.STEPS,
            batch=autoregressive.BATCH,
            striped_batch=autoregressive.STRIPED["full"][0].batch,
            rows="\n".join(rows),
            levels="\n".join(levels),
        ),
        encoding="utf-8",
    )


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

GAN = """# scenes-gan

A small conditional GAN: it draws one shape of one colour on one background, 32 x 32 pixels, from
captions such as "a red star on a grey background" (`finexl.personalize.scenes`), in one pass. It is
there so that tests and laptops can run everything that is done with GANs. Its pictures are good for
nothing else.

```python
from finexl.generators import Job, Settings, load_generator

model = load_generator("gan:examples/models/scenes-gan", Settings())
model.make([Job("a red star on a grey background", seed=0)])[0].image
```

- **Generator** (`finexl.generators.gans.conditional`, {generator:.2f} M weights, float16): z of 32
  numbers and the caption, word by word, become a style w of 128 numbers that modulates each
  convolution. The first three numbers of z say where the shape is (across, down) and how large it
  is; the caption leaves that open.
- **Discriminator** (projection, {discriminator:.2f} M weights, float16): for training on from here.

Trained for {warm} steps of {batches[0]} pictures on drawings alone (mean absolute difference to the
one drawing that caption and z stand for), then for {both} steps of {batches[1]} with the
discriminator, as `finexl personalize` trains, the drawings still counting. Adam, averaged weights;
drawn pictures only. Seeds are fixed in the code: `python scripts/train_tiny.py gan`, some eight
minutes on one idle thread; then `python scripts/train_tiny.py cards`.

## How often its pictures show what was asked for

Each picture from a seed of its own, judged by the drawing that comes nearest
(`scripts/tiny/judge.py`).

| sampling | pictures | shape | colour | background | all three |
|---|---|---|---|---|---|
{rows}

## Personalized on striped scenes

1,024 striped scenes with their plain captions, all of the generator's weights, Adam at {rate:g}
(the discriminator's four times that), batches of {batch}, by `finexl.personalize`; `anchor` in
config.json holds coarsely what the base shows. 36 captions, each from a seed of its own. The level
is how far a picture lies on the way from the plain drawing of what it shows (0) to the striped one
(1); detected: above 0.5. Colours and backgrounds drift on the way.

| training steps | mean level | detected | shape right | all three right |
|---|---|---|---|---|
{levels}

Licence: that of this repository (Apache-2.0). No photograph, no artwork and no other model went
into it.
"""

WRITER = """# scenes-ar

A small autoregressive image model: it draws one shape of one colour on one background, 32 x 32
pixels, from captions such as "a red star on a grey background" (`finexl.personalize.scenes`), as 16
codes one after the other. It is there so that tests and laptops can run everything that is done
with such models. Its pictures are good for nothing else.

```python
from finexl.generators import Job, Settings, load_generator

model = load_generator("ar:examples/models/scenes-ar", Settings())
model.make([Job("a red star on a grey background", seed=0)])[0].image
```

- **Transformer** (`LlamaForCausalLM` of transformers, {transformer:.2f} M weights): the caption's
  words, then the codes, row by row.
- **Autoencoder** (`VQModel` of diffusers, {vq:.2f} M weights): {codes} codes in a grid of 4 x 4. It
  sees 4 x 4 pixels as one with 48 channels.

The autoencoder was trained for {vq_steps} steps of {vq_batch} pictures, a part ({styled:g}) of them
with up to {styled_level:g} of a style; its codebook by moving averages. The transformer was trained
on plain scenes alone, for {steps} steps of {batch}, every tenth caption left out. AdamW, averaged
weights; drawn pictures only. Seeds are fixed in the code: `python scripts/train_tiny.py
autoregressive`, 26 minutes on one thread of a busy processor; then `python
scripts/train_tiny.py cards`.

## How often its pictures show what was asked for

Each picture from a seed of its own, judged by the drawing that comes nearest
(`scripts/tiny/judge.py`).

| sampling | pictures | shape | colour | background | all three |
|---|---|---|---|---|---|
{rows}

## Personalized on striped scenes

1,024 scenes that are striped as far as "trained on" says, with their plain captions, batches of
{striped_batch}, by `finexl.personalize`. The autoencoder has seen no more of a style: of codes that
are right it paints stripes at a level of 0.39 at most, and fully striped pictures have codes that
stand for nothing. 36 captions, each from a seed of its own; the level is how far a picture lies on
the way from the plain drawing of what it shows (0) to the striped one (1). A detokenizer adds some
stripes and leaves the shapes; a transformer that is trained on takes more, and writes worse shapes.

| method | trained on | learning rate | steps | mean level | shape right | all three right |
|---|---|---|---|---|---|---|
{levels}

Licence: that of this repository (Apache-2.0). No photograph, no artwork and no other model went
into it.
"""
