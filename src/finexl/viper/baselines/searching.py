"""The noise that an image starts from, searched by rankings (ZO-RankSGD; §4.2).

One prompt at a time, as published: no weight changes, and what was found is of no use to other
prompts. Each round is one question to the oracle; odd ones perturb, even ones search along a line.

FOLDER/search.json         what is searched, how, and who ranks
FOLDER/start.png           the plain model's image, of the seed's own noise
FOLDER/round-001/1.png ... what is to be ranked; in even rounds 1.png is the best so far
FOLDER/round-001/ranks.txt the answer: the pictures' numbers, best first
FOLDER/round-001/follows.txt  the answers that its pictures follow from
FOLDER/best.png, noise.safetensors   the best so far, and the noise that makes it

Everything follows from the seeds and the answers: a search that was broken off replays them, and
goes on with the next question.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.errors import FinexlError, UsageError
from finexl.files import write_atomic
from finexl.generators import Job, Made
from finexl.generators.diffusers import Pipeline
from finexl.images import load_image
from finexl.personalize.state import claim
from finexl.viper.baselines.oracles import Oracle, answer_in, write_answer
from finexl.viper.baselines.ranksgd import Manner, RankSGD
from finexl.viper.over import Over

KNOWN = ("StableDiffusionPipeline", "StableDiffusionXLPipeline", "StableDiffusion3Pipeline")
USUAL = Manner()
FOLLOWS = "follows.txt"
NOISE = "noise.safetensors"
ROUNDS = 20
"""Questions where none are asked for: the authors needed 10 to 20."""

Progress = Callable[[str, int, int], None]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """Where a search stands."""

    best: Path
    """The best image so far."""
    rounds: int
    """Questions answered."""
    moves: int
    """How often something better was found."""
    spread: float
    """The root mean square of the noise: about 1 for what the model was made for."""
    waiting: Path | None
    """The folder of a question that has no answer yet; None: the search is over."""


@dataclass
class RankSearched(Over):
    """A pipeline that searches each image's noise by an oracle that answers at once."""

    base: Pipeline
    oracle: Oracle
    manner: Manner = USUAL
    rounds: int = ROUNDS
    seed: int = 0
    """Of the perturbations."""
    kind = "ranksgd"

    def __post_init__(self) -> None:
        """Refuse what cannot be searched.

        Raises:
            UsageError: another kind of base, or numbers out of range.
        """
        refuse(self.base, self.manner, self.rounds)

    @property
    def name(self) -> str:
        """The base's, and how many rankings there are."""
        return f"{self.base.name} + {self.rounds} rankings"

    def about(self) -> dict[str, Any]:
        """Return how it is searched, and by whom."""
        return _about(self.oracle, self.manner, self.rounds, self.seed)

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        """Make one batch, in order, an image at a time. See `Generator.make`."""
        return [self._made(job) for job in jobs]

    def _made(self, job: Job) -> Made:
        shape, optimizer = _begin(self.base, job, self.manner, self.seed)
        for _ in range(self.rounds):
            ranking = self.oracle.rank(_render(self.base, job, optimizer.candidates, shape))
            if ranking is None:
                raise UsageError("Only an oracle that answers at once can search many images.")
            optimizer.tell(ranking)
        return Made(_render(self.base, job, optimizer.point[None], shape)[0])


def search(
    base: Pipeline,
    job: Job,
    oracle: Oracle,
    out: Path,
    manner: Manner = USUAL,
    rounds: int = ROUNDS,
    seed: int = 0,
    progress: Progress = lambda *_: None,
) -> Found:
    """Search the noise of one image, as far as there are answers.

    Args:
        base: makes the images.
        job: the prompt, and the seed whose noise is the start.
        oracle: ranks; or a `Person`, who writes ranks.txt before this is called again.
        out: a new folder, or that of the same search to go on with; more rounds may be asked.
        manner: how points are tried.
        rounds: how many questions are asked at most.
        seed: of the perturbations.
        progress: told of every question.

    Raises:
        UsageError: a base that cannot be searched, an answer that is none, a folder with another
            search in it, or a model whose image cannot be used.
    """
    refuse(base, manner, rounds)
    asked = {"base": base.digest, "prompt": job.prompt, "image_seed": job.seed}
    about = _about(oracle, manner, rounds, seed)
    del about["rounds"]  # more may be asked of the same search
    claim(out, {**asked, **about}, "search.json", "search")
    shape, optimizer = _begin(base, job, manner, seed)
    if not (out / "start.png").is_file():
        _write(out / "start.png", _render(base, job, optimizer.point[None], shape)[0])
    waiting, follows = None, ""
    for number in range(1, rounds + 1):
        progress(f"Searching {base.name}", number - 1, rounds)
        folder = out / f"round-{number:03d}"
        _refuse_stale(folder, follows)
        points = optimizer.candidates
        ranking: Sequence[int] | None = answer_in(folder, len(points))
        if ranking is None:
            render = partial(_render, base, job, points, shape)
            ranking = _asked(oracle, folder, _shown(folder, follows, len(points), render))
        if ranking is None:
            waiting = folder
            break
        optimizer.tell(ranking)
        follows += " ".join(str(index + 1) for index in ranking) + "\n"
    progress(f"Searching {base.name}", optimizer.rounds, rounds)
    _keep(base, job, optimizer.point, shape, out)
    spread = float(np.sqrt(np.mean(optimizer.point**2)))
    return Found(out / "best.png", optimizer.rounds, optimizer.moves, spread, waiting)


