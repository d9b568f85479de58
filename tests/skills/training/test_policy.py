from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from saycan.errors import BadInputError
from saycan.skills.data.episode import Episode
from saycan.skills.data.frames import Frames, flatten
from saycan.skills.policies.network import Inputs
from saycan.skills.policies.scaling import Scaling
from saycan.skills.sentences import wordings
from saycan.skills.training.pictures import GAIN, OFFSET, SHIFT, follow, shifted
from saycan.skills.training.policy import (
    DRIVING,
    ENDING,
    MOVING,
    SHARES,
    PolicyBatches,
    evaluate,
    row_weights,
    split,
)
from tests.skills.data.builder import (
    FIND,
    GO,
    PICK,
    PLACE,
    SIDE,
    SKILLS,
    SPEC,
    STIR,
    TRASH,
    make_episode,
    make_sentences,
)

RNG = np.random.default_rng


def batches(
    frames: Frames, history: int = 1, chunk: int = 1, augment: bool = False, **options: object
) -> PolicyBatches:
    scaling = Scaling.fit(SPEC, frames.state)
    return PolicyBatches(frames, scaling, make_sentences(), history, chunk, augment=augment, **options)  # type: ignore[arg-type]


def changed(episode: Episode, **channels: dict[int, float]) -> Episode:
    actions = episode.actions.copy()
    for channel, values in channels.items():
        for row, value in values.items():
            actions[row, int(channel[1:])] = value
    return replace(episode, actions=actions)


def test_verbs_have_their_shares_however_many_rows_they_have() -> None:
    frames = flatten([make_episode(PICK, 1, 20), make_episode(PLACE, 2, 3), make_episode(GO, 3, 50)])
    weights = row_weights(frames)
    shares = np.bincount(frames.episode, weights)
    wanted = np.array([SHARES[skill.verb] for skill in frames.skills])
    assert shares == pytest.approx(wanted / wanted.sum())


def test_nothing_is_learned_from_searching() -> None:
    frames = flatten([make_episode(PICK, 1), make_episode(FIND, 3)])
    assert np.flatnonzero(row_weights(frames)).tolist() == [0, 1, 2, 3]
    assert {*batches(frames).draw(RNG(0), 200)[0].text[:, 0].tolist()} == {
        float(make_sentences().embed([PICK.phrase])[0, 0])
    }
    with pytest.raises(BadInputError, match=r"nothing can be learned from these episodes \(find\)"):
        row_weights(flatten([make_episode(FIND)]))


def test_an_expert_that_gives_up_teaches_no_ending() -> None:
    frames = flatten([make_episode(PICK, 1), make_episode(PICK, 2, success=False)])
    weights = row_weights(frames)
    assert weights[7] == 0 and (weights[:7] > 0).all()  # the last row of the failure


def test_decisive_rows_count_more_and_rows_on_the_way_less() -> None:
    episode = make_episode(PICK, 1, 8)
    episode = changed(episode, a6={2: 0.0}, a7={4: 0.03}, a9={5: 0.05})
    episode.observations["gripper"][3] = 0.6  # type: ignore[index]
    weights = row_weights(flatten([episode]))
    assert weights / weights[0] == pytest.approx([1, 1, MOVING, MOVING, DRIVING, DRIVING, 1, ENDING])


def test_a_verb_of_ones_own_is_learned_too() -> None:
    frames = flatten([make_episode(STIR, skills=(*SKILLS, STIR))])
    assert row_weights(frames).sum() == pytest.approx(1) and (row_weights(frames) > 0).all()


def test_rows_come_with_the_names_of_what_is_to_be_seen() -> None:
    pick, trash = make_episode(PICK, 1), make_episode(TRASH, 2)
    frames = flatten([pick, trash])
    _, targets = batches(frames).rows(np.array([0, 5]), RNG(0))
    texts = make_sentences()
    known = {text: skill.object for skill in (PICK, TRASH) for text in wordings([skill])[skill.phrase]}
    vectors = {name: [texts.embed([text])[0] for text, thing in known.items() if thing == name] for name in ("apple",)}
    assert targets.named is not None and targets.named.shape[0] == 2
    apple = frames.things.index("apple")
    seen = 0
    for row, (sentences, head) in enumerate(zip(targets.named[:, :-1], targets.spots["head"][:, :-1], strict=True)):
        for sentence, spot in zip(sentences, head, strict=True):
            if any(np.allclose(sentence, vector) for vector in vectors["apple"]):
                np.testing.assert_allclose(spot, frames.where[[0, 5][row], 0, apple], rtol=1e-3)
                seen += 1
            else:
                assert spot[2] == 0  # nothing is said here about the tea
    assert seen == 2


