"""What an expression's type is, and what is certainly wrong in it, from the annotations of what it reads."""

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fsm.expressions import rules
from fsm.expressions.expression import Expression
from fsm.expressions.operators import ARITHMETIC, COMPARISON, SIGNS
from fsm.expressions.places import Place, nearest
from fsm.expressions.shapes import Record, alternatives, element, kind, kinds, literals, record, show, union

_Kind = Literal["name", "field", "compare", "operand", "call"]
_NAMES_SHOWN_MAX = 12


@dataclass(frozen=True, slots=True)
class TypeFault:
    """One thing that cannot be right, at characters `offset` to `end` (exclusive) of the expression.

    Attributes:
        kind: "name" (nothing of that name is written), "field" (no such field), "compare" (cannot be
            compared, or never equal), "operand" (an operator or index on the wrong type), "call" (wrong
            argument).
        hint: the cure, if there is a likely one.
    """

    kind: _Kind
    message: str
    offset: int
    end: int
    hint: str | None = None


def infer(expression: Expression, types: Mapping[str, Any]) -> tuple[Any, list[TypeFault]]:
    """Return the annotation of an expression's value and every certain fault, leftmost first.

    What is optional may be used as if it were there. Any silences: a doubt is no fault.

    Args:
        expression: a sound expression.
        types: annotations by name, for every name that may be read.

    Returns:
        The annotation (Any when it is not known) and the faults.
    """
    inference = _Inference(expression.text, types)
    result = inference.of(expression.tree)
    return result, sorted(inference.faults, key=lambda fault: (fault.offset, fault.end, fault.message))


