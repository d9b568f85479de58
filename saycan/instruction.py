"""What counts as an instruction."""

from __future__ import annotations

import unicodedata

from saycan.errors import InstructionError

MAX_LENGTH = 1000
"""Characters. A longer text would crowd the examples out of a small language model's window."""


def check_instruction(text: object) -> str:
    """The instruction without the space around it. Any language is fine.

    Raises:
        InstructionError: Not text, empty, longer than MAX_LENGTH, or with control characters or line breaks (they
            would end the line of the prompt that it is written into).
    """
    if not isinstance(text, str):
        raise InstructionError(f"an instruction is text such as 'clean the counter', found {type(text).__name__}")
    instruction = text.strip()
    if not instruction:
        raise InstructionError("the instruction is empty; say what to do, such as 'clean the counter'")
    if len(instruction) > MAX_LENGTH:
        raise InstructionError(
            f"the instruction has {len(instruction)} characters; at most {MAX_LENGTH} are taken. Say it shorter, "
            "or give it as several instructions"
        )
    for position, character in enumerate(instruction, start=1):
        # Cc control, Cs lone surrogate (cannot be written down as UTF-8), Zl and Zp line and paragraph separators.
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
            raise InstructionError(
                f"the instruction holds the control character U+{ord(character):04X} at position {position}; "
                "use plain text on one line"
            )
    return instruction
