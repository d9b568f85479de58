"""The commands that make data and networks: `saycan collect`, `saycan data`, `saycan train`, and `saycan replay`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saycan.errors import BadInputError
from saycan.options import Traceback
from saycan.screen import Screen, telling

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from saycan.training.loop import Progress as Training

_HELP = {"no_args_is_help": True, "context_settings": {"help_option_names": ["-h", "--help"]}}
data = typer.Typer(help="Look at data sets, and convert them.", **_HELP)  # type: ignore[arg-type]
train = typer.Typer(help="Train policies and value functions.", **_HELP)  # type: ignore[arg-type]

Data = Annotated[list[Path], typer.Argument(help="Data sets: folders of shards.")]
Out = Annotated[Path, typer.Option(help="Where state, curve and checkpoint go; the same folder again goes on.")]
Steps = Annotated[int, typer.Option(help="Batches in all.", min=1)]
Batch = Annotated[int, typer.Option(help="Rows in a batch.", min=2)]
Rate = Annotated[float, typer.Option(help="Highest learning rate.", min=0.0)]
Minutes = Annotated[float | None, typer.Option(help="Stop and save after so long; call again to go on.")]
Limit = Annotated[int | None, typer.Option(help="Learn from at most so many episodes.", min=1)]
Start = Annotated[
    Path | None,
    typer.Option(help="A checkpoint to start from: for your own demonstrations, or for another policy's values."),
]
Validation = Annotated[
    list[Path] | None,
    typer.Option(
        help="A data set from which nothing is learned: scores, and what a value is calibrated by, are its. Several "
        "are given one by one; without any, one scene in 40 (for values in 8) is left aside."
    ),
]
Blend = Annotated[
    float,
    typer.Option(
        help="How far from the start's weights to those that were learned, over 0 to 1: less than 1 keeps more of "
        "what it knew (WiSE-FT)."
    ),
]
SeedOfTraining = Annotated[int, typer.Option(help="Of weights and batches.", min=0)]
Device = Annotated[str | None, typer.Option(help='"cpu" or "cuda"; by default CUDA where there is one.')]
Options = Annotated[str, typer.Option(help='Sizes of the network as JSON: \'{"stem": 32, "hidden": 512}\'.')]


def collect(
    folder: Annotated[Path, typer.Argument(help="Where the shards go; those that are there already stay.")],
    scenes: Annotated[int, typer.Option(help="How many scenes, each with up to three skills in a row.", min=1)] = 2400,
    first: Annotated[int, typer.Option(help="Number of the first scene.", min=0)] = 0,
    policy: Annotated[
        str, typer.Option(help='Who acts: "experts", "careless", "learned", "learned:FILE".')
    ] = "experts",
    takeover: Annotated[
        bool, typer.Option("--takeover/--alone", help="Whether the expert takes over from a policy in mid-skill.")
    ] = True,
    variation: Annotated[str, typer.Option(help='How scenes are drawn: "frozen", "wide", "hard", "fetch".')] = "frozen",
    verbs: Annotated[str, typer.Option(help='Only these verbs: "wipe, pick up"; by default all that fit.')] = "",
    noise: Annotated[
        float | None,
        typer.Option(help="Largest level of the disturbance; by default 1.2, and 0 for a policy --alone.", min=0.0),
    ] = None,
    every: Annotated[int, typer.Option(help="Keep a row every so many control periods.", min=1)] = 3,
    in_a_row: Annotated[int, typer.Option(help="Most skills in one scene.", min=1)] = 3,
    image_size: Annotated[int, typer.Option(help="Pixels of each camera.", min=16, max=1024)] = 64,
    robot: Annotated[str, typer.Option(help='In which simulator: "kitchen" or "panda".')] = "kitchen",
    workers: Annotated[int | None, typer.Option(help="Processes; by default one a core.", min=1)] = None,
    traceback: Traceback = False,
) -> None:
    """Collect demonstrations and rollouts from a simulated robot, from seeds; Ctrl-C and go on later."""
    with telling(traceback) as screen:
        from saycan.collect import Collected
        from saycan.collect import collect as make
        from saycan.skills.data.collect import EVEN, MANIPULATION, SHARES, Plan, only

        if noise is None:  # what is learned from a policy alone is what it does itself
            noise = 0.0 if policy != "experts" and not takeover else 1.2
        shares = only(verbs, SHARES if policy == "experts" else MANIPULATION if takeover else EVEN)
        plan = Plan(first=first, noise=noise, every=every, takeover=takeover, in_a_row=in_a_row, shares=shares)
        total = Collected()
        with screen.bar() as progress:
            task = progress.add_task("scenes", total=scenes)

            def tell(part: Collected) -> None:
                nonlocal total
                total += part
                progress.update(task, completed=total.scenes, description=f"scenes ({total.episodes} episodes)")

            made = make(
                folder, scenes, plan, policy=policy, image_size=image_size, variation=variation, robot=robot,
                workers=workers, progress=tell,
            )  # fmt: skip
        screen.out.print(
            f"{made.episodes} episodes, {made.successes} of them successful, {made.frames} rows, in {folder}",
            highlight=False,
        )


@data.command()
def show(
    folder: Annotated[Path, typer.Argument(help="A data set, or one of its shards.")],
    out: Annotated[Path, typer.Option(help="The picture.")] = Path("sheet.png"),
    episodes: Annotated[int, typer.Option(help="How many episodes, spread over the shards.", min=1)] = 12,
    columns: Annotated[int, typer.Option(help="Moments of each.", min=2)] = 8,
    traceback: Traceback = False,
) -> None:
    """Make a contact sheet of a data set: what the cameras saw in some of its episodes."""
    with telling(traceback) as screen:
        from saycan.skills.data.sheet import save_sheet, summary

        for line in summary(folder):
            screen.out.print(line, highlight=False)
        save_sheet(folder, out, episodes, columns)
        screen.out.print(f"contact sheet in {out}", highlight=False)


@data.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A data set, or one of its shards.")],
    out: Annotated[Path, typer.Argument(help="The folder to make; it must not exist.")],
    traceback: Traceback = False,
) -> None:
    """Write a data set in LeRobot's format (LeRobotDataset v3.0), pictures without loss."""
    with telling(traceback) as screen:
        from saycan.skills.data.lerobot_export import export as write

        with screen.bar() as progress:
            task = progress.add_task("shards")
            made = write(folder, out, progress=lambda done, total: progress.update(task, completed=done, total=total))
        screen.out.print(
            f"{made.episodes} episodes, {made.rows} rows, {made.tasks} tasks, in {out}; read it with: "
            f'LeRobotDataset("local/{out.name}", root="{out}")',
            highlight=False,
            markup=False,
        )


