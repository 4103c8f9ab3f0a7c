"""A hub on this machine, as far as a model's card needs one: it reads, checks and commits."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml
from huggingface_hub.repocard import REGEX_YAML_BLOCK

TOKEN = "hf_" + "s3cret" * 6
REPO = "someone/sketch-lora"


@dataclass
class Hub:
    """One model with its files; every commit gives another revision."""

    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[dict[str, Any]] = field(default_factory=list)
    writable: bool = True
    address: str = ""
    asked: list[str] = field(default_factory=list)
    between: dict[str, bytes] = field(default_factory=dict)
    """What somebody else commits as soon as the card was read."""

    @property
    def revision(self) -> str:
        parts = sorted((name, content.hex()) for name, content in self.files.items())
        return hashlib.sha1(repr((parts, len(self.commits))).encode()).hexdigest()

    @property
    def card(self) -> str:
        return self.files["README.md"].decode()

    def commit(self, lines: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        header = lines[0]["value"]
        if not self.writable:
            return 403, {"error": "this token may read alone"}
        if header.get("parentCommit", self.revision) != self.revision:
            return 412, {"error": "the revision is another one by now"}
        for line in lines[1:]:
            assert line["key"] == "file"
            self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        self.commits.append(header)
        oid = self.revision
        return 200, {"commitUrl": f"{self.address}/{REPO}/commit/{oid}", "commitOid": oid}


def refusals(card: str) -> list[str]:
    """Return what the hub has against a card's metadata, as far as we write them."""
    found = REGEX_YAML_BLOCK.match(card)
    if found is None:
        return []
    try:
        data = yaml.safe_load(found[2])
    except yaml.YAMLError:
        return ["the metadata are not valid YAML"]
    wrong = []
    for m, model in enumerate(data.get("model-index") or []):
        texts = {f"model-index[{m}].name": model.get("name")}
        for r, result in enumerate(model["results"]):
            at = f"model-index[{m}].results[{r}]"
            texts[f"{at}.task.type"] = result["task"].get("type")
            texts |= {f"{at}.dataset.{k}": result["dataset"].get(k) for k in ("type", "name")}
            texts |= {f"{at}.metrics[{i}].type": v["type"] for i, v in enumerate(result["metrics"])}
            wrong += [f"{at}: a metric has no value" for v in result["metrics"] if "value" not in v]
        wrong += [f'"{name}" must be a string' for name, v in texts.items() if type(v) is not str]
    return wrong


@contextmanager
def hub_serving() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            if not self.allowed():
                return
            if self.path == f"/api/models/{REPO}":
                names = [{"rfilename": name} for name in hub.files]
                self.send(200, {"id": REPO, "sha": hub.revision, "siblings": names})
            elif self.path == f"/{REPO}/resolve/{hub.revision}/README.md":
                content, revision = hub.files["README.md"], hub.revision
                etag = f'"{hashlib.sha1(content).hexdigest()}"'
                self.send(200, content, {"ETag": etag, "X-Repo-Commit": revision})
                if self.command == "GET":
                    hub.files |= hub.between
            else:
                self.send(404, {"error": "none"}, {"X-Error-Code": "RepoNotFound"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not self.allowed():
                return
            if self.path == "/api/validate-yaml":
                errors = [{"message": text} for text in refusals(json.loads(body)["content"])]
                found = {"errors": errors, "warnings": [{"message": "no licence"}]}
                self.send(400 if errors else 200, found)
            elif self.path == f"/api/models/{REPO}/preupload/main":
                files = [
                    {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for file in json.loads(body)["files"]
                ]
                self.send(200, {"files": files})
            else:
                assert self.path == f"/api/models/{REPO}/commit/main"
                self.send(*hub.commit([json.loads(line) for line in body.splitlines()]))

        def allowed(self) -> bool:
            hub.asked.append(f"{self.command} {self.path}")
            if self.headers.get("Authorization") == f"Bearer {TOKEN}":
                return True
            self.send(401, {"error": f"no such token {self.headers.get('Authorization')}"})
            return False

        def send(self, status: int, found: Any, headers: dict[str, str] | None = None) -> None:
            content = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(status)
            lengths = {"Content-Length": str(len(content)), "Connection": "close"}
            for name, value in {**lengths, **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = False  # so that closing waits for them, and no socket is left open

    with Quiet(("127.0.0.1", 0), Handler) as server:
        hub.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
