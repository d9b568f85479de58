"""Echo: a text that a server gives back token by token, with the log-probability of each.

The option is the end of the text, so the question is which tokens are its own. Tokens are laid along the text from its
start, because the positions that servers give (`text_offset`) are not the same everywhere: some count a begin-of-text
token that is not in the text, or the replacement characters of half a letter. Where the tokens cannot be laid along the
text (a server that writes them in its tokenizer's own alphabet), the positions decide.

A token may straddle the edge between prompt and option, and the end of the prompt may be cut into other tokens when an
option follows. What all options share is therefore counted in tokens, not letters: with h the number of first tokens
that are the same in every text and end within the prompt,

    score(option) = sum of log p(token_j | tokens before it) over j >= h

which differs from log p(option | prompt) by a constant that all options share, and by nothing when tokens end at the
edge. `saycan.planners.transformers` defines its scores in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from saycan.planners.openai.body import Body

_BROKEN = "\ufffd"  # what stands for the bytes of half a letter


@dataclass(frozen=True)
class Echo:
    """The tokens of one text.

    Attributes:
        tokens: As the server writes them.
        ends: For each, how many characters of the text it and those before it cover.
        log_probabilities: For each, the place in the answer; null for the first, which nothing precedes.
    """

    tokens: tuple[str, ...]
    ends: tuple[int, ...]
    log_probabilities: tuple[Body, ...]

    @classmethod
    def read(cls, choice: Body, text: str) -> Echo:
        """From a choice of a completion with echo. Raises LanguageModelError when it is not an echo of `text`."""
        if not choice.at("text").text().startswith(text):
            raise choice.at("text").wrong("the text that was sent, since echo was asked for")
        found = choice.at("logprobs")
        if found.missing:
            raise found.wrong("the log-probabilities that were asked for")
        tokens = [token.text() for token in found.at("tokens")]
        log_probabilities = list(found.at("token_logprobs"))
        if len(tokens) != len(log_probabilities):
            raise found.at("token_logprobs").wrong(f"a list of {len(tokens)}, one for each token")
        ends = _laid_along(text, tokens)
        if ends is None:
            ends = _positions(found.at("text_offset"), len(tokens), len(text))
        kept = len(ends)  # what follows was generated
        return cls(tuple(tokens[:kept]), tuple(ends), tuple(log_probabilities[:kept]))

    def own(self, shared: int) -> float:
        """Sum of log p of the tokens from `shared` on, in nats. Raises LanguageModelError where one is missing."""
        return sum(place.log_probability() for place in self.log_probabilities[shared:])


def shared_tokens(echoes: Sequence[Echo], edge: int) -> int:
    """How many first tokens are the same in all texts and end within the first `edge` characters."""
    shared = min(sum(end <= edge for end in echo.ends) for echo in echoes)
    for echo in echoes[1:]:
        same = 0
        while same < shared and echo.tokens[same] == echoes[0].tokens[same] and echo.ends[same] == echoes[0].ends[same]:
            same += 1
        shared = same
    return shared


def _laid_along(text: str, tokens: Sequence[str]) -> list[int] | None:
    """The end of each token that covers a part of the text, or None when they do not fit."""
    ends: list[int] = []
    position, broken = 0, 0  # characters covered, and tokens since then that hold parts of letters
    for index, token in enumerate(tokens):
        if position == len(text) and not broken:
            return ends
        if not token or _BROKEN in token:
            broken += 1
            continue
        start = _found_after_broken(text, token, position) if broken else position
        if start is None:
            # The letters of the broken tokens end the text, and this token was generated.
            break
        if text.startswith(token, start):
            end = start + len(token)
        elif index == 0 and token[0] == " " and text.startswith(token[1:]):
            end = len(token) - 1  # a space that some tokenizers put before every text
        elif index == 0:
            end = 0  # begin of text, which is written out but not in the text
        else:
            return None
        ends += [start] * broken + [end]
        position, broken = end, 0
    if broken and position < len(text) and _holds_other_letters(text[position:]):
        return ends + [len(text)] * broken
    return ends if position == len(text) and not broken else None


def _found_after_broken(text: str, token: str, position: int) -> int | None:
    """Where `token` continues the text after letters that were broken up; None when it does not."""
    start = text.find(token, position + 1)
    return start if start > 0 and _holds_other_letters(text[position:start]) else None


def _holds_other_letters(part: str) -> bool:
    """Whether this can be what broken tokens stand for: letters of several bytes, with at most spaces between them."""
    return any(ord(letter) > 127 for letter in part) and all(ord(letter) > 127 or letter == " " for letter in part)


def _positions(offsets: Body, count: int, length: int) -> list[int]:
    """The end of each token by the server's own positions. Raises LanguageModelError when they cannot be right."""
    starts = [int(place.number()) for place in offsets]
    generated = [start for start in starts if start >= length]
    if len(starts) != count or starts[:1] != [0] or starts != sorted(starts) or generated[:1] not in ([], [length]):
        raise offsets.wrong(f"{count} positions of tokens in a text of {length} characters, from 0 on")
    kept = [start for start in starts if start < length]
    return [*kept[1:], length]
