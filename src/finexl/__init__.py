"""FineXL: in words with numbers, how a personalized image model differs from its base.

    explain(base, personalized, ...) -> Explanation
    load_encoder(name) -> Encoder
    report(explanation) -> Report, to be shown in a notebook or saved

Importing the package loads nothing heavy: each name is fetched from its module when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from finexl._version import __version__
from finexl.errors import FinexlError, PrerequisiteError, UsageError

if TYPE_CHECKING:
    from finexl.encoders import load_encoder as load_encoder
    from finexl.explanation import Explanation as Explanation
    from finexl.pipeline import explain as explain
    from finexl.report.notebook import report as report

__all__ = [
    "Explanation",
    "FinexlError",
    "PrerequisiteError",
    "UsageError",
    "__version__",
    "explain",
    "load_encoder",
    "report",
]

_HOMES = {
    "Explanation": "finexl.explanation",
    "explain": "finexl.pipeline",
    "load_encoder": "finexl.encoders",
    "report": "finexl.report",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'finexl' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
