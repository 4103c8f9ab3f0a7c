"""Chat completions endpoints, against a real server: what is sent, understood, and said."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finexl.errors import FinexlError, NoReplyError, PrerequisiteError, UsageError
from finexl.images import load_image
from finexl.vlm import Question, Reply, load_vlm
from finexl.vlm.openai import MAX_REQUEST_BYTES, ChatEndpoint, RefusedError
from http_server import Answer, Server, serving

KEY = "sk-0123456789abcdefgh"
VARIABLES = (
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT",
    "AZURE_OPENAI_API_VERSION", "FINEXL_VLM_KEY",
)  # fmt: skip
SCHEMA = {
    "type": "object",
    "properties": {"more": {"type": "array", "items": {"type": "string"}}},
    "required": ["more"],
    "additionalProperties": False,
}
RED = Image.new("RGB", (40, 30), "red")
WORDS = Question(("What changed?",), max_tokens=64)
FORMED = Question(("What changed?",), SCHEMA)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def said(content: Any, ended: str = "stop", **message: Any) -> Answer:
    choice = {"message": {"role": "assistant", "content": content, **message}}
    usage = {"prompt_tokens": 21, "completion_tokens": 3, "total_tokens": 24}
    return Answer({"choices": [{**choice, "finish_reason": ended}], "usage": usage})


def refused(message: str, status: int = 400, **more: Any) -> Answer:
    return Answer({"error": {"message": message, **more}}, status)


def endpoint(server: Server, *answers: Answer) -> ChatEndpoint:
    server.answers = answers or (said("vivid"),)
    vlm = load_vlm(f"{server.address}/v1#tiny")
    assert isinstance(vlm, ChatEndpoint)
    vlm.remote.sleep = lambda _: None
    return vlm


def fields(server: Server) -> list[set[str]]:
    """What each request had beside the model's name and the question."""
    return [set(request.content) - {"model", "messages"} for request in server.requests]


# what is sent


def test_words_and_pictures_go_in_their_order(server: Server) -> None:
    blue = Image.new("RGB", (16, 16), "blue")
    found = endpoint(server).ask(Question(("A:", RED, "B:", blue, "What changed?"), max_tokens=64))
    assert found == Reply("vivid", 21, 3)
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.content["model"] == "tiny"
    assert request.content["max_tokens"] == 64
    assert request.content["temperature"] == 0
    (message,) = request.content["messages"]
    assert message["role"] == "user"
    parts = message["content"]
    assert [part["type"] for part in parts] == ["text", "image_url", "text", "image_url", "text"]
    assert [part["text"] for part in parts[::2]] == ["A:", "B:", "What changed?"]
    for part, sent in zip(parts[1::2], (RED, blue), strict=True):
        shown = opened(part)
        assert shown.size == sent.size
        difference = np.abs(np.asarray(shown, float) - np.asarray(sent, float))
        assert difference.max() <= 3
    assert "response_format" not in request.content


def opened(part: dict[str, Any]) -> Image.Image:
    kind, data = part["image_url"]["url"].split(",")
    assert kind == "data:image/jpeg;base64"
    image = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
    assert image.format == "JPEG"
    return image


