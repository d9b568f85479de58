"""Teaching a tiny model to plan."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from saycan.errors import BadInputError, MissingPartError
from saycan.language import prompt_of
from saycan.planners.lessons.lesson import lessons
from saycan.planners.prompt import Prompt
from saycan.planners.transformers import TransformersModel, tuning
from saycan.planners.transformers import pupil as pupils
from saycan.planners.transformers.adapter import ABOUT
from saycan.planners.transformers.pupil import Course
from saycan.planners.transformers.samples import Samples
from saycan.step import Step
from saycan.torchvision import cure_torchvision
from saycan.training.loop import Recipe, read_curve
from tests.planners.transformers.tiny_models import TREES, save_model

cure_torchvision()  # which peft would trip over
pytest.importorskip("peft")

RECIPE = Recipe(steps=6, batch=4, rate=3e-2, warmup=1, decay=0.0, average=0.5, evaluate=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    saved = save_model(tmp_path_factory.mktemp("llama"), "llama")
    about = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(about | {"max_position_embeddings": 2048}))
    return saved


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "HELD", 1)


@pytest.fixture(scope="module")
def model(folder: Path) -> TransformersModel:
    return TransformersModel(folder, dtype="float32", device="cpu")


def test_lessons_side_by_side_are_what_they_are_alone(model: TransformersModel) -> None:
    samples = Samples(model._tokens, Prompt.load("adapted"))
    some = lessons(5, 3)
    together, alone = samples.of(some), [samples.of([lesson]) for lesson in some]
    assert len(together.tokens) < sum(len(one.tokens) for one in alone)
    assert len(together.targets) == sum(len(one.targets) for one in alone)

    def states(one: object) -> np.ndarray:
        with torch.inference_mode():
            found = model.network.feed(one.tokens, one.positions, one.positions, one.visible, keep=False)  # type: ignore[attr-defined]
        return found[one.targets - 1].numpy()  # type: ignore[attr-defined,no-any-return]

    np.testing.assert_allclose(states(together), np.concatenate([states(one) for one in alone]), atol=1e-4)
    words = model._tokens.decode(together.tokens[together.targets].tolist())
    for lesson in some:
        for event in lesson.memory:
            assert not isinstance(event, Step) or event.skill.phrase in words
    assert "Request" not in words and "It can" not in words


def test_the_loss_is_what_say_asks_for(model: TransformersModel) -> None:
    """Of a lesson of one step it is minus the log-probability of that step as an option."""
    lesson = next(one for seed in range(60) for one in lessons(seed, 4) if len(one.memory) == 1)
    prompt = Prompt.load("adapted")
    sample = Samples(model._tokens, prompt).of([lesson])
    with torch.inference_mode():
        fed = (sample.tokens, sample.positions, sample.positions, sample.visible)
        states = model.network.feed(*fed, keep=False)[sample.targets - 1]
        loss = pupils.FrozenHead.apply(states, torch.from_numpy(sample.tokens[sample.targets]), model.head.weight)
    said = model.score(prompt.about(lesson.setting.spoken).render(lesson.instruction), [" done."])
    assert float(loss) == pytest.approx(-said[0], abs=1e-3)


@pytest.mark.parametrize("kind", TREES)
def test_a_model_whose_logits_the_loss_does_not_know_is_refused(kind: str, tmp_path: Path) -> None:
    """It knows those of which it gives what the model's own head does."""
    course = Course(str(save_model(tmp_path, kind)), 2, device="cpu")
    head = TransformersModel(tmp_path, dtype="float32", device="cpu").head
    torch.manual_seed(1)
    with torch.inference_mode():
        states, targets = torch.randn(40, head.weight.shape[1]), torch.randint(len(head.weight), (40,))
        loss = pupils.FrozenHead.apply(states, targets, head.weight)
        said = head.log_probabilities(states, targets)
    known = float(loss) == pytest.approx(-float(said.sum()), rel=1e-4)
    assert known == (kind not in ("phi", "granite", "cohere", "gemma2"))
    if known:
        pupils.Pupil(course)
        return
    with pytest.raises(BadInputError, match=r"adds a bias to its logits, scales or caps them, .*; take a model"):
        pupils.Pupil(course)


@pytest.mark.parametrize("kind", ["bloom", "mamba"])
def test_a_model_that_cannot_be_told_positions_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be told who sees whom or what stands where"):
        pupils.Pupil(Course(str(save_model(tmp_path, kind)), 2, device="cpu"))