def test_a_sentence_about_no_thing_names_the_goal() -> None:
    pick, go = make_episode(PICK, 1), make_episode(GO, 2)
    frames = flatten([pick, go])
    inputs, targets = batches(frames).rows(np.array([0, 5]), RNG(0))
    assert targets.named is not None
    np.testing.assert_array_equal(targets.named[:, -1], inputs.text)
    for name, spots in targets.spots.items():
        assert spots[0, -1, 2] == 0  # the apple's own sentence is drawn for where the apple is
        np.testing.assert_allclose(spots[1, -1], frames.points[name][5], rtol=1e-6)


def test_history_begins_with_the_episode_and_chunks_end_with_it() -> None:
    frames = flatten([make_episode(PICK, 1, 3), make_episode(PICK, 2, 4)])
    made = batches(frames, history=3, chunk=3)
    inputs, targets = made.rows(np.array([0, 3, 5, 6]), RNG(0))
    past = [[0, 0, 0], [3, 3, 3], [3, 4, 5], [4, 5, 6]]
    for index, rows in enumerate(past):
        pictures = inputs.images["wrist"][index].permute(0, 2, 3, 1).numpy()
        np.testing.assert_array_equal(pictures, frames.images["wrist"][rows])
    scaling = Scaling.fit(SPEC, frames.state)
    np.testing.assert_allclose(inputs.state.numpy(), scaling.standardise(frames.state)[past])
    assert targets.mask.tolist() == [[1, 1, 1], [1, 1, 1], [1, 1, 0], [1, 0, 0]]
    actions = scaling.scale_actions(frames.actions)
    for index, rows in enumerate(([0, 1, 2], [3, 4, 5], [5, 6], [6])):
        np.testing.assert_array_equal(targets.actions[index, : len(rows)].numpy(), actions[rows])


def test_labels_belong_to_the_newest_picture() -> None:
    frames = flatten([make_episode(PICK, 1, 5), make_episode(PLACE, 2, 5)])
    rows = np.array([4, 1, 7])
    inputs, targets = batches(frames, history=2, chunk=2).rows(rows, RNG(0))
    for name in ("head", "wrist"):
        np.testing.assert_array_equal(targets.points[name].numpy(), frames.points[name][rows])
    assert targets.goal is not None
    np.testing.assert_array_equal(targets.goal.numpy(), frames.goal[rows])
    np.testing.assert_array_equal(inputs.text.numpy(), make_sentences().embed([PICK.phrase, PICK.phrase, PLACE.phrase]))


def test_pictures_move_a_little_and_labels_follow() -> None:
    pixels = np.zeros((60, 2, 16, 16, 3), np.uint8)
    pixels[:, :, 5, 9] = 200
    moved, by = shifted(torch.from_numpy(pixels), RNG(0))
    label = np.tile(np.float32([(9.5 / 16) * 2 - 1, (5.5 / 16) * 2 - 1, 1]), (60, 1))
    x, y, seen = follow(label, by).T
    assert (seen == 1).all()
    columns, rows = np.rint((x + 1) * 8 - 0.5).astype(int), np.rint((y + 1) * 8 - 0.5).astype(int)
    assert {*columns} == {*range(9 - SHIFT, 9 + SHIFT + 1)} and {*rows} == {*range(5 - SHIFT, 5 + SHIFT + 1)}
    for step in (0, 1):
        assert (moved[np.arange(60), step, rows, columns] == 200).all() and (moved[:, step] > 0).sum() == 60 * 3
    edge = np.tile(np.float32([[[0.99, 0, 1]], [[-0.99, 0, 1]]]), (1, 3, 1))
    gone = follow(edge, np.float32([[0.02, 0], [0.02, 0]]))
    assert gone[0].tolist() == [[0, 0, 0]] * 3 and gone[1, :, 2].tolist() == [1, 1, 1]


def test_labels_follow_the_pictures_that_a_batch_moves() -> None:
    frames = flatten([make_episode(PICK, 1, 4)])
    frames.images["head"][:] = 0
    frames.points["head"][:] = (2 * 3.5 / SIDE - 1, 2 * 9.5 / SIDE - 1, 1)
    frames.images["head"][:, 9, 3] = 255
    inputs, targets = batches(frames, augment=True).rows(np.arange(4).repeat(10), RNG(0))
    brightest = inputs.images["head"][:, 0].float().sum(dim=1).flatten(1).argmax(dim=1)
    cells = torch.round((targets.points["head"][:, :2] + 1) * SIDE / 2 - 0.5)
    assert (targets.points["head"][:, 2] == 1).all()
    assert torch.equal(brightest, (cells[:, 1] * SIDE + cells[:, 0]).long())
    assert len(cells.unique(dim=0)) > 10