def test_a_picture_of_20_mb_arrives_small(server: Server, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2000, 3400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png", compress_level=0)
    assert (tmp_path / "large.png").stat().st_size > 20_000_000
    endpoint(server).ask(Question((load_image(tmp_path / "large.png"), "What?")))
    part = server.requests[0].content["messages"][0]["content"][0]
    assert opened(part).size == (768, 452)
    assert len(part["image_url"]["url"]) < 700_000


def test_pictures_are_never_made_larger_and_lose_what_files_carry(server: Server) -> None:
    exif = Image.Exif()
    exif[0x010E] = "home address"
    file = io.BytesIO()
    Image.new("RGBA", (800, 4), (255, 0, 0, 0)).save(file, "PNG", exif=exif)
    vlm = endpoint(server)
    vlm.side = 100
    vlm.ask(Question((Image.open(file), RED)))
    wide, small = map(opened, server.requests[0].content["messages"][0]["content"])
    assert (wide.size, small.size) == ((100, 1), RED.size)
    assert not wide.getexif()
    np.testing.assert_allclose(np.asarray(wide), 255, atol=3)  # what was transparent is white


def test_more_pictures_than_a_server_takes_are_not_sent(server: Server) -> None:
    vlm = endpoint(server)
    assert vlm.max_request_bytes == MAX_REQUEST_BYTES
    vlm.max_request_bytes = 1000
    with pytest.raises(UsageError, match=rf"0\.0 MB are sent to {server.host} at once; ask about"):
        vlm.ask(Question((RED, RED, RED)))
    assert server.requests == []


def test_a_schema_goes_as_a_response_format(server: Server) -> None:
    endpoint(server, said('{"more": []}')).ask(FORMED)
    schema = {"name": "reply", "strict": True, "schema": SCHEMA}
    form = server.requests[0].content["response_format"]
    assert form == {"type": "json_schema", "json_schema": schema}


# what comes back


@pytest.mark.parametrize(
    "answer",
    [
        said("vivid"),
        said([{"type": "text", "text": "vi"}, {"type": "text", "text": "vid"}]),
        said([{"type": "reasoning", "text": "hm"}, {"type": "output_text", "text": "vivid"}]),
        said(" vivid\n", reasoning_content="The user wants ...", reasoning="so ..."),
        said("<think>\nThe user wants dark.\n</think>\n\nvivid"),
        said("vivid", "length"),
        said("vivid", refusal=None, tool_calls=[]),
    ],
)
def test_forms_of_a_reply(server: Server, answer: Answer) -> None:
    assert endpoint(server, answer).ask(WORDS).text == "vivid"


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "7"}, [], {"prompt_tokens": -1}])
def test_tokens_that_are_not_counted(server: Server, usage: Any) -> None:
    choices = [{"message": {"content": "vivid"}}]
    found = endpoint(server, Answer({"choices": choices, "usage": usage})).ask(WORDS)
    assert found == Reply("vivid", None, None)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (said(None, refusal="I can't help with that."), "I can't help with that."),
        (said([{"type": "refusal", "refusal": "I won't."}]), "I won't."),
        (said("", "content_filter"), ""),
        (said("half of", "content_filter"), "half of"),
    ],
)
def test_a_refusal_is_no_reply_and_its_words_are_kept(
    server: Server, answer: Answer, text: str
) -> None:
    because = f": {text}" if text else "."
    with pytest.raises(RefusedError, match=r"#tiny refused to answer") as raised:
        endpoint(server, answer).ask(WORDS)
    assert raised.value.text == text
    assert str(raised.value).endswith(because)


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (Answer({"choices": []}), "sent an answer without a reply in it"),
        (Answer({}), "sent an answer without a reply in it"),
        (Answer({"choices": {"0": 1}}), "sent an answer without a reply in it"),
        (Answer({"choices": ["vivid"]}), "sent an answer without a reply in it"),
        (Answer({"choices": [{"message": None}]}), "sent an answer without a reply in it"),
        (said(""), "sent an empty reply"),
        (said(None), "sent an empty reply"),
        (said({"text": "vivid"}), "sent an empty reply"),
        (said("<think>still thinking"), "sent an empty reply"),
        (Answer({"error": {"message": "GPU on fire"}}), "sent an error: GPU on fire"),
        (Answer({"error": {"message": "slow down", "code": 429}}), "sent an error: slow down"),
        (Answer({"error": "odd"}), "sent an error: odd"),
        (Answer(b"I am no JSON"), "an answer that is no JSON object"),
        (Answer(status=500), r"failed \(500\)"),
    ],
)
def test_answers_without_a_reply(server: Server, answer: Answer, match: str) -> None:
    with pytest.raises(NoReplyError, match=match):
        endpoint(server, answer).ask(WORDS)


def test_a_failing_server_is_asked_again(server: Server) -> None:
    vlm = endpoint(server, Answer(status=500), Answer(status=429), Answer(b"{"), said("vivid"))
    assert vlm.ask(WORDS).text == "vivid"
    assert vlm.repeats == 3


