"""Many episodes with all cores, each made once: what was stopped goes on where it was.

A folder holds `trial.json`, which says what was tried, and `episodes.jsonl`, a line for every episode as soon as it has
ended. An episode follows from its case, its seed and the trial, and so does what a second run of it gives, but for the
last bits of a language model's sums. One that broke off, because a server was away or another part failed, is made
again, and so is one whose case was edited since: then its line moves to `episodes.old.jsonl`.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from saycan._version import __version__
from saycan.errors import BadInputError, SayCanError
from saycan.evaluation.judge import run_case
from saycan.evaluation.record import VERSION, Evaluation, Record
from saycan.evaluation.suite import Case
from saycan.evaluation.trial import Trial
from saycan.language import LanguageModel

EPISODES, OLD, TRIAL = "episodes.jsonl", "episodes.old.jsonl", "trial.json"


def evaluate(
    cases: Sequence[Case],
    trials: Sequence[Trial],
    folder: Path | None = None,
    *,
    suite: str = "",
    seeds: Sequence[int] = (0,),
    workers: int | None = None,
    progress: Callable[[Record], object] = lambda record: None,
) -> Evaluation:
    """Carry out every case with every seed and trial.

    Args:
        cases: Of a suite.
        trials: They may differ in their language model alone.
        folder: Where episodes are kept; those that are there, of the same cases, and did not break off are not made
            again. None keeps nothing.
        suite: Its name or file.
        seeds: Draw where exactly things stand.
        workers: Processes, each with a language model of its own; None takes one a core.
        progress: Told about each episode, those that were there already first.

    Raises:
        BadInputError: The folder holds an evaluation of something else.
        SayCanError: A case cannot be tried.
    """
    about = _about(suite, trials)
    done: dict[tuple[str, str, int], Record] = {}
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        done = {record.key: record for record in _resume(folder, about, cases)}
    records = [done[key] for key in _keys(cases, trials, seeds) if key in done]
    for record in records:
        progress(record)
    jobs = [
        (case, seed, trial)
        for trial in trials
        for case in cases
        for seed in seeds
        if (trial.llm_name, case.id, seed) not in done
    ]
    count = min(workers or os.cpu_count() or 1, max(len(jobs), 1))
    for made in _carry_out(jobs, count):
        record = replace(made, commit=about["commit"])
        if folder is not None:
            with (folder / EPISODES).open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
        done[record.key] = record
        progress(record)
    ordered = tuple(done[key] for key in _keys(cases, trials, seeds))
    commits = ", ".join(dict.fromkeys(record.commit for record in ordered))
    return Evaluation(suite, about["trial"], commits, ordered)


def _keys(cases: Sequence[Case], trials: Sequence[Trial], seeds: Sequence[int]) -> Iterable[tuple[str, str, int]]:
    return ((trial.llm_name, case.id, seed) for trial in trials for case in cases for seed in seeds)


def _about(suite: str, trials: Sequence[Trial]) -> dict[str, Any]:
    plain = [{name: value for name, value in asdict(trial).items() if name != "llm"} for trial in trials]
    if any(other != plain[0] for other in plain):
        raise BadInputError("the trials of one evaluation differ in their language model alone; evaluate twice")
    plain[0]["without"] = list(plain[0]["without"])
    return {"version": VERSION, "suite": suite, "trial": plain[0], "commit": commit()}


def _resume(folder: Path, about: dict[str, Any], cases: Sequence[Case]) -> list[Record]:
    """The episodes that are there and count. Those that broke off and those of a case that is not known to be the same
    now move to another file (`OLD`); a line that was cut off goes.

    Raises BadInputError where they are of another trial.
    """
    path = folder / TRIAL
    if not path.exists():
        path.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    other = [name for name in ("version", "suite", "trial") if found.get(name) != about[name]]
    if other:
        raise BadInputError(
            f"{folder} holds an evaluation of something else: {', '.join(other)} {[found.get(n) for n in other]}, "
            f"asked for {[about[n] for n in other]}; evaluate into another folder"
        )
    episodes = folder / EPISODES
    text = episodes.read_text(encoding="utf-8") if episodes.exists() else ""
    lines = text.split("\n")[:-1]
    records = [Record.from_json(json.loads(line)) for line in lines]
    now = {case.id: case.digest for case in cases}
    counts = [not record.broke_off and record.case == now.get(record.id, record.case) for record in records]
    kept = "".join(line + "\n" for line, there in zip(lines, counts, strict=True) if there)
    if kept != text:
        with (folder / OLD).open("a", encoding="utf-8") as old:
            old.writelines(line + "\n" for line, there in zip(lines, counts, strict=True) if not there)
        draft = episodes.with_suffix(".draft")
        draft.write_text(kept, encoding="utf-8")
        draft.replace(episodes)
    return [record for record, there in zip(records, counts, strict=True) if there]


def _carry_out(jobs: Sequence[tuple[Case, int, Trial]], workers: int) -> Iterable[Record]:
    if workers <= 1:
        for job in jobs:
            yield _one(*job)
        return
    # Processes begin anew instead of as copies: a copy of a process whose threads multiply matrices may hang.
    threads = max(1, (os.cpu_count() or 1) // workers)
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin, initargs=(threads,)) as pool:
        futures = [pool.submit(_one, *job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _begin(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


_LOADED: dict[tuple[str, bool], LanguageModel] = {}
"""The language model of this process: the newest alone, for two large ones may not fit."""


def _one(case: Case, seed: int, trial: Trial) -> Record:
    key = (trial.llm, "language" in trial.without)
    if key not in _LOADED:
        _LOADED.clear()
        _LOADED[key] = trial.language_model()
    try:
        record = run_case(case, seed, trial, _LOADED[key])
    except SayCanError as error:
        kind = BadInputError if isinstance(error, BadInputError) else SayCanError  # which a message is enough to make
        raise kind(f"case {case.id}, seed {seed}: {error}") from error
    return replace(record, llm=trial.llm_name)


def commit() -> str:
    """The commit of the checkout that this runs from, "+" where something was changed since; else the version."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return __version__

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return __version__
