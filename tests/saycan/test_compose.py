from __future__ import annotations

import importlib
import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from saycan import compose
from saycan.agent import Agent
from saycan.errors import BadInputError, MissingPartError, PolicyError, UnknownNameError, ValueFunctionError
from saycan.gate import Gate
from saycan.planners.scripted import ScriptedLanguageModel
from saycan.robots.fake import FakeRobot
from saycan.skill import Skill


@pytest.fixture
def plugins(monkeypatch):
    entries = [
        EntryPoint("mine", "saycan.robots.fake:FakeRobot", "saycan.robots"),
        EntryPoint("broken", "no_such_module:Robot", "saycan.robots"),
        EntryPoint("echo", "saycan.planners.scripted:ScriptedLanguageModel", "saycan.language_models"),
        EntryPoint("still", "saycan.skills.experts:PrivilegedExperts", "saycan.policies"),
    ]
    monkeypatch.setattr(compose, "entry_points", lambda group: EntryPoints(e for e in entries if e.group == group))


def test_every_name_leads_to_something_that_exists() -> None:
    homes = [
        *compose.ROBOTS.values(),
        *compose.ROBOT_KINDS.values(),
        *compose.POLICIES.values(),
        *compose.POLICY_KINDS.values(),
    ]
    homes += [*compose.LANGUAGE_MODELS.values(), *compose.LANGUAGE_MODEL_KINDS.values()]
    for home in homes:
        module, _, attribute = home.partition(":")
        assert callable(getattr(importlib.import_module(module), attribute)), home


def test_names_of_every_kind(plugins, tmp_path, monkeypatch) -> None:
    assert isinstance(compose.make_robot("fake", rate=20.0), FakeRobot)
    assert compose.make_robot("fake", rate=20.0).spec.rate == 20.0
    assert isinstance(compose.make_robot("mine"), FakeRobot)
    assert isinstance(compose.make_robot("saycan.robots.fake:FakeRobot"), FakeRobot)
    assert isinstance(compose.make_language_model("echo"), ScriptedLanguageModel)
    assert compose.make_language_model("scripted:wave|bow").script == ("wave", "bow")
    assert compose.make_policy("experts", FakeRobot()).name == "privileged experts"
    assert compose.make_policy("still", Gate(FakeRobot())).name == "privileged experts"

    (tmp_path / "my_lab.py").write_text("class Arm:\n    Seven = staticmethod(lambda: 'seven joints')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert compose.make_robot("my_lab:Arm.Seven") == "seven joints"
    del sys.modules["my_lab"]


def test_unknown_names_list_what_is_valid_with_the_plugins(plugins) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown robot 'kichen'. Did you mean 'kitchen'") as caught:
        compose.make_robot("kichen")
    assert caught.value.valid == ("kitchen", "mujoco", "panda", "oracle", "fake", "broken", "mine", "module:attribute")
    with pytest.raises(
        UnknownNameError, match=r"unknown language model 'gpt'.*transformers:..., openai:..., .*scripted:..., echo"
    ):
        compose.make_language_model("gpt")
    for odd in ("", ":", "a:", ":a", "transformers:..."):
        with pytest.raises((UnknownNameError, MissingPartError, BadInputError)):
            compose.make_robot(odd)
    with pytest.raises(BadInputError, match="needs something after the colon"):
        compose.make_language_model("transformers:")


def test_what_cannot_be_imported_says_what_to_do(plugins) -> None:
    with pytest.raises(MissingPartError, match=r"No module named 'no_such_module'.*pip install no_such_module"):
        compose.make_robot("no_such_module:Robot")
    with pytest.raises(MissingPartError, match=r"saycan.robots.fake has no 'Nobody'"):
        compose.make_robot("saycan.robots.fake:Nobody")
    with pytest.raises(MissingPartError, match="plug-in that brings the robot 'broken' does not load"):
        compose.make_robot("broken")


@pytest.mark.parametrize(
    ("module", "says"),
    [("def robot(:", "SyntaxError: "), ("raise OSError('no such port')", "OSError: no such port")],
)
def test_a_module_that_fails_is_told_with_its_error(tmp_path, monkeypatch, module, says) -> None:
    (tmp_path / "my_lab.py").write_text(module)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingPartError, match=f"'my_lab:robot' cannot be loaded: {says}") as caught:
        compose.make_robot("my_lab:robot")
    assert "pip install" not in str(caught.value)
    entry = EntryPoint("mine", "my_lab:robot", "saycan.robots")
    monkeypatch.setattr(compose, "entry_points", lambda group: EntryPoints([entry]))
    with pytest.raises(MissingPartError, match=f"the robot 'mine' does not load: {says}"):
        compose.make_robot("mine")


