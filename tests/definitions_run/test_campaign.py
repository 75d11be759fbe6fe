"""The campaign: its actions as plain functions, the loop over a real mail server, and the demo that kills it."""

import json
import mailbox
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fsm
from definitions.campaign import actions, trial
from definitions.campaign.actions import CustomerList, Mail, Note
from definitions.campaign.mailserver import BUSY_EVERY
from fsm import operations
from fsm.clock import Clock

HERE = Path(trial.__file__).parent
HEADER = "id,first_name,last_name,email,city,plan,renews_on\n"
ANA = "C-1,Ana,Pereira,ana@example.com,Lisboa,Plus,9 April 2031\n"
NAMELESS = "C-2,,Müller,mueller@example.com,Köln,Basic,30 April 2031\n"
GONE = "C-3,Tomáš,Dvořák,tomas@closed.example,Brno,Plus,10 April 2031\n"
FUNCTIONS = (actions.open_list, actions.pick, actions.render, actions.send, actions.find_sent, actions.note)
MAIL = Mail("C-1", "ana@example.com", "Hello", "Dear Ana,\n")


@pytest.fixture
def postbox(tmp_path: Path) -> Iterator[trial.Postbox]:
    with trial.Postbox(tmp_path / "post") as opened:
        yield opened


@pytest.fixture(autouse=True)
def _log_that_does_not_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "LOG_LAG_S", 0.0)


class Impatient(Clock):
    """Chance that draws the shortest delay."""

    def draw(self) -> float:
        return 0.0


def customers(folder: Path, *rows: str) -> Path:
    path = folder / "customers.csv"
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


def inputs(path: Path, postbox: trial.Postbox) -> dict[str, str]:
    return {"campaign": "spring", "customers_csv": str(path), "template": str(HERE / "mail.txt"),
            "smtp": postbox.smtp, "mail_log": str(postbox.maildir)}  # fmt: skip


def engine(folder: Path, **instead: Any) -> fsm.Engine:
    """Return an engine with the campaign's actions, some of them replaced by others of the same name."""
    given = [instead.get(function.__name__, function) for function in FUNCTIONS]
    return fsm.Engine(folder / "runs.db", definitions=HERE / "campaign.yaml", actions=given, clock=Impatient())


class TestDefinition:
    def test_it_has_neither_errors_nor_warnings(self) -> None:
        found = fsm.check(HERE, actions=[actions])
        assert [str(one) for one in found if one.severity is not fsm.Severity.NOTE] == []

    def test_the_list_that_ships_is_sound_and_holds_customers_who_cannot_be_mailed(self) -> None:
        listed = actions.open_list(str(HERE / "customers.csv"))
        mails = [actions.render(listed, row, str(HERE / "mail.txt")) for row in range(1, listed.count + 1)]
        assert listed.count == 200
        assert sum("[[" in mail.subject + mail.text for mail in mails) == 7
        assert sum(mail.to.endswith("@closed.example") for mail in mails) == 1


