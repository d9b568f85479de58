"""Options of the command line that several commands share, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Robot = Annotated[
    str,
    typer.Option(
        help='Whose hands: "kitchen" (MuJoCo), "panda" (PyBullet), "ros2:FILE", "lerobot:FILE", "fake", a plug-in, '
        "or module:attribute."
    ),
]
Llm = Annotated[
    str,
    typer.Option(
        help='Who says what is useful: "gemma", "transformers:PATH", "openai:MODEL", "http://HOST:PORT/v1#MODEL", '
        "or module:attribute (docs/language-models.md)."
    ),
]
Adapter = Annotated[
    str | None,
    typer.Option(help='What has taught the language model to plan: "none", or a folder; gemma has one of its own.'),
]
Fallback = Annotated[str | None, typer.Option(help="A language model that stands in while --llm does not answer.")]
PlannerName = Annotated[
    str, typer.Option("--planner", help='"saycan", "shortlist" for thousands of skills, or "generative".')
]
Scoring = Annotated[str, typer.Option(help="How the tokens of a phrase make one number: sum, mean or prior.")]
Scene = Annotated[str | None, typer.Option(help='The simulated scene, in words: "pepsi can on table, spill on table".')]
Seed = Annotated[int | None, typer.Option(help="Makes the simulated scene repeatable.", min=0)]
MaxSteps = Annotated[int, typer.Option(help="Skills after which a run times out.", min=1)]
Record = Annotated[Path, typer.Option(help="Where run folders are made.")]
NoRecord = Annotated[bool, typer.Option("--no-record", help="Leave no run folder.")]
PolicyName = Annotated[
    str | None,
    typer.Option(
        "--policy",
        help='Who acts: "learned", "learned:FILE", "remote:ws://HOST:PORT", "lerobot:CHECKPOINT", "experts", or '
        "module:attribute.",
    ),
]
Values = Annotated[
    str | None, typer.Option(help='What can be done: "learned", "learned:FILE", "geometric", or module:attribute.')
]
DetectorName = Annotated[
    str | None,
    typer.Option(
        "--detector", help='What has been done: "learned", "learned:FILE", "privileged", or module:attribute.'
    ),
]
Library = Annotated[
    Path | None, typer.Option("--library", help="Skills of your own: phrases, things, places, policy, in a TOML file.")
]
Film = Annotated[bool, typer.Option("--video/--no-video", help="Whether the run folder gets a video.")]
Traceback = Annotated[bool, typer.Option("--traceback", help="Show Python's traceback when something goes wrong.")]
Json = Annotated[Path | None, typer.Option("--json", help="Also write the outcome to this file, as JSON.")]
