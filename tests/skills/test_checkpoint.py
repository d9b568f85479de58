from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from saycan.errors import BadInputError
from saycan.skills import checkpoint
from saycan.skills.checkpoint import NETWORKS, UNSAID, Checkpoint, build, load, save
from saycan.skills.policies.network import Inputs
from saycan.skills.policies.scaling import Scaling
from tests.skills.data.builder import PICK, make_sentences

CONFIG = {
    "cameras": ["head"], "text": 8, "state": 3, "stem": 8, "stages": [[8, 1, 2]], "keypoints": 4, "looks": 1,
    "hidden": 16, "sentence": 8,
}  # fmt: skip
SCALING = Scaling(*(np.linspace(a, a + 1, n).astype(np.float32) for a, n in ((-1, 11), (1, 11), (0, 3), (1, 3))))


def make() -> Checkpoint:
    torch.manual_seed(0)
    extra = {"mean": np.arange(4, dtype=np.float32)}
    return Checkpoint(
        "bcz", CONFIG, build("bcz", CONFIG).eval(), SCALING, make_sentences(), {"steps": 7, "stride": 3}, extra
    )


def act(one: Checkpoint) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    images = {"head": torch.randint(0, 256, (1, 1, 3, 16, 16), dtype=torch.uint8, generator=g)}
    text = torch.from_numpy(one.sentences.embed([PICK.phrase]))
    return one.network.actions(Inputs(images, torch.randn(1, 1, 3, generator=g), text)).detach()


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    made, file = make(), tmp_path / "new" / "policy.safetensors"
    save(file, made)
    found = load(file)
    assert (found.kind, found.config) == ("bcz", CONFIG)
    assert found.about == {"steps": 7, "stride": 3, "pictures": {"head": UNSAID}}
    for name, tensor in made.network.state_dict().items():
        assert torch.equal(tensor, found.network.state_dict()[name]), name
    for name in ("low", "high", "mean", "scale"):
        np.testing.assert_array_equal(getattr(found.scaling, name), getattr(SCALING, name))
    np.testing.assert_array_equal(found.extra["mean"], made.extra["mean"])
    assert (found.sentences.phrases, found.sentences.name) == (made.sentences.phrases, "noise")
    assert act(found).numpy() == pytest.approx(act(made).numpy(), abs=2e-3)  # embeddings are kept in half precision


def test_what_is_loaded_is_for_use_not_for_training(tmp_path: Path) -> None:
    save(tmp_path / "a.safetensors", make())
    network = load(tmp_path / "a.safetensors").network
    assert not network.training and not any(weight.requires_grad for weight in network.parameters())


def test_saving_again_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save(file, make())
    save(file, replace(make(), about={"steps": 8}))
    assert load(file).about["steps"] == 8
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.safetensors"
    save(file, make())

    def full(*arguments: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    with pytest.raises(OSError, match="space"):
        save(file, replace(make(), about={"steps": 8}))
    assert load(file).about["steps"] == 7


def test_what_is_no_checkpoint_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"nothing.safetensors cannot be read"):
        load(tmp_path / "nothing.safetensors")
    with pytest.raises(BadInputError, match="cannot be read"):
        load(tmp_path)  # a folder
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(BadInputError, match="cannot be read"):
        load(tmp_path / "text")
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "plain")
    with pytest.raises(BadInputError, match=r"no checkpoint of this version.*saycan train"):
        load(tmp_path / "plain")


def test_a_half_written_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save(file, make())
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(BadInputError, match="cannot be read"):
        load(file)


def test_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.safetensors", replace(make(), config={**CONFIG, "hidden": 32}))
    with pytest.raises(BadInputError, match="does not fit its network 'bcz'"):
        load(tmp_path / "a.safetensors")


def test_a_checkpoint_names_networks_and_no_code(tmp_path: Path) -> None:
    for kind in NETWORKS:
        assert isinstance(checkpoint.network_class(kind), type)
    save(tmp_path / "a.safetensors", replace(make(), kind="os:system"))
    with pytest.raises(BadInputError, match="unknown network 'os:system'; valid: bcz, rt1, clip-fusion, value"):
        load(tmp_path / "a.safetensors")


def test_a_configuration_that_this_version_does_not_know_is_said(tmp_path: Path) -> None:
    save(tmp_path / "a.safetensors", replace(make(), config={**CONFIG, "dropout": 0.3}))
    with pytest.raises(
        BadInputError, match=r"a\.safetensors holds a network 'bcz' that this version cannot build.*dropout"
    ):
        load(tmp_path / "a.safetensors")


def test_pictures_of_another_size_or_camera_are_told() -> None:
    made = replace(make(), about={"pictures": {"head": [16, 24, 3]}})
    assert made.misfit({"head": (16, 24, 3), "wrist": (4, 4, 3)}) == ""
    assert "it was trained on pictures of 24 x 16 pixels, and the camera 'head' gives 16 x 24" in made.misfit(
        {"head": (24, 16, 3)}
    )
    assert made.misfit({"wrist": (16, 24, 3)}) == "it looks through the cameras head; the robot has: wrist"
