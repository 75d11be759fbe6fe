"""What an exception means: real libraries against real servers on this machine, and exceptions that misbehave."""

import json
import smtplib
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, TypeAdapter

import fsm
from fsm.actions.classify import classify
from fsm.kernel.retry import matches
from fsm.model.durations import DURATION_MAX_MS
from fsm.model.run import Failure

GROUPS = ("Transient", "Timeout", "RateLimited", "Unavailable", "BadRequest", "NotReady")


class Answers(BaseHTTPRequestHandler):
    """Answers /<status> with that status, and with the headers that the query names."""

    def do_GET(self) -> None:
        status, _, query = self.path.lstrip("/").partition("?")
        self.send_response_only(int(status))
        for header in filter(None, query.split("&")):
            name, _, value = header.partition("=")
            self.send_header(name, value.replace("+", " "))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@contextmanager
def talking(*lines: bytes, hang: bool = False) -> Iterator[int]:
    """Serve connections that are sent `lines`, one after each thing they say, and then closed or left hanging."""
    over = threading.Event()

    class Talk(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            for line in lines:
                self.request.sendall(line)
                if not self.request.recv(65_536):
                    return
            if hang:
                over.wait()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Talk) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield int(server.server_address[1])
        finally:
            over.set()
            server.shutdown()


@pytest.fixture
def deaf() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def failure_of(call: Callable[[], object]) -> Failure:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one it is, is what is tested
        call()
    failure = classify(caught.value)
    if isinstance(caught.value, urllib.error.HTTPError):
        caught.value.close()
    return failure


def fetch(url: str, timeout: float = 5.0) -> bytes:
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return bytes(answer.read())


def kinds(failure: Failure) -> list[str]:
    return [name for name in GROUPS if matches(name, failure, {})]


def status(url: str) -> httpx.Response:
    return httpx.get(url).raise_for_status()


