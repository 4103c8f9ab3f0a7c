"""Vision-language models on this machine, through transformers: Qwen2-VL, Idefics, SmolVLM, ..."""

from __future__ import annotations

import inspect
import json
import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from safetensors import SafetensorError

from finexl import hub
from finexl.devices import best_device, quietly, torch_threads
from finexl.errors import NoReplyError, PrerequisiteError, UsageError
from finexl.hub import Files
from finexl.vlm.base import Question, Reply
from finexl.vlm.pictures import SIDE, scaled

_DAMAGED = (OSError, ValueError, KeyError, RuntimeError, AttributeError, TypeError)
"""What transformers raises for files that are not what they should be, beside safetensors' own."""
_STILLS = ["image_processor", "tokenizer"]
_SAME_WITHOUT_VIDEOS = {"SmolVLMProcessor": "Idefics3Processor"}
"""Processors that cannot be made without their part for videos, and what does the rest alike."""


@dataclass
class Local:
    """A model in a folder; opened when first asked. It answers one question at a time, greedily."""

    name: str
    files: Files
    side: int = SIDE
    """The longer side that pictures are scaled down to."""
    device: str | None = None
    """Where to compute; None for CUDA, else Apple's MPS, else the processor."""
    threads: int | None = None
    concurrency: int = field(default=1, init=False)
    notice: None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @property
    def revision(self) -> str:
        """The hub's commit, or the digest of a local folder's files; and the size of pictures."""
        return f"{self.files.revision} at {self.side} px"

    def ask(self, question: Question) -> Reply:
        """Answer one question, in plain text whatever its schema. See `VLM.ask`.

        Raises:
            NoReplyError: not enough memory for this question, or an empty reply.
            UsageError: the files are no vision-language model.
            PrerequisiteError: an extra is missing, or not enough memory for the model.
        """
        with self._lock:
            _, torch = self._libraries
            model = self._model
            try:
                with quietly(self._libraries[0]), torch_threads(self.threads):
                    inputs = self.prepared(question).to(model.device, model.dtype)
                    with torch.inference_mode():
                        found = model.generate(
                            **inputs,
                            max_new_tokens=question.max_tokens,
                            # the most likely word each time, whatever the folder's settings say
                            do_sample=False,
                            num_beams=1,
                            temperature=None,
                            top_p=None,
                            top_k=None,
                        )
            except (RuntimeError, MemoryError) as error:
                raise self._failed(error) from error
        asked = inputs["input_ids"].shape[1]
        new = found[0, asked:]
        text = self._processor.tokenizer.decode(new, skip_special_tokens=True).strip()
        if not text:
            raise NoReplyError(f"The model {self.name} gave an empty reply.")
        return Reply(text, asked, len(new))

    def prepared(self, question: Question, answer: str | None = None) -> Any:
        """Return a question as the model reads it, a batch of one; with an answer, that behind it.

        Raises:
            UsageError: the model's template or processor cannot take it.
            PrerequisiteError: an extra is missing.
        """
        processor = self._processor
        parts = [
            {"type": "text", "text": self._plain(processor, part)}
            if isinstance(part, str)
            else {"type": "image", "image": scaled(part, self.side)}
            for part in question.parts
        ]
        turns = [{"role": "user", "content": parts}]
        if answer is not None:
            turns.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        try:
            return processor.apply_chat_template(
                turns,
                add_generation_prompt=answer is None,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        except MemoryError:
            raise
        except Exception as error:  # a template is a program, and processors raise every kind
            raise UsageError(
                f"The model {self.name} cannot be asked this: its chat template or its processor "
                f"fails ({_first_line(error)})."
            ) from error

    @staticmethod
    def _plain(processor: Any, text: str) -> str:
        """Return a text without what the model would take for a picture or a turn's end."""
        for token in processor.tokenizer.added_tokens_decoder.values():
            if token.special:
                text = text.replace(token.content, " ")
        return text

    @cached_property
    def _model(self) -> Any:
        transformers, torch = self._libraries
        hub.require_safetensors(self.files, self.name, hub.VLM)
        device = self.device or best_device()
        self._require_eyes()
        model = self._opened(
            transformers.AutoModelForImageTextToText,
            use_safetensors=True,
            dtype=_dtype(torch, device),
        )
        try:
            return model.to(device).eval()
        except (RuntimeError, MemoryError) as error:
            if not _out_of_memory(error):
                raise
            raise self._too_large() from error

    def _require_eyes(self) -> None:
        """Refuse a kind of model that is known to do something else."""
        from transformers.models.auto import configuration_auto, modeling_auto

        kind = str(self._settings("config.json").get("model_type"))
        if (
            kind in configuration_auto.CONFIG_MAPPING_NAMES
            and kind not in modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
        ):
            raise UsageError(
                f"The model {self.name} ({kind}) does not answer questions about pictures; give "
                f"one like Qwen2-VL or SmolVLM, or {hub.VLM.instead}."
            )

    @cached_property
    def _processor(self) -> Any:
        transformers, _ = self._libraries
        try:
            found = self._opened(transformers.AutoProcessor)
        except PrerequisiteError:
            kind = self._without_videos()
            if kind is None:
                raise
            found = self._opened(kind)
        if not (hasattr(found, "image_processor") and hasattr(found, "tokenizer")):
            raise UsageError(
                f"{self.files.folder} does not say how pictures are prepared; the file "
                "preprocessor_config.json belongs there."
            )
        if getattr(found, "chat_template", None) is None:
            found.chat_template = getattr(found.tokenizer, "chat_template", None)
        if found.chat_template is None:
            raise UsageError(
                f"The model {self.name} has no chat template, so it cannot be asked; give the "
                "variant that was trained on instructions, often named -Instruct or -chat."
            )
        return found

    def _without_videos(self) -> type | None:
        """Return the folder's kind of processor less its part for videos, which wants torchvision.

        Nothing else needs that: pictures are prepared by Pillow.
        """
        transformers, _ = self._libraries
        settings = (
            self._settings(f"{name}.json")
            for name in ("processor_config", "preprocessor_config", "tokenizer_config")
        )
        name = next((x["processor_class"] for x in settings if x.get("processor_class")), "")
        kind = getattr(transformers, _SAME_WITHOUT_VIDEOS.get(str(name), str(name)), None)
        if not isinstance(kind, type):
            return None
        parameters = inspect.signature(kind).parameters
        if name in _SAME_WITHOUT_VIDEOS:
            return kind
        if "video_processor" not in parameters:
            return None
        # transformers 4 reads the attribute, 5 asks the method
        members = {"attributes": _STILLS, "get_attributes": classmethod(lambda _: list(_STILLS))}
        return type(kind.__name__, (kind,), members)

    @cached_property
    def _libraries(self) -> tuple[Any, Any]:
        try:
            import torch
            import transformers
        except ImportError as error:
            raise hub.missing_extra(self.name, "torch", hub.VLM) from error
        return transformers, torch

    def _settings(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self.files.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _opened(self, kind: Any, **settings: Any) -> Any:
        """Open one part of the model from its folder; nothing is fetched, no code of its is run."""
        try:
            with quietly(self._libraries[0]):
                return kind.from_pretrained(
                    self.files.folder, local_files_only=True, trust_remote_code=False, **settings
                )
        except ImportError as error:  # transformers' own sentence names what is missing
            raise self._incomplete(error) from error
        except (*_DAMAGED, SafetensorError, MemoryError) as error:
            if _out_of_memory(error):
                raise self._too_large() from error
            raise UsageError(
                f"{self.files.folder} is not a model that transformers can open as a "
                f"vision-language model: {_first_line(error)}"
            ) from error

    def _incomplete(self, error: ImportError) -> PrerequisiteError:
        if "torchvision" in str(error).lower():
            version = str(self._libraries[1].__version__).partition("+")[0]
            return PrerequisiteError(
                f"The model {self.name} prepares its pictures with torchvision: pip install "
                f"torchvision (the one made for torch {version})."
            )
        return PrerequisiteError(f"The model {self.name} cannot be opened: {_first_line(error)}")

    def _too_large(self) -> PrerequisiteError:
        return PrerequisiteError(
            f"The model {self.name} does not fit into the memory of {self.device or best_device()};"
            f" give a smaller one, or {hub.VLM.instead}."
        )

    def _failed(self, error: Exception) -> NoReplyError:
        if _out_of_memory(error):
            return NoReplyError(
                f"The memory was not enough for a question to {self.name}; give smaller pictures "
                "or a smaller model."
            )
        return NoReplyError(f"The model {self.name} failed: {_first_line(error)}")


def _dtype(torch: Any, device: str) -> Any:
    """Return full precision on the processor, half elsewhere: with float32's range if it can."""
    if device == "cpu":
        return torch.float32
    wide = device.startswith("cuda") and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if wide else torch.float16


def _out_of_memory(error: BaseException) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in said or "allocate memory" in said


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
