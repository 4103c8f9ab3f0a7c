"""Models behind an OpenAI-compatible chat completions endpoint, whoever serves it.

openai:MODEL          OPENAI_API_KEY, OPENAI_BASE_URL
azure:DEPLOYMENT      AZURE_OPENAI_API_KEY, AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_VERSION
http://HOST/v1#MODEL  FINEXL_VLM_KEY, if the server wants one (vLLM, Ollama, LM Studio, llama.cpp)

Servers differ in what they take. What one refuses by name is left out or renamed, and not sent
again once that worked.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from finexl.errors import NoReplyError, PrerequisiteError, UsageError
from finexl.images import printable
from finexl.remote import PASSING, READ, FailedError, RejectedError, Remote, what_was_said
from finexl.vlm.base import Question, Reply
from finexl.vlm.pictures import SIDE, data_url

OPENAI = "https://api.openai.com/v1"
MAX_REQUEST_BYTES = 20_000_000
"""Of pictures, as they are sent: what the strictest of the large providers takes."""
CONCURRENCY = 4
ROOMIER = 8
"""How much longer a reply may be once a model was cut off before its first word: it reasons."""
_CHANGES = 5
_TEMPERATURE, _SEED = 0, 0
_LENGTH_NAMES = ("max_completion_tokens", "max_tokens")
_FORMAT = re.compile(r"response_?format|json_?schema|\bschema|structured|grammar|guided|json", re.I)
_NO_PICTURES = re.compile(
    r"(image|vision|multi-?modal)[^.]{0,60}(not supported|unsupported|not enabled|only supported)"
    r"|(not|n't|no)\b[^.]{0,30}support[^.]{0,40}(image|vision|multi-?modal)"
    r"|not a multi-?modal|at most 0 image|unknown variant .{0,3}image_url|mmproj",
    re.I,
)
_ABOUT_THE_FILE = re.compile(r"format|size|dimension|resolution|large|small|decode|corrupt", re.I)
_TOO_MANY = re.compile(r"at most [1-9]\d* image|too many images|only (one|1|a single) image", re.I)
_REASONING = re.compile(r"\A\s*<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL)


class RefusedError(NoReplyError):
    """The model refused to answer, or a filter kept its answer back; `text` is what it said."""

    def __init__(self, message: str, text: str) -> None:
        super().__init__(message)
        self.text = text


@dataclass(frozen=True)
class _Form:
    """What a request has beside the question; learnt from what a server refuses."""

    length_names: tuple[str, ...]
    """The names still to be tried, the one in use first; none: no length is sent."""
    temperature: bool = True
    seed: bool = True
    schema: bool = True
    room: int = 1


@dataclass
class ChatEndpoint:
    """A model at a chat completions endpoint."""

    name: str
    model: str
    remote: Remote
    key_variable: str
    """The environment variable of the key, for messages."""
    path: str = "chat/completions"
    length_name: str = "max_tokens"
    side: int = SIDE
    """The longer side that pictures are scaled down to."""
    max_request_bytes: int = MAX_REQUEST_BYTES
    concurrency: int = CONCURRENCY
    _form: _Form = field(init=False, repr=False)
    _reshaped: int = field(default=0, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        others = (name for name in _LENGTH_NAMES if name != self.length_name)
        self._form = _Form((self.length_name, *others))

    @property
    def revision(self) -> str:
        """The address, the model's name there, and the size of pictures."""
        return f"{self.remote.address}#{self.model} at {self.side} px"

    @property
    def notice(self) -> str:
        """Where the pictures go."""
        of = f"(the model {printable(self.model)})"
        if self.remote.is_here:
            return f"Pictures go to {self.remote.host} on this machine {of}."
        if self.remote.is_plain and self.remote.key is not None:
            return (
                f"Pictures and the key in {self.key_variable} go to {self.remote.host} {of} "
                "unencrypted, since the address is http."
            )
        return f"Pictures go to {self.remote.host} {of}."

    @property
    def repeats(self) -> int:
        """Requests sent beyond one a question."""
        return self.remote.retries + self._reshaped

    def ask(self, question: Question) -> Reply:
        """Answer one question. See `VLM.ask`.

        Raises:
            RefusedError: the model refused.
            NoReplyError: no usable answer this time.
            UsageError: the model, the key or the form is wrong, or the model takes no pictures.
            PrerequisiteError: the host cannot be reached, or wants a key and none is set.
        """
        content = self._content(question)
        known = form = self._form
        for _ in range(_CHANGES):
            try:
                reply = self._reply(self._asked(question, content, form))
            except (RejectedError, FailedError, _CutOffError) as error:  # noqa: PERF203
                changed = _changed(form, error, has_schema=question.schema is not None)
                if changed is None:
                    raise self._explained(error) from error
                form = changed
                with self._lock:
                    self._reshaped += 1
            else:
                if form is not known:
                    self._form = form
                return reply
        raise NoReplyError(f"{self.remote.host} refused the question in {_CHANGES} forms.")

    def _content(self, question: Question) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        size = 0
        for part in question.parts:
            if isinstance(part, str):
                parts.append({"type": "text", "text": part})
                continue
            url = data_url(part, self.side)
            size += len(url)
            parts.append({"type": "image_url", "image_url": {"url": url}})
        if size > self.max_request_bytes:
            raise UsageError(
                f"A question has {size / 1e6:,.1f} MB of pictures and at most "
                f"{self.max_request_bytes / 1e6:,.1f} MB are sent to {self.remote.host} at once; "
                "ask about fewer pictures or smaller ones."
            )
        return parts

    def _asked(
        self, question: Question, content: list[dict[str, Any]], form: _Form
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
        }
        body |= {"temperature": _TEMPERATURE} if form.temperature else {}
        body |= {"seed": _SEED} if form.seed else {}
        if form.length_names:
            body[form.length_names[0]] = question.max_tokens * form.room
        if form.schema and question.schema is not None:
            schema = {"name": "reply", "strict": True, "schema": dict(question.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _reply(self, body: dict[str, Any]) -> Reply:
        found = self.remote.post(self.path, body)
        if found.get("error"):
            raise self._error_in_answer(found)
        choices = found.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(message, dict):
            raise NoReplyError(f"{self.remote.host} sent an answer without a reply in it.")
        text = _REASONING.sub("", _text(message.get("content"))).strip()
        refusal = _text(message.get("refusal")) or _refusal_part(message.get("content"))
        ended = choice.get("finish_reason")
        if refusal or ended == "content_filter":
            said = refusal or text
            because = f": {self.remote.shown(said)}" if said else "."
            raise RefusedError(f"The model {self.name} refused to answer{because}", said)
        if not text and ended == "length":
            raise _CutOffError(
                f"The model {self.name} had used up the length of its reply before its first word."
            )
        if not text:
            raise NoReplyError(f"The model {self.name} sent an empty reply.")
        usage = found.get("usage")
        counts = usage if isinstance(usage, dict) else {}
        return Reply(text, _count(counts, "prompt_tokens"), _count(counts, "completion_tokens"))

    def _error_in_answer(self, found: dict[str, Any]) -> RejectedError | FailedError:
        """Return the error that came with a status of success."""
        message, names = what_was_said(found)
        code = names.partition(" ")[0]
        status = int(code) if re.fullmatch(r"[45]\d\d", code) else 200
        passing = status in PASSING or status == 200
        kind = FailedError if passing else RejectedError
        shown = self.remote.shown(message)
        because = f": {shown}" if shown else "."
        said = self.remote.shown(f"{message} {names}", READ)
        return kind(f"{self.remote.host} sent an error{because}", status, said)

    def _explained(self, error: RejectedError | FailedError | _CutOffError) -> Exception:
        """Return the error in terms of what the user gave."""
        if isinstance(error, _CutOffError):
            return error
        host, said = self.remote.host, error.said
        detail = str(error).partition(": ")[2]
        because = f": {detail}" if detail else "."
        if error.status in (401, 403) and self.remote.key is None:
            return PrerequisiteError(
                f"{host} wants a key; set {self.key_variable} in the environment."
            )
        if error.status == 401:  # without what it said: some repeat parts of the key
            return UsageError(f"{host} does not accept the key in {self.key_variable} (401).")
        if error.status == 403:
            return UsageError(
                f"{host} does not let the key in {self.key_variable} use the model "
                f"{printable(self.model)} (403){because}"
            )
        if _takes_no_pictures(said):
            return UsageError(
                f"The model {self.name} takes no pictures, and a model that looks at them is "
                f"needed{because}"
            )
        if _TOO_MANY.search(said):
            return UsageError(f"The model {self.name} takes fewer pictures at once{because}")
        if error.status == 404:
            return UsageError(
                f"{host} has no model {printable(self.model)}, or no chat completions under this "
                f"address, which often ends in /v1 (404){because}"
            )
        return error


class _CutOffError(NoReplyError):
    """A reply whose length was used up by reasoning."""


def _changed(
    form: _Form, error: RejectedError | FailedError | _CutOffError, *, has_schema: bool
) -> _Form | None:
    """Return the form without what the error names; None where it names nothing of it."""
    if isinstance(error, _CutOffError):
        return replace(form, room=ROOMIER) if form.room == 1 and form.length_names else None
    said, status = error.said, error.status
    if status in (401, 403) or _takes_no_pictures(said) or _TOO_MANY.search(said):
        return None
    if form.length_names and any(re.search(rf"\b{name}\b", said) for name in _LENGTH_NAMES):
        return replace(form, length_names=form.length_names[1:])
    if form.temperature and re.search(r"\btemperature\b", said, re.I):
        return replace(form, temperature=False)
    if form.seed and re.search(r"\bseed\b", said, re.I):
        return replace(form, seed=False)
    # a server that does not know the field may say so, or only that something is wrong
    unnamed = status in (400, 404, 415, 422, 501) and not re.search(r"\bmodel\b", said, re.I)
    if form.schema and has_schema and (_FORMAT.search(said) or unnamed):
        return replace(form, schema=False)
    return None


def _takes_no_pictures(said: str) -> bool:
    return bool(_NO_PICTURES.search(said)) and not _ABOUT_THE_FILE.search(said)


def _text(content: Any) -> str:
    """Return the words of a message's content: a text, or a list of parts of which some are."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    words = (
        part.get("text")
        for part in parts
        if isinstance(part, dict) and part.get("type", "text") in ("text", "output_text")
    )
    return "".join(text for text in words if isinstance(text, str))


def _refusal_part(content: Any) -> str:
    parts = content if isinstance(content, list) else []
    words = (part.get("refusal") for part in parts if isinstance(part, dict))
    return "".join(text for text in words if isinstance(text, str))


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    number = usage.get(name)
    return number if isinstance(number, int) and number >= 0 else None


def openai(reference: str) -> ChatEndpoint:
    """Return the model of `openai:MODEL`.

    Raises:
        UsageError: no model's name.
        PrerequisiteError: OPENAI_API_KEY is not set.
    """
    model = _after_colon(reference, "openai:MODEL")
    key = _required("OPENAI_API_KEY", reference)
    remote = Remote(os.environ.get("OPENAI_BASE_URL", "").strip() or OPENAI, key)
    return ChatEndpoint(
        reference, model, remote, "OPENAI_API_KEY", length_name="max_completion_tokens"
    )


def azure(reference: str) -> ChatEndpoint:
    """Return the model of `azure:DEPLOYMENT`, by the address without versions or the one with.

    Raises:
        UsageError: no deployment's name.
        PrerequisiteError: AZURE_OPENAI_ENDPOINT or AZURE_OPENAI_API_KEY is not set.
    """
    deployment = _after_colon(reference, "azure:DEPLOYMENT")
    endpoint = _required("AZURE_OPENAI_ENDPOINT", reference).rstrip("/")
    endpoint = re.sub(r"/openai(/v1)?$", "", endpoint)
    key = _required("AZURE_OPENAI_API_KEY", reference)
    version = os.environ.get("AZURE_OPENAI_API_VERSION", "").strip()
    address, path = f"{endpoint}/openai/v1", "chat/completions"
    if version and version != "v1":
        address = f"{endpoint}/openai/deployments/{quote(deployment, safe='')}"
        path = f"chat/completions?api-version={quote(version, safe='')}"
    return ChatEndpoint(
        reference,
        deployment,
        Remote(address, key, key_header="api-key"),
        "AZURE_OPENAI_API_KEY",
        path,
        length_name="max_completion_tokens",
    )


def by_address(reference: str) -> ChatEndpoint:
    """Return the model of `http://HOST/v1#MODEL`; a key comes from FINEXL_VLM_KEY alone.

    Raises:
        UsageError: no model's name, or an address that cannot be one or has a key in it.
    """
    address, _, model = reference.partition("#")
    remote = Remote(address, os.environ.get("FINEXL_VLM_KEY", "").strip() or None)
    if not model.strip():
        raise UsageError(
            f"The address of {remote.host} needs the name of a model after a '#': "
            "http://HOST/v1#MODEL."
        )
    return ChatEndpoint(f"{remote.address}#{model}", model, remote, "FINEXL_VLM_KEY")


KINDS: Mapping[str, Callable[[str], ChatEndpoint]] = {
    "openai": openai,
    "azure": azure,
    "http": by_address,
    "https": by_address,
}
"""What a reference starts with, and what it stands for."""


def _after_colon(reference: str, form: str) -> str:
    name = reference.partition(":")[2].strip()
    if not name:
        raise UsageError(f"{reference!r} names no model; write {form}.")
    return name


def _required(variable: str, reference: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise PrerequisiteError(f"{reference} needs {variable} set in the environment.")
    return value
