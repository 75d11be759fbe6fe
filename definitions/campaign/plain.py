"""The same campaign as a plain script: the same functions in a loop, and no engine.

    python plain.py CUSTOMERS_CSV TEMPLATE SMTP [POSITION_FILE]

With a position file it does what scripts do that were killed before: after each customer it notes the row, and it goes
on from there. (What it cannot know is whether the mail after that row went out.)
"""

import smtplib
import sys
import time
from email.utils import make_msgid
from pathlib import Path

import actions

ATTEMPTS = 8
DELAY_S = 0.1


def main(customers_csv: str, template: str, smtp: str, position_file: str | None = None) -> None:
    customers = actions.open_list(customers_csv)
    position = Path(position_file) if position_file else None
    done = int(position.read_text() or 0) if position and position.exists() else 0
    for row in range(done + 1, customers.count + 1):
        mail = actions.render(customers, row, template)
        if "[[" not in mail.subject + mail.text:
            deliver_patiently(mail, smtp)
        if position:
            position.write_text(str(row))


def deliver_patiently(mail: actions.Mail, smtp: str) -> None:
    for _ in range(ATTEMPTS):
        try:
            actions.deliver(actions.compose(mail, make_msgid(domain=actions.DOMAIN)), smtp)
        except actions.Refused:
            return
        except smtplib.SMTPException:
            time.sleep(DELAY_S)
        else:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
