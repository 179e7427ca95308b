"""Keys to sign with: what config.toml may name, and `newsletter dkim-key`, which makes them."""

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from house import make_app
from signing import key, verdicts

from newsletter.app import App
from newsletter.cli import newsletter
from newsletter.cli.context import Context
from newsletter.cli.dkim import dkim_key
from newsletter.config import load
from newsletter.errors import ConfigError, NewsletterError, RunError, UsageError
from newsletter.mail.dkim import Kind, record_strings

SENDER = '[newsletter]\nsender = "papers@news.example.org"\n'
MESSAGE = b"From: papers@example.org\r\nSubject: Papers\r\n\r\nText\r\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(SENDER)
    return path


def pem(
    private: PrivateKeyTypes,
    form: PrivateFormat = PrivateFormat.PKCS8,
    sealed: KeySerializationEncryption = NoEncryption(),  # noqa: B008 - it is a value
) -> bytes:
    return private.private_bytes(Encoding.PEM, form, sealed)


def put(file: Path, content: bytes = key("rsa").pem, name: str = "a.pem", mode: int = 0o600) -> None:
    path = file.with_name(name)
    path.write_bytes(content)
    path.chmod(mode)


def section(header: str = "[dkim]", selector: str = "a", path: str = "a.pem", more: str = "") -> str:
    return f"{header}\nselector = '{selector}'\nkey = '{path}'\n{more}\n"


def refused(file: Path, text: str) -> ConfigError:
    file.write_text(SENDER + text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: {caught.value.key}: ")
    return caught.value


# ---------------------------------------------------------------- config.toml


@pytest.mark.parametrize(
    "content",
    [
        pem(key("rsa").private),
        pem(key("rsa").private, PrivateFormat.TraditionalOpenSSL),
        pem(key("ed25519").private),
        b"Bag Attributes: <none>\n" + pem(key("rsa").private),
    ],
    ids=["rsa", "rsa as formerly", "ed25519", "rsa after words"],
)
def test_keys_that_sign(file: Path, content: bytes) -> None:
    put(file, content)
    file.write_text(SENDER + section())
    (found,) = App(load(file)).signing_keys
    assert (found.domain, found.selector) == ("news.example.org", "a")
    assert verdicts(App(load(file)).sign(MESSAGE), found) == [True]


def test_two_keys_and_their_domains(file: Path) -> None:
    put(file)
    put(file, key("ed25519").pem, "b.pem")
    two = section("[[dkim]]", more="domain = 'Example.org'") + section("[[dkim]]", "B.2026", "b.pem")
    file.write_text(SENDER + two)
    app = App(load(file))
    assert [key.name for key in app.signing_keys] == ["a._domainkey.example.org", "b.2026._domainkey.news.example.org"]
    assert verdicts(app.sign(MESSAGE), *app.signing_keys) == [True, True]


def test_a_domain_beyond_ascii(file: Path) -> None:
    put(file)
    file.write_text('[newsletter]\nsender = "p@news.bücher.example"\n' + section(more="domain = 'BÜCHER.example'"))
    assert App(load(file)).signing_keys[0].domain == "xn--bcher-kva.example"
    file.write_text('[newsletter]\nsender = "p@bücher.example"\n' + section(more="domain = ''"))
    assert App(load(file)).signing_keys[0].domain == "xn--bcher-kva.example"


def rsa_of(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def long_rsa() -> rsa.RSAPrivateKey:
    """A key of 4,484 bits without looking for primes: two of Mersenne's."""
    p, q = 2**2281 - 1, 2**2203 - 1
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def damaged() -> rsa.RSAPrivateKey:
    """A key with another one's secret numbers."""
    ours, other = rsa_of(2048).private_numbers(), rsa_of(2048).private_numbers()
    numbers = rsa.RSAPrivateNumbers(ours.p, ours.q, other.d, other.dmp1, other.dmq1, ours.iqmp, ours.public_numbers)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            lambda: pem(rsa_of(1024)),
            "1024 bits, which is too weak (allowed: rsa of 2048 to 4096",
        ),
        (lambda: pem(rsa_of(2040)), "2040 bits, which is too weak"),
        (lambda: pem(long_rsa()), "more than verifiers need to take"),
        (lambda: pem(damaged()), "an rsa key that is damaged"),
        (lambda: pem(ec.generate_private_key(ec.SECP256R1())), "another kind (allowed: rsa"),
        (lambda: pem(x25519.X25519PrivateKey.generate()), "another kind"),
        (lambda: pem(key("rsa").private, sealed=BestAvailableEncryption(b"x")), "a passphrase"),
        (lambda: pem(key("rsa").private, PrivateFormat.OpenSSH), "no private key that can be read"),
        (lambda: key("rsa").pem.replace(b"\n", b"\nAAAA", 3), "no private key that can be read"),
        (
            lambda: key("rsa").private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "no private key that can be read",
        ),
        (lambda: key("rsa").pem[:500], "no private key that can be read"),
        (lambda: b"", "no private key that can be read"),
        (lambda: b"\xff\0" * 40_000, "no private key that can be read"),
    ],
    ids=range(13),
)
def test_keys_that_do_not_sign(file: Path, content: Callable[[], bytes], reason: str) -> None:
    written = content()
    put(file, written)
    error = refused(file, section())
    assert error.key == "dkim.key"
    assert reason in error.reason
    assert str(file.with_name("a.pem")) in error.reason
    assert not [line for line in written.splitlines() if len(line) > 20 and line.decode("latin-1") in str(error)]


