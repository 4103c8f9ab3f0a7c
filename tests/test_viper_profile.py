"""Profiles: what goes in comes out, nothing malformed comes in, and one file is one person's."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from finexl.errors import UsageError
from finexl.viper.profile import (
    CONSENT,
    MOST_CHARACTERS,
    MOST_COMMENTS,
    SCHEMA,
    Comment,
    Evidence,
    PictureId,
    Preference,
    Profile,
    delete_profile,
    read_profile,
    write_profile,
)  # fmt: skip

SAID = Comment("I love the lines, but “these” colors <3", "a.png")
LINES = Preference("flowing lines", "line", 0.9, (Evidence(0, "the lines", "liked", "a.png"),))
COLORS = Preference("neon", None, 1 / 3, (Evidence(0, "colors", "disliked", "a.png", seen=True),))
BOTH = Preference("gloomy mood", "mood", 1.0, ())
PROFILE = Profile(
    "Ada",
    (SAID, Comment("二番目")),
    (LINES,),
    (COLORS,),
    (BOTH,),
    "offline",
    (PictureId("a.png", "00"),),
    ("Comment 2 is not read.",),
)


def test_a_profile_is_read_as_it_was_written() -> None:
    text = PROFILE.to_json()
    again = Profile.from_json(text)
    assert json.loads(text)["schema"] == SCHEMA == next(iter(json.loads(text).values()))
    assert again.to_json() == text
    assert again.disliked[0].confidence == pytest.approx(1 / 3, abs=1e-6)
    assert (again.comments, again.liked, again.mixed) == (PROFILE.comments, (LINES,), (BOTH,))
    assert (again.consent, again.notes, again.pictures) == (
        CONSENT,
        PROFILE.notes,
        PROFILE.pictures,
    )


def changed(**keys: Any) -> str:
    return json.dumps({**PROFILE.to_dict(), **keys})


def preference(**keys: Any) -> dict[str, Any]:
    return {**PROFILE.to_dict()["liked"][0], **keys}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "no JSON with a `schema`"),
        ("{", "no JSON with a `schema`"),
        (changed(schema="finexl.profile/2"), "this version reads finexl.profile/1"),
        (changed(schema="finexl.profile/2"), "left as it is"),
        (changed(schema=None), "schema None"),
        (changed(surprise=1), "`surprise`"),
        (changed(name=""), "needs a name"),
        (changed(comments=[{"text": " ", "picture": None}]), "empty"),
        (changed(comments=[{"text": 7, "picture": None}]), "`comments.0.text`"),
        (changed(liked=[preference(confidence=0)]), "confidence"),
        (changed(liked=[preference(confidence=1.01)]), "confidence"),
        (changed(liked=[preference(attribute="")]), "names no attribute"),
        (changed(liked=[preference(), preference(attribute="Flowing LINES")]), "twice"),
        (changed(disliked=[preference()]), "twice"),
        (changed(comments=[]), "does not have"),
    ],
)
def test_what_is_no_profile_is_refused_in_one_sentence(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as refused:
        Profile.from_json(text)
    assert "\n" not in str(refused.value)


def test_comments_are_bounded_and_are_text() -> None:
    with pytest.raises(UsageError, match=r"20,001 characters"):
        Comment("x" * (MOST_CHARACTERS + 1))
    with pytest.raises(UsageError, match="no text"):
        Comment("a\ud800")
    with pytest.raises(UsageError, match=r"10,001 comments"):
        Profile("many", tuple(Comment(str(i)) for i in range(MOST_COMMENTS + 1)))


def test_a_comment_that_is_there_is_not_added_again() -> None:
    more = PROFILE.adding([Comment("new"), SAID, Comment("new")])
    assert [comment.text for comment in more.comments] == [SAID.text, "二番目", "new"]
    assert more.liked == PROFILE.liked


def test_without_comments_nobody_s_words_are_left() -> None:
    bare = PROFILE.without_comments()
    for words in (SAID.text, "the lines", "a.png", "二番目", "not read"):
        assert words not in bare.to_json()
    assert [one.attribute for one in (*bare.liked, *bare.disliked, *bare.mixed)] == [
        "flowing lines",
        "neon",
        "gloomy mood",
    ]
    assert Profile.from_json(bare.to_json()).to_json() == bare.to_json()


def test_a_file_is_its_owner_s_alone_and_is_deleted_on_request(tmp_path: Path) -> None:
    path = tmp_path / "ada.json"
    write_profile(PROFILE, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_profile(path).comments == PROFILE.comments
    assert delete_profile(path).name == "Ada"
    assert not path.exists()


def test_what_is_no_profile_of_this_version_is_neither_read_nor_deleted(tmp_path: Path) -> None:
    path = tmp_path / "later.json"
    path.write_text(changed(schema="finexl.profile/2"))
    for act in (read_profile, delete_profile):
        with pytest.raises(UsageError, match=r"later\.json.*finexl\.profile/1"):
            act(path)
    assert path.read_text() == changed(schema="finexl.profile/2")
    with pytest.raises(UsageError, match="There is no profile"):
        read_profile(tmp_path / "none.json")