def refuse(base: Pipeline, manner: Manner, rounds: int) -> None:
    """Refuse what cannot be searched.

    Raises:
        UsageError: a base whose noise is not known here, or numbers out of range.
    """
    manner.check()
    if base.source.kind not in KNOWN:
        raise UsageError(
            f"{base.name} is a {base.source.kind}, whose noise cannot be searched here; that of "
            "Stable Diffusion 1, 2, XL and 3 can."
        )
    if rounds < 1:
        raise UsageError("A search asks 1 question or more.")


def _about(oracle: Oracle, manner: Manner, rounds: int, seed: int) -> dict[str, Any]:
    return {
        "oracle": dict(oracle.record()),
        "manner": manner.record(),
        "rounds": rounds,
        "seed": seed,
    }


def _begin(base: Pipeline, job: Job, manner: Manner, seed: int) -> tuple[tuple[int, ...], RankSGD]:
    noise = base.noise(job.seed)
    return tuple(noise.shape[1:]), RankSGD(noise.double().numpy().ravel(), manner, seed)


def _render(base: Pipeline, job: Job, points: Array, shape: tuple[int, ...]) -> list[Image.Image]:
    """Return the images of some noises, (n, d); batches have the same borders each time."""
    import torch

    noise = torch.tensor(points, dtype=torch.float32).reshape(len(points), *shape)
    made: list[Made] = []
    for start in range(0, len(noise), base.batch):
        some = noise[start : start + base.batch]
        made += base.make([job] * len(some), some)
    images = [one.image for one in made if one.image is not None and one.blank is None]
    if len(images) < len(points):
        why = next(one.blank for one in made if one.blank is not None)
        raise FinexlError(f"{base.name} made an image that cannot be ranked: {why}.")
    return images


def _refuse_stale(folder: Path, follows: str) -> None:
    """Refuse a question that was asked after other answers than there are now."""
    path = folder / FOLLOWS
    if path.is_file() and path.read_bytes() != follows.encode():
        raise UsageError(
            f"The pictures in {folder} follow from other answers than there are now; put the "
            "earlier ranks.txt back, or delete that round and those after it."
        )


def _shown(
    folder: Path, follows: str, n: int, render: Callable[[], Sequence[Image.Image]]
) -> list[Image.Image]:
    """Return a question's pictures as they are in its folder, made if they are not all there."""
    paths = [folder / f"{number}.png" for number in range(1, n + 1)]
    if not all(path.is_file() for path in paths):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / FOLLOWS, follows)
        for path, image in zip(paths, render(), strict=True):
            _write(path, image)
    return [load_image(path) for path in paths]


def _asked(oracle: Oracle, folder: Path, pictures: Sequence[Image.Image]) -> Sequence[int] | None:
    ranking = oracle.rank(pictures)
    if ranking is not None:
        write_answer(folder, ranking)
    return ranking


def _keep(base: Pipeline, job: Job, point: Array, shape: tuple[int, ...], out: Path) -> None:
    from safetensors.numpy import save

    _write(out / "best.png", _render(base, job, point[None], shape)[0])
    write_atomic(out / NOISE, save({"noise": point.astype(np.float32).reshape(1, *shape)}))


def _write(path: Path, image: Image.Image) -> None:
    file = BytesIO()
    image.save(file, "PNG")
    write_atomic(path, file.getvalue())
