"""Chameleon and Anole: text and image tokens in one vocabulary, 1,024 of them an image.

transformers has the language model and the image encoder. Its own output layer is of no use here:
it forbids image tokens. Which of the vocabulary's entries are image tokens, and of which code, the
model's vocabulary map says: "IMGIMG", the code's digits as letters from A for 0, and "Z".

The prompt is followed by the turn's end, as transformers' processor writes it, and the image's
beginning; the empty prompt is the image's beginning alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finexl.errors import UsageError
from finexl.generators.tokens import model, overlays
from finexl.generators.tokens.model import TokenModel, codes_of
from finexl.generators.tokens.sampling import Sampling

BEGIN = "<racm3:break>"
MARK = "IMGIMG"
OWN = Sampling(guidance=3.0, temperature=0.7, top_p=0.9)
"""As Meta's own sampling of images with Chameleon is set."""


class Chameleon(TokenModel):
    """A Chameleon with its decoder."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], dtype: Any, device: str) -> None:
        """Open it; the decoder may still be without weights.

        Raises:
            UsageError: it is damaged, or its vocabulary knows no image tokens.
        """
        import torch
        from transformers import AutoTokenizer, ChameleonForConditionalGeneration

        from finexl.generators.tokens import decoder

        self.own = OWN
        vq = settings.get("vq_config")
        if not isinstance(vq, Mapping):
            raise UsageError(f"{folder / 'config.json'} has no vq_config.")
        vq = {**_DEFAULTS, **vq}
        self.painter = decoder.untrained(vq)
        self.size = vq["resolution"]
        self.count = (self.size // 2 ** (len(vq["channel_multiplier"]) - 1)) ** 2
        self._begin, table = vocabulary(settings, vq["num_embeddings"], folder)
        self.language = model.opened(ChameleonForConditionalGeneration, folder, dtype, settings)
        self.language.to(device).eval()
        self.vision = self.language.model.vqmodel
        self.painter["post_quant_conv"] = self.vision.post_quant_conv
        painting = overlays.stored(folder)
        if painting:
            overlays.paint(self, painting, str(folder))
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._table = torch.tensor(table, device=self.device)

    def prompt(self, text: str) -> list[int]:
        """Return the text's tokens, the turn's end and the image's beginning."""
        read = self._tokenizer(model.harmless(self._tokenizer, text)).input_ids[: model.LONGEST]
        end = self._tokenizer.sep_token_id
        return [*read, *([] if end is None else [end]), self._begin]

    def blank(self, prompt: Sequence[int]) -> list[int]:
        """Return the image's beginning, after the text's if there is one."""
        del prompt
        first = self._tokenizer.bos_token_id
        return [*([] if first is None else [first]), self._begin]

    def words(self, ids: Any) -> Any:
        """Embed tokens of the vocabulary."""
        return self.language.get_input_embeddings()(ids)

    def images(self, codes: Any) -> Any:
        """Embed the tokens that stand for codes."""
        return self.words(self._table[codes])

    @property
    def transformer(self) -> Any:
        """The Chameleon without its output layer."""
        return self.language.model

    def logits(self, hidden: Any) -> Any:
        """Return the logits of image tokens, in the codes' order."""
        return self.language.lm_head(hidden)[..., self._table]

    def encode(self, pixels: Any) -> Any:
        """Return the encoder's codes."""
        return codes_of(self.vision, pixels)

    def decode(self, codes: Any) -> Any:
        """Return what the decoder makes of codes."""
        side = int(self.count**0.5)
        vectors = self.vision.quantize.embedding(codes)
        grid = vectors.mT.reshape(len(codes), -1, side, side)
        return self.painter["decoder"](self.painter["post_quant_conv"](grid))

    @property
    def trainable(self) -> Any:
        """The language model without the image encoder."""
        from torch.nn import ModuleDict

        inner = self.language.model
        parts = {name: getattr(inner, name) for name in ("embed_tokens", "layers", "norm")}
        return ModuleDict({**parts, "lm_head": self.language.lm_head})


_DEFAULTS: dict[str, Any] = {
    "embed_dim": 256,
    "num_embeddings": 8192,
    "latent_channels": 256,
    "resolution": 512,
    "base_channels": 128,
    "channel_multiplier": [1, 1, 2, 2, 4],
    "num_res_blocks": 2,
    "attn_resolutions": None,
    "attn_type": "vanilla",
}
"""What transformers takes for settings that a config.json leaves out."""


def vocabulary(settings: Mapping[str, Any], codes: int, folder: Path) -> tuple[int, list[int]]:
    """Return the token of an image's beginning, and each code's.

    Raises:
        UsageError: one of them is not in the vocabulary map.
    """
    known = settings.get("vocabulary_map")
    most = settings.get("vocab_size", 65536)
    known = known if isinstance(known, Mapping) else {}
    letters = {chr(ord("A") + digit): str(digit) for digit in range(10)}
    table = {}
    for name, token in known.items():
        spelled = name.removeprefix(MARK)[:-1]
        if name.startswith(MARK) and spelled and all(x in letters for x in spelled):
            table[int("".join(letters[x] for x in spelled))] = token
    numbers = [known.get(BEGIN), *(table.get(code) for code in range(codes))]
    if not all(isinstance(number, int) and 0 <= number < most for number in numbers):
        raise UsageError(
            f"{folder / 'config.json'} has no vocabulary_map with {BEGIN} and {codes:,} image "
            f"tokens ({len(table):,} found)."
        )
    return int(known[BEGIN]), [int(table[code]) for code in range(codes)]
