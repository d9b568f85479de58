"""Goals: what the world has to be like at the end, as a small expression over privileged state.

    at("coke can", "operator") and not holding("sponge") and count("soda", "table") >= 2

    at(object, place)        one of these things is at the place, and not in the gripper
    holding(object)          the gripper holds one
    robot_at(place)          the robot stands at the place
    visited(place)           it has stood there since reset
    clean(place)             no spill is left on the surface
    open(drawer)             the drawer is out by four fifths of its travel
    closed(drawer)           it is out by a tenth of it at most; "not open" holds where it is half out
    count(object, place)     how many of these things are at the place
    distinct(object, place)  how many kinds of them
    and, or, not, parentheses, True, False; == != < <= > >= between counts and whole numbers

An object is a name, an alias or a category of the vocabulary ("soda"); a count by itself means at least one. The agent
never sees a goal: it judges a run. Text is parsed by Python's own parser into a tree of the dataclasses below, anything
else in it is refused, and nothing is ever evaluated as code.
"""

from __future__ import annotations

import ast
import json
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from saycan.errors import GoalError, UnknownNameError
from saycan.privileged import PrivilegedState
from saycan.symbolic import DRAWER_CLOSED, DRAWER_OPEN
from saycan.vocabulary import KITCHEN, Vocabulary

MAX_LENGTH = 2000
"""Characters."""

MAX_DEPTH = 30
"""Nested parentheses, nots and calls."""

_ARGUMENTS = {
    "at": ("object", "place"),
    "holding": ("object",),
    "robot_at": ("place",),
    "visited": ("place",),
    "clean": ("surface",),
    "open": ("drawer",),
    "closed": ("drawer",),
    "count": ("object", "place"),
    "distinct": ("object", "place"),
}
_NUMBERS = ("count", "distinct")
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Goal(ABC):
    """A condition that a world fulfils or not. Made by `parse`; its `str` can be parsed again."""

    @abstractmethod
    def holds(self, state: PrivilegedState) -> bool:
        """Whether the world fulfils it."""

    def conjuncts(self) -> tuple[Goal, ...]:
        """What `and` joins at the top: the parts of which each has to hold."""
        return (self,)


@dataclass(frozen=True)
class Constant(Goal):
    """True or False."""

    value: bool

    def holds(self, state: PrivilegedState) -> bool:
        """Itself."""
        return self.value

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class Call(Goal):
    """One of the functions.

    Attributes:
        function: Its name.
        arguments: As they were written.
        objects: Canonical names that the object stands for.
        place: Canonical name of the place, or "".
    """

    function: str
    arguments: tuple[str, ...]
    objects: tuple[str, ...] = ()
    place: str = ""

    def holds(self, state: PrivilegedState) -> bool:
        """Whether it is so; for a number, whether it is at least one."""
        match self.function:
            case "at" | "count" | "distinct":
                return self.number(state) > 0
            case "holding":
                return state.held is not None and state.by_id(state.held).name in self.objects
            case "robot_at":
                return state.robot_place == self.place
            case "visited":
                return self.place in state.visited
            case "clean":
                return state.spill_at(self.place) is None
            case _:
                out = [drawer.opening / drawer.travel for drawer in state.drawers if drawer.name == self.place]
                return any(share >= DRAWER_OPEN if self.function == "open" else share <= DRAWER_CLOSED for share in out)

    def number(self, state: PrivilegedState) -> int:
        """How many things are at the place; for distinct(), how many kinds of them."""
        there = [thing.name for thing in state.objects if thing.place == self.place and not thing.held]
        names = [name for name in there if name in self.objects]
        return len(set(names) if self.function == "distinct" else names)

    def __str__(self) -> str:
        quoted = (json.dumps(argument, ensure_ascii=False) for argument in self.arguments)
        return f"{self.function}({', '.join(quoted)})"


@dataclass(frozen=True)
class Comparison(Goal):
    """left < middle <= right, of any length, between count(), distinct() and whole numbers."""

    terms: tuple[Call | int, ...]
    signs: tuple[str, ...]

    def holds(self, state: PrivilegedState) -> bool:
        """Whether every neighbouring pair compares so."""
        values = [term if isinstance(term, int) else term.number(state) for term in self.terms]
        return all(_COMPARE[sign](a, b) for sign, (a, b) in zip(self.signs, pairwise(values), strict=True))

    def __str__(self) -> str:
        rest = (f" {sign} {term}" for sign, term in zip(self.signs, self.terms[1:], strict=True))
        return f"({self.terms[0]}{''.join(rest)})"


@dataclass(frozen=True)
class Not(Goal):
    """Holds when its part does not."""

    part: Goal

    def holds(self, state: PrivilegedState) -> bool:
        """The opposite."""
        return not self.part.holds(state)

    def __str__(self) -> str:
        return f"(not {self.part})"


@dataclass(frozen=True)
class And(Goal):
    """Holds when all of its parts do."""

    parts: tuple[Goal, ...]

    def holds(self, state: PrivilegedState) -> bool:
        """Whether all hold."""
        return all(part.holds(state) for part in self.parts)

    def conjuncts(self) -> tuple[Goal, ...]:
        """Its parts, and the parts of parts that are conjunctions themselves."""
        return tuple(inner for part in self.parts for inner in part.conjuncts())

    def __str__(self) -> str:
        return f"({' and '.join(map(str, self.parts))})"


