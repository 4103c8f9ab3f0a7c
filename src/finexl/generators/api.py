"""Closed models behind an HTTP API: OpenAI's images, AUTOMATIC1111 and Forge, ComfyUI.

api:openai:MODEL                        OPENAI_API_KEY, OPENAI_BASE_URL; takes no seed
api:a1111:http://HOST:7860[#CHECKPOINT] the web UI's own API (start it with --api)
api:comfyui:http://HOST:8188#FILE.json  a workflow in ComfyUI's API format, in which the texts
                                        "{prompt}", "{negative}" and "{seed}" are filled in
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from finexl._version import __version__
from finexl.cache import key_of
from finexl.errors import NoReplyError, PrerequisiteError, UsageError
from finexl.generators.base import Job, Made, Settings
from finexl.images import ImageError, decoded
from finexl.remote import RejectedError, Remote

OPENAI = "https://api.openai.com/v1"
MAX_BYTES = 64 << 20
"""The longest answer: a picture or a few of them."""
POLL = 1.0
"""Seconds between two looks whether ComfyUI is done."""
PATIENCE = 900.0
"""Seconds that one picture may take."""


@dataclass
class Api:
    """A model at an HTTP API, one picture at a time."""

    name: str
    settings: Settings
    remote: Remote
    ask: Callable[[Api, Job], bytes | Made]
    """Returns the picture's file."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """What beside the settings makes the picture: the model's name, the workflow."""
    seeded: bool = True
    prompted: bool = True
    kind: str = field(default="api", init=False)
    batch: int = field(default=1, init=False)

    @cached_property
    def digest(self) -> str:
        """See `Generator.digest`. A closed model may change behind its name; nothing tells."""
        made_by = json.dumps([self.about, _used(self.settings)], sort_keys=True)
        return key_of(self.name, self.remote.address, made_by)

    @property
    def notice(self) -> str | None:
        """See `Generator.notice`."""
        if self.remote.is_here:
            return None
        plain = ", unencrypted, and the key with them" if self._key_in_the_open else ""
        return f"Prompts go to {self.remote.host}{plain}."

    @property
    def _key_in_the_open(self) -> bool:
        return self.remote.is_plain and self.remote.key is not None

    def record(self) -> Mapping[str, Any]:
        """See `Generator.record`."""
        return {
            "address": self.remote.address,
            "settings": _used(self.settings),
            **self.about,
            "versions": {"finexl": __version__},
        }

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        """See `Generator.make`."""
        return [self._one(job) for job in jobs]

    def _one(self, job: Job) -> Made:
        found = self.ask(self, job)
        if isinstance(found, Made):
            return found
        try:
            return Made(decoded(found))
        except ImageError as error:
            raise NoReplyError(f"{self.remote.host} sent something that is no picture.") from error


def load(reference: str, settings: Settings) -> Api:
    """Return the model that a reference names; see the module for how they are written.

    Raises:
        UsageError: an unknown API, no address, or a workflow that cannot be used.
        PrerequisiteError: a key is missing.
    """
    _, _, rest = reference.partition(":")
    service, _, where = rest.partition(":")
    _check(reference, service, settings)
    if service == "openai" and where:
        return _openai(reference, where, settings)
    if service == "a1111" and where:
        address, _, checkpoint = where.partition("#")
        remote = Remote(address, deadline=PATIENCE, max_bytes=MAX_BYTES)
        return Api(reference, settings, remote, _a1111, {"checkpoint": checkpoint or None})
    if service == "comfyui" and "#" in where:
        address, _, file = where.partition("#")
        remote = Remote(address, max_bytes=MAX_BYTES)
        workflow = _workflow(Path(file))
        if settings.negative is not None and '"{negative}"' not in json.dumps(workflow):
            raise UsageError(f'{file} has no "{{negative}}" for the negative prompt to go to.')
        return Api(reference, settings, remote, _comfyui, {"workflow": workflow})
    raise UsageError(
        f"{reference} names no image API; write api:openai:MODEL, api:a1111:http://HOST:PORT or "
        "api:comfyui:http://HOST:PORT#WORKFLOW.json."
    )


_TAKEN = {
    "openai": ("size",),
    "a1111": ("size", "steps", "guidance", "negative", "scheduler"),
    "comfyui": ("negative",),
}


def _check(reference: str, service: str, settings: Settings) -> None:
    """Refuse settings that an API would ignore without a word."""
    taken = _TAKEN.get(service, ())
    for name in _used(settings):
        if taken and name not in taken:
            raise UsageError(f"{reference} takes no --{name}; it takes {', '.join(taken)}.")


def _openai(reference: str, model: str, settings: Settings) -> Api:
    key = os.environ.get("OPENAI_API_KEY")
    if not key:
        raise PrerequisiteError(f"{reference} needs OPENAI_API_KEY set in the environment.")
    remote = Remote(
        os.environ.get("OPENAI_BASE_URL") or OPENAI, key, deadline=PATIENCE, max_bytes=MAX_BYTES
    )
    about = {"model": model, "seed": "not taken by this API: each picture is another draw"}
    return Api(reference, settings, remote, _from_openai, about, seeded=False)


def _from_openai(api: Api, job: Job) -> bytes | Made:
    content: dict[str, Any] = {"model": api.about["model"], "prompt": job.prompt, "n": 1}
    if api.settings.size is not None:
        content["size"] = f"{api.settings.size}x{api.settings.size}"
    if str(api.about["model"]).startswith("dall-e"):
        content["response_format"] = "b64_json"  # the later models send nothing else
    try:
        found = api.remote.post("images/generations", content)
    except RejectedError as error:
        if "moderation" in error.said or "content_policy" in error.said:
            return Made(None, "withheld by the safety checker")
        raise
    return _decoded(api, _first(found.get("data"), "b64_json"))


def _a1111(api: Api, job: Job) -> bytes | Made:
    settings = api.settings
    content: dict[str, Any] = {"prompt": job.prompt, "seed": job.seed, "batch_size": 1}
    given = {
        "negative_prompt": settings.negative,
        "steps": settings.steps,
        "cfg_scale": settings.guidance,
        "width": settings.size,
        "height": settings.size,
        "sampler_name": settings.scheduler,
    }
    content |= {name: value for name, value in given.items() if value is not None}
    if api.about["checkpoint"]:
        content["override_settings"] = {"sd_model_checkpoint": api.about["checkpoint"]}
    images = api.remote.post("sdapi/v1/txt2img", content).get("images")
    return _decoded(api, images[0] if isinstance(images, list) and images else None)


def _comfyui(api: Api, job: Job) -> bytes | Made:
    filled = {"{prompt}": job.prompt, "{seed}": job.seed, "{negative}": api.settings.negative or ""}
    workflow = _filled(api.about["workflow"], filled)
    number = api.remote.post("prompt", {"prompt": workflow}).get("prompt_id")
    if not isinstance(number, str) or not number.replace("-", "").isalnum():
        raise NoReplyError(f"{api.remote.host} took the workflow and gave it no number.")
    for _ in range(int(PATIENCE / POLL)):
        done = api.remote.get(f"history/{number}").get(number)
        if isinstance(done, dict):
            return api.remote.fetch(f"view?{urlencode(_output(api, done))}")
        api.remote.sleep(POLL)
    raise NoReplyError(f"{api.remote.host} did not finish a picture within {PATIENCE:,g} s.")


def _output(api: Api, done: Mapping[str, Any]) -> dict[str, str]:
    """Return which file a finished workflow wrote: the first of its last node that wrote any."""
    status = done.get("status")
    if isinstance(status, dict) and status.get("status_str") == "error":
        raise UsageError(f"The workflow fails at {api.remote.host}; run it there to see why.")
    outputs = done.get("outputs")
    nodes = outputs.values() if isinstance(outputs, dict) else ()
    images = [node["images"] for node in nodes if isinstance(node, dict) and node.get("images")]
    first = images[-1][0] if images and isinstance(images[-1], list) else None
    if not isinstance(first, dict):
        raise UsageError("The workflow saves no picture; end it with a SaveImage node.")
    return {key: str(first.get(key, "")) for key in ("filename", "subfolder", "type")}


def _workflow(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"The workflow {path} cannot be read, or is no JSON.") from error
    if not isinstance(found, dict) or not found or "nodes" in found:
        raise UsageError(f"{path} is no workflow in API format; export it with “Export (API)”.")
    text = json.dumps(found)
    for placeholder in ('"{prompt}"', '"{seed}"'):
        if placeholder not in text:
            raise UsageError(
                f"{path} has no {placeholder} to fill in; put it where the workflow has its own."
            )
    return found


def _filled(value: Any, filled: Mapping[str, Any]) -> Any:
    """Return a workflow with its placeholders filled in; nothing else of it is touched."""
    if isinstance(value, dict):
        return {key: _filled(item, filled) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, filled) for item in value]
    return filled.get(value, value) if isinstance(value, str) else value


def _first(items: Any, key: str) -> Any:
    first = items[0] if isinstance(items, list) and items else None
    return first.get(key) if isinstance(first, dict) else None


def _decoded(api: Api, text: Any) -> bytes:
    if isinstance(text, str):
        try:
            return base64.b64decode(text.rpartition(",")[2], validate=True)
        except binascii.Error:
            pass
    raise NoReplyError(f"{api.remote.host} sent an answer without a picture.")


def _used(settings: Settings) -> dict[str, Any]:
    """Return the settings that were given, as the manifest has them."""
    return {key: value for key, value in asdict(settings).items() if value not in (None, False, {})}