def test_pictures_change_a_little_each_in_its_own_way() -> None:
    frames = flatten([make_episode(PICK, 1, 4)])
    frames.images["head"][:] = 100
    inputs, _ = batches(frames, history=2, augment=True).rows(np.arange(4).repeat(50), RNG(0))
    pictures = inputs.images["head"].float()
    assert inputs.images["head"].dtype == torch.uint8
    assert (pictures - 100).abs().max() <= 100 * 1.3 * GAIN + 255 * OFFSET + 1
    channels = pictures.mean(dim=(3, 4))  # (B, T, 3)
    assert channels.std(dim=0).min() > 3  # from row to row
    assert torch.equal(channels[:, 0], channels[:, 1])  # the pictures of one history alike
    assert (channels[:, 0, 0] - channels[:, 0, 1]).abs().max() > 2  # a tint
    plain, _ = batches(frames).rows(np.arange(4), RNG(0))
    assert (plain.images["head"] == 100).all()


def test_half_of_the_phrases_are_other_wordings() -> None:
    frames = flatten([make_episode(PICK, 1)])
    known = {tuple(make_sentences().embed([text])[0]): text for text in wordings([PICK])[PICK.phrase]}
    texts = [known[tuple(row.tolist())] for row in batches(frames, augment=True).draw(RNG(0), 600)[0].text.numpy()]
    assert np.mean([text == PICK.phrase for text in texts]) == pytest.approx(0.5, abs=0.07)
    assert {*texts} == {*known.values()}


def test_only_the_rows_asked_for_are_drawn() -> None:
    frames = flatten([make_episode(PICK, seed, 4) for seed in range(4)])
    inputs, _ = batches(frames, rows=np.arange(4, 8)).draw(RNG(0), 100)
    drawn = {picture.numpy().tobytes() for picture in inputs.images["head"][:, 0]}
    assert drawn == {picture.transpose(2, 0, 1).tobytes() for picture in frames.images["head"][4:8]}
    same = batches(frames).draw(RNG(5), 20)[0].images["head"]
    assert torch.equal(same, batches(frames).draw(RNG(5), 20)[0].images["head"])


def test_a_scene_is_wholly_in_training_or_wholly_aside() -> None:
    frames = flatten([make_episode(PICK, seed, 2) for seed in (0, 1, 4, 4, 8, 9)])
    training, aside = split(frames, every=4)
    assert {*frames.seeds[frames.episode[aside]].tolist()} == {0, 4, 8}
    assert sorted([*training, *aside]) == [*range(12)]
    for seeds in ((1, 2), (0, 4)):  # too few scenes: evaluated on what was learned from
        few = flatten([make_episode(PICK, seed, 2) for seed in seeds])
        training, aside = split(few, every=4)
        assert training.tolist() == aside.tolist() == [0, 1, 2, 3]


class Knowing(torch.nn.Module):
    """Knows the right action by the picture."""

    def __init__(self, frames: Frames, made: PolicyBatches, wrong: float = 0.0) -> None:
        super().__init__()
        _, targets = made.rows(np.arange(len(frames)), RNG(0))
        self._known = {frames.images["head"][row].tobytes(): targets.actions[row] for row in range(len(frames))}
        self._wrong = wrong

    def actions(self, inputs: Inputs) -> torch.Tensor:
        pictures = inputs.images["head"][:, -1].permute(0, 2, 3, 1).contiguous().numpy()
        actions = torch.stack([self._known[picture.tobytes()] for picture in pictures])
        actions[..., 0] += self._wrong
        actions[..., [6, 10]] *= 1.0 if self._wrong == 0 else -1.0
        return actions

    def looks_at(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        maps = torch.zeros(len(inputs.state), SIDE, SIDE)
        maps[:, 3, 11 if self._wrong else 5] = 1.0
        return {"head": maps}


def test_scores_of_whoever_knows_and_of_whoever_does_not() -> None:
    frames = flatten([make_episode(PICK, seed) for seed in range(3)])
    frames.points["head"][:] = (2 * 5.5 / SIDE - 1, 2 * 3.5 / SIDE - 1, 1)
    made = batches(frames)
    perfect = evaluate(Knowing(frames, made), made, 256)
    assert perfect == {"hand error": 0.0, "fingers right": 1.0, "ending right": 1.0, "points head": 1.0}
    wrong = evaluate(Knowing(frames, made, 0.25), made, 256)
    assert wrong == {"hand error": pytest.approx(0.25), "fingers right": 0.0, "ending right": 0.0, "points head": 0.0}
