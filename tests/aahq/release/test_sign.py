"""Signed releases: good as long as nobody changes them, and asked for by verify, sync and rebuild."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aahq import pipeline
from aahq.cli import main
from aahq.pipeline import open_build
from aahq.release.cards.update import update_cards
from aahq.release.schema import SIGNATURE

Keys = Callable[[str], Path]


def aahq(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def out(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def signed(out: Path, ssh_key: Keys) -> Path:
    done = aahq("sign", out, "--key", ssh_key("ada"))
    assert done.exit_code == 0, done.output
    return out / "release"


def public(key: Path) -> Path:
    return key.with_suffix(".pub")


def test_verify_names_who_signed_and_so_does_openssh_alone(signed: Path, ssh_key: Keys) -> None:
    plain = aahq("verify", signed)
    assert plain.exit_code == 0
    assert "signature not checked" in plain.stdout
    done = aahq("verify", signed, "--signers", public(ssh_key("ada")), "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["signed_by"].startswith("key SHA256:")
    listed = signed.parent / "allowed_signers"
    listed.write_text("ada " + public(ssh_key("ada")).read_text())
    # The two lines of docs/stewardship.md.
    check = f"ssh-keygen -Y verify -f {listed} -I ada -n file -s SHA256SUMS.sig < SHA256SUMS && sha256sum -c --quiet SHA256SUMS"
    subprocess.run(check, shell=True, cwd=signed, check=True, capture_output=True)


@pytest.mark.parametrize("change", ["manifest.parquet", "SHA256SUMS", "rejects.parquet", "a picture", SIGNATURE])
def test_nothing_can_be_changed_unseen(signed: Path, ssh_key: Keys, change: str) -> None:
    path = next((signed / "images").rglob("*.png")) if change == "a picture" else signed / change
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    assert aahq("verify", signed, "--signers", public(ssh_key("ada"))).exit_code == 1


def test_a_set_made_anew_by_somebody_else_is_refused(signed: Path, ssh_key: Keys) -> None:
    """Whole in itself, signed by its maker: only whom the person trusts tells the two apart."""
    (signed / SIGNATURE).unlink()
    refused = aahq("verify", signed, "--signers", public(ssh_key("ada")))
    assert refused.exit_code == 1
    assert "not signed" in refused.stderr
    assert aahq("sign", signed, "--key", ssh_key("eve")).exit_code == 0
    refused = aahq("verify", signed, "--signers", public(ssh_key("ada")))
    assert refused.exit_code == 1
    assert "not by a key" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_what_is_broken_is_not_signed(out: Path, ssh_key: Keys) -> None:
    next((out / "release" / "images").rglob("*.png")).write_bytes(b"?")
    refused = aahq("sign", out, "--key", ssh_key("ada"))
    assert refused.exit_code == 1
    assert not (out / "release" / SIGNATURE).exists()
    assert aahq("sign", out, "--key", out / "none").exit_code == 2


def test_a_signature_stays_while_its_set_does_and_goes_with_it(signed: Path, ssh_key: Keys) -> None:
    before = (signed / SIGNATURE).read_bytes()
    with open_build(signed.parent, workers=1) as build:
        pipeline.release(build)
    assert (signed / SIGNATURE).read_bytes() == before, "the same bytes again"
    update_cards(signed)
    assert (signed / SIGNATURE).read_bytes() == before
    done = aahq("remove", signed.parent, "--picture", "p3.png")
    assert f"no longer signed: 'aahq sign {signed} --key KEY'" in done.stdout
    assert not (signed / SIGNATURE).exists()
    assert aahq("sign", signed, "--key", ssh_key("ada")).exit_code == 0
    assert aahq("verify", signed, "--signers", public(ssh_key("ada"))).exit_code == 0
    with open_build(signed.parent, workers=1) as build:
        pipeline.release(build, form="links")
    assert not (signed / SIGNATURE).exists()


def test_sync_takes_only_what_was_signed_and_the_copy_is_signed_again(
    signed: Path, ssh_key: Keys, tmp_path: Path
) -> None:
    copy, other, key = tmp_path / "copy", tmp_path / "other", public(ssh_key("ada"))
    shutil.copytree(signed, copy)
    assert aahq("remove", signed.parent, "--picture", "p3.png").exit_code == 0
    for source in (signed, signed / "manifest.parquet", signed / "removals.json"):
        assert aahq("sync", copy, "--from", source, "--signers", key).exit_code == 1, "the new set is not signed yet"
    refused = aahq("sync", copy, "--from", signed.parent / "tombstones.json", "--signers", key)
    assert "no SHA256SUMS beside it" in refused.stderr
    assert aahq("verify", copy, "--signers", key).exit_code == 0, "nothing has changed"
    assert aahq("sign", signed, "--key", ssh_key("ada")).exit_code == 0
    shutil.copytree(copy, other)
    assert aahq("sync", copy, "--from", signed, "--signers", key).exit_code == 0
    assert aahq("verify", copy, "--signers", key).exit_code == 0
    assert aahq("sync", other, "--from", signed / "removals.json", "--signers", key).exit_code == 0
    assert not (other / SIGNATURE).exists()
    # Tombstones of somebody else's would take out whatever they like.
    (signed / "removals.json").write_bytes((signed / "removals.json").read_bytes() + b" ")
    assert aahq("sync", other, "--from", signed / "removals.json", "--signers", key).exit_code == 1


def test_rebuild_asks_for_the_signature_before_it_fetches(
    signed: Path, ssh_key: Keys, painted_folder: Path, tmp_path: Path
) -> None:
    words = ("rebuild", signed, tmp_path / "again", "--folder", painted_folder, "--workers", 1)
    assert aahq(*words, "--signers", public(ssh_key("eve"))).exit_code == 1
    assert not (tmp_path / "again").exists()
    done = aahq(*words, "--signers", public(ssh_key("ada")))
    assert done.exit_code == 0, done.output
    card = signed / "release.json"
    card.write_text(card.read_text().replace('"size": 64', '"size": 32'))
    assert aahq(*words, "--signers", public(ssh_key("ada"))).exit_code == 1, "the card says how it is made"
