"""Vision-language models: OpenAI-compatible HTTP, local transformers, scripted."""

from finexl.vlm.base import VLM, Part, Question, Reply

__all__ = ["VLM", "Part", "Question", "Reply"]
