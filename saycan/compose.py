"""The composition root: names to parts, and the default parts of a robot.

The only module of the core that knows the leaves, and it knows them as strings: a part is imported when asked for.
Other packages add names through the entry point groups `saycan.robots`, `saycan.language_models`, `saycan.policies`,
`saycan.values` and `saycan.detectors`, and "module:attribute" names anything that can be imported.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, cast

from saycan.adapters import as_policy, as_success_detector, as_value_function
from saycan.errors import BadInputError, MissingPartError, UnknownNameError
from saycan.gate import Gate
from saycan.language import LanguageModel, prompt_of
from saycan.library import SkillLibrary
from saycan.planner import Planner
from saycan.policy import Policy
from saycan.privileged import PrivilegedWorld
from saycan.robot import Robot
from saycan.skill import Skill
from saycan.success import SuccessDetector
from saycan.value import ValueFunction
from saycan.vocabulary import KITCHEN

ROBOTS = {
    "kitchen": "saycan.robots.kitchen:Kitchen",
    "mujoco": "saycan.robots.kitchen:Kitchen",
    "panda": "saycan.robots.panda:PandaTable",
    "oracle": "saycan.robots.kitchen.oracle:OracleKitchen",
    "fake": "saycan.robots.fake:FakeRobot",
}
"""Name to class or function that makes a Robot."""

ROBOT_KINDS = {
    "ros2": "saycan.robots.ros2.driver:Ros2Robot",
    "lerobot": "saycan.robots.lerobot.driver:LeRobotRobot",
}
"""What stands before the colon of "kind:argument", to what makes a Robot of the argument."""

SCENES = {
    "kitchen": "saycan.robots.kitchen.variation:sample_variation",
    "panda": "saycan.robots.panda.distribution:sample_scene",
}
"""Name of a simulated robot to the function that draws scenes for it."""

LANGUAGE_MODELS = {"gemma": "saycan.planners.gemma:load"}
"""Name to class or function that makes a LanguageModel."""

LANGUAGE_MODEL_KINDS = {
    "gemma": "saycan.planners.gemma:adapted",
    "transformers": "saycan.planners.transformers:TransformersModel",
    "openai": "saycan.planners.openai:openai_model",
    "openai-decisions": "saycan.planners.openai:DecisionsModel",
    "openai-completions": "saycan.planners.openai:CompletionsModel",
    "openai-chat": "saycan.planners.openai:ChatModel",
    "openai-structured": "saycan.planners.openai:StructuredModel",
    "scripted": "saycan.planners.scripted:ScriptedLanguageModel",
}
"""What stands before the colon of "kind:argument", to what makes a LanguageModel of the argument."""

SERVERS = ("http", "https")
"""What stands before the colon of a server's URL, which is a language model by itself: "http://HOST:PORT/v1#MODEL"."""

PLANNERS = {
    "saycan": "saycan.planners.saycan:SayCanPlanner",
    "shortlist": "saycan.planners.shortlist:ShortlistPlanner",
    "generative": "saycan.planners.generative:GenerativePlanner",
}
"""Name to class of a Planner over a language model, values and a library."""

POLICIES = {
    "careless": "saycan.skills.experts:CarelessExperts",
    "experts": "saycan.skills.experts:PrivilegedExperts",
    "learned": "saycan.skills.shipped:learned_policy",
    "oracle": "saycan.robots.kitchen.oracle:PrivilegedOracle",
}
"""Name to class or function that makes a Policy for a robot."""

POLICY_KINDS = {
    "remote": "saycan.skills.policies.remote:remote_policy",
    "lerobot": "saycan.skills.policies.lerobot:lerobot_policy",
}
"""What stands before the colon of "kind:argument", to what makes a Policy of a robot and the argument."""

VALUES = {
    "learned": "saycan.skills.shipped:learned_values",
    "geometric": "saycan.skills.geometric:PrivilegedGeometricValues",
}
"""Name to class or function that makes a ValueFunction for a robot."""

DETECTORS = {
    "learned": "saycan.skills.shipped:learned_detector",
    "privileged": "saycan.skills.detector:PrivilegedDetector",
}
"""Name to class or function that makes a SuccessDetector for a robot."""

GROUPS = {"policy": "saycan.policies", "value function": "saycan.values", "success detector": "saycan.detectors"}
"""Kind of part to its entry point group."""

CONTRACTS: Mapping[str, tuple[Any, Callable[[Any], Any]]] = {
    "policy": (Policy, as_policy),
    "value function": (ValueFunction, as_value_function),
    "success detector": (SuccessDetector, as_success_detector),
}
"""Kind of part to its protocol, and to what wraps a plain function or raises an error that says what is taken."""

