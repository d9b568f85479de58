"""From data sets to a checkpoint: one function for policies, one for value functions and success detectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from saycan.action import GRIPPER
from saycan.digest import digest
from saycan.errors import BadInputError
from saycan.library import SkillLibrary
from saycan.robot import RobotSpec
from saycan.skill import Skill
from saycan.skills import checkpoint
from saycan.skills.checkpoint import Checkpoint
from saycan.skills.data import frames as data
from saycan.skills.data.episode import Episode
from saycan.skills.data.frames import Frames
from saycan.skills.data.store import about as about_shard
from saycan.skills.data.store import shards
from saycan.skills.kitchen import held_out
from saycan.skills.policies.scaling import Scaling
from saycan.skills.sentences import Sentences
from saycan.skills.training import policy as cloning
from saycan.skills.training.calibration import attempt_ends, calibrate, detection_thresholds, evaluate_values
from saycan.skills.training.questions import ValueBatches
from saycan.skills.training.success import SuccessLearner
from saycan.skills.training.value import Method, ValueLearner
from saycan.training.loop import Progress, Recipe, train

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "bcz": {},
    "rt1": {"preset": "small"},
    "clip-fusion": {"preset": "small"},
}
"""Network to what it is built with here, beside cameras, text and state: sizes that train on two cores."""

FEW = 20
"""Attempts of either outcome of a verb from which its threshold is fitted anew."""

Reader = Callable[[int, int], object]
Reporter = Callable[[Progress], object]


@dataclass(frozen=True)
class Job:
    """What is trained on what.

    Attributes:
        data: Folders of shards.
        folder: Where state, curve and the checkpoint go.
        recipe: How long and how fast.
        minutes: Stop and save after so long; the same job goes on later.
        limit: At most so many episodes.
        start: A checkpoint whose weights, scaling and phrases to start from: fine-tuning, or the next policy's values.
        device: "cpu", "cuda"; None takes CUDA where there is one.
        note: Plain facts to write into the checkpoint.
        validation: Folders of shards from which nothing is learned: scores, and what a value is calibrated by, are
            theirs. None of them: a part of the scenes in `data` is left aside for that.
        blend: How far from the weights of `start` to those that were learned the checkpoint lies, over 0 to 1: less
            than 1 keeps more of what the start knew (WiSE-FT, Wortsman et al. 2022, arXiv:2109.01903).

    Raises BadInputError for a blend outside of that, or without a start.
    """

    data: Sequence[Path]
    folder: Path
    recipe: Recipe = field(default_factory=Recipe)
    minutes: float | None = None
    limit: int | None = None
    start: Path | None = None
    device: str | None = None
    note: Mapping[str, Any] = field(default_factory=dict)
    validation: Sequence[Path] = ()
    blend: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.blend <= 1.0:
            raise BadInputError(f"weights are blended by more than 0 and at most 1, found {self.blend}")
        if self.blend < 1.0 and self.start is None:
            raise BadInputError(f"a blend of {self.blend} mixes what is learned with a start; name its checkpoint")


def train_policy(
    job: Job,
    network: str,
    spec: RobotSpec,
    sentences: Sentences,
    options: Mapping[str, Any] | None = None,
    reading: Reader = lambda done, total: None,
    report: Reporter = lambda progress: None,
) -> Path:
    """Clone the expert's actions; returns the checkpoint `policy.safetensors` in the job's folder.

    Args:
        job: See `Job`.
        network: "bcz", "rt1" or "clip-fusion".
        spec: Of the robot: limits and cameras.
        sentences: Embeds phrases and their other wordings.
        options: Of the network's constructor.
        reading: Told (shards read, shards in all).
        report: Told how training goes.

    Raises BadInputError for data that do not fit.
    """
    frames = data.load(job.data, keep=learnable, limit=job.limit, progress=reading)
    training, others, aside = _aside(job, frames, 40, learnable)
    if not cloning.row_weights(others)[aside].any():
        others, aside = frames, training
    if job.start is None:
        scaling = Scaling.fit(spec, frames.state[training])
        config = network_config(network, tuple(frames.images), sentences.size, frames.state.shape[1], options or {})
        module = seeded(network, config, job.recipe.seed)
    else:
        begun = checkpoint.load(job.start)
        if begun.kind == "value":
            raise BadInputError(f"{job.start} holds values; a policy can start from a policy only")
        scaling, config, module = begun.scaling, dict(begun.config), begun.network
        begun.sentences.embedder, sentences = sentences.embedder, begun.sentences
        network = begun.kind
        module.requires_grad_(True)
    history, chunk = int(module.history), int(module.chunk)  # type: ignore[arg-type]
    every = stride(job.data)
    device = job.device or ("cuda" if torch.cuda.is_available() else "cpu")
    made = partial(
        cloning.PolicyBatches, scaling=scaling, sentences=sentences, history=history, chunk=chunk, stride=every,
        device=device,
    )  # fmt: skip
    batches, held_back = made(frames, rows=training), made(others, rows=aside, augment=False)

    def losses(module: nn.Module, rng: np.random.Generator, size: int) -> dict[str, Tensor]:
        parts: dict[str, Tensor] = module.losses(*batches.draw(rng, size))  # type: ignore[operator]
        return parts

    def evaluate(module: nn.Module) -> Mapping[str, float]:
        return cloning.evaluate(module, held_back)

    about = facts(job, frames) | {"stride": every, "binary gripper": binary(frames)}
    trained = train(
        module, losses, job.recipe, job.folder, evaluate=evaluate, report=report, minutes=job.minutes, device=device,
        job={"what": f"policy ({network})", **_learned_from(job, frames, others)},
    )  # fmt: skip
    path = job.folder / "policy.safetensors"
    checkpoint.save(path, Checkpoint(network, config, _blended(job, trained), scaling, sentences, about))
    return path


def train_values(
    job: Job,
    policy: str,
    library: SkillLibrary,
    spec: RobotSpec,
    sentences: Sentences,
    method: Method = "td",
    options: Mapping[str, Any] | None = None,
    reading: Reader = lambda done, total: None,
    report: Reporter = lambda progress: None,
) -> Path:
    """Learn values, preconditions and deeds; returns the checkpoint `values.safetensors` in the job's folder.

    Args:
        job, spec, sentences, options, reading, report: As in `train_policy`.
        policy: Name of the policy whose value is learned: the source of its episodes in the data.
        library: The skills that the data were collected with.
        method: "td" or "mc".
    """
    frames, training, others, aside = _for_values(job, reading)
    if job.start is None:
        scaling = Scaling.fit(spec, frames.state[training])
        described = {"cameras": list(frames.images), "text": sentences.size, "guessing": True, **(options or {})}
        module = seeded("value", described, job.recipe.seed)
    else:
        begun = _begun_with_values(job.start, sentences)
        scaling, sentences, module = begun.scaling, begun.sentences, begun.network
    config = module.config()  # type: ignore[operator]
    device = job.device or ("cuda" if torch.cuda.is_available() else "cpu")
    made = partial(
        ValueBatches, skills=_skills(library, frames), scaling=scaling, sentences=sentences, policy=policy,
        device=device,
    )  # fmt: skip
    batches, held_back = made(frames, rows=training), made(others, rows=aside, augment=False)
    for some in (batches, held_back):
        _require_episodes(some, policy)
    about = facts(job, frames)
    learner = ValueLearner(batches, module, method)  # type: ignore[arg-type]
    trained = train(
        module, learner.losses, job.recipe, job.folder,  # type: ignore[arg-type]
        evaluate=lambda module: evaluate_values(module, held_back),  # type: ignore[arg-type]
        report=report, minutes=job.minutes, device=device, beside=learner.target,
        job={"what": f"values ({method})", "policy": portable(policy), **_learned_from(job, frames, others)},
    )  # fmt: skip
    fitted, arrays = calibrate(_blended(job, trained).to(device), held_back)  # type: ignore[arg-type]
    trained.to("cpu")
    about |= {"method": method, "policy": portable(policy), **fitted}
    path = job.folder / "values.safetensors"
    checkpoint.save(path, Checkpoint("value", config, trained, scaling, sentences, about, arrays))
    return path


def train_success(
    job: Job,
    policy: str,
    library: SkillLibrary,
    sentences: Sentences,
    verbs: Collection[str] | None = None,
    reading: Reader = lambda done, total: None,
    report: Reporter = lambda progress: None,
) -> Path:
    """Learn better what has been done, and keep everything else (`saycan.skills.training.success`).

    Args:
        job: See `Job`; `start` is a checkpoint of values. Anybody's attempts will do.
        policy: Whose attempts, among those held back, say from which probability a deed counts as done: of each verb of
            which `FEW` or more succeeded and as many failed; the others keep their thresholds.
        verbs: Whose deeds are learned; None: of all.
        library, sentences, reading, report: As in `train_values`.

    Returns the checkpoint `values.safetensors` in the job's folder. Raises BadInputError for data that do not fit.
    """
    if job.start is None:
        raise BadInputError("what has been done is learned better by a network of values; give one to start from")
    begun = _begun_with_values(job.start, sentences)
    frames, training, others, aside = _for_values(job, reading)
    if misfit := begun.misfit({name: pictures.shape[1:] for name, pictures in frames.images.items()}):
        raise BadInputError(f"{job.start} cannot learn from these data: {misfit}")
    device = job.device or ("cuda" if torch.cuda.is_available() else "cpu")
    made = partial(
        ValueBatches, skills=_skills(library, frames), scaling=begun.scaling, sentences=begun.sentences, policy=policy,
        device=device,
    )  # fmt: skip
    batches, held_back = made(frames, rows=training), made(others, rows=aside, augment=False)
    if job.validation:
        _require_episodes(held_back, policy)
    told = "all verbs" if verbs is None else ", ".join(sorted(verbs))
    learner = SuccessLearner(batches, begun.network, verbs, begun.extra.get("whiten"))  # type: ignore[arg-type]
    trained = train(
        begun.network, learner.losses, job.recipe, job.folder,  # type: ignore[arg-type]
        evaluate=lambda module: evaluate_values(module, held_back),  # type: ignore[arg-type]
        report=report, minutes=job.minutes, device=device, beside=learner.target,
        job={"what": f"success ({told})", **_learned_from(job, frames, others)},
    )  # fmt: skip
    calibration = begun.about.get("calibration", {}).get("done", (1.0, 0.0))
    ends = attempt_ends(_blended(job, trained).to(device), held_back, calibration)  # type: ignore[arg-type]
    fitted = detection_thresholds(*ends, fewest=FEW)
    _, success, tried = ends
    wanted = [verb for verb in fitted if verbs is None or verb in verbs]
    enough = [verb for verb in wanted if min((success[tried == verb] == came).sum() for came in (True, False)) >= FEW]
    thresholds = {**begun.about.get("thresholds", {}), **{verb: fitted[verb] for verb in enough}}
    about = {**begun.about, "thresholds": thresholds, "success": {"verbs": told, **facts(job, frames)}}
    path = job.folder / "values.safetensors"
    kept = (begun.config, trained.to("cpu"), begun.scaling, begun.sentences)
    checkpoint.save(path, Checkpoint("value", *kept, about, begun.extra))
    return path


def _for_values(job: Job, reading: Reader) -> tuple[Frames, NDArray[np.int64], Frames, NDArray[np.int64]]:
    """The data, the rows to learn from, and in which frames and rows the others are."""
    frames = data.load(job.data, limit=job.limit, progress=reading)
    if not all(frames.places):
        raise BadInputError("values are about the places of a map of the furniture, and some of these data have none")
    training, others, aside = _aside(job, frames, 8)  # calibration needs more of them
    if others.phrases != frames.phrases:
        raise BadInputError("the data for validation have other phrases than those to learn from")
    return frames, training, others, aside


def _require_episodes(batches: ValueBatches, policy: str) -> None:
    if not batches.of_policy.any():
        sources = ", ".join(sorted(set(batches.frames.source)))
        raise BadInputError(f"no episode of the policy {policy!r} in these data; there are those of: {sources}")


def _skills(library: SkillLibrary, frames: Frames) -> tuple[Skill, ...]:
    return tuple(library.find(phrase) for phrase in frames.phrases)


def _begun_with_values(start: Path, sentences: Sentences) -> Checkpoint:
    """A network of values that goes on learning; phrases that it does not keep are embedded as `sentences` are."""
    begun = checkpoint.load(start)
    if begun.kind != "value":
        raise BadInputError(f"{start} holds a network of kind {begun.kind!r}; values can start from values only")
    begun.sentences.embedder = sentences.embedder
    begun.network.requires_grad_(True)
    return begun


def _aside(
    job: Job, frames: Frames, every: int, keep: Callable[[Episode], bool] | None = None
) -> tuple[NDArray[np.int64], Frames, NDArray[np.int64]]:
    """Rows to learn from, and in which frames and rows the others are: validation, or else one scene of `every`."""
    if not job.validation:
        training, aside = cloning.split(frames, every)
        return training, frames, aside
    others = data.load(job.validation, keep=keep)
    if [*others.images] != [*frames.images]:
        raise BadInputError("the data for validation have other cameras than those to learn from")
    return np.arange(len(frames)), others, np.arange(len(others))


def _blended(job: Job, trained: nn.Module) -> nn.Module:
    """What was learned, moved back towards the start as `Job.blend` says."""
    if job.blend < 1.0 and job.start is not None:
        before = checkpoint.load(job.start).network.state_dict()
        for name, weights in trained.state_dict().items():
            if weights.is_floating_point():
                weights.copy_(torch.lerp(before[name].to(weights), weights, job.blend))
    return trained


def _learned_from(job: Job, frames: Frames, others: Frames) -> dict[str, Any]:
    """What the weights in a folder have learned from, and not: another training does not go on in it."""
    start = None if job.start is None else digest(job.start)
    aside = _told(others) if job.validation else "a part of these"
    return {"data": _told(frames), "aside": aside, "start": start}


def _told(frames: Frames) -> str:
    rows = hashlib.sha256(np.ascontiguousarray(frames.state).data).hexdigest()[:12]
    return f"{len(frames)} rows of {len(frames.skills)} episodes ({rows})"


def learnable(episode: Episode) -> bool:
    """Whether a policy may learn from an episode: no expert that failed, and no combination that the kitchen holds out.

    Those are kept from what is collected here, which names its library's phrases, and not from anybody's own data.
    """
    kept_out = bool(episode.phrases) and held_out(episode.skill)
    return not kept_out and (episode.success or episode.source != "experts")


def network_config(
    network: str, cameras: tuple[str, ...], text: int, state: int, options: Mapping[str, Any]
) -> dict[str, Any]:
    """What a network is built with. Raises BadInputError for an unknown one."""
    if network not in PRESETS:
        raise BadInputError(f"unknown network {network!r}; valid: {', '.join(PRESETS)}")
    if "preset" not in PRESETS[network]:
        return {"cameras": list(cameras), "text": text, "state": state, **options}
    made = getattr(checkpoint.network_class(network), PRESETS[network]["preset"])(
        cameras=cameras, text=text, state=state, **options
    )
    config: dict[str, Any] = made.config()
    return config


def seeded(network: str, config: Mapping[str, Any], seed: int) -> nn.Module:
    """A new network whose weights follow from a seed."""
    torch.manual_seed(seed)
    return checkpoint.build(network, config)


def stride(folders: Sequence[Path]) -> int:
    """Periods between two rows of the data; 1 where the data do not say."""
    return int(about_shard(shards(folders[0])[0]).get("every", 1))


def binary(frames: Frames) -> bool:
    """Whether the demonstrated fingers are either open or closed, but for a few rows in between."""
    openings = frames.actions[:, GRIPPER]
    return bool(((openings > 0.1) & (openings < 0.9)).mean() < 0.1)


def portable(policy: str) -> str:
    """A policy's name without the folder that its weights lay in: "learned:mine.safetensors"."""
    kind, colon, file = policy.partition(":")
    return kind + colon + Path(file).name


def facts(job: Job, frames: Frames) -> dict[str, Any]:
    """What is written into a checkpoint about where it comes from.

    Raises BadInputError where some of the data have a map of the furniture and some have none.
    """
    origin = about_shard(shards(job.data[0])[0])
    with_map = {bool(places) for places in frames.places}
    if len(with_map) > 1:
        raise BadInputError("some of the data have a map of the furniture and some have none; train on those of a kind")
    return {
        "pictures": {name: list(pictures.shape[1:]) for name, pictures in frames.images.items()},
        "map": with_map.pop(),
        "rows": len(frames),
        "episodes": len(frames.skills),
        "sources": sorted({source.partition(":")[0] for source in frames.source}),  # not whose folder it lay in
        "distribution": origin.get("distribution"),
        "versions": origin.get("versions"),
        "steps": job.recipe.steps,
        "batch": job.recipe.batch,
        "seed": job.recipe.seed,
        "blend": job.blend,
        **job.note,
    }