class TestHttp:
    @pytest.mark.parametrize(("code", "expected", "interrupted"), [
        (400, ["BadRequest"], False), (401, ["BadRequest"], False), (403, ["BadRequest"], False),
        (404, ["BadRequest"], False), (409, ["BadRequest"], False), (422, ["BadRequest"], False),
        (408, ["Transient", "Unavailable"], True), (425, ["Transient", "Unavailable"], False),
        (429, ["Transient", "RateLimited"], False),
        (500, ["Transient", "Unavailable"], False), (502, ["Transient", "Unavailable"], True),
        (503, ["Transient", "Unavailable"], False), (504, ["Transient", "Unavailable"], True),
    ])  # fmt: skip
    def test_a_status_names_the_kind_for_httpx_and_for_urllib(
        self, web: str, code: int, expected: list[str], interrupted: bool
    ) -> None:
        for failure in (failure_of(lambda: status(f"{web}/{code}")),
                        failure_of(lambda: fetch(f"{web}/{code}"))):  # fmt: skip
            assert (kinds(failure), failure.interrupted) == (expected, interrupted)

    def test_it_answers_to_its_own_classes_too(self, web: str) -> None:
        failure = failure_of(lambda: status(f"{web}/404"))
        assert failure.name == "HTTPStatusError"
        assert matches("HTTPError", failure, {})
        assert "404" in failure.message
        assert failure.traceback is not None
        assert "raise_for_status" in failure.traceback

    @pytest.mark.parametrize(("headers", "wait_ms"), [
        ("Retry-After=7", 7_000),
        ("retry-after=1.5", 1_500),
        ("Retry-After-Ms=250&Retry-After=9", 250),
        ("Retry-After=Wed,+21+Oct+2026+07:30:00+GMT&Date=Wed,+21+Oct+2026+07:28:00+GMT", 120_000),
        ("Retry-After=Wed,+21+Oct+2026+07:30:00+-0000&Date=Wed,+21+Oct+2026+07:28:00+GMT", 120_000),
        ("Retry-After=Wed,+21+Oct+2026+07:00:00+GMT&Date=Wed,+21+Oct+2026+07:28:00+GMT", 0),
        ("Retry-After=Fri,+31+Dec+9999+23:59:59+GMT&Date=Wed,+21+Oct+2026+07:28:00+GMT", DURATION_MAX_MS),
        ("Retry-After=soon", None),
        ("Retry-After=-3", None),
        ("Retry-After=1e9", None),
        ("", None),
    ])  # fmt: skip
    def test_retry_after_is_read_in_seconds_and_as_a_date(self, web: str, headers: str, wait_ms: int | None) -> None:
        for failure in (failure_of(lambda: status(f"{web}/503?{headers}")),
                        failure_of(lambda: fetch(f"{web}/503?{headers}"))):  # fmt: skip
            assert failure.retry_after_ms == wait_ms

    def test_a_connection_that_was_refused_reached_nobody(self, deaf: int) -> None:
        for failure in (failure_of(lambda: httpx.get(f"http://127.0.0.1:{deaf}")),
                        failure_of(lambda: fetch(f"http://127.0.0.1:{deaf}"))):  # fmt: skip
            assert (kinds(failure), failure.interrupted) == (["Transient", "Unavailable"], False)

    def test_a_host_that_has_no_name_reached_nobody(self) -> None:
        for failure in (failure_of(lambda: httpx.get("http://nowhere.invalid")),
                        failure_of(lambda: fetch("http://nowhere.invalid"))):  # fmt: skip
            assert (kinds(failure), failure.interrupted) == (["Transient", "Unavailable"], False)

    def test_a_connection_lost_before_the_answer_may_have_had_its_effect(self) -> None:
        with talking() as port:
            for failure in (failure_of(lambda: httpx.get(f"http://127.0.0.1:{port}")),
                            failure_of(lambda: fetch(f"http://127.0.0.1:{port}"))):  # fmt: skip
                assert (kinds(failure), failure.interrupted) == (["Transient", "Unavailable"], True)

    def test_an_answer_that_breaks_off_may_have_had_its_effect(self) -> None:
        with talking(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf") as port:
            for failure in (failure_of(lambda: httpx.get(f"http://127.0.0.1:{port}")),
                            failure_of(lambda: fetch(f"http://127.0.0.1:{port}"))):  # fmt: skip
                assert (kinds(failure), failure.interrupted) == (["Transient", "Unavailable"], True)

    def test_an_answer_that_does_not_come_is_a_timeout_with_an_unknown_effect(self) -> None:
        with talking(hang=True) as port:
            for failure in (failure_of(lambda: httpx.get(f"http://127.0.0.1:{port}", timeout=0.05)),
                            failure_of(lambda: fetch(f"http://127.0.0.1:{port}", timeout=0.05))):  # fmt: skip
                assert (kinds(failure), failure.interrupted) == (["Transient", "Timeout"], True)

    @pytest.mark.parametrize("error", [httpx.UnsupportedProtocol("no http://"), httpx.LocalProtocolError("bad header")])
    def test_a_request_that_was_never_well_formed_is_not_tried_again(self, error: Exception) -> None:
        failure = classify(error)
        assert (kinds(failure), failure.interrupted) == (["BadRequest"], False)

    @pytest.mark.parametrize(("error", "expected", "interrupted"), [
        (httpx.ConnectTimeout("x"), ["Transient", "Unavailable"], False),
        (httpx.PoolTimeout("x"), ["Transient", "Unavailable"], False),
        (httpx.WriteTimeout("x"), ["Transient", "Timeout"], True),
        (httpx.ReadError("x"), ["Transient", "Unavailable"], True),
        (httpx.WriteError("x"), ["Transient", "Unavailable"], True),
        (httpx.RemoteProtocolError("x"), ["Transient", "Unavailable"], True),
        (httpx.InvalidURL("x"), ["BadRequest"], False),
    ])  # fmt: skip
    def test_httpx_tells_before_from_after_by_its_class(
        self, error: Exception, expected: list[str], interrupted: bool
    ) -> None:
        failure = classify(error)
        assert (kinds(failure), failure.interrupted) == (expected, interrupted)


class TestSmtp:
    """SMTP counts the other way round than HTTP: 4xx is "later", 5xx is "never"."""

    def greeted(self, *replies: bytes) -> Failure:
        with talking(b"220 hello\r\n", b"250 ok\r\n", *replies) as port:

            def send() -> None:
                with smtplib.SMTP("127.0.0.1", port, local_hostname="test", timeout=5) as server:
                    server.sendmail("a@example.org", ["b@example.org"], "hello")

            return failure_of(send)

    @pytest.mark.parametrize(("reply", "expected"), [
        (b"450 busy\r\n", ["Transient", "Unavailable"]), (b"550 no such mailbox\r\n", ["BadRequest"])])  # fmt: skip
    def test_a_refused_recipient(self, reply: bytes, expected: list[str]) -> None:
        failure = self.greeted(b"250 ok\r\n", reply, b"250 ok\r\n", b"221 bye\r\n")
        assert failure.name == "SMTPRecipientsRefused"
        assert (kinds(failure), failure.interrupted) == (expected, False)

    @pytest.mark.parametrize(("reply", "expected"), [
        (b"451 later\r\n", ["Transient", "Unavailable"]), (b"553 never\r\n", ["BadRequest"])])  # fmt: skip
    def test_a_refused_sender(self, reply: bytes, expected: list[str]) -> None:
        failure = self.greeted(reply, b"250 ok\r\n", b"221 bye\r\n")
        assert failure.name == "SMTPSenderRefused"
        assert (kinds(failure), failure.interrupted) == (expected, False)

    def test_a_server_that_goes_away_in_mid_call_may_have_taken_the_mail(self) -> None:
        failure = self.greeted(b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n")
        assert failure.name == "SMTPServerDisconnected"
        assert (kinds(failure), failure.interrupted) == (["Transient", "Unavailable"], True)

    def test_a_busy_server_is_later(self) -> None:
        with talking(b"421 too many connections\r\n") as port:
            failure = failure_of(lambda: smtplib.SMTP("127.0.0.1", port, timeout=5))
        assert failure.name == "SMTPConnectError"
        assert (kinds(failure), failure.interrupted) == (["Transient", "Unavailable"], False)

    def test_nobody_there_is_later(self, deaf: int) -> None:
        failure = failure_of(lambda: smtplib.SMTP("127.0.0.1", deaf))
        assert (kinds(failure), failure.interrupted) == (["Transient", "Unavailable"], False)

    def test_wrong_credentials_are_never(self) -> None:
        assert kinds(classify(smtplib.SMTPAuthenticationError(535, b"no"))) == ["BadRequest"]

    def test_one_recipient_to_be_tried_again_is_worth_a_try(self) -> None:
        mixed = smtplib.SMTPRecipientsRefused({"a": (550, b"no"), "b": (452, b"full")})
        assert kinds(classify(mixed)) == ["Transient", "Unavailable"]


class Model(BaseModel):
    total: int


class TestOthers:
    @pytest.mark.parametrize(("error", "expected", "interrupted"), [
        (ConnectionRefusedError(111, "refused"), ["Transient", "Unavailable"], False),
        (ConnectionResetError(104, "reset"), ["Transient", "Unavailable"], True),
        (BrokenPipeError(32, "pipe"), ["Transient", "Unavailable"], True),
        (OSError(113, "No route to host"), ["Transient", "Unavailable"], False),
        (OSError(28, "No space left on device"), [], False),
        (FileNotFoundError(2, "no such file"), [], False),
        (TimeoutError("timed out"), ["Transient", "Timeout"], True),
        (socket.gaierror(-2, "unknown"), ["Transient", "Unavailable"], False),
        (ssl.SSLCertVerificationError(1, "self signed"), [], False),
        (urllib.error.URLError("unknown url type: x"), [], False),
        (urllib.error.URLError(OSError(101, "Network is unreachable")), ["Transient", "Unavailable"], False),
        (ValueError("x"), [], False),
        (KeyError("x"), [], False),
        (fsm.Timeout(), ["Transient", "Timeout"], True),
        (fsm.HeartbeatLost(), ["Transient"], True),
        (fsm.Unavailable("x"), ["Transient", "Unavailable"], False),
        (fsm.RateLimited("x"), ["Transient", "RateLimited"], False),
        (fsm.BadRequest("x"), ["BadRequest"], False),
        (fsm.NotReady("x"), ["NotReady"], False),
    ])  # fmt: skip
    def test_each_has_its_kind(self, error: Exception, expected: list[str], interrupted: bool) -> None:
        failure = classify(error)
        assert (kinds(failure), failure.interrupted) == (expected, interrupted)
        assert not failure.verdict

    def test_what_does_not_validate_is_a_bad_request(self) -> None:
        assert kinds(failure_of(lambda: Model.model_validate({"total": "many"}))) == ["BadRequest"]
        assert kinds(failure_of(lambda: TypeAdapter(int).validate_json("x"))) == ["BadRequest"]
        assert kinds(failure_of(lambda: json.loads("{"))) == ["BadRequest"]

    def test_an_error_of_one_s_own_keeps_its_family_and_carries_its_value(self) -> None:
        class Busy(fsm.RateLimited):
            """Said by the ERP."""

        failure = classify(Busy("come back", retry_after_s=2.5, value={"queue": 9}))
        assert failure.name == "Busy"
        assert kinds(failure) == ["Transient", "RateLimited"]
        assert (failure.message, failure.retry_after_ms, failure.value) == ("come back", 2_500, {"queue": 9})

    def test_an_error_without_words_is_told_by_its_class(self) -> None:
        assert classify(KeyError()).message == "KeyError"

    def test_long_words_are_cut(self) -> None:
        failure = classify(ValueError("x" * 100_000))
        assert len(failure.message) == 2_000
        assert len(failure.traceback or "") <= 8_000


class Liar(Exception):
    """Every attribute that is asked for breaks."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class TestExceptionsThatMisbehave:
    def test_one_that_breaks_when_it_is_looked_at_is_still_a_failure(self) -> None:
        failure = classify(Liar())
        assert (failure.name, failure.message, failure.value) == ("Liar", "<Liar>", None)

    @pytest.mark.parametrize(("given", "wait_ms"), [
        (float("inf"), DURATION_MAX_MS), (1e300, DURATION_MAX_MS), (10**40, DURATION_MAX_MS),
        (float("nan"), None), (-1, None), ("7", None), (0, 0)])  # fmt: skip
    def test_a_wait_beyond_reason_is_bounded(self, given: Any, wait_ms: int | None) -> None:
        assert classify(fsm.RateLimited("x", retry_after_s=given)).retry_after_ms == wait_ms

    @pytest.mark.parametrize("headers", [
        5, "text", {"Retry-After": None}, {"Retry-After": b"7"}, {"Retry-After": object()},
        {"Retry-After": "Wed, 99 Oct 2026 07:30:00 GMT"}])  # fmt: skip
    def test_headers_that_are_none_ask_for_nothing(self, headers: Any) -> None:
        error = ValueError("x")
        error.headers = headers  # type: ignore[attr-defined]
        assert classify(error).retry_after_ms is None

    def test_words_that_utf_8_cannot_hold_are_escaped(self) -> None:
        failure = classify(ValueError("file \udcff.pdf"))
        assert failure.message == "file \\udcff.pdf"
        assert (failure.traceback or "").encode()

    @pytest.mark.parametrize("value", [object(), float("nan"), {1: {2: object()}}, "\ud800"])
    def test_a_value_that_is_no_json_is_described(self, value: Any) -> None:
        assert isinstance(classify(fsm.BadRequest("x", value=value)).value, str)

    def test_status_attributes_that_are_no_status_say_nothing(self) -> None:
        for code in (True, 7, 200, 600, "503", None, 404.0):
            error = ValueError("x")
            error.code = code  # type: ignore[attr-defined]
            assert kinds(classify(error)) == []


def test_no_client_library_is_imported_for_it() -> None:
    code = """
import sys
from fsm.actions.classify import classify
classify(ConnectionResetError())
print([name for name in ("httpx", "requests", "urllib.request", "http.client", "smtplib", "ssl", "pydantic", "asyncio")
       if name in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]", ended.stdout
