"""Where a model is, and that nobody gets to see the key."""

from __future__ import annotations

import pytest

from saycan.compose import make_language_model
from saycan.errors import BadInputError
from saycan.planners.openai import ServedModel, openai_model
from saycan.planners.openai.address import HOSTED, Address
from tests.planners.openai.fakes import KEY


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.mark.parametrize(
    ("spec", "url", "model", "shown"),
    [
        ("gpt-6-luna", HOSTED, "gpt-6-luna", "gpt-6-luna"),
        ("http://127.0.0.1:8000/v1#m", "http://127.0.0.1:8000/v1", "m", "http://127.0.0.1:8000/v1#m"),
        ("https://h/v1#org/model:tag#x", "https://h/v1", "org/model:tag#x", "https://h/v1#org/model:tag#x"),
        ("http://localhost:1/v1#", "http://localhost:1/v1", "", "http://localhost:1/v1#"),
        ("http://user:secret@h/v1#m", "http://user:secret@h/v1", "m", "http://***@h/v1#m"),
    ],
)
def test_specs(spec: str, url: str, model: str, shown: str) -> None:
    address = Address.parse(spec)
    assert (address.url, address.model, str(address)) == (url, model, shown)
    assert KEY not in repr(address) and "secret" not in repr(address)


@pytest.mark.parametrize(
    "spec",
    ["", " ", "http://h:hunter2@h/v1", "ftp://h#m", "http://#m", "http://h:99999/v1#m", "http://h/v1?key=hunter2#m"],
)
def test_what_cannot_be_an_address_says_what_would_be_valid_and_repeats_no_secret(spec: str) -> None:
    with pytest.raises(BadInputError, match=r"#MODEL|http://HOST") as error:
        Address.parse(spec)
    assert "hunter2" not in str(error.value)


def test_a_url_may_set_limits() -> None:
    model = openai_model("http://127.0.0.1:1/v1?timeout=60&deadline=300#m", "chat")
    assert (model.connection.timeout, model.connection.seconds) == (60.0, 300.0)
    assert str(model.connection) == "http://127.0.0.1:1/v1#m"
    assert openai_model("http://127.0.0.1:1/v1?deadline=60#m", deadline=7.0).connection.seconds == 7.0


@pytest.mark.parametrize("kind", ["openai", "openai-chat", "openai-structured", "openai-completions"])
def test_a_url_may_set_limits_whatever_stands_before_it(kind: str) -> None:
    model = make_language_model(f"{kind}:http://127.0.0.1:1/v1?timeout=60&deadline=300#m")
    assert isinstance(model, ServedModel)
    assert (model.connection.timeout, model.connection.seconds) == (60.0, 300.0)


@pytest.mark.parametrize(
    "query", ["deadline=soon", "deadline=", "deadline=-1", "deadline=inf", "key=hunter2", "timeout=3&key=hunter2"]
)
def test_what_is_no_limit_is_refused(query: str) -> None:
    with pytest.raises(BadInputError, match="deadline") as error:
        openai_model(f"http://127.0.0.1:1/v1?{query}#m")
    assert "hunter2" not in str(error.value)


def test_the_base_url_of_the_environment_is_used_for_a_bare_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    address = Address.parse("m")
    assert address.url == "http://127.0.0.1:8000/v1"
    assert str(address) == "m" and not address.hosted


@pytest.mark.parametrize(
    ("spec", "variable", "key"),
    [
        ("gpt-6-luna", None, KEY),
        ("https://elsewhere.example/v1#m", None, KEY),
        ("http://127.0.0.1:8000/v1#m", None, KEY),
        ("http://[::1]:8000/v1#m", None, KEY),
        ("http://192.168.0.7:8000/v1#m", None, ""),  # it would travel unencrypted
        ("http://192.168.0.7:8000/v1#m", "MY_KEY", "mine"),
        ("gpt-6-luna", "MY_KEY", "mine"),
        ("gpt-6-luna", "UNSET", ""),
    ],
)
def test_which_key_is_sent_where(spec: str, variable: str | None, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "mine")
    monkeypatch.delenv("UNSET", raising=False)
    assert Address.parse(spec, variable).key == key


def test_hosted_is_openai_alone() -> None:
    assert Address.parse("m").hosted
    assert Address.parse("https://eu.api.openai.com/v1#m").hosted
    assert not Address.parse("https://api.openai.com.evil.example/v1#m").hosted


@pytest.mark.parametrize(
    "said",
    [
        f"Incorrect API key provided: {KEY}.",
        "Incorrect API key provided: sk-proj-********************wxyz. See the account page.",
        "Incorrect API key provided: sk-pr***yz",
        "key '********wxyz' is not known",
        "user us%40er with password pass%20word, us@er and pass word",
    ],
)
def test_what_servers_repeat_is_struck_out(said: str) -> None:
    address = Address.parse("https://us%40er:pass%20word@h/v1#m")
    redacted = address.redact(said)
    for secret in (KEY, "sk-pr", "wxyz", "us%40er", "us@er", "pass%20word", "pass word"):
        assert secret not in redacted
    assert "***" in redacted


def test_other_words_stay() -> None:
    said = "max_tokens is too large: 20000; the task-specific limit is 4096"
    assert Address.parse("m").redact(said) == said
