"""The actions of the campaign: plain functions, each of which can be called and tested without the engine."""

import csv
import re
import smtplib
import time
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path
from typing import Literal

import fsm

SENDER = "Lighthouse Notes <hello@lighthouse.example>"
DOMAIN = "lighthouse.example"
COLUMNS = {"id", "first_name", "last_name", "email", "city", "plan", "renews_on"}
CUSTOMERS_MAX = 10_000  # as many as the loop's `max_visits` allows
SMTP_TIMEOUT_S = 10

LOG_LAG_S = 0.3
"""How long after the server took a mail its log may still not show it; ask your provider for theirs."""


class Refused(Exception):
    """The server will never take mail for this address."""


@dataclass(frozen=True)
class CustomerList:
    """A list of customers, pinned by its content."""

    path: str
    sha256: str
    count: int


@dataclass(frozen=True)
class Mail:
    customer: str
    to: str
    subject: str
    text: str


@dataclass(frozen=True)
class Receipt:
    customer: str
    message_id: str


@dataclass(frozen=True)
class Note:
    """Why a customer got no mail, and how many this makes."""

    count: int
    customer: str
    why: str


@fsm.action("campaign.open")
def open_list(customers_csv: str) -> CustomerList:
    """Check the list and pin its content: the loop counts rows, so the rows must stay what they are."""
    content = Path(customers_csv).read_bytes()
    rows = _rows(content)
    if len(rows) > CUSTOMERS_MAX:
        raise ValueError(f"{customers_csv} has {len(rows)} customers; split it, {CUSTOMERS_MAX} at a time")
    missing = COLUMNS - rows[0].keys() if rows else set()
    if missing:
        raise ValueError(f"{customers_csv} lacks the columns {', '.join(sorted(missing))}")
    for column in ("id", "email"):
        values = [row[column] for row in rows]
        doubled = {value for value in values if not value or values.count(value) > 1}
        if doubled:
            raise ValueError(f"{customers_csv}: every row needs its own {column}; look at {sorted(doubled)[:5]}")
    return CustomerList(customers_csv, sha256(content).hexdigest(), len(rows))


@fsm.action("campaign.pick")
def pick(customers: CustomerList, row: int | None) -> fsm.Outcome[Literal["customer", "nothing"], int]:
    """Return the next row, from 1."""
    following = (row or 0) + 1
    return fsm.Outcome("customer" if following <= customers.count else "nothing", following)


@fsm.action("campaign.render")
def render(customers: CustomerList, row: int, template: str) -> Mail:
    """Fill the template in for one customer. What the customer's row leaves empty stays a placeholder."""
    content = Path(customers.path).read_bytes()
    if sha256(content).hexdigest() != customers.sha256:
        raise ValueError(f"{customers.path} was changed after the campaign had begun; put it back, and redrive")
    customer = _rows(content)[row - 1]
    head, _, text = Path(template).read_text(encoding="utf-8").partition("\n\n")
    subject = head.removeprefix("Subject: ")
    return Mail(customer["id"], customer["email"], fill_in(subject, customer), fill_in(text, customer))


@fsm.action("campaign.send")
def send(mail: Mail, smtp: str, ctx: fsm.Context) -> Receipt:
    """Send one mail. SMTP knows no idempotency key: the Message-ID carries it, so that `find_sent` can ask for it."""
    deliver(compose(mail, message_id(ctx.key)), smtp)
    return Receipt(mail.customer, message_id(ctx.key))


@fsm.action("campaign.find_sent")
def find_sent(mail: Mail, mail_log: str, ctx: fsm.Context) -> fsm.Outcome[Literal["success"], Receipt] | None:
    """Ask whether the interrupted attempt went out: an `Outcome` if it did, None if it did not.

    An SMTP server cannot be asked, its log can. With a provider this is a call of its message log, by Message-ID;
    here the mailbox of the local server stands in for it. A log that lags is waited for: "not there yet" is not "no".
    """
    wanted = message_id(ctx.key)
    give_up_s = time.monotonic() + LOG_LAG_S
    while not is_logged(wanted, mail_log):
        if time.monotonic() > give_up_s:
            return None
        time.sleep(0.02)
    return fsm.Outcome("success", Receipt(mail.customer, wanted))


@fsm.action("campaign.note")
def note(customer: str, why: str, before: Note | None) -> Note:
    """Write down who got no mail and why. The ledger keeps every note, so each one needs to carry only the count."""
    return Note((before.count if before else 0) + 1, customer, why)


def fill_in(text: str, customer: dict[str, str]) -> str:
    """Replace each [[COLUMN]] by the customer's value, where there is one."""
    return re.sub(r"\[\[(\w+)]]", lambda found: customer.get(found[1].lower()) or found[0], text)


def message_id(key: str) -> str:
    return f"<{key[:32]}@{DOMAIN}>"  # 128 bits, and short enough that no line of a mail is folded


def compose(mail: Mail, message_id: str) -> EmailMessage:
    message = EmailMessage()
    message["Message-ID"] = message_id
    message["Date"] = formatdate()
    message["From"] = SENDER
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message.set_content(mail.text)
    return message


def deliver(message: EmailMessage, smtp: str) -> None:
    """Hand a message to the server.

    Whatever else goes wrong is left as it is: the engine knows what smtplib raises. "Later" (4xx) and a server that
    cannot be reached are tried again; "never" (5xx) about anything but the address stops the campaign.

    Raises:
        Refused: the server will never take mail for this address.
    """
    try:
        with smtplib.SMTP(smtp, local_hostname=DOMAIN, timeout=SMTP_TIMEOUT_S) as server:
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        ((code, said),) = error.recipients.values()
        if code < 500:  # noqa: PLR2004 - not refused, only put off
            raise
        raise Refused(f"{code} {said.decode(errors='replace')}") from error


def is_logged(message_id: str, mail_log: str) -> bool:
    wanted = f"Message-ID: {message_id}".encode()
    return any(wanted in file.read_bytes() for file in (Path(mail_log) / "new").glob("*"))


def _rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(content.decode("utf-8").splitlines()))
