from __future__ import annotations

import base64
import binascii
import json
import os
import string
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evolve.errors import ConfigError
from evolve.secrets import load_environment, redact, without_secrets

KEY = 'sk-ä+/=" \\0123456789abcdefXYZ'
PLAIN = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SOME_API_KEY", KEY)
    monkeypatch.setenv("OTHER_TOKEN", PLAIN)
    return KEY


def test_every_form_of_a_secret_is_replaced(key: str) -> None:
    forms = [
        key,
        quote(key),
        quote(key, safe=""),
        quote_plus(key),
        json.dumps(key)[1:-1],
        json.dumps(key, ensure_ascii=False)[1:-1],
        repr(key)[1:-1],
        base64.b64encode(key.encode()).decode(),
        PLAIN,
    ]
    for form in forms:
        assert redact(f"a Bearer {form}, b") == "a Bearer ***, b"
    assert redact(" ".join(forms)) == " ".join(["***"] * len(forms))


@pytest.mark.parametrize("before", ["", "u", "u:", "Bearer "])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, binascii.hexlify])
def test_a_secret_inside_an_encoded_text_is_replaced(encode: Callable[[bytes], bytes], before: str, key: str) -> None:
    for secret in (KEY, PLAIN):
        text = encode(f"{before}{secret} and more".encode()).decode()
        told = redact(text)
        assert "***" in told
        assert len(told) < len(text) - len(secret), "all but what its neighbours have a part in"


@pytest.mark.parametrize(
    "echo",
    [
        "sk-proj-********************wxyz",
        "sk-pr...wxyz",
        "sk-p…xyz",
        PLAIN[:30],
        PLAIN[:22] + "...",
    ],
)
def test_a_secret_shown_in_part_is_replaced(echo: str, key: str) -> None:
    assert PLAIN[:6] not in redact(f"Incorrect API key provided: {echo}. Find yours at")
    assert redact(f"provided: {echo}").startswith("provided: ***")


def test_what_is_no_secret_stays(key: str) -> None:
    text = "sk-learn has skeletons; x = 'sk-' + key; print(0123456789)  # *** sk- ..."
    assert redact(text) == text
    assert redact("") == ""


def test_short_values_and_other_names_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORT_KEY", "1234567")
    monkeypatch.setenv("EDITOR", "some-editor-name")
    assert redact("1234567 some-editor-name") == "1234567 some-editor-name"


@pytest.mark.parametrize("value", ["postgres", "12345678", "141421356237309"])
def test_a_short_word_or_number_is_no_secret_since_programs_hold_it_too(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", value)
    assert redact(f"connect to {value}") == f"connect to {value}"


@pytest.mark.parametrize("value", ["correcthorsebatt", "1414213562373095"])
def test_a_long_word_or_number_is_one(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", value)
    assert redact(f"connect to {value}") == "connect to ***"


def tells(value: str) -> bool:
    return len(value) >= 8 and not value.isalpha() and not value.isdigit() and not os.path.exists(value)


def test_the_path_of_a_file_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING_KEY_FOLDER", str(tmp_path))
    assert redact(f"in {tmp_path}/x") == f"in {tmp_path}/x"
    assert without_secrets({"PATH": f"/bin:{tmp_path}"}) == {"PATH": f"/bin:{tmp_path}"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(string.printable, min_size=8, max_size=40).filter(lambda text: tells(text.strip())), st.text())
def test_no_text_keeps_a_secret(value: str, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("A_PASSWORD", value)
        assert value.strip() not in redact(f"{text}{value}{text}").replace("***", "\0")


def test_the_nearest_env_file_is_read_and_what_is_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / ".env").write_text("FAR=1\n")
    (tmp_path / "a" / ".env").write_text(
        "SET_KEY=from-the-file-1\nNEW_KEY='from the file 2'\nPLAIN_NAME=quite-harmless\nBARE\n"
    )
    for name in ("FAR", "NEW_KEY", "PLAIN_NAME"):
        monkeypatch.setenv(name, "")  # put back at the end
        monkeypatch.delenv(name)
    monkeypatch.setenv("SET_KEY", "already-set-here")
    monkeypatch.chdir(deep)
    assert load_environment() == tmp_path / "a" / ".env"
    assert (os.environ["SET_KEY"], os.environ["NEW_KEY"], os.environ["PLAIN_NAME"]) == (
        "already-set-here",
        "from the file 2",
        "quite-harmless",
    )
    assert "FAR" not in os.environ
    assert redact("from-the-file-1 from the file 2 already-set-here quite-harmless") == "*** *** *** quite-harmless"


def test_an_env_file_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"KEY=\xff\xff\n")
    with pytest.raises(ConfigError, match=r"\.env"):
        load_environment(tmp_path)


def test_children_that_need_no_key_get_none(key: str) -> None:
    environment = {"PATH": "/bin", "X_API_KEY": "1", "DB_PASSWORD": "x", "URL": f"http://user:{PLAIN}@host/"}
    assert without_secrets(environment) == {"PATH": "/bin"}