PRIVILEGED = ("careless", "experts", "oracle", "geometric", "privileged")
"""Names of parts that read a simulator's own state."""

PROBES = {
    "renderer": "saycan.robots.kitchen.render:choose_renderer",
    "gemma": "saycan.planners.gemma:unpacked",
}
"""What the leaves know about this computer, for `saycan doctor`: name to a function without arguments."""


def make_robot(name: str, **options: Any) -> Robot:
    """A robot by name: "kitchen" (alias "mujoco"), "panda", "fake", "ros2:FILE", "lerobot:FILE", an entry point of
    `saycan.robots`, or "module:attribute".

    `options` go to its constructor. Raises UnknownNameError, MissingPartError, or what the constructor raises.
    """
    kind, colon, argument = name.partition(":")
    if colon and kind in ROBOT_KINDS:
        if not argument:
            raise BadInputError(f"{name!r} needs something after the colon, as in 'ros2:my_robot.toml'")
        return cast(Robot, _load(ROBOT_KINDS[kind])(argument, **options))
    found = _find("robot", name, ROBOTS, "saycan.robots")
    if not callable(found):
        if options:
            raise BadInputError(f"the robot {name!r} is there already and takes no {', '.join(options)}")
        return cast(Robot, found)
    return cast(Robot, found(**options))


def make_language_model(name: str, **options: Any) -> LanguageModel:
    """A language model by name.

    "gemma" (with its shipped adapter), "gemma:none" (without), "gemma:FOLDER" (with another), "transformers:PATH",
    "transformers:PATH|ADAPTER", "openai:MODEL", "http://127.0.0.1:8000/v1#MODEL", "openai-chat:MODEL or URL#MODEL"
    (and -decisions, -completions, -structured), "scripted:one phrase|the next", an entry point of
    `saycan.language_models`, or "module:attribute", which may also be a LangChain model. `options` go to its
    constructor.

    Raises UnknownNameError, MissingPartError, or what the constructor raises.
    """
    kind, colon, argument = name.partition(":")
    if colon and kind in SERVERS:
        return cast(LanguageModel, _load(LANGUAGE_MODEL_KINDS["openai"])(name, **options))
    if colon and kind in LANGUAGE_MODEL_KINDS:
        if not argument:
            raise BadInputError(f"{name!r} needs something after the colon, as in 'transformers:/path/to/model'")
        of: str | list[str] = argument.split("|") if kind == "scripted" else argument
        if kind == "transformers" and "|" in argument:
            of, _, options["adapter"] = argument.partition("|")
        return cast(LanguageModel, _load(LANGUAGE_MODEL_KINDS[kind])(of, **options))
    found = _find("language model", name, _language_models(), "saycan.language_models")
    if isinstance(found, type) or not isinstance(as_language_model(found), LanguageModel):
        found = found(**options)  # something that makes a model, not a model
    return cast(LanguageModel, as_language_model(found))


def _language_models() -> dict[str, str]:
    """What is built in, as it is named."""
    return {**LANGUAGE_MODELS, **{f"{kind}:...": home for kind, home in LANGUAGE_MODEL_KINDS.items()}}


def with_adapter(name: str, adapter: str | None) -> str:
    """The name of a language model with another adapter: "none", or a folder. Raises BadInputError."""
    if adapter is None:
        return name
    kind, _, path = name.partition(":")
    if kind == "gemma":
        return f"gemma:{adapter}"
    if kind == "transformers":
        return name.partition("|")[0] if adapter == "none" else f"transformers:{path.partition('|')[0]}|{adapter}"
    raise BadInputError(f"gemma and transformers:PATH take an adapter, found the language model {name!r}")


def as_language_model(model: Any) -> Any:
    """A LangChain chat or decision model as a LanguageModel; anything else as it is."""
    mro = type(model).__mro__  # looked up by name: importing langchain_core to find out would cost a second
    if any(
        base.__name__ in ("BaseChatModel", "BaseDecisionModel") and base.__module__.startswith("langchain_core.")
        for base in mro
    ):
        return _load("saycan.planners.langchain:LangChainModel")(model)
    return model


