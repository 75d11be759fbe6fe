"""The actions of the document intake: text out of PDFs, an invoice out of text, a record in the ERP.

ERP_URL says where the ERP is.
"""

import os
import re
from datetime import date
from pathlib import Path
from typing import Any, Literal

import httpx
from pydantic import BaseModel, Field, ValidationError
from pypdf import PdfReader
from pypdf.errors import PyPdfError

import fsm

PATIENCE_S = 20
"""Less than the `timeout` of the states, so that a call ends by itself before it is given up."""


class Invoice(BaseModel):
    """What an invoice says; amounts in cents, because floats do not add up.

    `confidence` is that of the least certain field, from 0 to 1; `doubtful` names the fields to look at.
    """

    supplier: str = Field(min_length=1)
    number: str = Field(min_length=1)
    date: date
    currency: str = Field(pattern="^[A-Z]{3}$")
    net_cents: int = Field(ge=0)
    tax_cents: int = Field(ge=0)
    total_cents: int = Field(ge=0)
    confidence: float = Field(ge=0, le=1)
    doubtful: list[str] = []


class Amendment(BaseModel):
    by: str
    corrections: dict[str, Any]


class Receipt(BaseModel):
    """The ERP's record of an invoice."""

    record: int
    number: str
    total_cents: int


class Encrypted(fsm.ActionError):
    """The file asks for a password."""


class Damaged(fsm.ActionError):
    """The file is no PDF, or not a whole one."""


class NotAnInvoice(fsm.ActionError):
    """The text lacks what makes an invoice."""


@fsm.action("documents.read")
def read(path: str) -> str:
    """Return the text of a PDF."""
    try:
        reader = PdfReader(path)
        if reader.is_encrypted:
            raise Encrypted(f"{Path(path).name} asks for a password")
        return "\n".join(page.extract_text() for page in reader.pages)
    except PyPdfError as error:
        raise Damaged(f"{Path(path).name} cannot be read: {error}") from error


LABELS = {"supplier": "From", "number": "Invoice number", "date": "Date", "currency": "Currency", "net": "Net",
          "tax": "Tax", "total": "Total"}  # fmt: skip
LOOKALIKES = str.maketrans("OolISB", "001158")
DOUBT = 0.6
"""How far a figure is trusted in which letters were read as digits."""


@fsm.action("documents.extract")
def extract(text: str) -> Invoice:
    """Find the fields of an invoice by their labels."""
    found = {name: _labelled(text, label) for name, label in LABELS.items()}
    missing = [LABELS[name] for name, value in found.items() if value is None]
    if missing:
        raise NotAnInvoice(f"no invoice: it has no {', '.join(missing)}")
    fields = {name: value or "" for name, value in found.items()}
    amounts = {f"{name}_cents": _cents(fields.pop(name)) for name in ("net", "tax", "total")}
    doubtful = [name for name, (_, is_clear) in amounts.items() if not is_clear]
    try:
        return Invoice.model_validate(
            {
                **fields,
                **{name: cents for name, (cents, _) in amounts.items()},
                "confidence": DOUBT if doubtful else 1.0,
                "doubtful": doubtful,
            }
        )
    except ValidationError as error:
        raise NotAnInvoice(f"no invoice: {error.errors()[0]['loc'][0]} {error.errors()[0]['msg']}") from error


def _labelled(text: str, label: str) -> str | None:
    found = re.search(rf"^{label}[^:\n]*:\s*(\S.*?)\s*$", text, re.MULTILINE)
    return found[1] if found else None


def _cents(text: str) -> tuple[int, bool]:
    """Return an amount, and whether every character of it is clear."""
    read_as = text.translate(LOOKALIKES).replace(",", "")
    if not re.fullmatch(r"\d{1,9}\.\d\d", read_as):
        raise NotAnInvoice(f'no invoice: "{text[:40]}" is no amount')
    return int(read_as.replace(".", "")), read_as == text.replace(",", "")


@fsm.action("documents.amend")
def amend(invoice: Invoice, review: Amendment) -> Invoice:
    """Write a person's corrections into the invoice; whoever corrects it has looked at all of it."""
    seen = {"confidence": 1.0, "doubtful": []}
    unknown = sorted(review.corrections.keys() - Invoice.model_fields.keys())
    if unknown:
        raise fsm.BadRequest(f'an invoice has no "{unknown[0]}"')
    return Invoice.model_validate({**invoice.model_dump(), **review.corrections, **seen})


@fsm.action("erp.post")
def post(invoice: Invoice, ctx: fsm.Context) -> Receipt:
    """Write the invoice into the ERP, which answers the same key with the same record, however often it comes."""
    content = invoice.model_dump(mode="json", include={"supplier", "number", "date", "currency", "total_cents"})
    response = httpx.post(_erp("/invoices"), json=content, headers={"Idempotency-Key": ctx.key}, timeout=PATIENCE_S)
    response.raise_for_status()
    return Receipt.model_validate_json(response.content)


@fsm.action("erp.find")
def find(ctx: fsm.Context) -> fsm.Outcome[Literal["success"], Receipt] | None:
    """Ask the ERP whether an interrupted attempt reached it: its record, or None."""
    response = httpx.get(_erp(f"/invoices/{ctx.key}"), timeout=PATIENCE_S)
    if response.status_code == httpx.codes.NOT_FOUND:
        return None
    response.raise_for_status()
    return fsm.Outcome("success", Receipt.model_validate_json(response.content))


def _erp(path: str) -> str:
    return os.environ["ERP_URL"] + path