class _Inference:
    """One walk over one expression."""

    def __init__(self, text: str, types: Mapping[str, Any]) -> None:
        self.faults: list[TypeFault] = []
        self._text = text
        self._types = types

    def of(self, node: ast.expr) -> Any:
        return _METHODS[type(node)](self, node)

    def _each(self, nodes: Iterable[ast.expr]) -> list[Any]:
        return [self.of(node) for node in nodes]

    def _fault(self, found: _Kind, message: str, where: ast.expr | Place, hint: str | None = None) -> Any:
        place = where if isinstance(where, Place) else Place.of(where, self._text)
        self.faults.append(TypeFault(found, message, place.offset, place.end, hint))
        return Any

    def _excerpt(self, node: ast.expr) -> str:
        return Place.of(node, self._text).excerpt

    def on_constant(self, node: ast.Constant) -> Any:
        return None if node.value is None else type(node.value)

    def on_list(self, node: ast.List | ast.Tuple) -> Any:
        return rules.list_of(union(self._each(node.elts)))

    def on_dict(self, node: ast.Dict) -> Any:
        return rules.dict_of(union(self._each(node.values)))

    def on_boolean(self, node: ast.BoolOp) -> Any:
        return union(self._each(node.values))

    def on_conditional(self, node: ast.IfExp) -> Any:
        self.of(node.test)
        return union(self._each([node.body, node.orelse]))

    def on_name(self, node: ast.Name) -> Any:
        if node.id in self._types:
            return self._types[node.id]
        return self._fault("name", f'nothing is named "{node.id}"', node, nearest(node.id, self._types))

    def on_attribute(self, node: ast.Attribute) -> Any:
        return self._field(node, self.of(node.value), node.attr)

    def _field(self, node: ast.Attribute | ast.Subscript, owner: Any, name: str) -> Any:
        found: list[Any] = []
        records: list[Record] = []
        for option in alternatives(owner):
            known = record(option)
            if known is None:
                found += {"any": [Any], "dict": [element(option)]}.get(kind(option), [])
            elif name in known.fields or known.is_open:
                found.append(known.fields.get(name, Any))
            else:
                records.append(known)
        if found:
            return union(found)
        if not records:
            excerpt = self._excerpt(node.value)
            return self._fault("field", f'{excerpt} is {show(owner)}, so it has no field "{name}"', node)
        owners = " | ".join(known.name for known in records)
        hint = _field_hint(name, [field for known in records for field in known.fields])
        return self._fault("field", f'{owners} has no field "{name}"', node, hint)

    def on_subscript(self, node: ast.Subscript) -> Any:
        if isinstance(node.slice, ast.Slice):
            return self._slice(node, node.slice)
        owner, key = self.of(node.value), self.of(node.slice)
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str) and _has_fields(owner):
            return self._field(node, owner, node.slice.value)
        found = []
        for option in alternatives(owner):
            wanted = {"list": "int", "str": "int", "dict": "str", "any": "any"}.get(kind(option))
            if wanted == "any" or (wanted and kinds(key) & {wanted, "any"}):
                found.append(str if kind(option) == "str" else element(option))
        if found:
            return union(found)
        message = f"{self._excerpt(node.value)} is {show(owner)}; it is not indexed by {show(key)}"
        return self._fault("operand", message, node)

    def _slice(self, node: ast.Subscript, bounds: ast.Slice) -> Any:
        owner = self.of(node.value)
        for bound in (bounds.lower, bounds.upper, bounds.step):
            annotation = None if bound is None else self.of(bound)
            if bound is not None and not kinds(annotation) & {"int", "null", "any"}:
                self._fault("operand", f"a slice takes int, not {show(annotation)}", bound)
        found = [option for option in alternatives(owner) if kind(option) in {"str", "list", "any"}]
        if found:
            return union(rules.sliced(option) for option in found)
        message = f"{self._excerpt(node.value)} is {show(owner)}; only str and list have slices"
        return self._fault("operand", message, node)

    def on_compare(self, node: ast.Compare) -> Any:
        operands = [node.left, *node.comparators]
        annotations = self._each(operands)
        for position, comparison in enumerate(node.ops):
            left, right = annotations[position : position + 2]
            first, second = operands[position : position + 2]
            symbol = COMPARISON[type(comparison)][0]
            place = Place(self._text, first.col_offset, second.end_col_offset or second.col_offset)
            if symbol in {"==", "!="}:
                self._equal(symbol, first, right, place)
                self._equal(symbol, second, left, place)
            elif symbol in {"in", "not in"} and not rules.any_pair(rules.contains, left, right):
                self._fault("operand", f'"{symbol}" cannot look for {show(left)} in {show(right)}', place)
            elif symbol in {"<", "<=", ">", ">="} and not rules.any_pair(rules.ordered, left, right):
                self._fault("compare", f'"{symbol}" cannot compare {show(left)} with {show(right)}', place)
        return bool

    def _equal(self, symbol: str, constant: ast.expr, other: Any, place: Place) -> None:
        """Report a string that a Literal is compared with and can never be: almost always a typo."""
        known = literals(other)
        if known is None or not isinstance(constant, ast.Constant) or not isinstance(constant.value, str):
            return
        if constant.value not in known:
            verdict = "never" if symbol == "==" else "always"
            texts = [value for value in known if isinstance(value, str)]
            hint = _field_hint(constant.value, texts, "values")
            self._fault("compare", f'"{symbol}" {verdict} holds: there is no "{constant.value}"', place, hint)

    def on_unary(self, node: ast.UnaryOp) -> Any:
        operand = self.of(node.operand)
        if isinstance(node.op, ast.Not):
            return bool
        if not kinds(operand) & {"int", "float", "any"}:
            symbol = SIGNS[type(node.op)][0]
            return self._fault("operand", f'"{symbol}" does not take {show(operand)}', node)
        return rules.number(operand)

    def on_binary(self, node: ast.BinOp) -> Any:
        left, right = self.of(node.left), self.of(node.right)
        symbol = ARITHMETIC[type(node.op)][0]
        result = rules.arithmetic(symbol, left, right)
        if result is not rules.NOTHING:
            return result
        return self._fault("operand", f'"{symbol}" does not take {show(left)} and {show(right)}', node)

    def on_call(self, node: ast.Call) -> Any:
        assert isinstance(node.func, ast.Name)
        name, arguments = node.func.id, self._each(node.args)
        rule = rules.CALLS[name]
        for argument, annotation in zip(node.args, arguments, strict=True):
            if not rule.accepts(annotation, len(arguments)):
                wanted = rule.wanted(len(arguments))
                self._fault("call", f"{name} takes {wanted}, not {show(annotation)}", argument)
                return Any
        if rule.is_choice and not rules.comparable(arguments):
            found = " and ".join(show(annotation) for annotation in arguments)
            return self._fault("call", f"{name} takes numbers only or str only, not {found}", node)
        return rule.result(arguments)


_METHODS: dict[type[ast.expr], Callable[[_Inference, Any], Any]] = {
    ast.Constant: _Inference.on_constant,
    ast.Name: _Inference.on_name,
    ast.Attribute: _Inference.on_attribute,
    ast.Subscript: _Inference.on_subscript,
    ast.List: _Inference.on_list,
    ast.Tuple: _Inference.on_list,
    ast.Dict: _Inference.on_dict,
    ast.Compare: _Inference.on_compare,
    ast.BoolOp: _Inference.on_boolean,
    ast.UnaryOp: _Inference.on_unary,
    ast.BinOp: _Inference.on_binary,
    ast.IfExp: _Inference.on_conditional,
    ast.Call: _Inference.on_call,
}


def _has_fields(owner: Any) -> bool:
    return any(kind(option) in {"dict", "any"} for option in alternatives(owner))


def _field_hint(name: str, known: list[str], what: str = "fields") -> str:
    names = sorted(set(known))
    more = ", …" if len(names) > _NAMES_SHOWN_MAX else ""
    return nearest(name, names) or f"{what} are {', '.join(names[:_NAMES_SHOWN_MAX])}{more}"
