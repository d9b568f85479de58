"""Training from the command line: what networks need from other leaves, put together here."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saycan.compose import default_library, make_language_model, make_robot, probe
from saycan.errors import BadInputError, UnknownNameError
from saycan.language import TextEmbedder

if TYPE_CHECKING:
    from saycan.skills.sentences import Sentences
    from saycan.skills.training.run import Job
    from saycan.training.loop import Progress, Recipe


def train(
    what: str,
    job: Job,
    *,
    network: str = "bcz",
    policy: str = "learned",
    method: str = "td",
    verbs: Collection[str] | None = None,
    options: Mapping[str, Any] | None = None,
    reading: Callable[[int, int], object] = lambda done, total: None,
    report: Callable[[Progress], object] = lambda progress: None,
) -> Path:
    """Train a policy, or the network of values and success, or only what it says of success; returns the checkpoint.

    Args:
        what: "policy"; "value": whether it will succeed, could be tried, has been done, three answers of one network;
            or "success": the last of them anew, by a network that keeps the others.
        job: Data, folder, recipe.
        network: A policy's architecture: "bcz", "rt1", "clip-fusion".
        policy: The policy whose value is learned, as its episodes in the data are called.
        method: "td" or "mc".
        verbs: Of "success": whose deeds are learned; None: of all.
        options: Of the network's constructor; of a new network alone.
        reading: Told (shards read, shards in all).
        report: Told how training goes.

    Raises BadInputError, and UnknownNameError for a verb that no skill has.
    """
    from saycan.skills.training.run import train_policy, train_success, train_values

    robot = make_robot("kitchen", cameras=())
    library = default_library(robot)
    assert library is not None
    if what not in ("policy", "value", "success"):
        raise BadInputError(f"what to train is policy, value or success, found {what!r}")
    if method not in ("td", "mc"):
        raise BadInputError(f"a value is learned by td or mc, found {method!r}")
    if options and job.start is not None:
        raise BadInputError(f"{job.start} goes on as it is; options ({', '.join(options)}) are for a new network")
    phrases = sentences("gemma") if job.start is None else _kept(job.start)
    if what == "policy":
        return train_policy(job, network, robot.spec, phrases, options, reading, report)
    if what == "success":
        known = {skill.verb for skill in library}
        for verb in verbs or ():
            if verb not in known:
                raise UnknownNameError("verb", verb, known)
        return train_success(job, policy, library, phrases, verbs, reading, report)
    return train_values(
        job, policy, library, robot.spec, phrases,
        "td" if method == "td" else "mc", options, reading, report,
    )  # fmt: skip


def train_planner(
    folder: Path,
    recipe: Recipe,
    *,
    llm: str = "gemma",
    rank: int = 16,
    start: Path | None = None,
    minutes: float | None = None,
    device: str | None = None,
    workers: int | None = None,
    report: Callable[[Progress], object] = lambda progress: None,
) -> Path:
    """Train an adapter that teaches a language model to plan, and return its folder; see `saycan.planners.lessons`.

    Args:
        folder: Where state, curve and the adapter go; the same one again goes on.
        recipe: `batch` counts lessons.
        llm: "gemma" or "transformers:PATH".
        rank: Of the adapter's matrices.
        start: Folder of an adapter to go on from.
        minutes: Stop and save after so long.
        device: "cpu" or "cuda"; None takes CUDA where there is one.
        workers: Processes; None takes one a core, and one alone on a GPU.
        report: Told how training goes.

    Raises BadInputError, MissingPartError.
    """
    kind, _, path = llm.partition(":")
    if llm == "gemma":
        if probe("gemma") is None:
            make_language_model("gemma:none")  # which unpacks it
        path = str(probe("gemma"))
    elif kind != "transformers" or not path:
        raise BadInputError(f"what learns to plan is gemma or transformers:PATH, found {llm!r}")
    from saycan.planners.transformers.pupil import Course
    from saycan.planners.transformers.tuning import tune

    course = Course(path, rank, recipe.seed, device, None if start is None else str(start))
    return tune(course, folder, recipe, minutes=minutes, workers=workers, report=report)


def sentences(embedding: str) -> Sentences:
    """Embeddings of the kitchen's phrases and of their other wordings; made once and kept in the cache.

    Raises BadInputError for a language model that does not embed.
    """
    import numpy as np

    from saycan.cache import cache_folder
    from saycan.skills.sentences import Sentences, wordings

    library = default_library(make_robot("kitchen", cameras=()))
    assert library is not None
    texts = list(dict.fromkeys(text for texts in wordings(library).values() for text in texts))
    file = cache_folder() / f"sentences-{embedding.replace('/', '_')}.npz"
    if file.exists():
        with np.load(file) as kept:
            if [*kept["texts"]] == texts:
                return Sentences(texts, kept["vectors"], lambda: _embedder(embedding), embedding)
    vectors = _embedder(embedding).embed(texts)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".{os.getpid()}.npz")  # another training may read it, or write it, too
    np.savez(unfinished, texts=np.array(texts), vectors=vectors)
    unfinished.replace(file)
    return Sentences(texts, vectors, lambda: _embedder(embedding), embedding)


def _kept(start: Path) -> Sentences:
    """The phrases of a checkpoint; others are embedded by the model that embedded those."""
    from saycan.skills import checkpoint

    kept = checkpoint.load(start).sentences
    kept.embedder = lambda: _embedder(kept.name)
    return kept


def _embedder(name: str) -> TextEmbedder:
    # Without its adapter: what networks were trained on does not change when the planner learns.
    model = make_language_model("gemma:none" if name == "gemma" else name)
    if not isinstance(model, TextEmbedder):
        raise BadInputError(f"the language model {name!r} embeds no texts; take gemma or transformers:PATH")
    return model
