"""The run folder: what one explanation was asked, what it measured, and what it answered.

run.json                options, versions, state
embeddings.safetensors  one row for each image, by content digest
proposals.jsonl         a vision-language model's replies, word for word, one line a question
explanation.json        the answer
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.cache import cache_folder, key_of
from finexl.errors import FinexlError, UsageError
from finexl.explanation import Explanation
from finexl.files import append_line, write_atomic

PROPOSALS = "proposals.jsonl"
Rows = dict[str, NDArray[np.float32]]
"""An image's content digest -> its embedding (d,)."""


@dataclass
class Run:
    """One run folder, written here alone; every file is whole at any moment."""

    folder: Path | None = None
    """None keeps everything in memory."""
    rows: Rows = field(default_factory=dict)
    """The embeddings known so far, for the encoder revision that was asked for."""
    spare: bool = False
    """Nobody asked for this folder: where it cannot be written, the work goes on without it."""
    _replies: dict[str, Mapping[str, Any]] | None = None

    @classmethod
    def create(cls, folder: Path, asked: Mapping[str, Any] | None = None) -> Run:
        """Open a run folder for writing, made if need be.

        Args:
            folder: a new or empty folder, or that of a run.
            asked: what the run is asked, with absolute paths; a run of other images is then not
                written over.

        Raises:
            UsageError: the folder cannot be made, or holds something else.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            left = [file for file in folder.iterdir() if file.suffix != ".tmp"]
            strangers = bool(left) and not (folder / "run.json").exists()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(f"The run folder {folder} cannot be made: {reason}.") from error
        if strangers:
            raise UsageError(f"{folder} has files but no run.json; choose an empty or new folder.")
        if asked is not None and (folder / "run.json").exists():
            _, before = cls.resume(folder)
            for side in ("base", "personalized"):
                if before.get(side) != asked[side]:
                    raise UsageError(
                        f"{folder} holds the run of other images ({before.get(side)}); choose an "
                        "empty or new folder."
                    )
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

    def remove_if_empty(self) -> None:
        """Take the folder away again where nothing was written to it."""
        if self.folder is not None:
            with suppress(OSError):  # not empty, or gone
                self.folder.rmdir()

    def load_rows(self, revision: str, dim: int) -> None:
        """Read the embeddings (·, dim) that an earlier attempt left, if this encoder made them."""
        if self.folder is None:
            return
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.folder / "embeddings.safetensors", framework="numpy") as file:
                labels = file.metadata() or {}
                if labels.get("encoder_revision") != revision:
                    return
                rows = file.get_tensor("rows")
                if rows.ndim == 2 and rows.shape[1] == dim and np.isfinite(rows).all():
                    self.rows = dict(zip(json.loads(labels["digests"]), rows, strict=True))
        except (OSError, SafetensorError, ValueError, KeyError):  # none yet, or damaged
            return

    def save_rows(self, revision: str) -> None:
        """Write the embeddings known so far."""
        from safetensors.numpy import save

        if self.folder is None or not self.rows:
            return
        labels = {"encoder_revision": revision, "digests": json.dumps(list(self.rows))}
        stacked = np.stack(list(self.rows.values()))
        self._write("embeddings.safetensors", save({"rows": stacked}, labels))

    def find(self, key: str) -> Mapping[str, Any] | None:
        """Return the record of an answered question."""
        return self._answered().get(key)

    def asked(self) -> list[Mapping[str, Any]]:
        """Return the records of all questions, answered or not, in the order of their ends."""
        return [record for _, record in self._read_records()]

    def add(self, key: str, record: Mapping[str, Any]) -> None:
        """Keep a question's record, now: a killed run has every reply that it was given."""
        if "reply" in record:
            self._answered()[key] = record
        if self.folder is None:
            return
        line = json.dumps({"key": key, **record}, ensure_ascii=False)
        try:
            append_line(self.folder / PROPOSALS, line)
        except OSError as error:
            if not self.spare:
                reason = (error.strerror or str(error)).lower()
                raise FinexlError(
                    f"{self.folder / PROPOSALS} cannot be written: {reason}."
                ) from error

    def _answered(self) -> dict[str, Mapping[str, Any]]:
        if self._replies is None:
            found = self._read_records()
            self._replies = {key: r for key, r in found if isinstance(r.get("reply"), str)}
        return self._replies

    def _read_records(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the questions of proposals.jsonl; a damaged line is none."""
        if self.folder is None:
            return
        try:
            content = (self.folder / PROPOSALS).read_bytes()
        except OSError:
            return
        for line in content.split(b"\n"):
            with suppress(ValueError, RecursionError):
                record = json.loads(line)
                if isinstance(record, dict):
                    yield str(record.pop("key", "")), record

    def save_record(self, record: Mapping[str, Any]) -> None:
        """Write run.json."""
        if self.folder is None:
            return
        text = json.dumps(record, ensure_ascii=False, indent=1, default=str)
        self._write("run.json", text + "\n")

    def save_explanation(self, explanation: Explanation) -> None:
        """Write explanation.json."""
        self._write("explanation.json", explanation.to_json())

    def record(self) -> dict[str, Any] | None:
        """Return run.json as it is; None where there is none that can be read."""
        if self.folder is None:
            return None
        try:
            found = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and "state" in found else None

    def explanation(self) -> Explanation | None:
        """Return the run's answer so far; None where there is none that can be read."""
        if self.folder is None:
            return None
        try:
            return Explanation.from_json((self.folder / "explanation.json").read_bytes())
        except (OSError, UsageError):
            return None

    def _write(self, name: str, data: str | bytes) -> None:
        if self.folder is None:
            return
        try:
            write_atomic(self.folder / name, data)
        except FinexlError:
            if not self.spare:
                raise


def default_folder(*places: str) -> Path:
    """Return where a run goes that was given no folder: the same inputs, the same one."""
    return cache_folder() / "runs" / key_of(*places)[:16]
