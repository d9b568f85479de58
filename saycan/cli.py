"""The command line: `saycan`, `saycan run`, `saycan plan`, `saycan skills`, `saycan doctor`, and the workshop's."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from saycan._version import __version__
from saycan.compose import with_adapter
from saycan.errors import BadInputError
from saycan.evaluation.command import evaluate
from saycan.options import (
    Adapter,
    DetectorName,
    Fallback,
    Film,
    Json,
    Library,
    Llm,
    MaxSteps,
    NoRecord,
    PlannerName,
    PolicyName,
    Record,
    Robot,
    Scene,
    Scoring,
    Seed,
    Traceback,
    Values,
)
from saycan.screen import telling
from saycan.service import ros2, serve_policy
from saycan.workshop import collect, data, replay, train

if TYPE_CHECKING:
    from saycan.goals import Goal
    from saycan.privileged import PrivilegedWorld

app = typer.Typer(
    help="Robots that do what they are told, in words. Without a command it opens a prompt to talk to the robot.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(collect)
app.command()(replay)
app.command("eval")(evaluate)
app.command("serve-policy")(serve_policy)
app.command()(ros2)
app.add_typer(data, name="data")
app.add_typer(train, name="train")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and leave.")] = False,
) -> None:
    if version:
        typer.echo(f"saycan {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        repl()


@app.command()
def repl(
    robot: Robot = "kitchen",
    llm: Llm = "gemma",
    adapter: Adapter = None,
    scene: Scene = None,
    seed: Seed = None,
    fallback: Fallback = None,
    planner: PlannerName = "saycan",
    scoring: Scoring = "sum",
    policy: PolicyName = None,
    values: Values = None,
    detector: DetectorName = None,
    library: Library = None,
    max_steps: MaxSteps = 20,
    record: Record = Path("runs"),
    no_record: NoRecord = False,
    video: Film = True,
    traceback: Traceback = False,
) -> None:
    """Open a prompt: plain words make the robot act, /help lists what else there is."""
    with telling(traceback) as screen:
        from saycan.repl import Repl
        from saycan.session import Setup

        where = None if no_record else record
        llm = with_adapter(llm, adapter)
        setup = Setup(
            robot, llm, scene, seed, fallback, planner, scoring, max_steps, record=where, video=video,
            policy=policy, values=values, detector=detector, library=library,
        )  # fmt: skip
        Repl(setup, screen.out).run()


@app.command()
def run(
    instruction: Annotated[str, typer.Argument(help='What to do, such as "clean the counter".')],
    robot: Robot = "kitchen",
    llm: Llm = "gemma",
    adapter: Adapter = None,
    scene: Scene = None,
    seed: Seed = None,
    goal: Annotated[
        str | None, typer.Option(help="""Judge the run by the simulator's own state: 'clean("close counter")'.""")
    ] = None,
    fallback: Fallback = None,
    planner: PlannerName = "saycan",
    scoring: Scoring = "sum",
    policy: PolicyName = None,
    values: Values = None,
    detector: DetectorName = None,
    library: Library = None,
    max_steps: MaxSteps = 20,
    record: Record = Path("runs"),
    no_record: NoRecord = False,
    video: Film = True,
    json_file: Json = None,
    traceback: Traceback = False,
) -> None:
    """Carry out an instruction.

    Exit code 0: it finished, and a --goal holds in the simulator's own state.

    Exit code 1: it did not. 2: the input cannot be used. 130: Ctrl-C. 143: it was asked to end.

    129: its line dropped.
    """
    with telling(traceback) as screen:
        from saycan import goals
        from saycan.instruction import check_instruction
        from saycan.live import RunView, show_run
        from saycan.parts import describe_parts
        from saycan.privileged import PrivilegedWorld
        from saycan.session import Interrupts, Setup, load_planner, notices, opened
        from saycan.step import EndState
        from saycan.summary import as_record

        instruction = check_instruction(instruction)
        wanted = None if goal is None else goals.parse(goal)
        where = None if no_record else record
        llm = with_adapter(llm, adapter)
        setup = Setup(
            robot, llm, scene, seed, fallback, planner, scoring, max_steps, record=where, video=video,
            policy=policy, values=values, detector=detector, library=library,
        )  # fmt: skip
        with opened(setup, screen.out) as agent:
            world = agent.robot.driver
            if wanted is not None and not isinstance(world, PrivilegedWorld):
                raise BadInputError(f"--goal needs a simulator; robot {robot!r} gives no state away to judge it by")
            load_planner(agent, setup, screen.out)
            screen.out.print(Text(instruction, "bold"))
            for line in notices(agent):
                screen.out.print(Text(line, "yellow"))
            events = setup.start(agent, instruction)
            with Interrupts(agent.stop, lambda line: screen.aside.print(line, style="yellow")) as interrupts:
                result = show_run(events, RunView(instruction, agent.robot.spec.rate), screen.out)
            # By the model's own name: what was typed may hold a password.
            says = next((part.name for part in describe_parts(agent) if part.role == "say"), llm)
            holds = None
            if wanted is not None and isinstance(world, PrivilegedWorld):
                holds = _judge(wanted, world, screen.out)
        if result.folder is not None:
            screen.out.print(Text(f"recorded in {result.folder}", "dim"))
        if json_file is not None:
            record_ = as_record(result) | {"goal": goal, "goal_holds": holds, "robot": robot, "llm": says}
            _write_json(json_file, record_)
        if interrupts.exit_code is not None:
            raise typer.Exit(interrupts.exit_code)
        raise typer.Exit(0 if result.end is EndState.FINISHED and holds is not False else 1)