def with_fallback(first: LanguageModel, second: str) -> LanguageModel:
    """The first model, and while it is unavailable the one that is named, which is loaded when it is needed.

    Raises UnknownNameError at once for a name that leads nowhere.
    """
    kind, _, argument = second.partition(":")
    top = kind.partition(".")[0]
    plugins = sorted(entry_points(group="saycan.language_models").names)
    there = kind in (*LANGUAGE_MODEL_KINDS, *SERVERS) or top in sys.modules or (top and find_spec(top) is not None)
    if second not in (*LANGUAGE_MODELS, *plugins) and not (argument and there):
        raise UnknownNameError("language model", second, [*_language_models(), *plugins, "module:attribute"])
    if second == "gemma" and prompt_of(first) == "kitchen":
        second = "gemma:none"  # both are asked in the first one's prompt
    return cast(
        LanguageModel, _load("saycan.planners.fallback:FallbackModel")(first, lambda: make_language_model(second))
    )


def make_policy(name: str, robot: Robot, **options: Any) -> Policy:
    """A policy for a robot, by name: "experts", "learned", "learned:FILE", "remote:ws://HOST:PORT",
    "lerobot:CHECKPOINT", an entry point, or "module:attribute".

    Entry points are those of the group `saycan.policies`. What is found is a policy, or a function `(observation,
    skill) -> Action`, or gets the driver and `options` and makes one. Raises UnknownNameError or MissingPartError, and
    PolicyError where what is found is none of these.
    """
    driver = _driver(robot)
    kind, colon, file = name.partition(":")
    if colon and kind in POLICY_KINDS:
        return cast(Policy, _load(POLICY_KINDS[kind])(driver, file, **options))
    return cast(Policy, _part("policy", name, POLICIES, driver, options))


def make_values(name: str, robot: Robot, **options: Any) -> ValueFunction:
    """A value function for a robot, by name: "learned", "learned:FILE", "geometric", or "module:attribute"; see
    `make_policy`.

    Raises ValueFunctionError where what is found is none.
    """
    return cast(ValueFunction, _part("value function", name, VALUES, _driver(robot), options))


def make_detector(name: str, robot: Robot, **options: Any) -> SuccessDetector:
    """A success detector for a robot, by name: "learned", "learned:FILE", "privileged", or "module:attribute"; see
    `make_policy`.

    Raises BadInputError where what is found is none.
    """
    return cast(SuccessDetector, _part("success detector", name, DETECTORS, _driver(robot), options))


def make_planner(
    name: str,
    language_model: LanguageModel,
    values: ValueFunction,
    library: SkillLibrary,
    scoring: str = "sum",
    **more: Any,
) -> Planner:
    """A planner over these parts, by name: "saycan", "shortlist" or "generative".

    `scoring` is "sum", "mean" or "prior", which the generative one has no use for; `more` goes to its constructor.
    Raises UnknownNameError, or BadInputError when the language model lacks what the planner needs.
    """
    if name not in PLANNERS:
        raise UnknownNameError("planner", name, PLANNERS)
    options = {"synonyms": KITCHEN.synonyms} if name == "generative" else {"scoring": scoring}
    return cast(Planner, _load(PLANNERS[name])(language_model, values, library, **options, **more))


def sample_scene(
    skill: Skill, seed: int, split: str = "training", variation: str = "frozen", robot: str = "kitchen"
) -> Any:
    """A scene for a simulated robot in which a skill can be done; see `SCENES`. Raises UnknownNameError."""
    if robot not in SCENES:
        raise UnknownNameError("robot with scenes of its own", robot, SCENES)
    return _load(SCENES[robot])(skill, seed, split, variation)


def check_scene(words: str) -> None:
    """Raise SceneError for words that make no scene of the kitchen."""
    _load("saycan.robots.kitchen.scene:parse_scene")(words)


def distribution_version() -> int:
    """Version of the distribution that `sample_scene` draws from."""
    return int(_load("saycan.robots.kitchen.distribution:DISTRIBUTION").version)


def default_library(robot: Robot) -> SkillLibrary | None:
    """Of the kitchen's skills those that a simulator's map and base allow, and what the shipped networks fit; None for
    any other robot."""
    driver = _driver(robot)
    if not isinstance(driver, PrivilegedWorld) and not _load("saycan.skills.shipped:fits")(driver):
        return None
    return cast(SkillLibrary, _load("saycan.skills.kitchen:library_of")(driver.spec))


def default_policy(robot: Robot) -> Policy | None:
    """The shipped network where it fits, the privileged experts in another simulator, else None."""
    home = "saycan.skills.experts:PrivilegedExperts"
    return cast(Policy | None, _learned("learned_policy", robot) or _privileged(home, robot))