def test_a_model_that_reasons_away_the_length_gets_more_of_it_once(server: Server) -> None:
    vlm = endpoint(server, said("", "length"), said("vivid"))
    assert vlm.ask(WORDS).text == "vivid"
    vlm.ask(WORDS)
    assert [r.content["max_tokens"] for r in server.requests] == [64, 512, 512]
    server.answers = [said("<think>and then", "length")]
    with pytest.raises(NoReplyError, match="used up the length of its reply before its first word"):
        vlm.ask(WORDS)


# what a server does not take

NO_FORMAT = {
    "openai": refused("Invalid parameter: 'response_format' is not supported with this model."),
    "vllm": refused("Grammar error: unsupported keyword additionalProperties", 400),
    "fastapi": Answer({"detail": [{"loc": ["body", "response_format"], "msg": "extra"}]}, 422),
    "llama.cpp": Answer({"error": {"code": 500, "message": "failed to parse grammar"}}, 500),
    "unnamed": Answer(b"Bad Request", 400),
    "silent": Answer(b"", 501),
    "nowhere": Answer({"error": "unknown json_schema"}, 404),
    "within": Answer({"error": {"message": "bad json_schema", "code": 400}}),
}


@pytest.mark.parametrize("answer", NO_FORMAT.values(), ids=NO_FORMAT.keys())
def test_a_server_without_schemas_is_asked_plainly_from_then_on(
    server: Server, answer: Answer
) -> None:
    vlm = endpoint(server, *[answer] * (5 if answer.status == 500 else 1), said("- vivid"))
    assert vlm.ask(FORMED).text == "- vivid"
    assert vlm.ask(FORMED).text == "- vivid"
    assert ["response_format" in form for form in fields(server)][-3:] == [True, False, False]
    assert vlm.repeats == len(server.requests) - 2


def test_a_question_without_a_schema_does_not_forget_that_schemas_are_refused(
    server: Server,
) -> None:
    vlm = endpoint(server, NO_FORMAT["openai"], said("vivid"))
    for question in (FORMED, WORDS, FORMED):
        vlm.ask(question)
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("answers", "left"),
    [
        (
            [refused("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")],
            {"max_completion_tokens", "temperature", "seed"},
        ),
        (
            [refused("max_tokens?"), refused("unknown field max_completion_tokens", 422)],
            {"temperature", "seed"},
        ),
        (
            [refused("Unsupported value", param="temperature")],
            {"max_tokens", "seed"},
        ),
        (
            [Answer({"detail": [{"loc": ["body", "seed"], "msg": "not permitted"}]}, 422)],
            {"max_tokens", "temperature"},
        ),
        (
            [refused("max_tokens"), refused("temperature"), refused("seed")],
            {"max_completion_tokens"},
        ),
    ],
)
def test_what_a_server_names_is_renamed_or_left_out_from_then_on(
    server: Server, answers: list[Answer], left: set[str]
) -> None:
    vlm = endpoint(server, *answers, said("vivid"))
    assert vlm.ask(WORDS).text == vlm.ask(WORDS).text == "vivid"
    assert fields(server)[0] == {"max_tokens", "temperature", "seed"}
    assert fields(server)[-2:] == [left, left]
    assert len(server.requests) == len(answers) + 2


def test_a_server_that_refuses_every_form_is_given_up(server: Server) -> None:
    vlm = endpoint(server, refused("seed temperature max_tokens max_completion_tokens schema"))
    with pytest.raises(FinexlError, match=rf"{server.host} (said no|refused)"):
        vlm.ask(FORMED)
    assert len(server.requests) <= 6


