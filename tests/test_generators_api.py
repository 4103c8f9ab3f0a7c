"""Closed models behind HTTP, against a real server on this machine."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finexl.errors import NoReplyError, PrerequisiteError, UsageError
from finexl.generators import Job, Settings, load_generator
from http_server import Answer, Server, serving

KEY = "sk-not-to-be-seen-anywhere"
JOB = Job("a cat", 7)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        yield state


def png(colour: int = 9) -> bytes:
    file = io.BytesIO()
    pixels = np.full((4, 4, 3), colour, np.uint8)
    pixels[0, 0] = 200
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def packed(colour: int = 9) -> str:
    return base64.b64encode(png(colour)).decode()


def test_openai(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.address}/v1")
    server.answers = [Answer({"data": [{"b64_json": packed()}]})]
    model = load_generator("api:openai:gpt-image-1", Settings(size=1024))
    made = model.make([JOB])[0]
    assert made.image is not None
    assert made.image.getpixel((1, 1)) == (9, 9, 9)
    assert server.requests[0].path == "/v1/images/generations"
    assert server.requests[0].content == {
        "model": "gpt-image-1", "prompt": "a cat", "n": 1, "size": "1024x1024",
    }  # fmt: skip
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert not model.seeded
    assert KEY not in repr(model) + json.dumps(model.record())


def test_openai_withholds(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.address}/v1")
    error = {"error": {"message": "Your request was rejected", "code": "moderation_blocked"}}
    server.answers = [Answer(error, 400)]
    made = load_generator("api:openai:gpt-image-1", Settings()).make([JOB])[0]
    assert (made.image, made.blank) == (None, "withheld by the safety checker")


def test_openai_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(PrerequisiteError, match="OPENAI_API_KEY"):
        load_generator("api:openai:gpt-image-1", Settings())


def test_a1111(server: Server) -> None:
    server.answers = [Answer({"images": [f"data:image/png;base64,{packed(30)}"]})]
    settings = Settings(steps=5, guidance=3.0, size=64, negative="fog", scheduler="Euler")
    model = load_generator(f"api:a1111:{server.address}#sd15", settings)
    made = model.make([JOB])[0]
    assert made.image is not None
    assert made.image.getpixel((1, 1)) == (30, 30, 30)
    assert server.requests[0].path == "/sdapi/v1/txt2img"
    assert server.requests[0].content == {
        "prompt": "a cat",
        "seed": 7,
        "batch_size": 1,
        "negative_prompt": "fog",
        "steps": 5,
        "cfg_scale": 3.0,
        "width": 64,
        "height": 64,
        "sampler_name": "Euler",
        "override_settings": {"sd_model_checkpoint": "sd15"},
    }
    assert model.notice is None


def test_another_setting_or_checkpoint_is_another_model(server: Server) -> None:
    models = [
        load_generator(f"api:a1111:{server.address}{checkpoint}", Settings(steps=steps))
        for checkpoint, steps in (("", 5), ("", 6), ("#x", 5))
    ]
    assert len({model.digest for model in models}) == 3


def workflow(folder: Path, **more: object) -> Path:
    path = folder / "w.json"
    nodes = {
        "1": {"class_type": "CLIPTextEncode", "inputs": {"text": "{prompt}", "clip": ["2", 0]}},
        "3": {"class_type": "KSampler", "inputs": {"seed": "{seed}", "note": "say {prompt}"}},
        "4": {"class_type": "CLIPTextEncode", "inputs": {"text": "{negative}"}},
        **more,
    }
    path.write_text(json.dumps(nodes))
    return path


def test_comfyui(server: Server, tmp_path: Path) -> None:
    image = {"filename": "x y.png", "subfolder": "", "type": "output"}
    server.answers = [
        Answer({"prompt_id": "ab-1"}),
        Answer({}),
        Answer(
            {"ab-1": {"status": {"status_str": "success"}, "outputs": {"9": {"images": [image]}}}}
        ),
        Answer(png(50)),
    ]
    model = load_generator(
        f"api:comfyui:{server.address}#{workflow(tmp_path)}", Settings(negative="fog")
    )
    model.remote.sleep = lambda _: None  # type: ignore[attr-defined]
    made = model.make([Job('a "quoted" cat {seed}', 7)])[0]
    assert made.image is not None
    assert made.image.getpixel((1, 1)) == (50, 50, 50)
    sent = server.requests[0].content["prompt"]
    assert sent["1"]["inputs"]["text"] == 'a "quoted" cat {seed}'
    assert sent["3"]["inputs"] == {"seed": 7, "note": "say {prompt}"}
    assert sent["4"]["inputs"]["text"] == "fog"
    assert [r.path for r in server.requests[1:]] == [
        "/history/ab-1",
        "/history/ab-1",
        "/view?filename=x+y.png&subfolder=&type=output",
    ]


@pytest.mark.parametrize(
    ("done", "says"),
    [
        ({"status": {"status_str": "error"}}, "The workflow fails"),
        ({"outputs": {}}, "saves no picture"),
        ({"outputs": {"1": {"images": []}}}, "saves no picture"),
    ],
)
def test_comfyui_workflows_that_make_nothing(
    server: Server, tmp_path: Path, done: object, says: str
) -> None:
    server.answers = [Answer({"prompt_id": "ab"}), Answer({"ab": done})]
    model = load_generator(f"api:comfyui:{server.address}#{workflow(tmp_path)}", Settings())
    with pytest.raises(UsageError, match=says):
        model.make([JOB])


@pytest.mark.parametrize("content", ["{}", "[1]", "no json", '{"nodes": []}', '{"1": "{prompt}"}'])
def test_what_is_no_workflow_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "w.json").write_text(content)
    with pytest.raises(UsageError, match=r"w\.json"):
        load_generator(f"api:comfyui:http://127.0.0.1:1#{tmp_path / 'w.json'}", Settings())


@pytest.mark.parametrize("answer", [{}, {"images": []}, {"images": ["!"]}, {"images": ["aGk="]}])
def test_answers_without_a_picture(server: Server, answer: object) -> None:
    server.answers = [Answer(answer)]
    with pytest.raises(NoReplyError, match="picture"):
        load_generator(f"api:a1111:{server.address}", Settings()).make([JOB])


def test_nobody_there() -> None:
    with pytest.raises(PrerequisiteError, match=r"127\.0\.0\.1:9 cannot"):
        load_generator("api:a1111:http://127.0.0.1:9", Settings()).make([JOB])


@pytest.mark.parametrize("reference", ["api:", "api:x:y", "api:openai:", "api:comfyui:http://h"])
def test_what_names_no_api_is_refused(reference: str) -> None:
    with pytest.raises(UsageError, match="names no image API"):
        load_generator(reference, Settings())


def test_a_setting_that_would_be_ignored_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(UsageError, match="takes no --steps; it takes size"):
        load_generator("api:openai:x", Settings(steps=3))