@dataclass(frozen=True)
class Or(Goal):
    """Holds when one of its parts does."""

    parts: tuple[Goal, ...]

    def holds(self, state: PrivilegedState) -> bool:
        """Whether one holds."""
        return any(part.holds(state) for part in self.parts)

    def __str__(self) -> str:
        return f"({' or '.join(map(str, self.parts))})"


def calls(goal: Goal) -> tuple[Call, ...]:
    """Every call in a goal, from left to right."""
    match goal:
        case Call():
            return (goal,)
        case Not(part):
            return calls(part)
        case And(parts) | Or(parts):
            return tuple(call for part in parts for call in calls(part))
        case Comparison(terms):
            return tuple(term for term in terms if isinstance(term, Call))
        case _:
            return ()


def parse(text: str, vocabulary: Vocabulary = KITCHEN) -> Goal:
    """The goal that a text stands for. Raises GoalError that says what and where, and what would be valid."""
    if not isinstance(text, str) or not text.strip():
        raise GoalError("""the goal is empty; write a condition such as clean("close counter")""")
    if len(text) > MAX_LENGTH:
        raise GoalError(f"the goal has {len(text)} characters; at most {MAX_LENGTH} are taken")
    if "\\" in text:
        raise GoalError("the goal holds a backslash; names need none")
    line = " ".join(text.split())
    try:
        tree = ast.parse(line, mode="eval")
        return _Parser(line, vocabulary).goal(tree.body, MAX_DEPTH)
    except SyntaxError as error:
        raise _error(line, error.offset or 1, f"it does not parse: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, GoalError):
            raise
        raise GoalError(f"the goal cannot be read: {error or 'it is nested too deeply'}") from None


class _Parser:
    """Python's syntax tree to goals; whatever is not listed here is refused."""

    def __init__(self, line: str, vocabulary: Vocabulary) -> None:
        self._line, self._vocabulary = line, vocabulary

    def goal(self, node: ast.expr, depth: int) -> Goal:
        if depth == 0:
            raise self._refuse(node, f"it is nested more than {MAX_DEPTH} deep")
        match node:
            case ast.BoolOp(op=op, values=values):
                parts = tuple(self.goal(value, depth - 1) for value in values)
                return And(parts) if isinstance(op, ast.And) else Or(parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return Not(self.goal(operand, depth - 1))
            case ast.Compare(left=left, ops=ops, comparators=others):
                if not all(type(op) in _COMPARISONS for op in ops):
                    raise self._refuse(node, "comparisons are ==, !=, <, <=, > and >=")
                terms = tuple(self._term(term) for term in (left, *others))
                return Comparison(terms, tuple(_COMPARISONS[type(op)] for op in ops))
            case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]):
                return self._call(node, function, arguments)
            case ast.Constant(value=bool() as value):
                return Constant(value)
            case ast.Constant(value=int() as value):
                raise self._refuse(node, f"the number {value} stands alone: compare it with a count()")
            case ast.Name(id=name) | ast.Constant(value=str() as name):
                raise self._refuse(node, f"{name!r} stands alone: quote the name and put it into a function")
            case _:
                raise self._refuse(node, f"{ast.unparse(node)[:60]!r} is not allowed here")

    def _term(self, node: ast.expr) -> Call | int:
        match node:
            case ast.Constant(value=int() as value) if not isinstance(value, bool):
                return value
            case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]):
                call = self._call(node, function, arguments)
                if function in _NUMBERS:
                    return call
        found = ast.unparse(node)[:60]
        raise self._refuse(node, f"only count(), distinct() and whole numbers can be compared, found {found!r}")

    def _call(self, node: ast.Call, function: str, arguments: list[ast.expr]) -> Call:
        if function not in _ARGUMENTS:
            error = UnknownNameError("function", function, _ARGUMENTS)
            raise self._refuse(node, str(error)) from None
        kinds = _ARGUMENTS[function]
        if len(arguments) != len(kinds):
            raise self._refuse(
                node, f"{function}() takes {len(kinds)}, the {' and the '.join(kinds)}; found {len(arguments)}"
            )
        written: list[str] = []
        objects: tuple[str, ...] = ()
        place = ""
        for kind, argument in zip(kinds, arguments, strict=True):
            if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                raise self._refuse(argument, f"the {kind} of {function}() must be a name in quotes")
            written.append(argument.value)
            try:
                if kind == "object":
                    objects = self._vocabulary.members(argument.value)
                else:
                    place = self._vocabulary.place(argument.value)
            except UnknownNameError as error:
                raise self._refuse(argument, str(error)) from None
            if kind == "surface" and place not in self._vocabulary.surfaces:
                raise self._refuse(argument, f"only a surface can be clean: {', '.join(self._vocabulary.surfaces)}")
            if kind == "drawer" and "drawer" not in place:
                raise self._refuse(argument, f"only a drawer can be {function}, found {place!r}")
        return Call(function, tuple(written), objects, place)

    def _refuse(self, node: ast.expr, problem: str) -> GoalError:
        # The parser counts bytes; people count characters.
        column = len(self._line.encode()[: node.col_offset].decode(errors="replace")) + 1
        return _error(self._line, column, problem)


def _error(line: str, column: int, problem: str) -> GoalError:
    begin = max(0, column - 40)
    excerpt = line[begin : begin + 80]
    functions = ", ".join(f"{name}({', '.join(kinds)})" for name, kinds in _ARGUMENTS.items())
    pointer = " " * (column - 1 - begin) + "^"
    return GoalError(f"goal, column {column}: {problem}\n  {excerpt}\n  {pointer}\nfunctions: {functions}")