TEXT_ONLY = {
    "openai": refused("Invalid content type. image_url is only supported by certain models."),
    "vllm": refused("At most 0 image(s) may be provided in one request."),
    "vllm-old": refused("tiny is not a multimodal model"),
    "llama.cpp": refused("image input is not supported - hint: provide the mmproj", 500),
    "lmstudio": Answer(
        {"error": "Model does not support images. Please use a model that does"}, 400
    ),
    "deepseek": refused("unknown variant `image_url`, expected `text` at line 1", 422),
    "openrouter": refused("No endpoints found that support image input", 404, code=404),
    "within": Answer({"error": {"message": "This model doesn't support vision", "code": 400}}),
}


@pytest.mark.parametrize("answer", TEXT_ONLY.values(), ids=TEXT_ONLY.keys())
def test_a_model_without_eyes(server: Server, answer: Answer) -> None:
    with pytest.raises(UsageError, match=r"The model http://.*#tiny takes no pictures"):
        endpoint(server, answer).ask(Question((RED, "What?"), SCHEMA))
    assert len(server.requests) == (5 if answer.status == 500 else 1)


def test_a_model_that_takes_fewer_pictures(server: Server) -> None:
    vlm = endpoint(server, refused("At most 1 image(s) may be provided in one request."))
    with pytest.raises(UsageError, match="takes fewer pictures at once: At most 1 image"):
        vlm.ask(Question((RED, RED, "What?"), SCHEMA))
    assert len(server.requests) == 1


def test_an_error_about_a_picture_itself_is_said_as_it_is(server: Server) -> None:
    vlm = endpoint(server, refused("Image format is not supported"))
    with pytest.raises(UsageError, match=r"said no \(400\): Image format is not supported"):
        vlm.ask(Question((RED, "What?")))


# keys and hosts


@pytest.mark.parametrize(
    ("status", "match"),
    [
        (401, r"127\.0\.0\.1:\d+ does not accept the key in OPENAI_API_KEY \(401\)\.$"),
        (403, r"does not let the key in OPENAI_API_KEY use the model gpt-4o \(403\): no \[key\] "),
        (404, r"has no model gpt-4o, or no chat completions under this address, .*\[key\]"),
        (400, r"said no \(400\): no \[key\]"),
    ],
)
def test_a_wrong_key_or_name_is_said_without_the_key(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int,
    match: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.address}/v1/")
    vlm = load_vlm("openai:gpt-4o")
    server.answers = [refused(f"no {KEY} model", status)]
    with pytest.raises(UsageError, match=match) as raised:
        vlm.ask(FORMED)
    assert len(server.requests) == 1
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    shown = f"{raised.value} {raised.value!r} {vlm!r} {vlm.revision} {vlm.notice} {caplog.text}"
    assert KEY not in shown


def test_a_key_that_is_not_set() -> None:
    with pytest.raises(PrerequisiteError, match=r"^openai:gpt-4o needs OPENAI_API_KEY set in"):
        load_vlm("openai:gpt-4o")


def test_a_server_that_wants_a_key(server: Server) -> None:
    with pytest.raises(PrerequisiteError, match="wants a key; set FINEXL_VLM_KEY"):
        endpoint(server, Answer(status=401)).ask(WORDS)