def test_what_an_object_does_not_have_is_told_by_its_type(tmp_path, monkeypatch) -> None:
    (tmp_path / "my_lab.py").write_text("class Lab: ...\nlab = Lab()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingPartError, match="Lab has no 'robot'"):
        compose.make_robot("my_lab:lab.robot")
    del sys.modules["my_lab"]


def test_defaults_look_behind_the_gate_and_need_a_simulator() -> None:
    gate = Gate(FakeRobot())
    makers = (compose.default_library, compose.default_policy, compose.default_values, compose.default_detector)
    assert all(make(gate) is not None for make in makers)
    assert all(make(object()) is None for make in makers)


def test_learned_policies_by_name_and_by_file(tmp_path, monkeypatch) -> None:
    made = []
    monkeypatch.setattr(
        "saycan.skills.shipped.learned_policy", lambda robot, file="shipped": made.append((robot, file)) or "policy"
    )
    robot = FakeRobot()
    assert compose.make_policy("learned", Gate(robot)) == compose.make_policy("learned:my/own.file", robot) == "policy"
    assert made == [(robot, "shipped"), (robot, "my/own.file")]


def test_values_and_detectors_by_name() -> None:
    gate = Gate(FakeRobot())
    assert type(compose.make_values("geometric", gate)).__name__ == "PrivilegedGeometricValues"
    assert type(compose.make_detector("privileged", gate)).__name__ == "PrivilegedDetector"
    assert compose.make_detector("saycan.skills.detector:PrivilegedDetector", gate) is not None
    with pytest.raises(UnknownNameError, match=r"unknown value function 'geometrical'. Did you mean 'geometric'"):
        compose.make_values("geometrical", gate)
    with pytest.raises(UnknownNameError, match=r"unknown success detector 'eye'.*learned, privileged"):
        compose.make_detector("eye", gate)
    for make, name in ((compose.make_policy, "experts"), (compose.make_values, "geometric"),
                       (compose.make_detector, "privileged")):  # fmt: skip
        with pytest.raises(MissingPartError, match=f"{name}' reads a simulator's own state, and .* gives none away"):
            make(name, object())


def test_an_agent_takes_its_parts_by_name() -> None:
    agent = Agent(FakeRobot(), policy="experts", values="geometric", detector="privileged", record=None)
    assert agent.policy.name == "privileged experts"
    assert type(agent.values).__name__ == "PrivilegedGeometricValues"
    assert type(agent.detector).__name__ == "PrivilegedDetector"


def test_weights_that_are_not_there_are_named(tmp_path) -> None:
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(MissingPartError, match=r"no trained weights at .*saycan train"):
            compose.make_policy(f"learned:{path}", FakeRobot())
    for make in (compose.make_policy, compose.make_values, compose.make_detector):
        with pytest.raises(BadInputError, match="'learned:' needs a file after the colon"):
            make("learned:", FakeRobot())
    for make in (compose.make_values, compose.make_detector):
        with pytest.raises(MissingPartError, match=r"no trained weights at .*none\.safetensors"):
            make(f"learned:{tmp_path / 'none.safetensors'}", FakeRobot())


def test_what_is_no_checkpoint_is_no_policy(tmp_path) -> None:
    (tmp_path / "text").write_text("no weights")
    with pytest.raises(BadInputError, match="cannot be read as a checkpoint"):
        compose.make_policy(f"learned:{tmp_path / 'text'}", FakeRobot())


def test_the_shipped_networks_are_the_default_only_where_they_fit(tmp_path, monkeypatch) -> None:
    from saycan.skills import shipped

    robot, kitchen = FakeRobot(), compose.make_robot("kitchen")
    asked = []
    for part in ("policy", "values", "detector"):
        monkeypatch.setattr(shipped, f"learned_{part}", lambda robot, part=part: asked.append(part) or part)
    for name in ("POLICY", "VALUES"):
        monkeypatch.setattr(shipped, name, tmp_path / name)
    defaults = (compose.default_policy, compose.default_values, compose.default_detector)
    assert all(type(make(kitchen)).__name__.startswith("Privileged") for make in defaults)  # no weights yet
    for name in ("POLICY", "VALUES"):
        (tmp_path / name).touch()
    assert [make(kitchen) for make in defaults] == asked == ["policy", "values", "detector"]
    assert all(type(make(robot)).__name__.startswith("Privileged") for make in defaults)
    for other in ({"cameras": ("head",)}, {"image_size": 16}):
        assert type(compose.default_policy(compose.make_robot("kitchen", **other))).__name__ == "PrivilegedExperts"


@pytest.mark.parametrize(
    ("name", "adapter", "expected"),
    [
        ("gemma", None, "gemma"),
        ("gemma", "none", "gemma:none"),
        ("gemma:old", "runs/new", "gemma:runs/new"),
        ("transformers:/m", "a", "transformers:/m|a"),
        ("transformers:/m|a", "b", "transformers:/m|b"),
        ("transformers:/m|a", "none", "transformers:/m"),
        ("openai:x", None, "openai:x"),
    ],
)
def test_a_model_with_another_adapter_by_name(name, adapter, expected) -> None:
    assert compose.with_adapter(name, adapter) == expected


def test_what_takes_no_adapter_says_so() -> None:
    with pytest.raises(BadInputError, match="take an adapter"):
        compose.with_adapter("openai:x", "none")


def test_an_adapter_goes_where_the_model_is_made(monkeypatch) -> None:
    made = []
    monkeypatch.setattr(compose, "_load", lambda home: lambda *words, **options: made.append((home, words, options)))
    monkeypatch.setattr(compose, "as_language_model", lambda model: model)
    compose.make_language_model("transformers:/m|/a")
    compose.make_language_model("gemma:none")
    assert [(words, options) for _, words, options in made] == [(("/m",), {"adapter": "/a"}), (("none",), {})]


def test_a_stand_in_is_asked_in_the_words_of_the_first() -> None:
    class Trained(ScriptedLanguageModel):
        prompt_name = "adapted"

    names = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose, "make_language_model", lambda name: names.append(name) or ScriptedLanguageModel([]))
        for first in (ScriptedLanguageModel(["x"]), Trained(["x"])):
            both = compose.with_fallback(first, "gemma")
            both._second()
            assert both.prompt_name == getattr(first, "prompt_name", "kitchen")
    assert names == ["gemma:none", "gemma"]