@app.command()
def plan(
    instruction: Annotated[str, typer.Argument(help='What to do, such as "clean the counter".')],
    robot: Robot = "kitchen",
    llm: Llm = "gemma",
    adapter: Adapter = None,
    scene: Scene = None,
    seed: Seed = None,
    fallback: Fallback = None,
    planner: PlannerName = "saycan",
    scoring: Scoring = "sum",
    policy: PolicyName = None,
    values: Values = None,
    detector: DetectorName = None,
    library: Library = None,
    options: Annotated[int, typer.Option(help="How many of the leading options to show.", min=1)] = 10,
    figure: Annotated[Path | None, typer.Option(help="Also draw the decision into this PNG.")] = None,
    json_file: Json = None,
    traceback: Traceback = False,
) -> None:
    """Decide on the first step, and say why, without moving."""
    with telling(traceback) as screen:
        from saycan.figure import save_decision
        from saycan.instruction import check_instruction
        from saycan.session import Setup, load_planner, notices, opened
        from saycan.tables import decision_table

        instruction = check_instruction(instruction)
        parts = {"policy": policy, "values": values, "detector": detector, "library": library}
        llm = with_adapter(llm, adapter)
        setup = Setup(robot, llm, scene, seed, fallback, planner, scoring, record=None, **parts)  # type: ignore[arg-type]
        with opened(setup, screen.out) as agent:
            load_planner(agent, setup, screen.out)
            with screen.out.status("deciding", spinner="dots"):
                decision = agent.plan(instruction)
            images = agent.robot.observe().images if figure is not None else {}
            told = notices(agent)
        screen.out.print(decision_table(decision, options, instruction), highlight=False)
        times = f"say {decision.seconds_say:.2f} s, can {decision.seconds_can:.2f} s"
        spent = f"; {decision.model}: {decision.usage}" if decision.usage else ""
        screen.out.print(f"{len(decision.skills)} options scored: {times}{spent}", style="dim", highlight=False)
        for line in told:
            screen.out.print(Text(line, "yellow"))
        if figure is not None:
            _write(figure, lambda path: save_decision(path, decision, images, instruction=instruction))
        if json_file is not None:
            rows = [
                {"skill": skill.phrase, "say": say, "can": can, "combined": combined}
                | {"log_say": log_say if math.isfinite(log_say) else None}  # never said; JSON has no infinity
                for skill, say, can, combined, log_say in zip(
                    decision.skills,
                    *(
                        map(float, scores)
                        for scores in (decision.say, decision.can, decision.combined, decision.log_say)
                    ),
                    strict=True,
                )
            ]
            chosen = None if decision.skill is None else decision.skill.phrase
            about = {"model": decision.model, "usage": asdict(decision.usage), "refusal": decision.refusal}
            _write_json(json_file, {"instruction": instruction, "chosen": chosen, **about, "options": rows})


@app.command()
def skills(robot: Robot = "kitchen", library: Library = None, traceback: Traceback = False) -> None:
    """List what the robot can be asked to do."""
    with telling(traceback) as screen:
        from saycan.session import Setup, opened
        from saycan.tables import skill_table

        with opened(Setup(robot, library=library), screen.out) as agent:
            found = agent.library
        screen.out.print(skill_table(found), highlight=False)


@app.command()
def robots(traceback: Traceback = False) -> None:
    """List the robots that --robot knows, those of other packages too."""
    _list("robots", traceback)


@app.command()
def models(traceback: Traceback = False) -> None:
    """List the language models that --llm knows, those of other packages too."""
    _list("models", traceback)


@app.command()
def policies(traceback: Traceback = False) -> None:
    """List the policies, values and detectors that can be chosen, those of other packages too."""
    for group in ("policies", "values", "detectors"):
        _list(group, traceback)


@app.command()
def doctor(traceback: Traceback = False) -> None:
    """Say what is installed, what works, and the one command that mends each gap."""
    with telling(traceback) as screen:
        from saycan.doctor import examine, report

        with screen.out.status("examining", spinner="dots"):
            findings = examine()
        screen.out.print(report(findings), highlight=False)
        raise typer.Exit(1 if any(finding.needed and not finding.good for finding in findings) else 0)


def main() -> None:
    """The entry point. Parts that are named "module:attribute" may lie in the folder in which it is started."""
    sys.path.append("")
    app(prog_name="saycan")


def _list(group: str, traceback: bool) -> None:
    with telling(traceback) as screen:
        from saycan.catalogue import choices
        from saycan.tables import choice_table

        screen.out.print(choice_table(group, choices(group)), highlight=False)


def _judge(goal: Goal, world: PrivilegedWorld, out: Console) -> bool:
    """Whether the goal holds in the simulator's own state; prints the verdict, apart from the agent's own word."""
    state = world.privileged_state()
    holds = goal.holds(state)
    verdict = ("holds", "bold green") if holds else ("does not hold", "bold red")
    line = Text.assemble("goal ", (str(goal), "bold"), " ", verdict, " in the simulator's own state")
    out.print(line, highlight=False)
    missing = [str(part) for part in goal.conjuncts() if not part.holds(state)]
    if missing and len(goal.conjuncts()) > 1:
        out.print(Text(f"  what is missing: {', '.join(missing)}"), highlight=False)
    return holds


def _write_json(path: Path, record: object) -> None:
    text = json.dumps(record, indent=2, ensure_ascii=False, default=str) + "\n"
    _write(path, lambda file: file.write_text(text, encoding="utf-8"))


def _write(path: Path, write: Callable[[Path], object]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
    except OSError as error:
        raise BadInputError(f"{path} cannot be written: {error.strerror or error}; choose another file") from error