@pytest.mark.parametrize(("mode", "fits"), [(0o600, True), (0o400, True), (0o640, False), (0o604, False)])
def test_a_key_is_its_owners_alone(file: Path, mode: int, fits: bool) -> None:
    put(file, mode=mode)
    file.write_text(SENDER + section())
    if fits:
        assert load(file).dkim
    else:
        assert f"mode {mode:04o}): chmod 600" in refused(file, section()).reason


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given away by root alone")
@pytest.mark.parametrize(("mode", "fits"), [(0o440, True), (0o640, True), (0o660, False), (0o444, False)])
def test_a_key_of_somebody_else_may_be_read_through_its_group(file: Path, mode: int, fits: bool) -> None:
    put(file, mode=mode)
    os.chown(file.with_name("a.pem"), 12345, 12345)
    file.write_text(SENDER + section())
    if fits:
        assert load(file).dkim
    else:
        assert refused(file, section()).key == "dkim.key"


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        ("dkim = 1\n", "dkim", "expected a table"),
        ("dkim = [1]\n", "dkim[1]", "expected a table"),
        ("[dkim]\n", "dkim.selector", "it is missing"),
        ("[[dkim]]\n", "dkim[1].selector", "it is missing"),
        ("[dkim]\nselector = 'a'\n", "dkim.key", "it is missing"),
        (section(more="selektor = 'b'"), "dkim.selektor", "did you mean selector? (allowed: domain, selector, key)"),
        (section(path="none.pem"), "dkim.key", "none.pem cannot be read: No such file"),
        (section(path="."), "dkim.key", "no private key"),
        (section(path=""), "dkim.key", "a path"),
        (section(selector=""), "dkim.selector", "letters, digits, hyphens"),
        (section(selector="a_b"), "dkim.selector", "is not a selector"),
        (section(selector="-a"), "dkim.selector", "is not a selector"),
        (section(selector="a; d=b"), "dkim.selector", "is not a selector"),
        (section(selector="ä"), "dkim.selector", "is not a selector"),
        (section(selector="a" * 64), "dkim.selector", "is not a selector"),
        (section(more="domain = 'a b'"), "dkim.domain", "not a domain"),
        (section(more="domain = 'example.org; l=0'"), "dkim.domain", "not a domain"),
        (section(more=f"domain = '{'ä' * 70}.example'"), "dkim.domain", "not a domain"),
        (section(more="domain = 'org'"), "dkim.domain", "'org' does not vouch for the sender (allowed: news."),
        (section(more="domain = 'ample.org'"), "dkim.domain", "does not vouch"),
        (section(more="domain = 'a.news.example.org'"), "dkim.domain", "does not vouch"),
        (section("[[dkim]]") + section("[[dkim]]", "b", more="domain = 'x.org'"), "dkim[2].domain", "does not vouch"),
        (section("[[dkim]]") + section("[[dkim]]", "b", "none.pem"), "dkim[2].key", "cannot be read"),
        (section("[[dkim]]") + section("[[dkim]]", "A"), "dkim[2].selector", "names another key too"),
    ],
)  # fmt: skip
def test_what_is_refused(file: Path, text: str, name: str, reason: str) -> None:
    put(file)
    # What is no table stands before all tables.
    file.write_text(text + SENDER if text.startswith("dkim") else SENDER + text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert caught.value.key == name
    assert reason in caught.value.reason


def test_a_key_is_not_shown(file: Path) -> None:
    put(file)
    file.write_text(SENDER + section())
    config = load(file)
    shown = f"{config!r} {config} {config.dkim[0]!r} {config.model_dump()}"
    assert key("rsa").pem.splitlines()[1].decode() not in shown
    assert "private" not in shown


# ---------------------------------------------------------------- the command


def run(file: Path, *arguments: str) -> str:
    """What a command prints. Raises what it ends with."""
    result = CliRunner().invoke(newsletter, ["--config", str(file), "dkim-key", *arguments], standalone_mode=False)
    if isinstance(result.exception, (NewsletterError, click.ClickException)):
        raise result.exception
    assert result.exception is None, result.exception
    return result.stdout


def pasted(printed: str) -> str:
    """The lines for config.toml."""
    return printed[printed.index("\n[") :]


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_key_is_made_and_what_is_printed_is_all_one_needs(file: Path, kind: Kind) -> None:
    printed = run(file, "--type", kind)
    selector, path = re.findall(r'(?m)^(?:selector|key) = "(.*)"$', printed)
    assert re.fullmatch(rf"papers-{kind}-20\d\d[01]\d", selector)
    assert path == f"dkim.{selector}.pem"
    made = file.with_name(path)
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert sorted(entry.name for entry in file.parent.iterdir()) == sorted([file.name, path])
    assert not [line for line in made.read_text().splitlines() if line in printed]
    file.write_text(SENDER + pasted(printed))
    app = App(load(file))
    (ours,) = app.signing_keys
    assert f"name:  {selector}._domainkey.news.example.org\n" in printed
    assert f"value: {ours.record}\n" in printed
    strings = re.findall(r'(?m)^    "(.*)"', printed)
    assert "".join(strings) == ours.record
    assert max(map(len, strings)) <= 255
    assert verdicts(app.sign(MESSAGE), ours) == [True]
    assert run(file, "--show").strip() in printed


def test_a_key_is_named_after_its_month(file: Path) -> None:
    context = Context(file)
    context.app = make_app(file.parent)
    result = CliRunner().invoke(dkim_key, ["--type", "ed25519"], obj=context)
    assert 'selector = "papers-ed25519-202601"' in result.stdout
    assert file.with_name("dkim.papers-ed25519-202601.pem").exists()


def test_a_file_is_never_written_over(file: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.pem").write_text("mine")
    with pytest.raises(RunError, match=r"mine\.pem is there already"):
        run(file, str(tmp_path / "mine.pem"))
    assert (tmp_path / "mine.pem").read_text() == "mine"
    (tmp_path / "link.pem").symlink_to("nowhere")
    with pytest.raises(RunError, match="is there already"):
        run(file, str(tmp_path / "link.pem"))
    run(file, "--selector", "once")
    before = (tmp_path / "dkim.once.pem").read_bytes()
    with pytest.raises(RunError, match="name another FILE or --selector"):
        run(file, "--selector", "once")
    assert (tmp_path / "dkim.once.pem").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 4  # nothing half done is left


def test_a_place_of_ones_own(file: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (tmp_path / "keys").mkdir()
    assert '\nselector = "s1"\nkey = "keys/a.pem"\n' in run(file, "--selector", "S1", str(tmp_path / "keys" / "a.pem"))
    elsewhere = tmp_path_factory.mktemp("elsewhere") / 'a "b".pem'
    printed = run(file, "--type", "ed25519", str(elsewhere))
    file.write_text(SENDER + pasted(printed))
    assert load(file).dkim[0].key == elsewhere


def test_a_second_key_goes_beside_the_first(file: Path) -> None:
    put(file)
    first = section("[[dkim]]", more="domain = 'example.org'")
    file.write_text(SENDER + first)
    printed = run(file, "--type", "ed25519", "--selector", "b")
    assert "in place of the key that is there, or beside it" in printed
    file.write_text(SENDER + first + pasted(printed))
    app = App(load(file))
    assert [key.name for key in app.signing_keys] == ["a._domainkey.example.org", "b._domainkey.example.org"]
    assert verdicts(app.sign(MESSAGE), *app.signing_keys) == [True, True]
    shown = run(file, "--show")
    assert [key.record in shown for key in app.signing_keys] == [True, True]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--show",), "there is no [dkim]"),
        (("--show", "--type", "rsa"), "--show makes no key"),
        (("--show", "a.pem"), "--show makes no key"),
        (("--selector", "a b"), "--selector: 'a b' is not a selector"),
        (("--selector", ""), "is not a selector"),
        (("nowhere/a.pem",), "there is no folder nowhere"),
    ],
)
def test_wrong_use(file: Path, arguments: tuple[str, ...], reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(file, *arguments)
    assert reason in str(caught.value)


def test_a_file_that_cannot_be_written(file: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be written: File name too long"):
        run(file, str(tmp_path / f"{'a' * 300}.pem"))
    assert list(tmp_path.iterdir()) == [file]


def test_a_workspace_keeps_keys_out_of_git(tmp_path: Path) -> None:
    done = CliRunner().invoke(newsletter, ["init", str(tmp_path / "new")])
    assert done.exit_code == 0
    assert "*.pem" in (tmp_path / "new" / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize(("length", "parts"), [(1, [1]), (255, [255]), (256, [255, 1]), (800, [255, 255, 255, 35])])
def test_long_records_are_parted(length: int, parts: list[int]) -> None:
    value = "".join(chr(97 + number % 26) for number in range(length))
    assert list(map(len, record_strings(value))) == parts
    assert "".join(record_strings(value)) == value