def test_keys_of_a_provider_go_to_no_other_host(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    endpoint(server).ask(WORDS)
    monkeypatch.setenv("FINEXL_VLM_KEY", "mine")
    endpoint(server).ask(WORDS)
    assert not any(KEY in str(request) for request in server.requests)
    assert [r.headers.get("authorization") for r in server.requests] == [None, "Bearer mine"]


def test_openai_is_where_its_models_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    vlm = load_vlm("openai:gpt-4o")
    assert (vlm.name, vlm.concurrency) == ("openai:gpt-4o", 4)
    assert vlm.revision == "https://api.openai.com/v1#gpt-4o at 768 px"
    assert vlm.notice == "Pictures go to api.openai.com (the model gpt-4o)."


@pytest.mark.parametrize("ending", ["", "/", "/openai", "/openai/v1/"])
@pytest.mark.parametrize(
    ("version", "path"),
    [
        (None, "/openai/v1/chat/completions"),
        ("v1", "/openai/v1/chat/completions"),
        (
            "2024-10-21",
            "/openai/deployments/eyes%201/chat/completions?api-version=2024-10-21",
        ),
    ],
)
def test_azure_has_two_forms_of_address(
    server: Server, monkeypatch: pytest.MonkeyPatch, ending: str, version: str | None, path: str
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.address + ending)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    if version:
        monkeypatch.setenv("AZURE_OPENAI_API_VERSION", version)
    server.answers = [said("vivid")]
    assert load_vlm("azure:eyes 1").ask(WORDS).text == "vivid"
    (request,) = server.requests
    assert (request.path, request.content["model"]) == (path, "eyes 1")
    assert request.headers["api-key"] == KEY
    assert "authorization" not in request.headers
    assert request.content["max_completion_tokens"] == 64


@pytest.mark.parametrize("missing", ["AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"])
def test_azure_needs_an_endpoint_and_a_key(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in {"AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"} - {missing}:
        monkeypatch.setenv(name, "https://x.test")
    with pytest.raises(PrerequisiteError, match=f"azure:eyes needs {missing} set"):
        load_vlm("azure:eyes")


@pytest.mark.parametrize(
    ("reference", "match"),
    [
        ("openai:", "names no model; write openai:MODEL"),
        ("azure: ", "names no model; write azure:DEPLOYMENT"),
        ("http://h.test/v1", r"of h\.test needs the name of a model after a '#': http://HOST/v1#"),
        ("http://h.test/v1#", "needs the name of a model"),
        ("https://me:secret@h.test/v1#m", "has a user name or password in it"),
        ("https://h.test/v1?key=secret#m", "keys come from the environment only"),
        ("http://#m", "is no address; one is written http://HOST:PORT/v1"),
        ("gpt-4o", "is no name that is known here, no folder and no hub id; `openai:MODEL`"),
    ],
)
def test_references_that_are_not_complete(reference: str, match: str) -> None:
    with pytest.raises(UsageError, match=match) as raised:
        load_vlm(reference)
    assert "secret" not in str(raised.value)


def test_a_host_that_cannot_be_reached(server: Server) -> None:
    vlm = endpoint(server)
    vlm.remote.address = vlm.remote.address.replace(server.host, "127.0.0.1:1")
    with pytest.raises(PrerequisiteError, match=r"cannot be reached: connection refused"):
        vlm.ask(WORDS)


@pytest.mark.parametrize(
    ("reference", "notice"),
    [
        (
            "http://localhost:11434/v1#m",
            "Pictures go to localhost:11434 on this machine (the model m).",
        ),
        ("https://h.test/v1#a/m", "Pictures go to h.test (the model a/m)."),
        (
            "http://10.0.0.7:8000/v1#m",
            "Pictures and the key in FINEXL_VLM_KEY go to 10.0.0.7:8000 (the model m) unencrypted, "
            "since the address is http.",
        ),
    ],
)  # fmt: skip
def test_it_is_said_where_the_pictures_go(
    monkeypatch: pytest.MonkeyPatch, reference: str, notice: str
) -> None:
    monkeypatch.setenv("FINEXL_VLM_KEY", KEY)
    assert load_vlm(reference).notice == notice


def test_without_a_key_plain_http_needs_no_warning() -> None:
    vlm = load_vlm("http://10.0.0.7:8000/v1#m")
    assert vlm.notice == "Pictures go to 10.0.0.7:8000 (the model m)."


def test_several_questions_at_once(server: Server) -> None:
    vlm = endpoint(server, NO_FORMAT["openai"], said("vivid"))
    with ThreadPoolExecutor(vlm.concurrency) as pool:
        asked: Callable[[int], Reply] = lambda _: vlm.ask(FORMED)  # noqa: E731
        assert {reply.text for reply in pool.map(asked, range(12))} == {"vivid"}
    assert vlm.repeats == len(server.requests) - 12


def test_what_is_sent_is_the_same_each_time(server: Server) -> None:
    vlm = endpoint(server)
    for _ in range(2):
        vlm.ask(Question((RED, "What?"), SCHEMA))
    first, second = (json.dumps(request.content) for request in server.requests)
    assert first == second
