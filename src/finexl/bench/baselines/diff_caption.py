"""Diff Caption: Yao, Wang & Jin, "Image Difference Captioning with Pre-training and Contrastive
Learning" (AAAI 2022): what one pair of pictures differs in, in words.

The network is in `nets/diff_caption.py`. Their weights are for features of a ResNet-101 that cannot
be had here; examples/models/diff-caption is a small one, trained on pictures under graded
operators.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from finexl.bench.baselines.pairs import open_network, tell_one_pair
from finexl.bench.methods import Case, Told

if TYPE_CHECKING:
    from finexl.bench.baselines.nets.captioner import Captioner


@dataclass(frozen=True)
class DiffCaption:
    """The caption of one pair, drawn by the case's seed. `scores` are empty: it gives words."""

    folder: Path
    """config.json and model.safetensors."""
    width: int = 3
    """Beginnings of captions that are kept in writing; 1 is greedy."""
    name: str = "Diff Caption"

    def tell(self, case: Case) -> Told:
        """Explain one personalized model. See `Method.tell`."""
        return tell_one_pair(case, self._captioner)

    @cached_property
    def _captioner(self) -> Captioner:
        return open_network(self.folder, "diff-caption", self.width)