def default_values(robot: Robot) -> ValueFunction | None:
    """The shipped value network where it fits, privileged geometric values in another simulator, else None."""
    home = "saycan.skills.geometric:PrivilegedGeometricValues"
    return cast(ValueFunction | None, _learned("learned_values", robot) or _privileged(home, robot))


def default_detector(robot: Robot) -> SuccessDetector | None:
    """The shipped network's word where it fits, the privileged detector in another simulator, else None."""
    home = "saycan.skills.detector:PrivilegedDetector"
    return cast(SuccessDetector | None, _learned("learned_detector", robot) or _privileged(home, robot))


def probe(name: str) -> Any:
    """What one of PROBES finds. Raises UnknownNameError, MissingPartError, or what the probe raises."""
    if name not in PROBES:
        raise UnknownNameError("probe", name, PROBES)
    return _load(PROBES[name])()


def _learned(part: str, robot: Robot) -> Any:
    """A part of the shipped networks for this robot; None where they do not fit it."""
    driver = _driver(robot)
    if not _load("saycan.skills.shipped:fits")(driver):
        return None
    _load("saycan.skills.shipped:learned")(driver).embedder = _embedder
    return _load(f"saycan.skills.shipped:{part}")(driver)


def _part(kind: str, name: str, homes: dict[str, str], driver: Robot, options: dict[str, Any]) -> Any:
    """A part for a robot. Raises UnknownNameError or MissingPartError."""
    if name in PRIVILEGED and not isinstance(driver, PrivilegedWorld):
        raise MissingPartError(f"the {kind} {name!r} reads a simulator's own state, and {driver!r} gives none away")
    if name.partition(":")[0] == "learned":
        name, colon, file = name.partition(":")
        if colon and not file:
            raise BadInputError("'learned:' needs a file after the colon, as in 'learned:out/policy.safetensors'")
        options = {"file": file, **options} if file else options
        _load("saycan.skills.shipped:learned")(driver).embedder = _embedder
    found = _find(kind, name, homes, GROUPS[kind])
    if name in homes:
        return found(driver, **options)
    protocol, checked = CONTRACTS[kind]
    ready = not isinstance(found, type) and (isinstance(found, protocol) or _is_of_two(found))
    if not ready and callable(found):
        try:
            with suppress(ValueError):  # what is built in may have no signature
                inspect.signature(found).bind(driver, **options)
        except TypeError as error:
            given = ", ".join(["the robot's driver", *options])
            raise BadInputError(f"the {kind} {name!r} is to be made of {given}, and is not: {error}") from None
        found = found(driver, **options)
    return checked(found)


def _is_of_two(found: Any) -> bool:
    """Whether this is a function `(observation, skill)`, and not what makes a part of a robot."""
    if not inspect.isfunction(found):
        return False
    needed = [one for one in inspect.signature(found).parameters.values() if one.default is one.empty]
    return len([one for one in needed if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]) == 2


def _embedder() -> Any:
    """What embeds a phrase that the shipped networks do not keep: the language model that they were trained with."""
    return make_language_model("gemma:none")


def _privileged(home: str, robot: Robot) -> Any:
    driver = _driver(robot)
    return _load(home)(driver) if isinstance(driver, PrivilegedWorld) else None


def _driver(robot: Robot) -> Robot:
    return robot.driver if isinstance(robot, Gate) else robot


def _find(kind: str, name: str, built_in: dict[str, str], group: str) -> Any:
    if name in built_in and ":" not in name:
        return _load(built_in[name])
    plugins = entry_points(group=group)
    if name in plugins.names:
        try:
            return plugins[name].load()
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise MissingPartError(f"the plug-in that brings the {kind} {name!r} does not load: {why}") from error
    if ":" in name and not name.startswith(":") and not name.endswith((":", "...")):
        return _load(name)
    raise UnknownNameError(kind, name, [*built_in, *sorted(plugins.names), "module:attribute"])


def _load(home: str) -> Any:
    """The object at "module:attribute.attribute". Raises MissingPartError that says why it cannot be imported."""
    module_name, _, path = home.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise MissingPartError(
            f"{home!r} cannot be loaded: {error}. Install what is missing (python -m pip install "
            f"{error.name or module_name}), or correct the name"
        ) from error
    except Exception as error:  # a module of somebody's may raise anything
        raise MissingPartError(f"{home!r} cannot be loaded: {type(error).__name__}: {error}") from error
    for attribute in path.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            owner = getattr(found, "__name__", type(found).__name__)
            raise MissingPartError(f"{home!r} cannot be loaded: {owner} has no {attribute!r}") from None
    return found
