"""Signatures of releases: over the checksums, which name the manifest, which names every picture."""

from __future__ import annotations

from pathlib import Path

from aahq.release.schema import SUMS
from aahq.release.verify import sums_of, verify
from suite import signing
from suite.errors import SuiteError
from suite.files import sha256_file


def sign_release(root: Path, key: Path) -> Path:
    """Sign a release that is whole; every byte of it is read before.

    Args:
        root: the release's folder.
        key: see `suite.signing.check_key`.

    Returns:
        The signature's path.

    Raises:
        SuiteError: the key can sign nothing; or (exit code 1) the release is not what its manifest says.
    """
    signing.check_key("--key", key)
    if not verify(root).ok:
        raise SuiteError(
            f"RELEASE {root}: is not what its manifest says, and not to be signed; see 'aahq verify {root}'", 1
        )
    return signing.sign(root / SUMS, key)


def check_signed(flag: str, file: Path, signers: Path) -> signing.Signer:
    """Check that one file of a release is what somebody signed: the checksums beside it are, and they name its digest.

    Args:
        flag: the option that named the file.
        file: `manifest.parquet`, `removals.json` or another file beside `SHA256SUMS`.
        signers: see `suite.signing.verify`.

    Raises:
        SuiteError: it is not.
    """
    sums = file.parent / SUMS
    if not sums.is_file():
        raise SuiteError(f"{flag} {file}: no {SUMS} beside it, so nobody signed it; get the whole release's folder")
    signer = signing.verify(sums, signers)
    if (sha256_file(file), file.name) not in sums_of(file.parent):
        raise SuiteError(f"{flag} {file}: is not what {signer.name} signed; get the release again", 1)
    return signer
