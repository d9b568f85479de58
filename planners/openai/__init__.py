"""Language models on OpenAI's server and on every server that speaks its API.

Four ways to score options, from exact to last resort, and one that finds the best that a server can do:

    DecisionsModel     probabilities of a choice, OpenAI's own endpoint
    CompletionsModel   exact log-probabilities: completions that echo the prompt
    ChatModel          log-probabilities of labels in a chat, in several orders and rounds
    StructuredModel    an order of preference
    AutomaticModel     asks the server which of the last three it can do

`openai_model` makes one of them from what a user types.
"""

from __future__ import annotations

from typing import Unpack, cast
from urllib.parse import parse_qsl

from saycan.errors import BadInputError, UnknownNameError
from saycan.planners.openai.automatic import AutomaticModel
from saycan.planners.openai.chat import ChatModel
from saycan.planners.openai.completions import CompletionsModel
from saycan.planners.openai.connection import Connection, ConnectionOptions
from saycan.planners.openai.decisions import MODELS, DecisionsModel
from saycan.planners.openai.model import ServedModel
from saycan.planners.openai.structured import StructuredModel

__all__ = [
    "AutomaticModel",
    "ChatModel",
    "CompletionsModel",
    "Connection",
    "ConnectionOptions",
    "DecisionsModel",
    "ServedModel",
    "StructuredModel",
    "openai_model",
]

KINDS: dict[str, type[ServedModel]] = {
    "auto": AutomaticModel,
    "decisions": DecisionsModel,
    "completions": CompletionsModel,
    "chat": ChatModel,
    "structured": StructuredModel,
}


def openai_model(spec: str, kind: str = "auto", **options: Unpack[ConnectionOptions]) -> ServedModel:
    """A language model on a server.

    Args:
        spec: "MODEL" (OpenAI's server, or that of OPENAI_BASE_URL), "URL#MODEL", or "URL#" for a server's only model. A
            URL may set limits, in s: "http://127.0.0.1:8080/v1?timeout=60&deadline=300#".
        kind: "auto", "decisions", "completions", "chat" or "structured". "auto" is decisions for the model of OpenAI's
            that answers them, and else what the server is found to do.
        options: Of `Connection`: `timeout`, `deadline`, `attempts`, `parallel`, `key_variable`, `http_client`.

    Raises:
        UnknownNameError: No such kind.
        BadInputError: A spec or an option that cannot be used.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of OpenAI model", kind, KINDS)
    spec, limits = _limits(spec)
    merged: ConnectionOptions = {**limits, **options}
    connection = Connection(spec, **merged)
    if kind == "auto" and connection.address.hosted and connection.address.model in MODELS:
        return DecisionsModel(connection)
    return KINDS[kind](connection)


def _limits(spec: str) -> tuple[str, ConnectionOptions]:
    """A spec without the limits in its URL, and these. Raises BadInputError for a limit that is no number."""
    url, hash_sign, model = spec.partition("#")
    base, _, query = url.partition("?")
    asked = dict(parse_qsl(query, keep_blank_values=True))
    if not asked or not asked.keys() <= {"timeout", "deadline"}:
        return spec, {}  # whatever else there is, it is refused with the URL
    try:
        limits = {name: float(value) for name, value in asked.items()}
    except ValueError as error:
        raise BadInputError(
            f"the limits of a language model's URL are seconds, as in ?timeout=60&deadline=300; found ?{query}"
        ) from error
    return f"{base}{hash_sign}{model}", cast(ConnectionOptions, limits)
