"""Policies on servers: ours against our client, our client against servers that misbehave, and openpi's own client."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner
from websockets.exceptions import ConnectionClosed
from websockets.server import ServerProtocol
from websockets.sync.server import serve

from saycan import Agent
from saycan.action import Action
from saycan.adapters import as_policy
from saycan.cli import app
from saycan.compose import make_policy
from saycan.errors import BadInputError, PolicyError
from saycan.library import SkillLibrary
from saycan.observation import Observation
from saycan.planners.scripted import ScriptedLanguageModel
from saycan.robots.fake import FakeRobot
from saycan.serving import PolicyServer
from saycan.skill import Skill
from saycan.skills.policies.remote import RemotePolicy, libero_action, libero_fields
from saycan.step import EndState
from saycan.wire import pack, to_observation, unpack
from tests.silent import silent

LIBRARY = SkillLibrary(["wave", "bow"])
WAVE = LIBRARY.find("wave")
asking = partial(RemotePolicy, timeout=10.0)  # what is not about time is not to fail where a machine is busy


def policy(observation: Observation, skill: Skill) -> Action:
    return Action([0.001, 0, 0, 0, 0, 0], 0.5, [0, 0, 0.01], terminate=round(observation.time * 10) % 5 == 4)


@pytest.fixture
def robot() -> FakeRobot:
    return FakeRobot(image_size=16)


@contextmanager
def served(robot: FakeRobot, act: Any = policy) -> Iterator[PolicyServer]:
    with PolicyServer(as_policy(act), robot.spec, LIBRARY, port=0) as server:
        yield server


@contextmanager
def stranger(handler: Callable[[Any], None]) -> Iterator[str]:
    """Another server, that says what it likes."""

    def hello(connection: Any) -> None:
        connection.send(pack({"server": "stranger"}))
        handler(connection)

    with serve(hello, "127.0.0.1", 0, compression=None, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join(5)


def test_what_is_acted_there_is_what_the_policy_says(robot: FakeRobot) -> None:
    seen = robot.observe()
    with served(robot) as server:
        remote = make_policy(f"remote:{server.url}", robot)
        remote.reset(WAVE)
        np.testing.assert_array_equal(remote.act(seen, WAVE).to_vector(), policy(seen, WAVE).to_vector())
        assert remote.metadata["robot"] == "fake" and remote.metadata["cameras"] == {"head": [16, 16, 3]}
        remote.close()


def test_an_agent_runs_with_it(robot: FakeRobot) -> None:
    with served(robot) as server:
        agent = Agent(
            robot, llm=ScriptedLanguageModel(["wave", "bow"]), library=["wave", "bow"], policy=f"remote:{server.url}",
            values=lambda observation, skill: 1.0, detector=None, record=None,
        )  # fmt: skip
        agent.detector = None
        result = agent.run("greet")
        assert (result.end, result.plan) == (EndState.FINISHED, ("wave", "bow")), result.message
        agent.close()
        assert agent.policy._socket is None


def test_a_new_skill_and_a_new_beginning_reset_the_policy(robot: FakeRobot) -> None:
    begun: list[str] = []

    class Counting:
        def reset(self, skill: Skill) -> None:
            begun.append(skill.phrase)

        def act(self, observation: Observation, skill: Skill) -> Action:
            return Action()

    with served(robot, Counting()) as server:
        remote = asking(server.url)
        for skill in (WAVE, LIBRARY.find("bow")):
            remote.reset(skill)
            for _ in range(3):
                remote.act(robot.observe(), skill)
                robot.apply(Action())
        remote.reset(skill)
        remote.act(robot.observe(), skill)
        remote.close()
    assert begun == ["wave", "bow", "bow"]


def test_one_robot_at_a_time(robot: FakeRobot) -> None:
    with served(robot) as server:
        first, second = asking(server.url), asking(server.url)
        first.act(robot.observe(), WAVE)
        with pytest.raises(PolicyError, match="another robot is using this policy"):
            second.act(robot.observe(), WAVE)
        first.close()
        deadline = time.monotonic() + 5.0
        while True:  # the first one's place is free as soon as the server has noticed
            try:
                second.act(robot.observe(), WAVE)
                break
            except PolicyError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        second.close()


def test_a_robot_that_has_vanished_loses_its_turn(robot: FakeRobot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saycan.serving._PING", 2.5)
    with served(robot) as server:
        there = asking(server.url)
        there.act(robot.observe(), WAVE)
        connection = there._socket
        time.sleep(6.0)
        there.act(robot.observe(), WAVE)
        assert there._socket is connection, "who is there and asks nothing keeps it"
        there.close()
        # A cable that is pulled says no goodbye; whoever reads nothing answers nothing.
        with silent(server.url, "saycan "):
            remote = asking(server.url)
            deadline = time.monotonic() + 10.0
            while True:
                try:
                    remote.act(robot.observe(), WAVE)
                    break
                except PolicyError as error:
                    assert "another robot is using this policy" in str(error) and time.monotonic() < deadline
                    time.sleep(0.05)
            remote.close()


def test_what_does_not_fit_is_refused_in_words(robot: FakeRobot) -> None:
    with served(robot) as server:
        for skill, seen, problem in (
            (Skill("juggle", "juggle"), robot.observe(), "unknown skill 'juggle'"),
            (WAVE, FakeRobot().observe(), "acts for fake: no image of camera 'head'"),
        ):
            remote = asking(server.url)
            with pytest.raises(PolicyError, match=f"says: .*{problem}"):
                remote.act(seen, skill)
            remote.close()
        time.sleep(0.1)
        remote = asking(server.url, fields=lambda observation, skill: {"prompt": 3})
        with pytest.raises(PolicyError, match='a question is a map with "observation" and "prompt"'):
            remote.act(robot.observe(), WAVE)
        remote.close()


def test_a_policy_that_fails_says_so_and_the_server_goes_on(robot: FakeRobot) -> None:
    def broken(observation: Observation, skill: Skill) -> Action:
        raise ZeroDivisionError("x")

    with served(robot, broken) as server:
        for _ in range(2):
            remote = asking(server.url)
            with pytest.raises(PolicyError, match="the policy failed: ZeroDivisionError: x"):
                remote.act(robot.observe(), WAVE)
            remote.close()
            time.sleep(0.1)


def test_a_server_that_does_not_answer_is_not_waited_for(robot: FakeRobot) -> None:
    asked = []

    def slow(connection: Any) -> None:
        for message in connection:
            asked.append(unpack(message))
            if len(asked) == 1:
                time.sleep(1.0)
            try:
                connection.send(pack({"actions": np.full((1, 11), 0.25 * len(asked))}))
            except ConnectionClosed:
                return

    with stranger(slow) as url:
        remote = RemotePolicy(url, timeout=0.2)
        began = time.monotonic()
        with pytest.raises(PolicyError, match=r"gave no answer in 0\.2 s"):
            remote.act(robot.observe(), WAVE)
        assert time.monotonic() - began < 0.8
        assert remote.act(robot.observe(), WAVE).gripper == 0.5, "the late answer is not taken for the second one's"
        remote.close()


def test_a_server_that_froze_is_not_waited_for_when_the_connection_ends(robot: FakeRobot) -> None:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def frozen() -> None:
            """Shakes hands, says hello, and never reads again."""
            peer, _ = listener.accept()
            protocol = ServerProtocol()
            protocol.receive_data(peer.recv(65536))
            protocol.send_response(protocol.accept(protocol.events_received()[0]))
            protocol.send_binary(pack({}))
            for data in protocol.data_to_send():
                peer.sendall(data)
            over.wait(20.0)
            peer.close()

        thread = threading.Thread(target=frozen)
        thread.start()
        remote = RemotePolicy(f"ws://127.0.0.1:{listener.getsockname()[1]}", timeout=0.2)
        began = time.monotonic()
        with pytest.raises(PolicyError, match=r"gave no answer in 0\.2 s"):
            remote.act(robot.observe(), WAVE)
        assert time.monotonic() - began < 4.0
        over.set()
        thread.join()
        remote.close()


def test_a_connection_that_was_lost_is_made_anew(robot: FakeRobot) -> None:
    connections = []

    def forgetful(connection: Any) -> None:
        connections.append(connection)
        for count, _ in enumerate(connection, start=1):
            connection.send(pack({"actions": np.full((1, 11), 0.25)}))
            if count == 2:
                return

    with stranger(forgetful) as url:
        remote = asking(url)
        for _ in range(5):
            assert remote.act(robot.observe(), WAVE).gripper == 0.25
            robot.apply(Action())
            time.sleep(0.02)
        remote.close()
        assert len(connections) == 3
    with pytest.raises(PolicyError, match="no policy server answers at"):
        remote.act(robot.observe(), WAVE)


def chunks(connection: Any) -> None:
    for number, _ in enumerate(connection):
        rows = np.zeros((6, 11))
        rows[:, 6] = (10 * number + np.arange(6)) / 100  # the gripper tells which row it was
        connection.send(pack({"actions": rows}))


def test_actions_whose_time_has_passed_are_left_out(robot: FakeRobot) -> None:
    with stranger(chunks) as url:
        remote = asking(url, chunk=4)
        rows = []
        for late in (0, 1, 3, 4, 5, 20):  # periods since the beginning, at which it is asked
            while len(robot.actions) < late:
                robot.apply(Action())
            rows.append(round(100 * remote.act(robot.observe(), WAVE).gripper))
        assert rows == [0, 1, 3, 10, 11, 20]
        remote.reset(WAVE)
        assert round(100 * remote.act(robot.observe(), WAVE).gripper) == 30, "what began anew has no old chunk"
        remote.close()


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"\xc1", "holds no actions"),
        (pack({"action": 1}), "holds no actions"),
        (pack({"actions": np.zeros((0, 11))}), r"actions of shape \(0, 11\)"),
        (pack({"actions": np.full(11, np.nan)}), "not finite"),
        (pack({"actions": np.zeros(7)}), "actions of 7 numbers; to_action= makes"),
        ("Traceback: out of memory", "says: Traceback: out of memory"),
    ],
)
def test_an_answer_that_is_none_is_told(robot: FakeRobot, answer: bytes | str, problem: str) -> None:
    def odd(connection: Any) -> None:
        for _ in connection:
            connection.send(answer)

    with stranger(odd) as url:
        remote = asking(url)
        with pytest.raises(PolicyError, match=problem):
            remote.act(robot.observe(), WAVE)
        remote.close()


def test_bad_arguments_are_told() -> None:
    for url in ("http://x:1", "ws://", "127.0.0.1:8000"):
        with pytest.raises(BadInputError, match="ws://HOST:PORT, found"):
            RemotePolicy(url)
    with pytest.raises(BadInputError, match="at least 1"):
        RemotePolicy("ws://x:1", chunk=0)


def test_a_port_that_is_taken_is_told(robot: FakeRobot) -> None:
    with served(robot) as server, pytest.raises(BadInputError, match=r"cannot listen at 127.0.0.1:"):
        PolicyServer(as_policy(policy), robot.spec, LIBRARY, port=int(server.url.rpartition(":")[2]))


def test_the_command_serves_until_it_is_asked_to_end(tmp_path: Path) -> None:
    file = tmp_path / "skills.toml"
    file.write_text('[[skill]]\nphrase = "wave"\n')
    command = [sys.executable, "-m", "saycan", "serve-policy", "--robot", "fake", "--library", str(file), "--port", "0",
               "--policy", "tests.saycan.test_serving:Still"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        remote = asking(url)
        assert remote.act(FakeRobot().observe(), WAVE).gripper == 0.125
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        remote.close()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--library", "skills.toml"], f"{__name__}:Still"),
        (["--library", "skills.toml", "--policy", "experts"], "experts"),
        (["--library", "bare.toml"], "learned"),
        ([], "learned"),
    ],
)
def test_the_command_serves_the_policy_that_was_named(
    options: list[str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AtOnce:
        def __init__(self, stop: Callable[[], None], tell: object) -> None:
            stop()

        __enter__ = __exit__ = lambda *_: None

    made: list[str] = []
    monkeypatch.setattr("saycan.compose.make_policy", lambda name, driver: made.append(name) or Still(driver))
    monkeypatch.setattr("saycan.session.Interrupts", AtOnce)
    monkeypatch.chdir(tmp_path)
    Path("bare.toml").write_text('[[skill]]\nphrase = "wave"\n')
    Path("skills.toml").write_text(f'policy = "{__name__}:Still"\n' + Path("bare.toml").read_text())
    result = CliRunner().invoke(app, ["serve-policy", "--robot", "fake", "--port", "0", *options])
    assert result.exit_code == 0 and made == [name] and f"serving {name} for" in result.output


class Still:
    """Named on the command line."""

    def __init__(self, robot: object) -> None: ...

    def reset(self, skill: Skill) -> None: ...

    def act(self, observation: Observation, skill: Skill) -> Action:
        return Action(gripper=0.125)


def test_bytes_are_numbers_and_nothing_else() -> None:
    value = {"a": np.arange(6, dtype=np.uint8).reshape(2, 3), "b": [1, "x", None, np.float32(2.5)], "c": {"d": True}}
    found = unpack(pack(value))
    np.testing.assert_array_equal(found["a"], value["a"])
    assert found["b"] == value["b"] and found["c"] == {"d": True}
    for bad in (np.array([object()]), object(), np.array(["x"])):
        with pytest.raises(BadInputError, match="cannot be sent"):
            pack(bad)
    import msgpack

    for lie in ({"dtype": "|O", "shape": [1], "data": b"x"}, {"dtype": "<f8", "shape": [3], "data": b"x" * 8}):
        message = {b"__ndarray__": True, **{key.encode(): part for key, part in lie.items()}}
        with pytest.raises(BadInputError, match="no message of a policy server"):
            unpack(msgpack.packb(message))
    with pytest.raises(BadInputError, match="without time, gripper"):
        to_observation({})


def test_policies_for_libero_get_and_give_what_they_were_trained_with() -> None:
    seen = FakeRobot(image_size=16).observe()
    images = {"head": np.full((10, 20, 3), 9, np.uint8), "wrist": np.full((20, 20, 3), 7, np.uint8)}
    turned = np.array([np.cos(0.25), 0.0, 0.0, np.sin(0.25)])
    seen = Observation(0.0, images, seen.joints, 0.5, np.array([0.1, 0.2, 0.3]), turned, seen.base_pose)
    fields = libero_fields(seen, WAVE)
    assert fields["observation/image"].shape == fields["observation/wrist_image"].shape == (224, 224, 3)
    assert fields["observation/image"][0].max() == 0 and fields["observation/image"][112].min() == 9, "padded"
    np.testing.assert_allclose(fields["observation/state"], [0.1, 0.2, 0.3, 0, 0, 0.5, 0.02, -0.02], atol=1e-6)
    action = libero_action(np.array([1.0, 0, 0, 0, 0, -1.0, 1.0]), seen)
    np.testing.assert_allclose(action.ee_delta, [0.05, 0, 0, 0, 0, -0.5])
    assert action.gripper == 0.0 and libero_action(np.array([0, 0, 0, 0, 0, 0, -1.0]), seen).gripper == 1.0
    with pytest.raises(PolicyError, match="7 numbers"):
        libero_action(np.zeros(8), seen)


def test_openpi_s_own_client_is_served(robot: FakeRobot) -> None:
    client_module = pytest.importorskip("openpi_client.websocket_client_policy", reason="CI installs openpi-client")
    from saycan.wire import observation_fields

    with served(robot) as server:
        client = client_module.WebsocketClientPolicy(server.url)
        assert client.get_server_metadata()["robot"] == "fake"
        seen = robot.observe()
        answer = client.infer({"observation": observation_fields(seen), "prompt": "wave"})
        np.testing.assert_array_equal(answer["actions"], policy(seen, WAVE).to_vector()[None])
        with pytest.raises(RuntimeError, match="unknown skill 'juggle'"):
            client.infer({"observation": observation_fields(seen), "prompt": "juggle"})
        client._ws.close()


def test_our_client_reads_what_openpi_s_server_writes(robot: FakeRobot) -> None:
    codec = pytest.importorskip("openpi_client.msgpack_numpy", reason="CI installs openpi-client")

    def theirs(connection: Any) -> None:
        for message in connection:
            asked = codec.unpackb(message)
            assert asked["observation"]["images"]["head"].shape == (16, 16, 3)
            connection.send(codec.packb({"actions": np.full((2, 11), 0.5, np.float32), "server_timing": {"x": 1.0}}))

    with stranger(theirs) as url:
        remote = asking(url)
        assert remote.act(robot.observe(), WAVE).gripper == 0.5
        remote.close()
