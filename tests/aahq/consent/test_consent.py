"""Consent: each opt-out in its place ends the matter before a byte of the picture is asked for, with its evidence."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pytest_httpserver import HTTPServer

from aahq.candidates import Candidate
from aahq.consent.decide import decide, decide_file, is_open
from aahq.consent.embedded_rights import read_rights
from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.consent.reservations import header_reservation, page_findings, reserves
from aahq.crawl.process import FetchContext, FetchResult, process_candidate
from aahq.stages.engine import Rejection
from aahq.web.client import Http
from aahq.web.limits import Limits
from suite.errors import SuiteError

NOTHING = "<html><head><title>A portrait</title></head></html>"


@pytest.fixture
def http(httpserver: HTTPServer) -> Iterator[Http]:
    limits = Limits(per_second=0, retries=0, read_s=2)
    with Http(None, allow=[f"{httpserver.host}:{httpserver.port}"], limits=limits, sleep=lambda s: None) as client:
        yield client


def site(
    httpserver: HTTPServer, page: str = NOTHING, robots: str = "", image: dict[str, str] | None = None, **more: object
) -> Candidate:
    """A site with one work; the candidate is its picture."""
    httpserver.expect_request("/robots.txt").respond_with_data(robots, status=200 if robots else 404)
    for path in SITE[1:]:
        httpserver.expect_request(path).respond_with_data("", status=404)
    httpserver.expect_request("/artwork/a").respond_with_data(page, content_type="text/html")
    httpserver.expect_request("/large/a.jpg").respond_with_data(b"x", content_type="image/jpeg", headers=image or {})
    base = httpserver.url_for("").rstrip("/")
    facts = {"page_url": f"{base}/artwork/a", "image_urls": (f"{base}/large/a.jpg",), "artist": "jane", **more}
    return Candidate("artstation", "a/1", **facts)  # type: ignore[arg-type]


def asked(httpserver: HTTPServer) -> list[tuple[str, str]]:
    return [(request.method, request.path) for request, _ in httpserver.log]


def test_a_free_work_is_allowed_with_evidence_of_every_check(httpserver: HTTPServer, http: Http) -> None:
    decision = decide(site(httpserver), http, OptOuts(), Permissions())
    assert decision.allowed
    assert decision.reason is None
    assert [entry["check"] for entry in decision.evidence] == ["opt-out list", "tags", "robots.txt", "page"]
    assert all(entry["time"] and set(entry) == {"check", "url", "value", "time"} for entry in decision.evidence)
    assert json.loads(json.dumps(decision.evidence)) == decision.evidence
    assert asked(httpserver) == [("GET", path) for path in (*SITE, "/artwork/a")], "the picture is not asked for yet"


SITE = ("/robots.txt", "/.well-known/tdmrep.json", "/ai.txt")
NO = {
    "robots page": ({"robots": "User-agent: *\nDisallow: /artwork/"}, "robots", ["/robots.txt"]),
    "robots picture": ({"robots": "User-agent: aahq\nDisallow: /large/"}, "robots", ["/robots.txt"]),
    "adult": ({"adult": True}, "adult", []),
    "ai made": ({"ai_made": True}, "ai_made", []),
    "tag": ({"tags": ("portrait", "NoAI")}, "tag_noai", []),
    "page meta": (
        {"page": '<html><head><meta name="robots" content="noai, noimageai"></head>'},
        "page_noai",
        [*SITE, "/artwork/a"],
    ),
}


@pytest.mark.parametrize("name", NO)
def test_the_first_no_ends_it_and_no_picture_is_fetched(httpserver: HTTPServer, http: Http, name: str) -> None:
    given_site, reason, paths = NO[name]
    decision = decide(site(httpserver, **given_site), http, OptOuts(), Permissions())  # type: ignore[arg-type]
    assert (decision.allowed, decision.reason) == (False, reason)
    assert [path for _, path in asked(httpserver)] == paths
    assert ("GET", "/large/a.jpg") not in asked(httpserver)
    assert decision.evidence[-1]["value"]


def test_unreachable_robots_are_a_no_and_missing_ones_a_yes(httpserver: HTTPServer, http: Http) -> None:
    httpserver.expect_request("/robots.txt").respond_with_data("", status=500)
    candidate = site(httpserver)
    assert decide(candidate, http, OptOuts(), Permissions()).reason == "robots_unreachable"


def test_no_evidence_is_a_no(httpserver: HTTPServer, http: Http) -> None:
    httpserver.expect_request("/artwork/gone").respond_with_data("", status=404)
    candidate = site(httpserver)
    base = httpserver.url_for("").rstrip("/")
    for page in (None, f"{base}/artwork/gone"):
        lost = Candidate("urls", "1", page, candidate.image_urls)
        assert decide(lost, http, OptOuts(), Permissions()).reason == "no_evidence"
    licensed = Candidate("urls", "1", None, candidate.image_urls, license="CC BY 4.0")
    assert decide(licensed, http, OptOuts(), Permissions()).allowed


def fetched(candidate: Candidate, http: Http, folder: Path, permissions: Permissions | None = None) -> FetchResult:
    return process_candidate("id", candidate, FetchContext(http, OptOuts(), permissions or Permissions()), folder)


def reason_of(taken: FetchResult) -> str:
    assert isinstance(taken.outcome, Rejection)
    return taken.outcome.reason


@pytest.mark.parametrize(
    "headers", [{"X-Robots-Tag": "noai"}, {"tdm-reservation": "1"}, {"Content-Usage": "train-ai=n"}]
)
def test_a_header_ends_it_before_the_body(
    httpserver: HTTPServer, http: Http, tmp_path: Path, headers: dict[str, str]
) -> None:
    taken = fetched(site(httpserver, image=headers), http, tmp_path)
    assert reason_of(taken) == "header_noai"
    assert taken.decision is not None
    assert next(iter(headers)).lower() in taken.decision.evidence[-1]["value"].lower()
    assert asked(httpserver)[-1] == ("HEAD", "/large/a.jpg"), "the picture itself is not asked for"
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_picture_that_is_gone_is_said_to_be(httpserver: HTTPServer, http: Http, tmp_path: Path) -> None:
    candidate = site(httpserver)
    base = httpserver.url_for("").rstrip("/")
    httpserver.expect_request("/4k/a.jpg").respond_with_data("", status=404)
    larger = (f"{base}/4k/a.jpg", *candidate.image_urls)
    lost = fetched(Candidate("artstation", "a", candidate.page_url, larger[:1]), http, tmp_path)
    assert reason_of(lost) == "gone"
    found = fetched(Candidate("artstation", "a", candidate.page_url, larger), http, tmp_path)
    assert reason_of(found) == "not_an_image", "the next address was asked, and gave one letter"


def test_one_page_is_read_once_for_all_its_pictures(httpserver: HTTPServer, http: Http) -> None:
    candidate = site(httpserver)
    for _ in range(3):
        assert decide(candidate, http, OptOuts(), Permissions()).allowed
    assert asked(httpserver).count(("GET", "/artwork/a")) == 1


# --- permissions and opt-outs

PERMISSION = """
[[permission]]
who = "Jane Painter <jane@example.org>"
date = 2026-05-01
text = "Yes, for AAHQ."
artist = "Jane"
"""


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_permission_waives_the_artists_reservation_and_is_evidence(
    httpserver: HTTPServer, http: Http, tmp_path: Path
) -> None:
    permissions = Permissions(written(tmp_path / "p.toml", PERMISSION))
    candidate = site(
        httpserver, page='<meta name="robots" content="noai">', image={"X-Robots-Tag": "noai"}, tags=("NoAI",)
    )
    taken = fetched(candidate, http, tmp_path, permissions)
    decision = taken.decision
    assert decision is not None
    assert reason_of(taken) == "not_an_image", "nothing stands in the way but the picture itself"
    assert "Jane Painter" in decision.evidence[0]["value"]
    assert permissions.sha256 in decision.evidence[0]["value"]
    assert sum("waived" in entry["value"] for entry in decision.evidence) == 3


@pytest.mark.parametrize("name", ["robots page", "adult", "ai made"])
def test_a_permission_waives_nothing_else(httpserver: HTTPServer, http: Http, tmp_path: Path, name: str) -> None:
    permissions = Permissions(written(tmp_path / "p.toml", PERMISSION))
    assert decide(site(httpserver, **NO[name][0]), http, OptOuts(), permissions).reason == NO[name][1]  # type: ignore[arg-type]


def test_the_opt_out_list_is_the_later_wish(httpserver: HTTPServer, http: Http, tmp_path: Path) -> None:
    permissions = Permissions(written(tmp_path / "p.toml", PERMISSION))
    candidate = site(httpserver)
    for line in (
        "artist: JANE",
        f"url: {candidate.page_url}/",
        f"{candidate.image_urls[0]}?2",
        f"url: {candidate.page_url[:-1]}*",
    ):  # type: ignore[index]
        optouts = OptOuts(written(tmp_path / "o.txt", f"# wishes\n\n{line}  # by mail\n"))
        assert decide(candidate, http, optouts, permissions).reason == "opted_out", line
    other = OptOuts(written(tmp_path / "o.txt", "artist: somebody"))
    assert decide(candidate, http, other, permissions).allowed


def test_a_file_can_be_opted_out_by_its_digest(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    Image.new("RGB", (9, 9)).save(picture)
    candidate = Candidate("folder", "a.png", None, ())
    optouts = OptOuts(written(tmp_path / "o.txt", "sha256: " + "AB" * 32))
    assert decide_file(candidate, picture, ("ab" * 32,), optouts, Permissions()).reason == "opted_out"
    assert decide_file(candidate, picture, ("cd" * 32,), optouts, Permissions()).allowed


@pytest.mark.parametrize(
    "text",
    [
        "[[permission]]\nwho = 'Jane P'",
        PERMISSION + "work = 'https://x.org/'",
        PERMISSION.replace("2026-05-01", "'soon'"),
        PERMISSION.replace("artist", "everybody"),
        PERMISSION.replace('artist = "Jane"', 'url_prefix = "https://cdn"'),
        "not toml",
        "permission = 1",
    ],
)
def test_a_vague_permission_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SuiteError, match="--permissions"):
        Permissions(written(tmp_path / "p.toml", text))


def test_permissions_cover_what_they_name(tmp_path: Path) -> None:
    base = PERMISSION.replace('artist = "Jane"', "{}")
    candidate = Candidate("urls", "1", "https://x.org/art/1", ("https://cdn.org/1.jpg",), artist="jane")
    bare = Candidate("urls", "1", None, ("https://x.org/art/1.jpg",))
    for line, covered in (
        ('work = "https://x.org/art/1"', (True, False)),
        ('url_prefix = "https://x.org/art/"', (True, True)),
        ('url_prefix = "https://x.org/other/"', (False, False)),
        ('artist = "john"', (False, False)),
    ):
        permissions = Permissions(written(tmp_path / "p.toml", base.format(line)))
        assert tuple(permissions.find(c) is not None for c in (candidate, bare)) == covered, line


@pytest.mark.parametrize("line", ["artits: jane", "sha256: 12", "jane", "url:"])
def test_a_bad_opt_out_line_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(SuiteError, match="line 2"):
        OptOuts(written(tmp_path / "o.txt", f"artist: x\n{line}\n"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CC0-1.0", True),
        ("CC BY 4.0", True),
        ("CC-BY-SA-4.0", True),
        ("CC BY-ND 4.0", False),
        ("", False),
        (None, False),
        ("All rights reserved", False),
        ("Public domain", True),
    ],
)
def test_open_licences(name: str | None, value: bool) -> None:
    assert is_open(name) is value


# --- the words


@pytest.mark.parametrize(
    ("content", "reserved"),
    [
        *(
            ("noai", True),
            ("NOAI,NOIMAGEAI", True),
            ("index, follow, noimageai", True),
            ("noindex", True),
            ("none", True),
        ),
        *(("noml", True), ("otherbot: noai", True), ("noindex;nofollow", True), ("", False), ("all", False)),
        *(("max-image-preview:none", False), ("max-image-preview: none, noai", True), ("nofollow, noarchive", False)),
        *(("unavailable_after: 25 Jun 2010 15:00:00 PST", False), ("noaix", False), ("index,follow", False)),
    ],
)
def test_directives(content: str, reserved: bool) -> None:
    assert reserves(content) is reserved
    assert bool(header_reservation({"X-Robots-Tag": content})) is reserved
    assert bool(page_findings(f'<meta name="ROBOTS" content="{content}">'.encode(), "aahq")) is reserved


@pytest.mark.parametrize(
    ("html", "reserved"),
    [
        ("<META NAME=robots CONTENT=noai>", True),
        ("<head><meta content='noai' name='robots'/></head>", True),
        ("<body><p><meta name='robots' content='noai'>", True),
        ("<meta name='aahq' content='noindex'>", True),
        ("<meta name='gptbot' content='noai'>", True),
        ("<meta name='googlebot' content='noindex'>", False),
        ("<meta name='tdm-reservation' content='1'>", True),
        ("<meta name='tdm-reservation' content='0'>", False),
        ("<meta name='robots' content='no&#97;i'>", True),
        ("<meta name='tdm&#45;reservation' content='&#x31;'>", True),
        ("<meta name='description' content='noai is discussed'>", False),
        ("<!-- <meta name='robots' content='noai'> -->", False),
        ("<meta name='robots'", False),
    ],
)
def test_pages(html: str, reserved: bool) -> None:
    assert bool(page_findings(html.encode(), "aahq")) is reserved


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_page_is_read(html: bytes) -> None:
    page_findings(html, "aahq")
    # Whatever stands before it, a tag of its own is found.
    assert page_findings(b'<meta name="robots" content="noai">' + html, "aahq")


@settings(deadline=None)
@given(st.text(max_size=60), st.sampled_from(["noai", "noimageai", "noml", "noindex"]))
def test_a_reservation_is_found_among_anything(text: str, word: str) -> None:
    assert reserves(f"{word}, {text}")


# --- inside the file


def jpeg(*segments: tuple[int, bytes]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "JPEG")
    data = out.getvalue()
    added = b"".join(b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body for marker, body in segments)
    return data[:2] + added + data[2:]


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "PNG")
    data = out.getvalue()
    added = b"".join(struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks)
    return data[:33] + added + data[33:]


def xmp(value: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/">{value}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def mining(term: str) -> bytes:
    return xmp(f"<plus:DataMining>http://ns.useplus.org/ldf/vocab/{term}</plus:DataMining>")


def jumbf(label: bytes, kind: bytes, body: bytes) -> bytes:
    def box(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content) + 8) + name + content

    return box(b"jumb", box(b"jumd", b"\0" * 16 + b"\3" + label + b"\0") + box(kind, body))


def carriers(packet: bytes) -> dict[str, bytes]:
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "WEBP", xmp=packet)
    tiff = io.BytesIO()
    Image.new("RGB", (16, 16)).save(tiff, "TIFF", tiffinfo={700: packet})
    extension = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + b"\0" * 8
    half = packet.index(b"PROHIBITED") + 4 if b"PROHIBITED" in packet else 10
    return {
        "jpeg": jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)),
        "jpeg extended": jpeg((0xE1, extension + packet[:half]), (0xE1, extension + packet[half:])),
        "jpeg utf-16": jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet.decode().encode("utf-16-le"))),
        "png": png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)),
        "png packed": png((b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(packet))),
        "webp": out.getvalue(),
        "tiff": tiff.getvalue(),
    }


@pytest.mark.parametrize("carrier", carriers(b"x" * 50))
def test_prohibitions_in_every_carrier(carrier: str) -> None:
    for term in ("DMI-PROHIBITED", "DMI-PROHIBITED-AIMLTRAINING", "DMI-PROHIBITED-SEECONSTRAINT"):
        assert read_rights(carriers(mining(term))[carrier]).prohibits == f"plus:DataMining {term}"
    for term in ("DMI-ALLOWED", "DMI-UNSPECIFIED"):
        assert read_rights(carriers(mining(term))[carrier]).prohibits is None
    assert read_rights(carriers(mining("DMI-ALLOWED"))[carrier]).allows
    assert read_rights(carriers(xmp("trainedAlgorithmicMedia"))[carrier]).ai_made


def deflated(data: bytes, window: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    return packer.compress(data) + packer.flush()


def hexed(data: bytes) -> bytes:
    """As ImageMagick writes a profile into a PNG text."""
    digits = data.hex().encode()
    return b"\nxmp\n%8d\n" % len(data) + b"\n".join(digits[at : at + 72] for at in range(0, len(digits), 72)) + b"\n"


def odd_carriers() -> dict[str, bytes]:
    """A prohibition as real writers and libraries put it, beside the plain ways."""
    packet = mining("DMI-PROHIBITED-AIMLTRAINING")
    plain, xap = jpeg(), b"http://ns.adobe.com/xap/1.0/\0" + packet
    segment = b"\xff\xe1" + struct.pack(">H", len(xap) + 2) + xap
    half = packet.index(b"PROHIBITED") + 4

    def piece(part: bytes, at: int) -> tuple[int, bytes]:
        head = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32
        return 0xE1, head + struct.pack(">II", len(packet), at) + part

    gif = io.BytesIO()
    Image.new("P", (16, 16)).save(gif, "GIF")
    at = gif.getvalue().index(b",", 13)
    store = jumbf(
        b"cawg.training-mining", b"cbor", cbor2.dumps({"entries": {"c2pa.ai_training": {"use": "notAllowed"}}})
    )
    store = jumbf(b"c2pa", b"free", b"x" * 200 + store[8:])[: -len(store)] + store
    blocks = b"".join(bytes([len(store[n : n + 255])]) + store[n : n + 255] for n in range(0, len(store), 255)) + b"\0"
    return {
        **{f"PNG, window {w}": png((b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + deflated(packet, w))) for w in range(9, 16)},
        "PNG zTXt": png((b"zTXt", b"XML:com.adobe.xmp\0\0" + deflated(packet, 12))),
        "PNG raw profile, packed": png((b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(hexed(packet)))),
        "PNG raw profile, plain": png((b"tEXt", b"Raw profile type xmp\0" + hexed(packet))),
        "JPEG, stray bytes": plain[:2] + b"\0\0" + segment + plain[2:],
        "JPEG, fill bytes": plain[:2] + b"\xff\xff\xff" + segment + plain[2:],
        "JPEG, a wrong length": plain[:4] + struct.pack(">H", int.from_bytes(plain[4:6], "big") - 1) + plain[6:20] + segment
        + plain[20:],
        "JPEG, after the scan": plain[:-2] + segment + plain[-2:],
        "JPEG, behind the end": plain + segment,
        "JPEG, pieces out of order": jpeg(piece(packet[half:], half), piece(packet[:half], 0)),
        "JPEG, entities": jpeg((0xE1, xap.replace(b"DMI-PROHIBITED", b"DMI&#45;PROHIBITED"))),
        "JPEG, tdm:reservation": jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp("<tdm:reservation>1</tdm:reservation>"))),
        "JPEG, a keyword": jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp("<rdf:li>NoAI</rdf:li>"))),
        "GIF, C2PA in sub-blocks": gif.getvalue()[:at] + b"\x21\xff\x0bC2PA_GIF\1\0\0" + blocks + gif.getvalue()[at:],
    }  # fmt: skip


@pytest.mark.parametrize("form", odd_carriers())
def test_prohibitions_as_real_writers_put_them(form: str) -> None:
    assert read_rights(odd_carriers()[form]).prohibits


@pytest.mark.parametrize(
    "text",
    [
        "<tdm:reservation>0</tdm:reservation>",
        'tdm:reservation="0"',
        "<rdf:li>Monaino</rdf:li>",
        "<dc:title>Piano AI</dc:title>",
    ],
)
def test_what_prohibits_nothing(text: str) -> None:
    assert read_rights(jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(text)))).prohibits is None


def test_a_generators_parameters_say_who_made_it() -> None:
    words = b"parameters\0portrait, oil\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"
    assert read_rights(png((b"tEXt", words))).ai_made
    assert read_rights(jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp("compositeSynthetic")))).ai_made


def test_pixels_are_not_read_as_metadata() -> None:
    """The term inside PNG pixel data or JPEG scans is chance, not a wish."""
    assert read_rights(png((b"IDAT", b"DMI-PROHIBITED"))).prohibits is None


@pytest.mark.parametrize("use", ["notAllowed", "constrained", "allowed"])
@pytest.mark.parametrize("label", [b"c2pa.training-mining", b"cawg.training-mining"])
def test_c2pa(use: str, label: bytes) -> None:
    entries = {"entries": {"c2pa.ai_inference": {"use": "notAllowed"}, "cawg.ai_generative_training": {"use": use}}}
    for kind, body in ((b"cbor", cbor2.dumps(entries)), (b"json", json.dumps(entries).encode())):
        store = jumbf(b"c2pa", b"jumb", jumbf(label, kind, body)[8:])
        for data in (png((b"caBX", store)), jpeg((0xEB, b"JP\0\1\0\0\0\1" + store))):
            found = read_rights(data).prohibits
            assert bool(found) is (use != "allowed"), (kind, found)


def test_c2pa_over_two_segments_and_unreadable() -> None:
    body = cbor2.dumps({"entries": {"c2pa.ai_training": {"use": "notAllowed"}}})
    store = jumbf(b"cawg.training-mining", b"cbor", body)
    first, second = store[:40], store[40:]
    head = b"JP\0\1\0\0\0"
    assert read_rights(jpeg((0xEB, head + b"\1" + first), (0xEB, head + b"\2" + store[:8] + second))).prohibits
    broken = jumbf(b"cawg.training-mining", b"cbor", b"\xff\xff")
    assert "unreadable" in str(read_rights(png((b"caBX", broken))).prohibits)


@settings(deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"RIFF"]))
def test_any_bytes_have_rights(data: bytes, magic: bytes) -> None:
    read_rights(magic + data)


@settings(deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_prohibition_is_found_among_anything(before: bytes, after: bytes) -> None:
    assert read_rights(b"II*\0" + before + b" DMI-PROHIBITED " + after).prohibits
    assert read_rights(png((b"iTXt", b"a\0" + before + b" DMI-PROHIBITED " + after))).prohibits


def test_embedded_reservations_are_decided(tmp_path: Path) -> None:
    candidate = Candidate("artstation", "a", None, (), artist="jane")
    path = tmp_path / "a.jpg"
    path.write_bytes(carriers(mining("DMI-PROHIBITED"))["jpeg"])
    assert decide_file(candidate, path, (), OptOuts(), Permissions()).reason == "embedded_noai"
    permissions = Permissions(written(tmp_path / "p.toml", PERMISSION))
    assert decide_file(candidate, path, (), OptOuts(), permissions).allowed
    path.write_bytes(carriers(xmp("http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"))["jpeg"])
    assert decide_file(candidate, path, (), OptOuts(), permissions).reason == "ai_made"


def test_local_files_need_no_web(tmp_path: Path) -> None:
    local = Candidate("folder", "a", None, ((tmp_path / "a").as_uri(),))
    decision = decide(local, None, OptOuts(), Permissions())
    assert decision.allowed
    assert decision.evidence[0]["check"] == "local folder"
