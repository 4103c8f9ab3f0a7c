"""ViPer's Eq. 1–3 within a pipeline's own steps: no weight changes, and no pipeline is replaced.

    p          = E(prompt) + β (E(VP+) − E(VP−))                               (1)
    ε_vp(x, t) = ε(x, t, E(VP+)) − ε(x, t, E(VP−))                             (2)
    ε̄(x, t)    = (1 − w) ε(x, t) + w (ε(x, t, p) + β ε_vp(x, t))               (3)

The pipeline asks for u = ε(x, t) and c = ε(x, t, E(prompt)) in one call, and takes u + w (c − u).
That call hears p in place of E(prompt), and has two rows more for each image, for E(VP+) and
E(VP−); β ε_vp is added to c, and the pipeline's own guidance makes Eq. 3 of it. ε may be noise,
velocity or flow: Eq. 2 and 3 are linear in it.

Where the pipeline does not guide (w = 1) Eq. 3 is ε(x, t, p) + β ε_vp(x, t), three evaluations
against one. So it is where guidance was distilled into the model (FLUX-dev, LCM), which says of
a text what u + w (c − u) would be: two texts' answers differ by w times Eq. 2, w being in them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from finexl.errors import UsageError
from finexl.generators.steering import Words, told
from finexl.viper.denoiser import Arguments, Denoiser, rows, words


class Guidance(Denoiser):
    """A pipeline that is steered to a taste, within `with`."""

    def __init__(
        self,
        pipeline: Any,
        liked: Words,
        disliked: Words,
        degree: float,
        by_predictions: bool = True,
    ) -> None:
        """Prepare.

        Args:
            pipeline: one of `denoiser.KNOWN`.
            liked: E(VP+), one row.
            disliked: E(VP−), one row.
            degree: β, in [0, 1].
            by_predictions: Eq. 2 and 3 as well; else Eq. 1 alone.
        """
        super().__init__(pipeline)
        self.liked, self.disliked, self.degree = liked, disliked, degree
        self.by_predictions = by_predictions

    def answer(self, plain: Callable[..., Any], arguments: Arguments) -> Any:
        """Say Eq. 3 of the rows in which a prompt is heard, and nothing new of the others."""
        prompted = self.prompted(arguments)
        asked, n = prompted.stop, len(prompted)
        extra = [*prompted, *prompted] if self.by_predictions else []
        heard = words(arguments)
        hidden = self._heard(heard.hidden, self.liked.hidden, self.disliked.hidden, n)
        pooled = None
        if heard.pooled is not None:
            pooled = self._heard(heard.pooled, self.liked.pooled, self.disliked.pooled, n)
        given = rows(arguments, [*range(asked), *extra])
        said = plain(**told(given, Words(hidden, pooled)))[0]
        if self.by_predictions:
            said, liked, disliked = said.split([asked, n, n])
            said = _plus(said, n, self.degree, liked, disliked)
        return said

    def _heard(self, own: Any, liked: Any, disliked: Any, n: int) -> Any:
        """Return the texts of all rows: Eq. 1 in the last n, then VP+ and VP− n times each."""
        import torch

        if own.shape[1:] != liked.shape[1:]:
            raise UsageError(
                f"The prompts are {tuple(own.shape[1:])} numbers to the model, and the attributes "
                f"{tuple(liked.shape[1:])}; leave settings of how prompts are read as they are."
            )
        moved = _plus(own, n, self.degree, liked, disliked)
        if not self.by_predictions:
            return moved
        more = [side.to(own).expand(n, *own.shape[1:]) for side in (liked, disliked)]
        return torch.cat([moved, *more])


def _plus(own: Any, n: int, degree: float, liked: Any, disliked: Any) -> Any:
    """Return `own` with β (liked − disliked) added to its last n rows, computed widely."""
    import torch

    wide = torch.promote_types(own.dtype, torch.float32)
    first, last = own.split([len(own) - n, n])
    moved = last.to(wide) + degree * (liked.to(wide) - disliked.to(wide)).to(last.device)
    return torch.cat([first, moved.to(own.dtype)])
