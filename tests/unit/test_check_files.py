"""Every definition under tests/definitions gives exactly the findings that stand beside it."""

from collections.abc import Iterator
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from pydantic import BaseModel

from fsm.checks import check_text
from fsm.diagnostics import CATALOGUE, Severity
from fsm.model.signature import Parameter, Signature

DEFINITIONS = Path(__file__).parents[1] / "definitions"
OURS = ("FSM3", "FSM4", "FSM5", "FSM6", "FSM7")
WITH_SIGNATURES = ("FSM604", "FSM606", "FSM607", "FSM610", "FSM7")
ELSEWHERE = {
    "FSM307": "the shape refuses it",
    "FSM504": "needs limits",
    "FSM505": "needs limits",
    "FSM506": "needs limits",
    "FSM602": "no verb of this version declares what it writes apart from writing it",
    "FSM605": "needs limits",
    "FSM608": "needs parallel",
    "FSM706": "needs a store",
}


class Invoice(BaseModel):
    number: str
    total: int
    note: str | None = None


class Order(BaseModel):
    number: str


def signature(action: str, returns: dict[str, Any] | None, keywords: bool = False, **parameters: Any) -> Signature:
    taken = tuple(
        Parameter(name.removesuffix("_"), annotation, required=not name.endswith("_"))
        for name, annotation in parameters.items()
    )
    return Signature(action, taken, keywords, returns)


SIGNATURES = {
    known.action: known
    for known in (
        signature("shop.fetch", {"found": Invoice, "nothing": dict[str, Any]}, uri=str, note_=str),
        signature("shop.draft", {"success": str}),
        signature("shop.price", {"success": Order}, fetch=Invoice),
        signature("shop.store", {"success": None}, order=Any),
        signature("shop.find", {"success": None, "stored": str}, order=Any),
        signature("shop.pack", {"success": None}, price=Invoice),
        signature("shop.look", {"success": None}, price=list[str]),
        signature("shop.other", {"success": None, "again": None}, price=Order, pack_=str, count=str),
        signature("shop.anything", None, keywords=True),
        signature("net.connect", {"success": socket}),
        signature("net.stream", {"success": Iterator[int]}),
    )
}


def findings(file: Path) -> list[str]:
    signatures = SIGNATURES if file.name.startswith(WITH_SIGNATURES) else None
    _, found = check_text(file.read_bytes(), file.name, signatures)
    return [str(finding) for finding in found]


def ours() -> list[Path]:
    return sorted(file for file in (DEFINITIONS / "err").glob("*.yaml") if file.name.startswith(OURS))


@pytest.mark.parametrize("file", ours(), ids=lambda file: file.stem)
def test_an_unsound_definition_gives_exactly_the_findings_beside_it(file: Path) -> None:
    assert findings(file) == file.with_suffix(".out").read_text().splitlines()


@pytest.mark.parametrize("file", ours(), ids=lambda file: file.stem)
def test_an_unsound_definition_gives_the_code_it_is_named_after_and_no_unrelated_error(file: Path) -> None:
    _, found = check_text(file.read_bytes(), file.name, SIGNATURES if file.name.startswith(WITH_SIGNATURES) else None)
    code = file.stem.partition("_")[0]
    assert code in {finding.code for finding in found}
    assert {finding.code for finding in found if finding.severity is Severity.ERROR} <= {code}


def test_every_code_of_these_groups_has_a_definition_that_gives_it() -> None:
    codes = {code for code in CATALOGUE if code.startswith(OURS)}
    assert codes - ELSEWHERE.keys() == {file.stem.partition("_")[0] for file in ours()}


@pytest.mark.parametrize("file", sorted((DEFINITIONS / "ok").glob("*.yaml")), ids=lambda file: file.stem)
def test_a_sound_definition_gives_no_error_and_no_warning(file: Path) -> None:
    _, found = check_text(file.read_bytes(), file.name)
    assert [str(finding) for finding in found if finding.severity is not Severity.NOTE] == []
