"""Signatures of files: good ones by our word and by ssh-keygen's own, and every kind of bad one in one line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from suite import signing
from suite.errors import SuiteError

Keys = Callable[[str], Path]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "SHA256SUMS"
    path.write_bytes(b"00  a.png\n11  b.png\n")
    return path


def test_signed_is_verified_by_us_and_by_the_documented_command(data: Path, ssh_key: Keys, tmp_path: Path) -> None:
    key = ssh_key("ada")
    written = signing.sign(data, key)
    assert written == tmp_path / "SHA256SUMS.sig"
    signer = signing.verify(data, key.with_suffix(".pub"))
    shown = subprocess.run(("ssh-keygen", "-l", "-f", str(key)), capture_output=True, check=True).stdout.decode()
    assert signer.fingerprint == shown.split()[1]
    listed = tmp_path / "allowed_signers"
    listed.write_text(f"# whom we trust\nada@example.org {key.with_suffix('.pub').read_text()}")
    assert signing.verify(data, listed) == signing.Signer("ada@example.org", signer.fingerprint)
    words = ("ssh-keygen", "-Y", "verify", "-f", str(listed), "-I", "ada@example.org", "-n", "file", "-s", str(written))
    subprocess.run(words, input=data.read_bytes(), capture_output=True, check=True)


def test_the_same_bytes_have_the_same_signature(data: Path, ssh_key: Keys) -> None:
    first = signing.sign(data, ssh_key("ada")).read_bytes()
    assert signing.sign(data, ssh_key("ada")).read_bytes() == first


def test_the_public_half_signs_nothing_where_no_agent_holds_the_key(
    data: Path, ssh_key: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    signing.sign(data, ssh_key("ada"))
    before = signing.signature_of(data).read_bytes()
    other = ssh_key("bob")
    other.unlink()
    with pytest.raises(SuiteError, match=r"--sign .*could not sign SHA256SUMS"):
        signing.sign(data, other.with_suffix(".pub"), "--sign")
    assert signing.signature_of(data).read_bytes() == before


def _flip(path: Path, at: int) -> None:
    changed = bytearray(path.read_bytes())
    changed[at] ^= 1
    path.write_bytes(changed)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: _flip(data, 0), "does not fit SHA256SUMS"),
        (lambda data: data.write_bytes(data.read_bytes() + b"\n"), "does not fit SHA256SUMS"),
        (lambda data: data.write_bytes(b""), "does not fit SHA256SUMS"),
        (lambda data: signing.signature_of(data).unlink(), "not signed"),
        (lambda data: signing.signature_of(data).write_bytes(b""), "not a signature"),
        (lambda data: signing.signature_of(data).write_bytes(b"<html>not found</html>"), "not a signature"),
        (
            lambda data: signing.signature_of(data).write_bytes(b"-----BEGIN SSH SIGNATURE-----\n" * 10**5),
            "not a signat",
        ),
        (lambda data: signing.signature_of(data).write_bytes(b"-----BEGIN SSH SIGNATURE-----\nAAAA\n"), "not by a key"),
    ],
)
def test_what_was_changed_is_refused(data: Path, ssh_key: Keys, spoil: Callable[[Path], object], said: str) -> None:
    key = ssh_key("ada")
    signing.sign(data, key)
    spoil(data)
    with pytest.raises(SuiteError, match=said) as caught:
        signing.verify(data, key.with_suffix(".pub"))
    assert caught.value.exit_code == 1


def test_another_persons_signature_is_refused(data: Path, ssh_key: Keys) -> None:
    signing.sign(data, ssh_key("eve"))
    with pytest.raises(SuiteError, match=r"not by a key that --signers .*ada\.pub lists"):
        signing.verify(data, ssh_key("ada").with_suffix(".pub"))


def test_a_signature_made_for_something_else_is_refused(data: Path, ssh_key: Keys) -> None:
    key = ssh_key("ada")
    subprocess.run(
        ("ssh-keygen", "-Y", "sign", "-n", "git", "-f", str(key), str(data)), capture_output=True, check=True
    )
    with pytest.raises(SuiteError, match="does not fit"):
        signing.verify(data, key.with_suffix(".pub"))


def test_what_is_no_key_is_refused_before_the_work(data: Path, ssh_key: Keys, tmp_path: Path) -> None:
    signing.check_key("--sign", ssh_key("ada"))
    with pytest.raises(SuiteError, match=r"--sign .*no such file"):
        signing.check_key("--sign", tmp_path / "none")
    with pytest.raises(SuiteError, match=r"--sign .*not a key"):
        signing.check_key("--sign", data)
    with pytest.raises(SuiteError, match=r"--signers .*lists no public key"):
        signing.verify(data, data)
    with pytest.raises(SuiteError, match=r"--signers .*a private key; give its public half, ada\.pub"):
        signing.verify(data, ssh_key("ada"))
    data.write_bytes(b"\xff\xfe")
    with pytest.raises(SuiteError, match=r"--signers .*not text"):
        signing.verify(data, data)
    with pytest.raises(SuiteError, match=r"--signers .*No such file"):
        signing.verify(data, tmp_path / "none")


def test_a_machine_without_the_tool_is_told_what_to_install(
    data: Path, ssh_key: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ssh_key("ada")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SuiteError, match="apt install openssh-client"):
        signing.sign(data, key)
