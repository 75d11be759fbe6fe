"""The expression language: a small, bounded, side-effect-free subset of Python over JSON values.

`parse` proves a text to be an expression, `Expression.evaluate` computes it, `infer` checks it against
the annotated types of what it reads. Every offset counts characters of the stripped text, from zero.
"""

from fsm.expressions.expression import Expression, is_constant, parse
from fsm.expressions.functions import FUNCTIONS
from fsm.expressions.inference import TypeFault, infer
from fsm.expressions.places import EvaluationError, ExpressionSyntaxError
from fsm.expressions.tokens import RESERVED

__all__ = [
    "FUNCTIONS",
    "RESERVED",
    "EvaluationError",
    "Expression",
    "ExpressionSyntaxError",
    "TypeFault",
    "infer",
    "is_constant",
    "parse",
]