@pytest.mark.parametrize("name", ["gema", "opnai:gpt", "openai:", "scripted", ":m", ".a:m", "no_such.lab:m", ""])
def test_a_stand_in_that_nobody_knows_is_told_at_once(plugins, name) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown language model .*gemma, .*openai:\.\.\., .*echo, module"):
        compose.with_fallback(ScriptedLanguageModel(["x"]), name)


def test_a_stand_in_is_not_imported_before_it_is_needed(plugins, tmp_path, monkeypatch) -> None:
    (tmp_path / "stand_in_lab.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    known = ("gemma", "gemma:none", "openai:gpt", "http://127.0.0.1:1/v1#m", "scripted:a|b", "echo", "__main__:model")
    for name in (*known, "stand_in_lab:model", "stand_in_lab.deep:model"):
        compose.with_fallback(ScriptedLanguageModel(["x"]), name)
    assert "stand_in_lab" not in sys.modules


def test_plain_functions_by_name(tmp_path, monkeypatch) -> None:
    (tmp_path / "my_skills.py").write_text(
        "from saycan import Action\n"
        "def act(observation, skill): return Action(gripper=0.5, terminate=True)\n"
        "def act_on(robot): return act\n"
        "def likely(observation, skill, least=0.25): return least\n"
        "def likely_on(robot, least=0.5): return lambda observation, skill: least\n"
        "def nothing(robot): return None\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    robot = FakeRobot()
    skill, seen = Skill("wave", "wave"), robot.observe()
    for name in ("my_skills:act", "my_skills:act_on"):
        assert compose.make_policy(name, robot).act(seen, skill).gripper == 0.5
    assert compose.make_values("my_skills:likely", robot).values(seen, [skill]) == [0.25]
    assert compose.make_values("my_skills:likely_on", Gate(robot)).values(seen, [skill]) == [0.5]
    with pytest.raises(PolicyError, match="found None"):
        compose.make_policy("my_skills:nothing", robot)
    with pytest.raises(ValueFunctionError, match="found None"):
        compose.make_values("my_skills:nothing", robot)
    del sys.modules["my_skills"]


LAB = """
class Policy:
    def reset(self, skill): ...
    def act(self, observation, skill): ...

class Values:
    def values(self, observation, skills): ...

class Detector:
    def detect(self, skill, before, after): ...

class Nothing: ...

def made(driver): return None

policy, values, detector, nothing = Policy(), Values(), Detector(), Nothing()
"""


@pytest.mark.parametrize("kind", ["policy", "values", "detector"])
def test_what_is_named_may_be_the_part_itself(tmp_path, monkeypatch, kind) -> None:
    (tmp_path / "parts_lab.py").write_text(LAB)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "parts_lab", raising=False)
    make = getattr(compose, f"make_{kind}")
    assert type(make(f"parts_lab:{kind}", FakeRobot())).__name__ == kind.capitalize()
    for odd in ("nothing", "made"):
        with pytest.raises((PolicyError, ValueFunctionError, BadInputError), match=f"{kind}= takes .*; found"):
            make(f"parts_lab:{odd}", FakeRobot())
    with pytest.raises(BadInputError, match="is to be made of the robot's driver, and is not: too many positional"):
        make(f"parts_lab:{kind.capitalize()}", FakeRobot())


def test_a_robot_that_is_there_already_takes_no_options(tmp_path, monkeypatch) -> None:
    (tmp_path / "robot_lab.py").write_text("from saycan.robots.fake import FakeRobot\nrobot = FakeRobot()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert isinstance(compose.make_robot("robot_lab:robot"), FakeRobot)
    with pytest.raises(BadInputError, match="there already and takes no seed"):
        compose.make_robot("robot_lab:robot", seed=1)