class TestOpening:
    def test_a_list_is_pinned_by_its_content(self, tmp_path: Path) -> None:
        path = customers(tmp_path, ANA, NAMELESS)
        listed = actions.open_list(str(path))
        assert (listed.path, listed.count) == (str(path), 2)
        path.write_text(HEADER + NAMELESS + ANA, encoding="utf-8")
        with pytest.raises(ValueError, match="was changed after the campaign had begun"):
            actions.render(listed, 1, str(HERE / "mail.txt"))

    def test_an_address_that_comes_twice_is_refused_before_anything_is_sent(self, tmp_path: Path) -> None:
        twice = ANA.replace("C-1", "C-9")
        with pytest.raises(ValueError, match=r"own email; look at \['ana@example.com'\]"):
            actions.open_list(str(customers(tmp_path, ANA, twice)))

    def test_a_customer_without_an_address_is_refused_before_anything_is_sent(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="own email"):
            actions.open_list(str(customers(tmp_path, ANA.replace("ana@example.com", ""))))

    def test_a_column_that_is_missing_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "short.csv"
        path.write_text("id,email\n1,a@example.com\n", encoding="utf-8")
        with pytest.raises(ValueError, match="lacks the columns city, first_name, last_name, plan, renews_on"):
            actions.open_list(str(path))

    def test_a_list_longer_than_the_loop_is_refused_before_anything_is_sent(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(actions, "CUSTOMERS_MAX", 1)
        with pytest.raises(ValueError, match="has 2 customers; split it, 1 at a time"):
            actions.open_list(str(customers(tmp_path, ANA, NAMELESS)))

    def test_an_empty_list_is_a_list_of_nobody(self, tmp_path: Path) -> None:
        assert actions.open_list(str(customers(tmp_path))).count == 0


class TestPicking:
    @pytest.mark.parametrize(
        ("row", "outcome", "value"), [(None, "customer", 1), (1, "customer", 2), (2, "nothing", 3)]
    )
    def test_rows_follow_each_other_until_nobody_is_left(self, row: int | None, outcome: str, value: int) -> None:
        assert actions.pick(CustomerList("c.csv", "", 2), row) == fsm.Outcome(outcome, value)


class TestRendering:
    def test_placeholders_are_filled_in_from_the_row(self, tmp_path: Path) -> None:
        listed = actions.open_list(str(customers(tmp_path, ANA)))
        mail = actions.render(listed, 1, str(HERE / "mail.txt"))
        assert (mail.customer, mail.to) == ("C-1", "ana@example.com")
        assert mail.subject == "Ana, your Plus plan renews on 9 April 2031"
        assert mail.text.startswith("Dear Ana Pereira,\n")

    def test_what_the_row_leaves_empty_stays_a_placeholder(self) -> None:
        assert actions.fill_in("[[CITY]] and [[FIRST_NAME]], [[NO_COLUMN]]", {"city": "Köln", "first_name": ""}) == (
            "Köln and [[FIRST_NAME]], [[NO_COLUMN]]"
        )


class TestDelivering:
    def test_a_mail_arrives_and_is_found_by_its_message_id(self, postbox: trial.Postbox) -> None:
        wanted = actions.message_id("ab" * 32)
        assert not actions.is_logged(wanted, str(postbox.maildir))
        actions.deliver(actions.compose(MAIL, wanted), postbox.smtp)
        assert actions.is_logged(wanted, str(postbox.maildir))
        assert not actions.is_logged(actions.message_id("cd" * 32), str(postbox.maildir))
        (arrived,) = mailbox.Maildir(postbox.maildir)
        assert (arrived["Message-ID"], arrived["To"], arrived["Subject"]) == (wanted, "ana@example.com", "Hello")

    def test_an_address_that_is_refused_for_good_is_named_so(self, postbox: trial.Postbox) -> None:
        closed = Mail("C-3", "tomas@closed.example", "Hello", "Dear Tomáš,\n")
        with pytest.raises(actions.Refused, match=r"^550 5\.1\.1 no such mailbox$"):
            actions.deliver(actions.compose(closed, "<1@example.com>"), postbox.smtp)

    def test_notes_count_on_from_the_one_before(self) -> None:
        first = actions.note("C-2", "no name", None)
        assert first == Note(1, "C-2", "no name")
        assert actions.note("C-5", "no city", first) == Note(2, "C-5", "no city")


class TestRunning:
    def test_every_customer_is_mailed_skipped_or_refused(self, tmp_path: Path, postbox: trial.Postbox) -> None:
        path = customers(tmp_path, NAMELESS, ANA, GONE)
        with engine(tmp_path) as opened:
            run = opened.run("campaign", inputs(path, postbox))
            history = opened.history(run.id)
            found = opened.artifacts(run)
        assert run.output == {"customers": 3, "sent": 1, "skipped": 1, "refused": 1}
        assert postbox.recipients() == {"ana@example.com": 1}
        assert found["skipped"]["customer"] == "C-2"
        assert found["refused"] == {"count": 1, "customer": "C-3", "why": "550 5.1.1 no such mailbox"}
        assert [(row.source, row.event) for row, _ in history if row.target in ("skip", "refuse")] == [
            ("render", "error:EnsureFailed"), ("send", "error:Refused")]  # fmt: skip

    def test_a_busy_server_is_asked_again(self, tmp_path: Path, postbox: trial.Postbox) -> None:
        for n in range(1, BUSY_EVERY):
            actions.deliver(actions.compose(MAIL, f"<{n}@example.com>"), postbox.smtp)
        with engine(tmp_path) as opened:
            run = opened.run("campaign", inputs(customers(tmp_path, ANA), postbox))
            rows = [row for row, _ in opened.history(run.id)]
        assert run.output == {"customers": 1, "sent": 1, "skipped": 0, "refused": 0}
        assert [row.event for row in rows if row.source == "send"] == ["retry:patient", "success"]
        assert postbox.count() == BUSY_EVERY

    def test_a_server_that_refuses_the_mail_itself_stops_the_campaign(
        self, tmp_path: Path, postbox: trial.Postbox
    ) -> None:
        @fsm.action("campaign.send")
        def locked_out(mail: Mail, smtp: str) -> actions.Receipt:
            raise smtplib.SMTPAuthenticationError(535, b"who are you?")

        with engine(tmp_path, send=locked_out) as opened:
            run = opened.run("campaign", inputs(customers(tmp_path, ANA), postbox))
        assert (run.status, run.state) == ("dead", "dead_letter")

    def test_the_cursor_is_one_number_at_every_customer(self, tmp_path: Path, postbox: trial.Postbox) -> None:
        with engine(tmp_path) as opened:
            run = opened.run("campaign", inputs(customers(tmp_path, ANA, NAMELESS, GONE), postbox))
            picked = [written.artifacts for written in opened.history(run.id) if written.transition.source == "pick"]
        assert picked == [(("row", "1"),), (("row", "2"),), (("row", "3"),), (("row", "4"),)]

    def test_a_list_changed_on_the_way_stops_the_campaign(self, tmp_path: Path, postbox: trial.Postbox) -> None:
        path = customers(tmp_path, NAMELESS, ANA)

        @fsm.action("campaign.note")
        def meddling(customer: str, why: str, before: Note | None) -> Note:
            customers(tmp_path, ANA, NAMELESS)
            return actions.note(customer, why, before)

        with engine(tmp_path, note=meddling) as opened:
            run = opened.run("campaign", inputs(path, postbox))
            assert (run.status, run.state) == ("dead", "dead_letter")
            assert "was changed after the campaign had begun" in str(run.reason)
            customers(tmp_path, NAMELESS, ANA)
            operations.redrive(opened, run.id)
            (run,) = opened.resume()
        assert run.output == {"customers": 2, "sent": 1, "skipped": 1, "refused": 0}

    def test_a_mail_has_the_same_message_id_in_every_run_of_a_campaign(
        self, tmp_path: Path, postbox: trial.Postbox
    ) -> None:
        given = inputs(customers(tmp_path, ANA), postbox)
        with engine(tmp_path) as opened:
            receipts = [opened.artifacts(opened.run("campaign", given))["receipt"] for _ in range(2)]
            other = opened.artifacts(opened.run("campaign", given | {"campaign": "summer"}))["receipt"]
        assert receipts[0] == receipts[1] != other


class TestInterrupted:
    """An interruption between the server and the commit: the one instant that only the probe can settle."""

    def interrupted(self, folder: Path, postbox: trial.Postbox, *, after_sending: bool) -> list[bool]:
        """Run a campaign whose second mail is interrupted, resume it, and return the sends that were attempted."""
        told: list[bool] = []

        @fsm.action("campaign.send")
        def send(mail: Mail, smtp: str, ctx: fsm.Context) -> actions.Receipt:
            told.append(ctx.interrupted)
            if len(told) == 2 and not after_sending:
                raise KeyboardInterrupt
            receipt = actions.send(mail, smtp, ctx)
            if len(told) == 2:
                raise KeyboardInterrupt
            return receipt

        second = ANA.replace("C-1", "C-8").replace("ana@", "anabel@")
        with engine(folder, send=send) as opened:
            with pytest.raises(KeyboardInterrupt):
                opened.run("campaign", inputs(customers(folder, ANA, second), postbox))
            (run,) = opened.resume()
        assert run.output == {"customers": 2, "sent": 2, "skipped": 0, "refused": 0}
        return told

    def test_a_mail_that_had_gone_out_is_not_sent_again(self, tmp_path: Path, postbox: trial.Postbox) -> None:
        assert len(self.interrupted(tmp_path, postbox, after_sending=True)) == 2
        assert postbox.recipients() == {"ana@example.com": 1, "anabel@example.com": 1}

    def test_a_mail_that_had_not_gone_out_is_sent(self, tmp_path: Path, postbox: trial.Postbox) -> None:
        assert len(self.interrupted(tmp_path, postbox, after_sending=False)) == 3
        assert postbox.recipients() == {"ana@example.com": 1, "anabel@example.com": 1}


class TestDemo:
    def test_a_campaign_killed_three_times_mails_everyone_once(self) -> None:
        command = [sys.executable, str(HERE / "demo.py"), "--customers", "20", "--kills", "3", "--seed", "11", "--json"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        found = json.loads(ended.stdout)["fsm"]
        assert (found["delivered"], found["duplicates"], found["missing"], found["wrong"]) == (18, 0, 0, 0)
        assert (found["skipped"], found["refused"], found["sent_edges"]) == (1, 1, 18)
        assert found["crashes"] >= 1

    def test_kills_that_do_not_fit_are_refused_in_one_line(self) -> None:
        command = [sys.executable, str(HERE / "demo.py"), "--customers", "10", "--kills", "6"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 2
        assert "--kills 6: from 0 to half of the customers, 5" in ended.stderr

    def test_crashes_come_in_order_and_before_the_last_mail(self) -> None:
        kills = [kill.mails for kill in trial.plan(7, 192, seed=3)]
        assert kills == sorted(kills)
        assert 1 <= kills[0] <= kills[-1] < 192
        assert trial.plan(7, 192, seed=3) == trial.plan(7, 192, seed=3) != trial.plan(7, 192, seed=4)
