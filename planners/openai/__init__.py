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

from typing import Unpack

from saycan.errors import UnknownNameError
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
    connection = Connection(spec, **options)
    if kind == "auto" and connection.address.hosted and connection.address.model in MODELS:
        return DecisionsModel(connection)
    return KINDS[kind](connection)
