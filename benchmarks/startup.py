"""How quickly SayCan is there: to import it, to see the robot move, to have the counter clean, and in how much memory.

    python benchmarks/startup.py [--json FILE]

Every figure comes from processes of their own, on the machine as it is: let nothing else run beside it. The language
model is converted and its file read once before anything is timed, as it is from the second run on.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

from report import Row, write_json

IMPORTS = 9
INSTRUCTION = "clean the counter"
GOAL = 'clean("close counter")'
COMMAND = (sys.executable, "-m", "saycan")


@dataclass(frozen=True)
class Run:
    """One `saycan run` from outside: seconds from the start of its process, and its largest resident set in GB."""

    first_action: float
    seconds: float
    memory: float


def time_import(statement: str) -> float:
    """Seconds that an import takes: the median over fresh processes, without the interpreter's own start."""
    script = f"from time import perf_counter as t; began = t(); {statement}; print(t() - began)"
    return statistics.median(float(_output(sys.executable, "-c", script)) for _ in range(IMPORTS))


def time_demo(folder: Path, options: Sequence[str]) -> Run:
    """Run the demo once. Exits when it does not reach its goal."""
    command = [*COMMAND, "run", INSTRUCTION, "--goal", GOAL, *options]
    log = folder / "log.txt"
    began = perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        moved: list[float] = []
        watcher = threading.Thread(target=_watch, args=(folder, process, began, moved))
        watcher.start()
        memory = _wait(process)
    seconds = perf_counter() - began
    watcher.join()
    if process.returncode != 0 or not moved:
        sys.exit(f"{log.read_text()}\nthe demo ended with exit status {process.returncode}")
    return Run(moved[0], seconds, memory)


def time_first_score(llm: str) -> tuple[float, float]:
    """Seconds from the start of a process to the first scores of the kitchen's library, and its memory then in GB."""
    script = f"""
from saycan.compose import make_language_model
from saycan.planners.prompt import Prompt
from saycan.skills.kitchen import kitchen_library
model = make_language_model({llm!r})
prompt = Prompt.of(model, kitchen_library())
texts, _ = prompt.options(kitchen_library())
assert len(model.score(prompt.render({INSTRUCTION!r}), texts)) == len(texts)
print("scored", flush=True)
"""
    began = perf_counter()
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as told:
        scored = any(line.strip() == b"scored" for line in told)
        seconds = perf_counter() - began  # its own end is not waited for
    memory = _wait(process)
    if process.returncode != 0 or not scored:
        sys.exit(f"the language model {llm!r} could not be scored with")
    return seconds, memory


def _watch(folder: Path, process: subprocess.Popen[bytes], began: float, moved: list[float]) -> None:
    """Note when the first control period stands in the trace, whose lines are written as they happen."""
    while process.returncode is None:
        for trace in folder.glob("runs/*/trace.jsonl"):
            if b'"type":"tick"' in trace.read_bytes():
                moved.append(perf_counter() - began)
                return
        sleep(0.02)


def _wait(process: subprocess.Popen[bytes]) -> float:
    """Wait for a process; its largest resident set in GB, or nan where the system does not say."""
    if not hasattr(os, "wait4"):
        process.wait()
        return float("nan")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Measure, print the table, write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file to write the rows to")
    parser.add_argument("--scene", help="another scene than the demo's")
    parser.add_argument("--llm", default="gemma", help="the language model")
    parser.add_argument("--runs", type=int, default=1, help="runs of the demo; their medians are reported")
    arguments = parser.parse_args()

    rows = [Row(name, time_import(name), "s") for name in ("import saycan", "from saycan import Agent")]
    options = ["--llm", arguments.llm, *(["--scene", arguments.scene] if arguments.scene else [])]
    with tempfile.TemporaryDirectory() as name:
        _output(*COMMAND, "plan", INSTRUCTION, *options)  # converts the model if it is not
        runs = []
        for index in range(arguments.runs):
            folder = Path(name) / str(index)
            folder.mkdir()
            runs.append(time_demo(folder, options))
    first_scores = [time_first_score(arguments.llm) for _ in range(3)]
    rows += [
        Row("first score of the model", statistics.median(seconds for seconds, _ in first_scores), "s"),
        Row("memory at first score", max(memory for _, memory in first_scores), "GB"),
        Row("first action", statistics.median(run.first_action for run in runs), "s"),
        Row("demo", statistics.median(run.seconds for run in runs), "s"),
        Row("peak memory", max(run.memory for run in runs), "GB"),
    ]
    wanted = (0.3, 0.3, 8.0, 1.2, 20.0, 90.0, 3.0)
    print(f"{'':26}{'measured':>10}{'wanted':>10}")
    for row, limit in zip(rows, wanted, strict=True):
        print(f"{row.name:26}{row.value:8.2f} {row.unit:2}{'<':>3}{limit:>5g} {row.unit}")
    write_json(arguments.json, rows)


if __name__ == "__main__":
    main()
