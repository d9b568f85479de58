from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from saycan import collect as collecting
from saycan import workshop
from saycan.cli import app
from saycan.collect import Collected, Work
from saycan.skills import checkpoint
from saycan.skills.data.collect import SHARES
from saycan.skills.data.store import write_shard
from saycan.skills.kitchen import kitchen_library
from saycan.skills.sentences import wordings
from saycan.skills.shipped import VALUES
from saycan.torchvision import cure_torchvision
from saycan.training.loop import read_curve
from tests.planners.transformers.tiny_models import save_model
from tests.saycan.events import PosingRobot, make_run
from tests.skills.data.builder import PICK, STIR, TEXT, TRASH, make_episode, make_set, write_by_hand

TINY = '{"stem": 8, "stages": [[8, 1, 2]], "keypoints": 4, "looks": 1, "hidden": 16, "sentence": 8}'
BRIEF = ("--steps", "3", "--batch", "8")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("SAYCAN_CACHE", str(tmp_path / "cache"))
    texts = [*dict.fromkeys(text for some in wordings(kitchen_library()).values() for text in some)]
    (tmp_path / "cache").mkdir()
    vectors = np.random.default_rng(0).normal(size=(len(texts), TEXT)).astype(np.float32)
    np.savez(tmp_path / "cache" / "sentences-gemma.npz", texts=np.array(texts), vectors=vectors)
    yield


def saycan(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_collect_makes_shards_and_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Work] = []

    def make(work: Work) -> Collected:
        made.append(work)
        write_shard(work.path, [make_episode()], {})
        return Collected(work.count, 5, 40, 4)

    monkeypatch.setattr(collecting, "make_shard", make)
    monkeypatch.setattr(collecting, "ProcessPoolExecutor", ThreadPoolExecutor)
    arguments = ("collect", "data", "--scenes", "40", "--first", "64", "--every", "2", "--alone", "--variation", "wide",
                 "--policy", "learned", "--noise", "0.5", "--image-size", "32", "--workers", "1")  # fmt: skip
    result = saycan(*arguments)
    assert result.exit_code == 0, result.output
    assert "10 episodes, 8 of them successful, 80 rows, in data" in result.output
    assert [work.path.name for work in made] == ["shard_0000064.hdf5", "shard_0000096.hdf5"]
    plan = made[0].plan
    assert (plan.first, plan.every, plan.takeover, plan.noise) == (64, 2, False, 0.5)
    assert (made[0].policy, made[0].scenes, made[0].image_size) == ("learned", "wide", 32)
    assert "pick up" in plan.shares and "find" not in plan.shares  # which is not learned
    assert saycan(*arguments).output.strip().endswith("0 episodes, 0 of them successful, 0 rows, in data")
    assert len(made) == 2


@pytest.mark.parametrize(
    ("options", "noise"),
    [((), 1.2), (("--policy", "learned"), 1.2), (("--policy", "learned", "--alone"), 0.0), (("--alone",), 1.2),
     (("--policy", "learned", "--alone", "--noise", "0.3"), 0.3)],
)  # fmt: skip
def test_a_policy_alone_is_not_disturbed(
    options: tuple[str, ...], noise: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Work] = []
    monkeypatch.setattr(collecting, "make_shard", lambda work: made.append(work) or Collected(work.count))
    monkeypatch.setattr(collecting, "ProcessPoolExecutor", ThreadPoolExecutor)
    result = saycan("collect", "data", "--scenes", "1", *options)
    assert result.exit_code == 0, result.output
    assert made[0].plan.noise == noise


def test_collect_takes_the_verbs_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Work] = []
    monkeypatch.setattr(collecting, "make_shard", lambda work: made.append(work) or Collected(work.count))
    monkeypatch.setattr(collecting, "ProcessPoolExecutor", ThreadPoolExecutor)
    result = saycan("collect", "data", "--scenes", "3", "--verbs", "wipe, pick up")
    assert result.exit_code == 0, result.output
    assert dict(made[0].plan.shares) == {verb: SHARES[verb] for verb in ("wipe", "pick up")}
    wrong = saycan("collect", "data", "--verbs", "wip")
    assert wrong.exit_code == 2 and "wip" in wrong.output and "wipe" in wrong.output


def test_data_show_makes_a_contact_sheet(tmp_path: Path) -> None:
    make_set(tmp_path / "data", [make_episode(PICK), make_episode(TRASH, success=False)])
    result = saycan("data", "show", "data", "--columns", "3")
    assert result.exit_code == 0, result.output
    assert "2 episodes, 8 rows, 1 shards" in result.output and "contact sheet in sheet.png" in result.output
    with Image.open("sheet.png") as sheet:
        assert sheet.width == 3 * 97
    missing = saycan("data", "show", "nowhere")
    assert missing.exit_code == 2 and "saycan collect nowhere" in missing.output


