"""The JSON API: the files' own schemas, described by OpenAPI, and sound whatever it is asked."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import idle_work
from finexl.catalog import Catalog, Searcher, parse_wishes
from finexl.encoders.embedded import Embedded
from finexl.explanation import Explanation
from finexl.viper.profile import Comment, Preference, Profile, write_profile
from finexl.web.app import create_app
from finexl.web.settings import Limits, Settings
from website import PLANTED, csrf, make_catalog, visited


@pytest.fixture(scope="module")
def settings(
    encoder: Embedded, session_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    root = tmp_path_factory.mktemp("root")
    catalog = make_catalog(root / "catalog.db", encoder, session_cache)
    limits = Limits(pictures=2)
    write_profile(PERSON, _made(root / "profiles") / "a.json")
    return Settings(
        roots=(root,), runs=root / "runs", sets=root / "sets", profiles=root / "profiles",
        catalog=catalog, limits=limits, models=("diffusers:nothing",),
    )  # fmt: skip


PERSON = Profile("A", (Comment("I love it."),), (Preference("vivid", None, 0.9, ()),))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with visited(settings) as client:
        yield client


def test_a_model_is_the_file_that_the_command_writes(
    client: TestClient, settings: Settings
) -> None:
    text = client.get("/api/model?name=vivid+one").text
    assert settings.catalog is not None
    with Catalog.open(settings.catalog) as catalog:
        explanation = catalog.entry("vivid one").explanation
    assert json.loads(text) == explanation.to_dict()
    assert Explanation.from_json(text) == explanation


def test_a_search_is_what_the_catalog_finds(client: TestClient, settings: Settings) -> None:
    found = client.get("/api/search", params={"wishes": "vivid, not blurry", "limit": 3}).json()
    assert settings.catalog is not None
    with Catalog.open(settings.catalog) as catalog:
        wishes = parse_wishes("vivid, not blurry")
        wanted = Searcher().search(catalog, wishes, limit=3).to_dict()
    assert found == json.loads(json.dumps(wanted))
    assert found["schema"] == "finexl.search/1"
    assert next(hit["model"] for hit in found["results"]) == "vivid one"


def test_models_are_listed_in_parts(client: TestClient) -> None:
    parts = [client.get(f"/api/models?limit=3&offset={i}").json() for i in (0, 3)]
    assert [model["name"] for part in parts for model in part["models"]] == sorted(PLANTED)
    assert [part["count"] for part in parts] == [4, 4]


def test_models_like_one_are_others(client: TestClient) -> None:
    found = client.get("/api/like?name=vivid+one").json()
    assert len(found["results"]) == len(PLANTED) - 1


def test_what_if_has_its_schema(client: TestClient) -> None:
    found = client.get("/api/what-if", params={"name": "drawn one", "without": "vivid"}).json()
    assert found["schema"] == "finexl.what-if/1"
    assert (found["concept"], found["more"]) == ("vivid", False)


def test_models_are_compared(client: TestClient) -> None:
    found = client.get("/api/compare?model=vivid+one&model=drawn+one").json()
    assert found["schema"] == "finexl.comparison/1"
    assert [model["name"] for model in found["models"]] == ["vivid one", "drawn one"]
    vivid = next(row for row in found["aspects"] if row["concept"] == "vivid")
    assert [n["value"] for n in vivid["effects"]] == pytest.approx([1.2, -0.6], abs=0.15)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/model?name=nothing", 404),
        ("/api/search?wishes=,", 400),
        ("/api/search", 422),
        ("/api/search?wishes=x&limit=0", 422),
        ("/api/compare?model=vivid+one", 422),
        ("/api/jobs/0", 404),
        ("/api/runs/0", 404),
        ("/api/nowhere", 404),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(
    client: TestClient, path: str, status: int
) -> None:
    found = client.get(path)
    assert found.status_code == status
    assert list(found.json()) == ["error"]
    assert found.json()["error"].endswith(".")


def test_a_full_queue_is_said(settings: Settings, tmp_path: Path) -> None:
    full = Settings(roots=settings.roots, runs=tmp_path, limits=Limits(waiting=0))
    with visited(full) as client:
        named = {"base": ".", "personalized": "."}
        found = client.post("/api/explain", json=named, headers=csrf(client))
        assert found.status_code == 503
        assert list(tmp_path.iterdir()) == []


def test_the_description_names_every_path_and_promises_the_schemas(client: TestClient) -> None:
    described = client.get("/api/openapi.json").json()
    assert set(described["paths"]) == {
        f"/api/{path}"
        for path in (
            *("start", "models", "model", "search", "like", "compare", "what-if", "explain"),
            *("explain/upload", "jobs/{job_id}", "jobs/{job_id}/cancel", "runs", "runs/{run_id}"),
            *("profiles", "profiles/{id}", "sets", "sets/{set_id}"),
            *(
                f"profiles/{{id}}/{part}"
                for part in (
                    *("comments", "correct", "extract", "delete", "rank", "made", "previews"),
                    *("previews/{made_id}", "verifications", "verifications/{made_id}"),
                )
            ),
        )
    }
    of_profile = described["components"]["schemas"]["ProfileJson"]["properties"]["schema"]
    assert of_profile["const"] == "finexl.profile/1"
    of_model = described["components"]["schemas"]["ExplanationJson"]["properties"]["schema"]
    assert of_model["const"] == "finexl.explanation/1"


def test_nothing_it_is_asked_breaks_it(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fuzzed by its own description: no fault of ours, and every answer is as described."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    from hypothesis import HealthCheck, Phase, given
    from hypothesis import settings as how
    from hypothesis.errors import Unsatisfiable
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    app = create_app(settings)
    headers = {"X-CSRF-Token": app.state.secrets.csrf, "Host": "localhost"}
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=headers)
    # what is queued is looked at by other tests; here only how it is asked for
    monkeypatch.setattr("finexl.web.jobs.work", idle_work.quick)
    answered: Counter[int] = Counter()
    for operation in schema.get_all_operations():
        for mode in schemathesis.GenerationMode:
            uploads = operation.ok().path.endswith("upload")  # each takes a process

            @given(case=operation.ok().as_strategy(generation_mode=mode))
            @how(
                max_examples=2 if uploads else 5,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def fuzzed(case: Any) -> None:
                # that a text is no wish, or names no model, no description can say
                found = case.call_and_validate(
                    headers=headers, excluded_checks=[positive_data_acceptance]
                )
                answered[found.status_code] += 1

            with contextlib.suppress(Unsatisfiable):  # nothing about it can be wrong
                fuzzed()
    app.state.jobs.close()
    assert answered.total() > 100
    assert {200, 400, 404, 422} <= set(answered)
    assert 500 not in answered
