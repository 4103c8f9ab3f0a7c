"""The run folder: what one explanation was asked, what it measured, and what it answered.

run.json                options, versions, state
embeddings.safetensors  one row for each image, by content digest
explanation.json        the answer
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.cache import cache_folder, key_of
from finexl.errors import UsageError
from finexl.explanation import Explanation
from finexl.files import write_atomic

Rows = dict[str, NDArray[np.float32]]
"""An image's content digest -> its embedding (d,)."""


@dataclass
class Run:
    """One run folder, written here alone; every file is whole at any moment."""

    folder: Path | None = None
    """None keeps everything in memory."""
    rows: Rows = field(default_factory=dict)
    """The embeddings known so far, for the encoder revision that was asked for."""

    @classmethod
    def create(cls, folder: Path) -> Run:
        """Open a run folder for writing, made if need be.

        Raises:
            UsageError: the folder cannot be made, or holds something that is not a run.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            strangers = any(folder.iterdir()) and not (folder / "run.json").exists()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(f"The run folder {folder} cannot be made: {reason}.") from error
        if strangers:
            raise UsageError(f"{folder} has files but no run.json; choose an empty or new folder.")
        return cls(folder)

    @classmethod
    def resume(cls, folder: Path) -> tuple[Run, dict[str, Any]]:
        """Open an existing run; return also the options it was started with.

        Raises:
            UsageError: no run there, or a run.json that is damaged.
        """
        path = folder / "run.json"
        try:
            options = json.loads(path.read_text(encoding="utf-8"))["options"]
        except OSError as error:
            raise UsageError(f"{folder} holds no run (there is no run.json to read).") from error
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} is damaged; start the run anew.") from error
        if not isinstance(options, dict):
            raise UsageError(f"{path} is damaged; start the run anew.")
        return cls(folder), options

    def load_rows(self, revision: str) -> None:
        """Read the embeddings that an earlier attempt left, if this encoder made them."""
        if self.folder is None:
            return
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.folder / "embeddings.safetensors", framework="numpy") as file:
                labels = file.metadata() or {}
                if labels.get("encoder_revision") != revision:
                    return
                self.rows = dict(
                    zip(json.loads(labels["digests"]), file.get_tensor("rows"), strict=True)
                )
        except (OSError, SafetensorError, ValueError, KeyError):  # none yet, or damaged
            return

    def save_rows(self, revision: str) -> None:
        """Write the embeddings known so far."""
        from safetensors.numpy import save

        if self.folder is None or not self.rows:
            return
        labels = {"encoder_revision": revision, "digests": json.dumps(list(self.rows))}
        stacked = np.stack(list(self.rows.values()))
        write_atomic(self.folder / "embeddings.safetensors", save({"rows": stacked}, labels))

    def save_record(self, record: Mapping[str, Any]) -> None:
        """Write run.json."""
        if self.folder is None:
            return
        text = json.dumps(record, ensure_ascii=False, indent=1, default=str)
        write_atomic(self.folder / "run.json", text + "\n")

    def save_explanation(self, explanation: Explanation) -> None:
        """Write explanation.json."""
        if self.folder is None:
            return
        write_atomic(self.folder / "explanation.json", explanation.to_json())


def default_folder(*places: str) -> Path:
    """Return where a run goes that was given no folder: the same inputs, the same one."""
    return cache_folder() / "runs" / key_of(*places)[:16]
