"""A VQ autoencoder and a causal transformer in one folder: the plainest of such models.

FOLDER/config.json   {"model_type": "finexl-vq", "size": 32, "patch": 4, "first_code": 500,
                      "sampling": {"guidance": 2.0}}
FOLDER/tokenizer     of transformers
FOLDER/transformer   a causal language model of transformers; codes are its vocabulary's entries
                     from `first_code` on
FOLDER/vq            a VQModel of diffusers, which sees `patch` x `patch` pixels as one

A sequence is the caption's tokens, as the tokenizer writes them, and the codes row by row; the
empty caption stands for none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finexl.errors import UsageError
from finexl.generators.tokens import model
from finexl.generators.tokens.model import TokenModel
from finexl.generators.tokens.sampling import Sampling

KIND = "finexl-vq"
LARGEST_SIZE = 4096


class Plain(TokenModel):
    """A folder's autoencoder and transformer."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], dtype: Any, device: str) -> None:
        """Open it.

        Raises:
            UsageError: a part is damaged, or they do not fit together.
        """
        import torch
        from diffusers import VQModel
        from transformers import AutoModelForCausalLM, AutoTokenizer

        where = folder / "config.json"
        self.size, self._patch, self._first = (
            _whole(settings, name, most, where)
            for name, most in (("size", LARGEST_SIZE), ("patch", 64), ("first_code", 1 << 22))
        )
        sampling = settings.get("sampling", {})
        if not isinstance(sampling, Mapping):
            raise UsageError(f"{where}: `sampling` is no object of settings.")
        self.own = Sampling().changed(sampling, str(where))
        self.vision = model.opened(
            VQModel, folder / "vq", dtype, model.read_settings(folder / "vq")
        )
        self.vision.to(device).eval()
        self.painter = torch.nn.ModuleDict(
            {"decoder": self.vision.decoder, "post_quant_conv": self.vision.post_quant_conv}
        )
        part = folder / "transformer"
        self.language = model.opened(AutoModelForCausalLM, part, dtype, model.read_settings(part))
        self.language.to(device).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(
            folder / "tokenizer", local_files_only=True, trust_remote_code=False
        )
        self.codes = self.vision.config.num_vq_embeddings
        step = self._patch * 2 ** (len(self.vision.config.block_out_channels) - 1)
        self._side, rest = divmod(self.size, step)
        self.count = self._side**2
        words = self.language.config.vocab_size
        room = getattr(self.language.config, "max_position_embeddings", 1 << 22) - self.count
        if rest or not self.count:
            raise UsageError(f"{where}: images of {self.size} pixels are no grid of {step}.")
        if self._first + self.codes > words or len(self._tokenizer) > self._first or room < 1:
            raise UsageError(
                f"{folder}: a transformer with {words:,} tokens and room for {self.count} codes "
                f"and {room} words does not fit {self.codes:,} codes from {self._first:,} on and a "
                f"tokenizer with {len(self._tokenizer):,}."
            )
        channels = 3 * self._patch**2
        if (self.vision.config.in_channels, self.vision.config.out_channels) != (
            channels,
            channels,
        ):
            raise UsageError(
                f"{where}: with patches of {self._patch} pixels the autoencoder in vq has to have "
                f"{channels} channels."
            )
        self._room = min(room, self._tokenizer.model_max_length, model.LONGEST)

    def prompt(self, text: str) -> list[int]:
        """Return the caption's tokens."""
        text = model.harmless(self._tokenizer, text)
        read = self._tokenizer(text, truncation=True, max_length=self._room).input_ids
        if not read:
            raise UsageError(f"The model's tokenizer makes nothing of the prompt {text!r}.")
        return list(read)

    def blank(self, prompt: Sequence[int]) -> list[int]:
        """Return the empty caption's tokens."""
        del prompt
        return self.prompt("")

    def words(self, ids: Any) -> Any:
        """Embed words."""
        return self.language.get_input_embeddings()(ids)

    def images(self, codes: Any) -> Any:
        """Embed codes."""
        return self.words(codes + self._first)

    @property
    def transformer(self) -> Any:
        """The transformer without its output layer."""
        return self.language.base_model

    def logits(self, hidden: Any) -> Any:
        """Return the logits of codes."""
        found = self.language.get_output_embeddings()(hidden)
        return found[..., self._first : self._first + self.codes]

    def encode(self, pixels: Any) -> Any:
        """Return the encoder's codes."""
        from torch.nn.functional import pixel_unshuffle

        latents = self.vision.encode(
            pixel_unshuffle(pixels, self._patch).to(self.vision.dtype)
        ).latents
        codes = self.vision.quantize(latents)[2][2]
        return codes.view(len(pixels), -1)

    def decode(self, codes: Any) -> Any:
        """Return what the decoder makes of codes."""
        from torch.nn.functional import pixel_shuffle

        vectors = self.vision.quantize.embedding(codes)
        grid = vectors.mT.reshape(len(codes), -1, self._side, self._side)
        made = self.vision.decode(grid, force_not_quantize=True).sample
        return pixel_shuffle(made, self._patch)


def _whole(settings: Mapping[str, Any], name: str, most: int, where: Path) -> int:
    value = settings.get(name, 1 if name == "patch" else None)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise UsageError(f"{where}: `{name}` has to be a whole number from 1 to {most:,}.")
    return value
