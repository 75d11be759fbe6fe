"""The allowlist: which nodes of Python's syntax tree are expressions of ours. All others are refused."""

import ast
from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any

from fsm.expressions.functions import FUNCTIONS, TABLE
from fsm.expressions.operators import ARITHMETIC, COMPARISON, INT_MAX, SIGNS
from fsm.expressions.places import ExpressionSyntaxError, Place, nearest
from fsm.expressions.tokens import NESTING_MAX, RESERVED

DEPTH_MAX = NESTING_MAX


def check(body: ast.expr, text: str) -> None:
    """Refuse every node that is not of the language, leftmost first.

    Args:
        body: a tree whose columns count characters of the text.
        text: what it was parsed from.

    Raises:
        ExpressionSyntaxError: the first fault.
    """
    pending = [(body, 1)]
    while pending:
        node, depth = pending.pop()
        place = Place.of(node, text)
        if depth > DEPTH_MAX:
            raise place.syntax_error(f"the expression is nested more than {DEPTH_MAX} deep")
        fault = _fault(node, place)
        if fault is not None:
            raise fault
        pending.extend((child, depth + 1) for child in reversed([*_operands(node)]))


def _operands(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the expressions inside a node; a called function's name is no expression."""
    for child in ast.iter_child_nodes(node):
        is_callee = isinstance(node, ast.Call) and child is node.func
        if isinstance(child, ast.expr) and not is_callee:
            yield child


def _fault(node: ast.expr, place: Place) -> ExpressionSyntaxError | None:
    rule = _RULES.get(type(node))
    if rule is None:
        return place.syntax_error(f'"{place.excerpt}" is not allowed in an expression ({type(node).__name__})')
    fault = rule(node, place)
    return place.syntax_error(fault) if isinstance(fault, str) else fault


def _name_fault(node: ast.Name, _place: Place) -> str | None:
    if node.id in FUNCTIONS:
        return f'"{node.id}" is a function; call it: {TABLE[node.id].usage}'
    if node.id in RESERVED:
        return f'"{node.id}" is not a name; write it in ASCII letters'
    return _private_fault(node.id)


def _private_fault(name: str) -> str | None:
    return f'"{name}" is not allowed; no name begins with "_"' if name.startswith("_") else None


def _operator_fault(node: ast.BinOp | ast.UnaryOp, _place: Place) -> str | None:
    is_allowed = type(node.op) in ARITHMETIC or type(node.op) in SIGNS or isinstance(node.op, ast.Not)
    return None if is_allowed else f"operator {type(node.op).__name__} is not allowed"


def _constant_fault(node: ast.Constant, _place: Place) -> str | None:
    value = node.value
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return None if value <= INT_MAX else "number is out of range; integers have 64 bits"
    if isinstance(value, float):
        return None if isfinite(value) else "number is out of range"
    if isinstance(value, str):
        is_text = not any("\ud800" <= char <= "\udfff" for char in value)
        return None if is_text else "a surrogate is no character; write its code point as \\U…"
    return '"..." is not a value' if value is ... else f"a {type(value).__name__} is not a value"


def _dict_fault(node: ast.Dict, _place: Place) -> str | None:
    keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
    if not all(isinstance(key, str) for key in keys):
        return "a dict has strings as keys, written out"
    return None if len(set(keys)) == len(keys) else "a dict has each key once"


def _call_fault(node: ast.Call, place: Place) -> ExpressionSyntaxError | None:
    function = node.func
    if isinstance(function, ast.Attribute) and function.attr in FUNCTIONS:
        owner = Place.of(function.value, place.text).excerpt
        arguments = ", ".join([owner, *(Place.of(argument, place.text).excerpt for argument in node.args)])
        return place.syntax_error(f"there are no methods; write {function.attr}({arguments})")
    if not isinstance(function, ast.Name):
        name = function.attr if isinstance(function, ast.Attribute) else Place.of(function, place.text).excerpt
        return place.syntax_error(_unknown_call(name))
    if function.id not in FUNCTIONS:
        return Place.of(function, place.text).syntax_error(_unknown_call(function.id))
    if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
        return place.syntax_error(f"{function.id} takes plain arguments: {TABLE[function.id].usage}")
    if not TABLE[function.id].takes(len(node.args)):
        return place.syntax_error(f"{function.id} got {len(node.args)} arguments: {TABLE[function.id].usage}")
    return None


def _unknown_call(name: str) -> str:
    hint = nearest(name, sorted(FUNCTIONS))
    return f'call to "{name}" is not allowed; ' + (f"{hint} " if hint else "") + f"functions are {', '.join(TABLE)}"


def _compare_fault(node: ast.Compare, place: Place) -> ExpressionSyntaxError | None:
    for kind, right in zip(node.ops, node.comparators, strict=True):
        if type(kind) not in COMPARISON:
            return place.syntax_error(f"{type(kind).__name__} is not allowed")
        is_null = isinstance(right, ast.Constant) and right.value is None
        if isinstance(kind, ast.Is | ast.IsNot) and not is_null:
            cure = "==" if isinstance(kind, ast.Is) else "!="
            where = Place.of(right, place.text)
            return where.syntax_error(f'"{COMPARISON[type(kind)][0]}" is for null only; write "{cure}"')
    return None


_RULES: dict[type[ast.expr], Callable[[Any, Place], ExpressionSyntaxError | str | None]] = {
    ast.Constant: _constant_fault,
    ast.Name: _name_fault,
    ast.Attribute: lambda node, _: _private_fault(node.attr),
    ast.Subscript: lambda node, _: "an index is one value" if isinstance(node.slice, ast.Tuple) else None,
    ast.Slice: lambda _, __: None,
    ast.List: lambda _, __: None,
    ast.Tuple: lambda _, __: None,
    ast.Dict: _dict_fault,
    ast.Compare: _compare_fault,
    ast.BoolOp: lambda _, __: None,
    ast.UnaryOp: _operator_fault,
    ast.BinOp: _operator_fault,
    ast.IfExp: lambda _, __: None,
    ast.Call: _call_fault,
}