def test_fine_tuning_on_ones_own_demonstrations_is_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_set(tmp_path / "data", [make_episode(PICK, 0), make_episode(TRASH, 1)])
    first = saycan("train", "policy", "data", "--out", "first", *BRIEF, "--options", TINY, "--device", "cpu")
    assert first.exit_code == 0, first.output
    assert "checkpoint in first/policy.safetensors; curves in first/curve.png" in first.output
    assert Path("first/curve.png").exists()

    class Embedder:
        def embed(self, texts: list[str]) -> np.ndarray:
            asked.extend(texts)
            return np.ones((len(texts), TEXT), np.float32)

    asked: list[str] = []
    monkeypatch.setattr("saycan.train.make_language_model", lambda name: Embedder())
    write_by_hand(tmp_path / "own" / "mine.hdf5", [make_episode(STIR, 7, 6, skills=(STIR,))])
    tuned = saycan("train", "policy", "own", "--start", "first/policy.safetensors", "--out", "tuned", *BRIEF)
    assert tuned.exit_code == 0, tuned.output
    assert asked == ["stir the tea"]  # the phrases of the kitchen are in the checkpoint
    one, other = (checkpoint.load(Path(name) / "policy.safetensors") for name in ("first", "tuned"))
    assert other.config == one.config and other.about["rows"] == 6
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    assert any(not np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)
    assert [row["step"] for row in read_curve(Path("tuned"))] == [3]


def test_values_and_success_are_trained_by_a_command_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any, dict]] = []
    monkeypatch.setattr(workshop, "_train", lambda screen, what, job, **more: asked.append((what, job, more)))
    for name, more in (
        ("value", ("--options", "{}", "--method", "mc")),
        ("success", ("--start", "mine.safetensors", "--verbs", "wipe, pick up", "--blend", "0.5")),
    ):
        words = f"train {name} data more --out out --policy mine --minutes 9 --limit 7 --rate 0.5 --seed 3"
        result = saycan(*words.split(), *more)
        assert result.exit_code == 0, result.output
    assert [what for what, _, _ in asked] == ["value", "success"]
    first, second = (more for _, _, more in asked)
    assert first == {"policy": "mine", "method": "mc", "options": {}}
    assert second == {"policy": "mine", "verbs": ["wipe", "pick up"]}
    for _, job, _ in asked:
        assert (job.data, job.folder, job.minutes, job.limit) == ([Path("data"), Path("more")], Path("out"), 9.0, 7)
        assert (job.recipe.rate, job.recipe.seed) == (0.5, 3)
    assert [(job.start, job.blend) for _, job, _ in asked] == [(None, 1.0), (Path("mine.safetensors"), 0.5)]
    assert saycan("train", "success", "data", "--out", "out").exit_code == 0
    assert asked[-1][1].start == VALUES and asked[-1][2]["verbs"] is None


def test_a_planner_is_taught_by_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cure_torchvision()  # which peft would trip over
    pytest.importorskip("peft")
    from saycan.planners.transformers import tuning

    monkeypatch.setattr(tuning, "HELD", 1)
    model = save_model(tmp_path / "model", "llama")
    arguments = ("train", "planner", "--out", str(tmp_path / "out"), "--llm", f"transformers:{model}", "--batch", "4")
    done = saycan(*arguments, "--steps", "2", "--rank", "2")
    assert done.exit_code == 0, done.output
    assert {file.name for file in (tmp_path / "out" / "adapter").iterdir()} >= {
        "adapter_config.json", "adapter_model.safetensors"
    }  # fmt: skip
    assert (tmp_path / "out" / "curve.png").exists() and [row["step"] for row in read_curve(tmp_path / "out")] == [2]
    refused = saycan(*arguments[:4], "--llm", "openai:x")
    assert refused.exit_code == 2 and "transformers:PATH" in refused.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("policy", "nowhere", "--out", "out"), "no .hdf5 file in nowhere"),
        (("policy", "nowhere", "--out", "out", "--options", "stem=3"), "--options takes JSON such as"),
        (("value", "nowhere", "--out", "out", "--options", "[1]"), "--options takes a JSON object"),
        (("value", "nowhere", "--out", "out", "--method", "dyna"), "td or mc, found 'dyna'"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(arguments: tuple[str, ...], told: str) -> None:
    result = saycan("train", *arguments)
    assert result.exit_code == 2
    assert told in result.output and "Traceback" not in result.output


def test_a_start_that_is_no_checkpoint_is_told(tmp_path: Path) -> None:
    make_set(tmp_path / "data", [make_episode(PICK)])
    result = saycan("train", "policy", "data", "--start", "none.safetensors", "--out", "out")
    assert result.exit_code == 2 and "none.safetensors cannot be read as a checkpoint" in result.output


def test_replay_tells_a_recorded_run(tmp_path: Path) -> None:
    from saycan.recorder import Recorder

    recorder = Recorder(tmp_path / "runs", "clean the table", PosingRobot())
    for _ in recorder.watch(make_run(ticks=4)):
        pass
    result = saycan("replay", str(recorder.folder), "--frames", "2", "--out", "moments.png")
    assert result.exit_code == 0, result.output
    assert "clean the table" in result.output and "the planner chose done" in result.output
    assert Path("moments.png").exists()
    missing = saycan("replay", "nowhere")
    assert missing.exit_code == 1 and "nowhere" in missing.output
