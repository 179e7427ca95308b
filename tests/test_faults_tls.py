"""TLS and logging in, and servers that take, break or refuse them: nobody is marked, and nothing goes out in plain."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from certificates import self_signed
from faulting import (
    ENDLESS,
    LOSSES,
    QUEUED,
    SENT,
    SPOKEN,
    assert_sent_once,
    assert_whole,
    deliver_honestly,
    newsletter,
    rows,
)
from faulty import FaultyServer
from faulty_script import ALWAYS, Act, Cut, Fault, Hold, Manners, Pipelining, Say, Stage
from house import Time

from newsletter.app import App
from newsletter.errors import TransportError
from newsletter.sending import deliver

LOGIN = ("ali", "open sesame")
TROUBLE = LOSSES | {"421": Say("421 4.3.2 bye"), "454": Say("454 4.7.0 not now")}
SECURITY = ["starttls", "tls"]


@pytest.fixture
def certificate(tmp_path: Path) -> Any:
    return self_signed(tmp_path)


def assert_nobody_marked(app: App, server: FaultyServer, readers: int) -> None:
    assert_whole(app, server, readers)
    assert {(row.status, row.attempts, row.unknowns) for row in rows(app)} == {(QUEUED, 0, 0)}
    assert server.heard.copies == []


# ---------------------------------------------------------------- TLS


@pytest.mark.parametrize("pipelining", SPOKEN)
@pytest.mark.parametrize("security", SECURITY)
def test_tls(tmp_path: Path, time: Time, certificate: Any, security: str, pipelining: Pipelining) -> None:
    offered = Manners(pipelining, tls=certificate.server_context(), starttls=security == "starttls")
    outside = {"tls": certificate.client_context()}
    faulty = FaultyServer(manners=offered)
    more: dict[str, Any] = {"readers": 12, "connections": 3, "security": security}
    with faulty as server, newsletter(tmp_path, server, time, outside=outside, **more) as app:
        deliver(app)
        assert_sent_once(app, server, 12)
        assert all(copy.tls for copy in server.heard.copies)


@pytest.mark.parametrize("pipelining", SPOKEN)
@pytest.mark.parametrize("act", [Cut(), Cut("rst"), Hold()], ids=repr)
@pytest.mark.parametrize(("stage", "unknowns"), [(Stage.MAIL, 0), (Stage.FILED, 1)])
def test_lost_in_tls(
    tmp_path: Path, time: Time, certificate: Any, stage: Stage, unknowns: int, act: Act, pipelining: Pipelining
) -> None:
    faulty = FaultyServer(
        Fault(stage, act, message=2), manners=Manners(pipelining, tls=certificate.server_context(), starttls=True)
    )
    outside = {"tls": certificate.client_context()}
    with faulty as server, newsletter(tmp_path, server, time, readers=3, outside=outside, security="starttls") as app:
        deliver(app)
        assert_whole(app, server, 3)
        assert {row.status for row in rows(app)} == {SENT}
        assert sum(row.unknowns for row in rows(app)) == unknowns
        assert sorted(server.heard.filed().values()) == [1, 1, 1 + unknowns]
        assert all(copy.tls for copy in server.heard.copies)


@pytest.mark.parametrize("name", TROUBLE)
def test_starttls_fails(tmp_path: Path, time: Time, certificate: Any, name: str) -> None:
    offered = Manners(tls=certificate.server_context(), starttls=True)
    faulty = FaultyServer(Fault(Stage.STARTTLS, TROUBLE[name], ALWAYS), manners=offered)
    outside = {"tls": certificate.client_context()}
    with faulty as server, newsletter(tmp_path, server, time, readers=2, outside=outside, security="starttls") as app:
        with pytest.raises(TransportError, match=str(server.port)):
            deliver(app)
        assert_nobody_marked(app, server, 2)
        deliver_honestly(app, server, time)
        assert_sent_once(app, server, 2)
        assert all(copy.tls for copy in server.heard.copies)


@pytest.mark.parametrize("act", [TROUBLE["454"], TROUBLE["fin"], Say("220 2.0.0 go ahead", then="fin")], ids=repr)
def test_starttls_works_at_the_third_try(tmp_path: Path, time: Time, certificate: Any, act: Act) -> None:
    offered = Manners(tls=certificate.server_context(), starttls=True)
    faulty = FaultyServer(Fault(Stage.STARTTLS, act, times=2), manners=offered)
    outside = {"tls": certificate.client_context()}
    with faulty as server, newsletter(tmp_path, server, time, readers=2, outside=outside, security="starttls") as app:
        deliver(app)
        assert_sent_once(app, server, 2)
        assert server.heard.connections == 3


def test_starttls_is_stripped(tmp_path: Path, time: Time) -> None:
    with FaultyServer() as server, newsletter(tmp_path, server, time, readers=2, security="starttls") as app:
        with pytest.raises(TransportError, match="STARTTLS"):
            deliver(app)
        assert_nobody_marked(app, server, 2)
        assert "MAIL" not in server.heard.verbs()


@pytest.mark.parametrize("injected", [b"250 fine\r\n", b"250-x\r\n250 AUTH PLAIN\r\n", b"535 5.7.8 no\r\n" * 3])
def test_what_is_injected_behind_starttls_is_not_believed(
    tmp_path: Path, time: Time, certificate: Any, injected: bytes
) -> None:
    """It did not come in TLS: whoever is in between could have said it."""
    offered = Manners(tls=certificate.server_context(), starttls=True, injected=injected, login=LOGIN)
    (tmp_path / "secret").write_text(LOGIN[1])
    account: dict[str, Any] = {"username": LOGIN[0], "password": {"file": "secret"}, "security": "starttls"}
    outside = {"tls": certificate.client_context()}
    faulty = FaultyServer(manners=offered)
    with faulty as server, newsletter(tmp_path, server, time, readers=2, outside=outside, **account) as app:
        deliver(app)
        assert_sent_once(app, server, 2)
        assert all(copy.tls for copy in server.heard.copies)


@pytest.mark.parametrize("security", SECURITY)
@pytest.mark.parametrize("wrong", [{"host": "other.example"}, {"lasts": timedelta(days=-1)}], ids=["name", "age"])
@pytest.mark.parametrize("trusted", [True, False])
def test_a_certificate_is_wrong(
    tmp_path: Path, time: Time, wrong: dict[str, Any], security: str, trusted: bool
) -> None:
    certificate = self_signed(tmp_path, **wrong)
    offered = Manners(tls=certificate.server_context(), starttls=security == "starttls")
    outside = {"tls": certificate.client_context()} if trusted else {}
    faulty = FaultyServer(manners=offered)
    with faulty as server, newsletter(tmp_path, server, time, readers=2, outside=outside, security=security) as app:
        with pytest.raises(TransportError, match=r"TLS failed.*CERTIFICATE_VERIFY_FAILED"):
            deliver(app)
        assert_nobody_marked(app, server, 2)
        assert server.heard.connections == 1, "trying again would not help"
        assert "MAIL" not in server.heard.verbs()


def test_tls_where_none_is(tmp_path: Path, time: Time) -> None:
    faulty = FaultyServer(manners=Manners("kept"))  # a handshake is no line that anybody sent too early
    with faulty as server, newsletter(tmp_path, server, time, readers=2, security="tls") as app:
        with pytest.raises(TransportError, match="TLS failed"):
            deliver(app)
        assert_nobody_marked(app, server, 2)


# ---------------------------------------------------------------- logging in


def test_a_login_is_refused(tmp_path: Path, time: Time) -> None:
    """Once: a password that is wrong is not right a second later, and servers count."""
    (tmp_path / "secret").write_text("guessed")
    account: dict[str, Any] = {"username": LOGIN[0], "password": {"file": "secret"}}
    faulty = FaultyServer(manners=Manners(login=LOGIN))
    with faulty as server, newsletter(tmp_path, server, time, readers=2, connections=3, **account) as app:
        with pytest.raises(TransportError, match="refuses the login of ali: 535"):
            deliver(app)
        assert_nobody_marked(app, server, 2)
        assert server.heard.connections == 1


@pytest.mark.parametrize("name", TROUBLE)
def test_a_login_fails_for_now(tmp_path: Path, time: Time, name: str) -> None:
    """Once in a run with more to it, and always."""
    (tmp_path / "secret").write_text(LOGIN[1])
    account: dict[str, Any] = {"username": LOGIN[0], "password": {"file": "secret"}}
    faulty = FaultyServer(Fault(Stage.AUTH, TROUBLE[name], ALWAYS), manners=Manners(login=LOGIN))
    with faulty as server, newsletter(tmp_path, server, time, readers=2, **account) as app:
        with pytest.raises(TransportError):
            deliver(app)
        assert_nobody_marked(app, server, 2)
        deliver_honestly(app, server, time)
        assert_sent_once(app, server, 2)


def test_a_login_works_at_the_third_try(tmp_path: Path, time: Time) -> None:
    (tmp_path / "secret").write_text(LOGIN[1])
    account: dict[str, Any] = {"username": LOGIN[0], "password": {"file": "secret"}}
    faulty = FaultyServer(Fault(Stage.AUTH, TROUBLE["454"], times=2), manners=Manners(login=LOGIN))
    with faulty as server, newsletter(tmp_path, server, time, readers=2, **account) as app:
        deliver(app)
        assert_sent_once(app, server, 2)


@pytest.mark.parametrize(
    "account", [{}, {"username": LOGIN[0], "password": {"file": "secret"}}], ids=["ours", "theirs"]
)
def test_only_one_side_knows_of_a_login(tmp_path: Path, time: Time, account: dict[str, Any]) -> None:
    (tmp_path / "secret").write_text(LOGIN[1])
    offered = Manners(login=None if account else LOGIN)
    faulty = FaultyServer(manners=offered)
    with faulty as server, newsletter(tmp_path, server, time, readers=2, patience=ENDLESS, **account) as app:
        with pytest.raises(TransportError, match="AUTH" if account else "530"):
            deliver(app)
        assert_nobody_marked(app, server, 2)
