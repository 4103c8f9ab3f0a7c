"""Chg2Cap: Chang & Ghamisi, "Changes to Captions: An Attentive Network for Remote Sensing Change
Captioning" (2023): what one pair of pictures differs in, in words.

The network is in `nets/chg2cap.py`. Their weights are for satellite pictures seen by a ResNet-101,
and cannot be had here; examples/models/chg2cap is a small one, trained on pictures under graded
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
class Chg2Cap:
    """The caption of one pair, drawn by the case's seed. `scores` are empty: it gives words."""

    folder: Path
    """config.json and model.safetensors."""
    width: int = 3
    """Beginnings of captions that are kept in writing; 1 is greedy."""
    name: str = "Chg2Cap"

    def tell(self, case: Case) -> Told:
        """Explain one personalized model. See `Method.tell`."""
        return tell_one_pair(case, self._captioner)

    @cached_property
    def _captioner(self) -> Captioner:
        return open_network(self.folder, "chg2cap", self.width)
