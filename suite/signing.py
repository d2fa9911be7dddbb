"""Detached OpenSSH signatures of a file, by `ssh-keygen` and with the person's own keys.

Anyone with OpenSSH 8.2 or later checks `FILE.sig` without this program:

    ssh-keygen -Y verify -f ALLOWED_SIGNERS -I NAME -n file -s FILE.sig < FILE

Form: `PROTOCOL.sshsig` in OpenSSH's source; `ssh-keygen(1)`, sections on signing and ALLOWED SIGNERS.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from suite.errors import SuiteError
from suite.files import read_text, write_whole

SUFFIX = ".sig"
# What ssh-keygen(1) advises for files; a signature made for another purpose (git's is "git") does not count.
NAMESPACE = "file"
_TOOL = "ssh-keygen"
_ARMOUR = b"-----BEGIN SSH SIGNATURE-----"
# RSA of 16,384 bits takes 6 kB.
_LONGEST = 64 << 10
_KEY_TYPE = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[\w.@-]+ ")
# Whose name a public key by itself goes under.
_NAMELESS = "key"


@dataclass(frozen=True)
class Signer:
    """Whose signature was found good.

    Attributes:
        name: in the list of signers; `key` for a public key alone.
        fingerprint: the key's, as `ssh-keygen -l` shows it.
    """

    name: str
    fingerprint: str


def signature_of(path: Path) -> Path:
    """Where the signature of a file lies: beside it, `.sig` appended."""
    return path.with_name(path.name + SUFFIX)


def check_key(flag: str, key: Path) -> None:
    """Refuse what can sign nothing, before any work. Asks for no passphrase.

    Args:
        flag: the option that named it.
        key: a private key of OpenSSH's, or the public half of one that ssh-agent or a security key holds.

    Raises:
        SuiteError: no such file, no key, or no `ssh-keygen` on this machine.
    """
    if not key.is_file():
        raise SuiteError(
            f"{flag} {key}: no such file; expected a private key (ssh-keygen -t ed25519 -f {key} makes one)"
        )
    done = _run("-l", "-f", str(key))
    if done.returncode:
        raise SuiteError(f"{flag} {key}: not a key of OpenSSH's ({_last_line(done)})")


def sign(path: Path, key: Path, flag: str = "--key") -> Path:
    """Sign a file: write its signature beside it, whole, in the place of an older one.

    With an Ed25519 key the same bytes give the same signature. A passphrase is asked for on the terminal.

    Returns:
        The signature's path.

    Raises:
        SuiteError: the key cannot sign; nothing is written then.
    """
    with path.open("rb") as data:
        done = _run("-Y", "sign", "-n", NAMESPACE, "-f", str(key), stdin=data)
    if done.returncode or not done.stdout.startswith(_ARMOUR):
        raise SuiteError(f"{flag} {key}: could not sign {path.name} ({_last_line(done)})")
    write_whole(signature_of(path), done.stdout)
    return signature_of(path)


def verify(path: Path, signers: Path, flag: str = "--signers") -> Signer:
    """Check the signature beside a file.

    Args:
        path: the file that was signed.
        signers: whom to trust: a public key (`id_ed25519.pub`), or an `allowed_signers` file as git uses it.
        flag: the option that named it.

    Raises:
        SuiteError: exit code 1 where there is no signature, it is not by one of them, or the file is not what was signed;
            2 where `signers` lists no key.
    """
    allowed = _allowed(flag, signers)
    signature = signature_of(path)
    if not signature.is_file():
        raise SuiteError(
            f"{path}: not signed, {signature.name} is missing; get it from who made this, or ask them to sign", 1
        )
    if signature.stat().st_size > _LONGEST or not signature.read_bytes().startswith(_ARMOUR):
        raise SuiteError(f"{signature}: not a signature of OpenSSH's; get it again", 1)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "allowed_signers"
        listed.write_text(allowed, encoding="utf-8")
        principals = _run("-Y", "find-principals", "-f", str(listed), "-s", str(signature))
        names = principals.stdout.decode("utf-8", "replace").splitlines()
        if principals.returncode or not names:
            raise SuiteError(f"{signature}: not by a key that {flag} {signers} lists ({_last_line(principals)})", 1)
        for name in names:
            with path.open("rb") as data:
                done = _run(
                    "-Y", "verify", "-n", NAMESPACE, "-f", str(listed), "-I", name, "-s", str(signature), stdin=data
                )
            if done.returncode == 0:
                prints = re.search(rb"SHA256:[A-Za-z0-9+/=]+", done.stdout)
                return Signer(name, prints[0].decode() if prints else "")
    raise SuiteError(
        f"{signature}: does not fit {path.name} ({_last_line(done)}); one of the two was changed, get both again", 1
    )


def _allowed(flag: str, signers: Path) -> str:
    """The list of signers as ssh-keygen reads it; a line that begins with the key itself gets a name."""
    try:
        lines = read_text(signers).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise SuiteError(f"{flag} {signers}: {why}; expected a public key or an allowed_signers file") from None
    if any("PRIVATE KEY" in line for line in lines):
        raise SuiteError(f"{flag} {signers}: a private key; give its public half, {signers.name}.pub")
    keys = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not any(_KEY_TYPE.search(line) for line in keys):
        raise SuiteError(f"{flag} {signers}: lists no public key; expected a .pub file or an allowed_signers file")
    return "".join(f"{_NAMELESS} {line}\n" if _KEY_TYPE.match(line) else f"{line}\n" for line in keys)


def _run(*arguments: str, stdin: object = subprocess.DEVNULL) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run((_TOOL, *arguments), stdin=stdin, capture_output=True, check=False)  # type: ignore[call-overload]
    except FileNotFoundError:
        raise SuiteError(
            "signatures need ssh-keygen of OpenSSH 8.2 or later (Debian: apt install openssh-client)"
        ) from None


def _last_line(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr or done.stdout).decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "ssh-keygen said nothing")
