"""Make the tiny models in examples/models: python scripts/train_tiny.py STAGE [--seconds N]

The stages, in order: diffusion, lora, gan, autoregressive, cards. Each goes on where it was
stopped, from its checkpoint in work/tiny, and writes its part of examples/models when it is done.
One thread: the same seeds give the same weights only for the same number of threads. Needs the
`diffusion` extra.
"""

from __future__ import annotations

import argparse
import importlib
import math
from pathlib import Path

import torch

MODELS = Path(__file__).parents[1] / "examples" / "models"
STAGES = {
    "diffusion": ("diffusion", "scenes-diffusion"),
    "lora": ("lora", "scenes-striped-lora"),
    "gan": ("gan", "scenes-gan"),
    "autoregressive": ("autoregressive", "scenes-ar"),
    "cards": ("cards", "."),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so long")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    module, folder = STAGES[arguments.stage]
    done = importlib.import_module(f"tiny.{module}").make(MODELS / folder, arguments.seconds)
    print("done" if done else "stopped; run it again to go on")


if __name__ == "__main__":
    main()
