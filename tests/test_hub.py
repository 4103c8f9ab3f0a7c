"""Models from the hub: found in its cache, fetched, or refused in one sentence."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors

from finexl import hub
from finexl.encoders import load_encoder
from finexl.errors import PrerequisiteError, UsageError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Stands in for the hub: folders by id and revision, or an error."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.asked = root, []  # type: tuple[Path, list[tuple[str, str | None]]]
        self.error: Exception | None = None
        self.threads: list[Any] = []
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.download)
        monkeypatch.setattr(
            huggingface_hub,
            "HfApi",
            lambda: SimpleNamespace(get_repo_discussions=lambda *_, **__: self.threads),
        )

    def add(self, *files: str, revision: str = COMMIT) -> None:
        for file in files:
            path = self.root / revision.replace("/", "-") / file
            path.parent.mkdir(exist_ok=True)
            path.write_text("{}")

    def download(self, name: str, revision: str | None, allow_patterns: list[str]) -> str:
        self.asked.append((name, revision))
        assert not any("bin" in pattern or pattern.endswith("py") for pattern in allow_patterns)
        if self.error is not None:
            raise self.error
        return str(self.root / (revision or COMMIT).replace("/", "-"))


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    return Hub(tmp_path, monkeypatch)


def test_the_revision_is_the_commit(stand_in: Hub) -> None:
    stand_in.add("config.json", "model.safetensors")
    found = hub.locate("owner/name")
    assert (found.revision, stand_in.asked) == (COMMIT, [("owner/name", None)])


def test_a_revision_can_be_asked_for(stand_in: Hub) -> None:
    stand_in.add("config.json", revision="v2")
    assert hub.locate("owner/name@v2").revision == "v2"
    assert stand_in.asked == [("owner/name", "v2")]


def test_names_stand_for_hub_ids(stand_in: Hub) -> None:
    stand_in.add("config.json", "model.safetensors")
    assert load_encoder("clip").name == "clip"
    assert stand_in.asked == [("openai/clip-vit-base-patch32", None)]


def test_the_hubs_own_conversion_is_taken_where_there_are_only_pickles(stand_in: Hub) -> None:
    stand_in.add("config.json")
    stand_in.add("config.json", "model.safetensors", revision="refs/pr/15")
    thread = {"is_pull_request": True, "status": "open", "git_reference": "refs/pr/15"}
    stand_in.threads = [
        SimpleNamespace(**{**thread, "title": "something else", "git_reference": "refs/pr/1"}),
        SimpleNamespace(**{**thread, "title": hub.CONVERSION, "status": "closed"}),
        SimpleNamespace(**thread, title=hub.CONVERSION),
    ]
    assert hub.locate("owner/name").folder.name == "refs-pr-15"
    assert stand_in.asked == [("owner/name", None), ("owner/name", "refs/pr/15")]


def response(status: int) -> Any:
    return SimpleNamespace(status_code=status, headers={}, request=None)


UNREACHABLE = {
    "no network": ConnectionError("no route"),
    "nothing in the cache": errors.LocalEntryNotFoundError("not here"),
    "offline mode": errors.OfflineModeIsEnabled("offline"),
    "a server error": errors.HfHubHTTPError("500", response=response(500)),
    "a timeout": TimeoutError("slow"),
    "an operating system's error": OSError("disk"),
}


@pytest.mark.parametrize("error", UNREACHABLE.values(), ids=UNREACHABLE)
def test_a_hub_that_cannot_be_reached_is_said_with_the_ways_out(
    stand_in: Hub, error: Exception
) -> None:
    stand_in.error = error
    with pytest.raises(PrerequisiteError) as caught:
        load_encoder("clip")
    said = str(caught.value)
    assert "openai/clip-vit-base-patch32" in said
    assert "hf download openai/clip-vit-base-patch32 --local-dir" in said
    assert "`embedded`" in said


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (errors.RepositoryNotFoundError("x", response=response(404)), UsageError, "has no model"),
        (errors.RevisionNotFoundError("x", response=response(404)), UsageError, "a revision v9"),
        (errors.GatedRepoError("x", response=response(403)), PrerequisiteError, "licence accepted"),
    ],
)
def test_what_the_hub_refuses(
    stand_in: Hub, error: Exception, kind: type[Exception], said: str
) -> None:
    stand_in.error = error
    with pytest.raises(kind, match=said):
        hub.locate("owner/name@v9")


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(PrerequisiteError, match=r"pip install 'finexl\[torch\]'"):
        hub.locate("owner/name")


def test_the_digest_of_a_folder_is_over_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"{}")
    (tmp_path / "model.safetensors").write_bytes(b"abc")
    (tmp_path / "README.md").write_bytes(b"not looked at")
    want = hashlib.sha256(b"config.json\n2\n{}model.safetensors\n3\nabc").hexdigest()
    assert hub.digest_of(tmp_path) == want