@data.command("import")
def bring(
    folder: Annotated[Path, typer.Argument(help='A LeRobotDataset v3.0: the folder in which "meta" lies.')],
    out: Annotated[Path, typer.Argument(help="The folder to make; it must not exist.")],
    traceback: Traceback = False,
) -> None:
    """Read a data set of LeRobot's (LeRobotDataset v3.0) into one of this project."""
    with telling(traceback) as screen:
        from saycan.skills.data.lerobot_import import bring as read
        from saycan.skills.kitchen import kitchen_library

        with screen.bar() as progress:
            task = progress.add_task("episodes")
            made = read(
                folder, out, kitchen_library(),
                progress=lambda done, total: progress.update(task, completed=done, total=total),
            )  # fmt: skip
        screen.out.print(
            f"{made.episodes} episodes, {made.rows} rows, one every {made.every} control periods, in {out}",
            highlight=False,
        )


@train.command("policy")
def train_policy(
    folders: Data,
    out: Out,
    network: Annotated[str, typer.Option(help='"bcz", "rt1" or "clip-fusion".')] = "bcz",
    start: Start = None,
    steps: Steps = 6000,
    batch: Batch = 256,
    rate: Rate = 1.5e-3,
    minutes: Minutes = None,
    limit: Limit = None,
    validation: Validation = None,
    blend: Blend = 1.0,
    options: Options = "{}",
    seed: SeedOfTraining = 0,
    device: Device = None,
    traceback: Traceback = False,
) -> None:
    """Train a policy by behaviour cloning; killed or stopped, the same command goes on where it was."""
    with telling(traceback) as screen:
        from saycan.skills.training.run import Job
        from saycan.training.loop import Recipe

        recipe = Recipe(steps=steps, batch=batch, rate=rate, seed=seed)
        job = Job(folders, out, recipe, minutes, limit, start, device, validation=validation or (), blend=blend)
        _train(screen, "policy", job, network=network, options=_json(options))


@train.command("value")
def train_value(
    folders: Data,
    out: Out,
    policy: Annotated[str, typer.Option(help="Whose value: the policy that the data were collected with.")] = "learned",
    method: Annotated[str, typer.Option(help='"td": temporal differences, "mc": outcomes of whole episodes.')] = "td",
    start: Start = None,
    steps: Steps = 4000,
    batch: Batch = 128,
    rate: Rate = 1e-3,
    minutes: Minutes = None,
    limit: Limit = None,
    validation: Validation = None,
    blend: Blend = 1.0,
    options: Options = "{}",
    seed: SeedOfTraining = 0,
    device: Device = None,
    traceback: Traceback = False,
) -> None:
    """Train value functions and success detection, which are answers of one network."""
    with telling(traceback) as screen:
        from saycan.skills.training.run import Job
        from saycan.training.loop import Recipe

        recipe = Recipe(steps=steps, batch=batch, rate=rate, seed=seed)
        job = Job(folders, out, recipe, minutes, limit, start, device, validation=validation or (), blend=blend)
        _train(screen, "value", job, policy=policy, method=method, options=_json(options))


