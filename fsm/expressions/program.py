"""From a checked tree to a function of the values: one closure per node, so that evaluation only calls."""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fsm.expressions.functions import TABLE
from fsm.expressions.operators import ARITHMETIC, COMPARISON, SIGNS, Operator, cut, index, missing_field, sign
from fsm.expressions.places import Place

Program = Callable[[Mapping[str, Any]], Any]


def build(node: ast.expr, text: str) -> Program:
    """Return the function that computes a node that `syntax.check` has let pass."""
    return _BUILDERS[type(node)](node, text)


def _constant(node: ast.Constant, _text: str) -> Program:
    value = node.value
    return lambda _values: value


def _name(node: ast.Name, text: str) -> Program:
    name, place = node.id, Place.of(node, text)

    def read(values: Mapping[str, Any]) -> Any:
        try:
            return values[name]
        except KeyError:
            raise place.error(f'"{name}" has not been written') from None

    return read


def _attribute(node: ast.Attribute, text: str) -> Program:
    owner, name = build(node.value, text), node.attr
    owner_place, place = Place.of(node.value, text), Place.of(node, text)

    def read(values: Mapping[str, Any]) -> Any:
        found = owner(values)
        if isinstance(found, dict) and name in found:
            return found[name]
        raise missing_field(found, name, owner_place, place)

    return read


def _subscript(node: ast.Subscript, text: str) -> Program:
    owner, owner_place, place = build(node.value, text), Place.of(node.value, text), Place.of(node, text)
    if isinstance(node.slice, ast.Slice):
        bounds = (node.slice.lower, node.slice.upper, node.slice.step)
        start, stop, step = (build(bound or ast.Constant(None), text) for bound in bounds)
        return lambda values: cut(owner(values), (start(values), stop(values), step(values)), owner_place, place)
    key = build(node.slice, text)
    return lambda values: index(owner(values), key(values), owner_place, place)


def _list(node: ast.List | ast.Tuple, text: str) -> Program:
    items = [build(item, text) for item in node.elts]
    return lambda values: [item(values) for item in items]


def _dict(node: ast.Dict, text: str) -> Program:
    keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
    items = [build(item, text) for item in node.values]
    return lambda values: {key: item(values) for key, item in zip(keys, items, strict=True)}


def _compare(node: ast.Compare, text: str) -> Program:
    operands = [node.left, *node.comparators]
    links: list[tuple[Operator, Program, Place]] = []
    for kind, left, right in zip(node.ops, operands, node.comparators, strict=False):
        place = Place(text, left.col_offset, right.end_col_offset or right.col_offset)
        links.append((COMPARISON[type(kind)][1], build(right, text), place))
    first = build(node.left, text)
    if len(links) == 1:
        ((compare, second, place),) = links
        return lambda values: compare(first(values), second(values), place)
    return _chain(first, links)


def _chain(first: Program, links: Sequence[tuple[Operator, Program, Place]]) -> Program:
    def decide(values: Mapping[str, Any]) -> bool:
        left = first(values)
        for compare, operand, place in links:
            right = operand(values)
            if not compare(left, right, place):
                return False
            left = right
        return True

    return decide


def _boolean(node: ast.BoolOp, text: str) -> Program:
    *firsts, last = (build(operand, text) for operand in node.values)
    stops_at = isinstance(node.op, ast.Or)

    def decide(values: Mapping[str, Any]) -> Any:
        for operand in firsts:
            found = operand(values)
            if bool(found) is stops_at:
                return found
        return last(values)

    return decide


def _unary(node: ast.UnaryOp, text: str) -> Program:
    operand, place = build(node.operand, text), Place.of(node, text)
    if isinstance(node.op, ast.Not):
        return lambda values: not operand(values)
    symbol, compute = SIGNS[type(node.op)]
    return lambda values: sign(symbol, compute, operand(values), place)


def _binary(node: ast.BinOp, text: str) -> Program:
    left, right, place = build(node.left, text), build(node.right, text), Place.of(node, text)
    _, compute = ARITHMETIC[type(node.op)]
    return lambda values: compute(left(values), right(values), place)


def _conditional(node: ast.IfExp, text: str) -> Program:
    test, then, otherwise = build(node.test, text), build(node.body, text), build(node.orelse, text)
    return lambda values: then(values) if test(values) else otherwise(values)


def _call(node: ast.Call, text: str) -> Program:
    assert isinstance(node.func, ast.Name)
    apply, place = TABLE[node.func.id].apply, Place.of(node, text)
    arguments = [build(argument, text) for argument in node.args]
    return lambda values: apply([argument(values) for argument in arguments], place)


_BUILDERS: dict[type[ast.expr], Callable[[Any, str], Program]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.List: _list,
    ast.Tuple: _list,
    ast.Dict: _dict,
    ast.Compare: _compare,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.IfExp: _conditional,
    ast.Call: _call,
}