@pytest.mark.parametrize("scale", [1.0, 100.0], ids=["usual", "a target less likely than exp can say"])
def test_the_gradient_of_the_head_is_that_of_all_logits(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pupils, "_TILE", 7)
    torch.manual_seed(0)
    states, weight = (scale * torch.randn(400, 8)).requires_grad_(), torch.randn(30, 8)
    targets = torch.randint(30, (400,))
    loss = pupils.FrozenHead.apply(states, targets, weight)
    wanted = torch.nn.functional.cross_entropy(states @ weight.T, targets, reduction="sum")
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    ours, theirs = torch.autograd.grad(3 * loss, states)[0], torch.autograd.grad(3 * wanted, states)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-4)  # processors add up in orders of their own


@pytest.mark.usefixtures("few")
def test_a_training_that_was_stopped_goes_on_and_what_it_makes_is_loaded(folder: Path, tmp_path: Path) -> None:
    tuning.tune(Course(str(folder), 2, device="cpu"), tmp_path, RECIPE, minutes=0.0, workers=1)
    assert [row["step"] for row in read_curve(tmp_path)] == [1]
    adapter = tuning.tune(Course(str(folder), 2, device="cpu"), tmp_path, RECIPE, workers=1)
    rows = read_curve(tmp_path)
    assert [row["step"] for row in rows] == [1, 3, 6]
    assert rows[-1]["held a"] < rows[0]["held a"] and rows[-1]["loss"] < rows[0]["loss"]
    plain, taught = (TransformersModel(folder, dtype="float32", device="cpu", adapter=one) for one in (None, adapter))
    assert prompt_of(taught) == pupils.PROMPT
    lesson = lessons(3)[0]
    prompt = Prompt.of(taught, lesson.setting.spoken).render(lesson.instruction)
    first = next(event.skill.phrase for event in lesson.memory if isinstance(event, Step))
    assert taught.score(prompt, [f" {first}."])[0] > plain.score(prompt, [f" {first}."])[0]


@pytest.mark.usefixtures("few")
def test_another_rank_does_not_go_on_in_the_same_folder(folder: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    tuning.tune(Course(str(folder), 2), tmp_path, replace(RECIPE, steps=1), workers=1)
    with pytest.raises(BadInputError, match="holds a training of something else: rank is 2, not 3"):
        tuning.tune(Course(str(folder), 3), tmp_path, RECIPE, workers=1)


@pytest.mark.parametrize("change", [{"lora_alpha": 6}, {"use_rslora": True}, {"peft_type": "IA3"}, {"r": None}])
def test_a_start_of_another_scale_or_kind_is_refused(folder: Path, tmp_path: Path, change: dict[str, object]) -> None:
    pupil = pupils.Pupil(Course(str(folder), 2, device="cpu"))
    saved = pupil.save(pupil.adapter, tmp_path)
    pupils.Pupil(Course(str(folder), 2, device="cpu", start=str(saved)))
    about = json.loads((saved / ABOUT).read_text())
    (saved / ABOUT).write_text(json.dumps(about | change))
    with pytest.raises(BadInputError, match=r"does not fit this model and rank: .*Start from one"):
        pupils.Pupil(Course(str(folder), 2, device="cpu", start=str(saved)))
    (saved / ABOUT).unlink()
    with pytest.raises(MissingPartError, match="start from"):
        pupils.Pupil(Course(str(folder), 2, device="cpu", start=str(saved)))


def test_a_start_of_rank_1_is_not_spread_over_a_higher_rank(folder: Path, tmp_path: Path) -> None:
    pupil = pupils.Pupil(Course(str(folder), 1, device="cpu"))
    saved = pupil.save(pupil.adapter, tmp_path)
    with pytest.raises(BadInputError, match=r"lora_A.weight is \(1, 32\) there and \(2, 32\) here"):
        pupils.Pupil(Course(str(folder), 2, device="cpu", start=str(saved)))


@pytest.mark.usefixtures("few")
def test_helpers_find_the_same_gradient_and_a_start_is_gone_on_from(folder: Path, tmp_path: Path) -> None:
    adapter = tuning.tune(Course(str(folder), 2, device="cpu"), tmp_path, RECIPE, workers=1)
    course = Course(str(folder), 2, device="cpu", start=str(adapter))
    pupil = pupils.Pupil(course)
    assert pupil.adapter.flat().abs().max() < 3 and pupil.adapter.flat().abs().sum() > 0
    helpers = pupils.Helpers(course, 1)
    try:
        total, count, slope = helpers.study(pupil, [1, 2, 3])
    finally:
        helpers.close()
    alone = pupil.study([1, 2, 3])
    assert count == alone[1] and total == pytest.approx(alone[0], rel=1e-4)
    torch.testing.assert_close(slope, alone[2], rtol=1e-2, atol=1e-3)
    with pytest.raises(BadInputError, match="rank"):
        pupils.Pupil(Course(str(folder), 3, device="cpu", start=str(adapter)))
    with pytest.raises(MissingPartError, match="start from"):
        pupils.Pupil(Course(str(folder), 2, start=str(tmp_path / "nowhere")))
