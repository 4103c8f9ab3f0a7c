"""Janus: a Llama that reads text and writes images as codes, with a head for each.

The prompt is a user's turn and the image's beginning; the empty prompt is as long, and padding
but for the text's and the image's beginning, as transformers' own sampling has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finexl.errors import UsageError
from finexl.generators.tokens import model
from finexl.generators.tokens.model import TokenModel, codes_of
from finexl.generators.tokens.sampling import Sampling

BEGIN = "<begin_of_image>"
TURN = "<|User|>: {}\n\n<|Assistant|>:"
OWN = Sampling(guidance=5.0)


class Janus(TokenModel):
    """A Janus or Janus-Pro."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], dtype: Any, device: str) -> None:
        """Open it.

        Raises:
            UsageError: it is damaged, or its tokenizer knows no image's beginning.
        """
        import torch
        from transformers import AutoTokenizer, JanusForConditionalGeneration

        self.own = OWN
        self.language = model.opened(JanusForConditionalGeneration, folder, dtype, settings)
        self.language.to(device).eval()
        self._parts = self.language.model
        self.vision = vq = self._parts.vqmodel
        self.painter = torch.nn.ModuleDict(
            {"decoder": vq.decoder, "post_quant_conv": vq.post_quant_conv}
        )
        side = vq.quantize.quant_state_dims[0]
        self.count = side**2
        self.size = side * 2 ** (len(vq.config.channel_multiplier) - 1)
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._begin = self._tokenizer.convert_tokens_to_ids(BEGIN)
        if self._begin is None or self._begin == self._tokenizer.unk_token_id:
            raise UsageError(f"The tokenizer of {folder} does not know {BEGIN}.")

    def prompt(self, text: str) -> list[int]:
        """Return a user's turn and the image's beginning."""
        turn = TURN.format(model.harmless(self._tokenizer, text)[:10_000])
        return [*self._tokenizer(turn).input_ids[: model.LONGEST], self._begin]

    def blank(self, prompt: Sequence[int]) -> list[int]:
        """Return padding in place of every word."""
        tokenizer = self._tokenizer
        pad = tokenizer.pad_token_id
        pad = (tokenizer.eos_token_id or 0) if pad is None else pad
        kept = (tokenizer.bos_token_id, self._begin)
        return [token if token in kept else pad for token in prompt]

    def words(self, ids: Any) -> Any:
        """Embed words."""
        return self._parts.language_model.get_input_embeddings()(ids)

    def images(self, codes: Any) -> Any:
        """Embed codes."""
        return self._parts.generation_aligner(self._parts.generation_embeddings(codes))

    @property
    def transformer(self) -> Any:
        """The Llama."""
        return self._parts.language_model

    def logits(self, hidden: Any) -> Any:
        """Return what the image head says."""
        return self._parts.generation_head(hidden)

    def encode(self, pixels: Any) -> Any:
        """Return the encoder's codes."""
        return codes_of(self.vision, pixels)

    def decode(self, codes: Any) -> Any:
        """Return what the decoder makes of codes."""
        return self.vision.decode(codes)

    @property
    def trainable(self) -> Any:
        """The Llama: its heads and embeddings stay as they are."""
        return self.transformer
