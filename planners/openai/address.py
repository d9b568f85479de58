"""Where a model is: the server's URL, the model's name there, and the key that opens it."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from saycan.errors import BadInputError

HOSTED = "https://api.openai.com/v1"
"""OpenAI's own server, where a model without a URL is, unless OPENAI_BASE_URL names another."""

KEY_VARIABLE = "OPENAI_API_KEY"

_SHORTEST_ECHO = 4  # characters of a key that, standing at the start or the end of a word, give it away


@dataclass(frozen=True)
class Address:
    """One model on one server.

    Attributes:
        url: Of the API, such as "http://127.0.0.1:8000/v1"; it may hold a user and a password, so it is never shown.
        model: The model's name on that server; empty means the only one that it has.
        named: Whether the user gave the URL, so that it belongs to what they would type.
        key: Opens the server; empty when there is none.
    """

    url: str = field(repr=False)
    model: str
    named: bool = True
    key: str = field(default="", repr=False)

    @classmethod
    def parse(cls, spec: str, key_variable: str | None = None) -> Address:
        """From "MODEL", "URL#MODEL" or "URL#", with the key from the environment.

        The key is that of the variable that is named. When none is, it is OPENAI_API_KEY, but not for a server that it
        would reach over an unencrypted connection to another computer.

        Raises BadInputError.
        """
        named = "://" in spec
        url, hash_sign, model = (
            spec.partition("#") if named else (os.environ.get("OPENAI_BASE_URL") or HOSTED, "#", spec)
        )
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        # The URL may hold a password, so the message does not repeat it.
        if not usable or parts.query:
            raise BadInputError(
                "the URL of a language model cannot be used; valid is http://HOST:PORT/v1 or https://HOST/v1, with a "
                "host and without a query (?...), other than ?timeout=60&deadline=300 for limits in s"
            )
        if not hash_sign:
            raise BadInputError(
                "the URL of a language model lacks its model; write URL#MODEL, or URL# for a server that has only one"
            )
        if not named and not model.strip():
            raise BadInputError("the name of the model is empty; write openai:MODEL or URL#MODEL")
        private = parts.scheme == "https" or _is_this_computer(parts.hostname or "")
        variable = key_variable or (KEY_VARIABLE if private else "")
        return cls(url, model.strip(), named, os.environ.get(variable, "").strip() if variable else "")

    def __str__(self) -> str:
        """What the user would type after the kind, with a password in the URL struck out."""
        if not self.named:
            return self.model
        parts = urlsplit(self.url)
        _, at, host = parts.netloc.rpartition("@")
        return f"{urlunsplit(parts._replace(netloc=f'***@{host}' if at else host))}#{self.model}"

    @property
    def hosted(self) -> bool:
        """Whether this is OpenAI's own server, whose newer models refuse parameters that others need."""
        host = urlsplit(self.url).hostname or ""
        return host == "api.openai.com" or host.endswith(".api.openai.com")

    @property
    def local(self) -> bool:
        """Whether the server runs on this computer."""
        return _is_this_computer(urlsplit(self.url).hostname or "")

    def redact(self, text: str) -> str:
        """`text` without the key, without parts of it, and without user and password: servers repeat them."""
        parts = urlsplit(self.url)
        secrets = {self.key, parts.username or "", parts.password or ""}
        secrets |= {unquote(secret) for secret in secrets}
        secrets.discard("")
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        text = re.sub(r"\b(sk|pk|gsk|hf|xai)[-_][\w*.\-]{3,}", "***", text)

        def strike(found: re.Match[str]) -> str:
            word, least = found[0], _SHORTEST_ECHO
            echoes = any(
                len(secret) > least and (word.startswith(secret[:least]) or word.endswith(secret[-least:]))
                for secret in secrets
            )
            return "***" if echoes else word

        return re.sub(r"[^\s\"'`,:;()<>\[\]{}]+", strike, text)


def limits_of(spec: str) -> tuple[str, dict[str, float]]:
    """A spec without the limits in its URL, and these, in s: "timeout", "deadline", both or neither.

    Raises BadInputError for a limit that is no number; any other query is left in the URL, where `Address` refuses it.
    """
    url, hash_sign, model = spec.partition("#")
    base, _, query = url.partition("?")
    asked = dict(parse_qsl(query, keep_blank_values=True))
    if not asked or not asked.keys() <= {"timeout", "deadline"}:
        return spec, {}
    try:
        limits = {name: float(value) for name, value in asked.items()}
    except ValueError as error:
        raise BadInputError(
            f"the limits of a language model's URL are seconds, as in ?timeout=60&deadline=300; found ?{query}"
        ) from error
    return f"{base}{hash_sign}{model}", limits


def _is_this_computer(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