@train.command("success")
def train_success(
    folders: Data,
    out: Out,
    policy: Annotated[
        str, typer.Option(help="Whose attempts, among those held back, say when a deed counts as done.")
    ] = "learned",
    verbs: Annotated[
        str, typer.Option(help='Whose deeds are learned: "wipe, pick up"; those of others stay. By default of all.')
    ] = "",
    start: Start = None,
    steps: Steps = 800,
    batch: Batch = 128,
    rate: Rate = 5e-4,
    minutes: Minutes = None,
    limit: Limit = None,
    validation: Validation = None,
    blend: Blend = 1.0,
    seed: SeedOfTraining = 0,
    device: Device = None,
    traceback: Traceback = False,
) -> None:
    """Teach the network of values better what has been done, from anybody's attempts; its other answers stay.

    It starts from the shipped one where --start names no other. `saycan train value` makes one from nothing.
    """
    with telling(traceback) as screen:
        from saycan.skills.shipped import VALUES
        from saycan.skills.training.run import Job
        from saycan.training.loop import Recipe

        warmup = max(1, min(200, steps // 5))
        recipe = Recipe(steps=steps, batch=batch, rate=rate, warmup=warmup, seed=seed, evaluate=100)
        job = Job(
            folders, out, recipe, minutes, limit, start or VALUES, device, validation=validation or (), blend=blend
        )
        names = [name.strip() for name in verbs.split(",") if name.strip()]
        _train(screen, "success", job, policy=policy, verbs=names or None)


@train.command("planner")
def train_planner(
    out: Out,
    llm: Annotated[str, typer.Option(help='What learns: "gemma" or "transformers:PATH".')] = "gemma",
    steps: Steps = 800,
    batch: Annotated[int, typer.Option(help="Lessons in a batch.", min=1)] = 24,
    rate: Rate = 5e-4,
    rank: Annotated[int, typer.Option(help="Of the adapter's matrices.", min=1)] = 16,
    start: Annotated[Path | None, typer.Option(help="Folder of an adapter to go on from.")] = None,
    minutes: Minutes = None,
    workers: Annotated[int | None, typer.Option(help="Processes; by default one a core.", min=1)] = None,
    seed: SeedOfTraining = 0,
    device: Device = None,
    traceback: Traceback = False,
) -> None:
    """Teach a language model to plan, with a low-rank adapter on lessons made from seeds."""
    with telling(traceback) as screen:
        from saycan.train import train_planner as carry_out
        from saycan.training.curve import save_curve
        from saycan.training.loop import Recipe

        recipe = Recipe(
            steps=steps, batch=batch, rate=rate, warmup=max(1, min(50, steps // 10)), decay=0.0, average=0.98,
            seed=seed, evaluate=100,
        )  # fmt: skip
        with screen.bar() as progress:
            bar = progress.add_task("training", total=steps)
            folder = carry_out(
                out, recipe, llm=llm, rank=rank, start=start, minutes=minutes, device=device, workers=workers,
                report=_teller(progress, bar),
            )  # fmt: skip
        screen.out.print(f"adapter in {folder}; curves in {save_curve(out)}", highlight=False)


def replay(
    run: Annotated[Path, typer.Argument(help="A run folder, or its trace.")],
    frames: Annotated[
        int, typer.Option(help="Moments of the film to show in the picture, if there is one.", min=0)
    ] = 6,
    out: Annotated[Path | None, typer.Option(help="The picture; by default replay.png in the run folder.")] = None,
    traceback: Traceback = False,
) -> None:
    """Go through a recorded run step by step: what was said, what could be done, what happened."""
    with telling(traceback) as screen:
        from saycan.replay import replay_run

        replay_run(run, screen.out, frames=frames, picture=out)


def _train(screen: Screen, what: str, job: Any, **more: Any) -> None:
    from saycan.train import train as carry_out
    from saycan.training.curve import save_curve

    with screen.bar() as progress:
        reading = progress.add_task("reading data")
        steps = progress.add_task("training", total=job.recipe.steps)

        path = carry_out(
            what,
            job,
            reading=lambda done, total: progress.update(reading, completed=done, total=total),
            report=_teller(progress, steps),
            **more,
        )
    picture = save_curve(job.folder)
    screen.out.print(f"checkpoint in {path}; curves in {picture}", highlight=False)


def _teller(progress: Progress, bar: TaskID) -> Callable[[Training], None]:
    """Moves a bar on as training goes."""

    def tell(state: Training) -> None:
        shown = ", ".join(f"{name} {value:.3f}" for name, value in {**state.losses, **state.scores}.items())
        progress.update(bar, completed=state.step, description=f"training: {shown}" if shown else "training")

    return tell


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BadInputError(f"--options takes JSON such as '{{\"hidden\": 512}}', found {text!r}: {error}") from error
    if not isinstance(found, dict):
        raise BadInputError(f"--options takes a JSON object, found {text!r}")
    return found
