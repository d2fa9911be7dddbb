"""One artist, one address, one name, however they are spelt: opt-outs, permissions, tombstones, removal and lookup agree."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest

from aahq.candidates import Candidate
from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.ledger import Ledger
from aahq.remove.lookup import Question, lookup
from aahq.remove.remove import Wanted, check, remove
from aahq.remove.tombstones import Tombstones
from suite.errors import SuiteError

NAME = "José Núñez"
NFD = unicodedata.normalize("NFD", NAME)
NAMES = [NFD, NAME.upper(), f" {NAME} ", "José  Núñez", "José\u00a0Núñez", "\uff2aosé Núñez", f"@{NAME}"]
PAGE = "https://www.bücher.example/art/é.jpg"
PAGES = [
    "http://bücher.example/art/é.jpg",
    "https://xn--bcher-kva.example:443/art/%c3%a9.jpg/",
    "https://BÜCHER.example./art/%C3%A9.jpg?utm_source=mail#top",
    f"https://bücher.example/x/../art/{quote(unicodedata.normalize('NFD', 'é'))}.jpg",
    "bücher.example/art/é.jpg",
]


def candidate(**facts: object) -> Candidate:
    return Candidate("urls", "1", None, ("https://cdn.example/1.jpg",), **facts)  # type: ignore[arg-type]


def of_page(url: str) -> Candidate:
    return Candidate("urls", "1", url, ("https://cdn.example/1.jpg",))


def optouts(folder: Path, line: str) -> OptOuts:
    (folder / "optouts.txt").write_text(line + "\n", encoding="utf-8")
    return OptOuts(folder / "optouts.txt")


# As catalogues write a name: in the order of their lists, with the years of a life, with the people.
SPOKEN = "Vincent van Gogh"
CATALOGUED = (
    "Gogh, Vincent van",
    "gogh,  vincent van ",
    "Gogh, Vincent van, 1853-1890",
    "Vincent van Gogh (Dutch, 1853–1890)",
    "Vincent van Gogh, 30 Mar 1853 - 29 Jul 1890",
    "GOGH, Vincent van (Dutch, born 1853)",
)


@pytest.mark.parametrize("spelling", CATALOGUED)
def test_a_catalogues_form_of_a_name_is_that_name(tmp_path: Path, spelling: str) -> None:
    for listed, shown in ((spelling, SPOKEN), (SPOKEN, spelling), (spelling, CATALOGUED[0])):
        assert optouts(tmp_path, f"artist: {listed}").blocks(candidate(artist=shown))
        assert optouts(tmp_path, f"artist: {listed}").blocks(candidate(artist="7", extra={"artist_name": shown}))
        stones = Tombstones()
        for kind, value in Wanted(artists=(listed,)).stones():
            stones.add(kind, value)
        assert stones.names(candidate(artist=shown))
        assert stones.has_artist(shown)


def test_other_people_stay_other_people(tmp_path: Path) -> None:
    listed = optouts(tmp_path, f"artist: {SPOKEN}")
    for other in ("Vincent", "Gogh", "Gogh, Theo van", "Vincent, Gogh van", "van Gogh, Vincent, Theo", "1853"):
        assert not listed.blocks(candidate(artist=other)), other
    assert optouts(tmp_path, "artist: (1999)").blocks(candidate(artist="(1999)"))
    assert not optouts(tmp_path, "artist: (1999)").blocks(candidate(artist="(2001)"))
    assert optouts(tmp_path, "artist: a, b, c").blocks(candidate(artist="A, B, C"))


def test_a_permission_is_for_the_name_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        '[[permission]]\nwho = "Jane"\ndate = 2026-05-01\ntext = "Yes."\nartist = "Painter, Jane"\n'
    )
    given = Permissions(tmp_path / "p.toml")
    assert given.find(candidate(artist="painter,  jane"))
    assert given.find(candidate(artist="Jane Painter")) is None


@pytest.mark.parametrize("spelling", NAMES)
def test_an_opt_out_names_the_artist_in_any_spelling(tmp_path: Path, spelling: str) -> None:
    for listed, shown in ((spelling, NAME), (NAME, spelling)):
        assert optouts(tmp_path, f"artist: {listed}").blocks(candidate(artist=shown))
        stones = Tombstones()
        for kind, value in Wanted(artists=(listed,)).stones():
            stones.add(kind, value)
        assert stones.names(candidate(artist=shown))
        assert stones.has_artist(shown)


def test_an_opt_out_names_the_account_or_the_display_name(tmp_path: Path) -> None:
    both = candidate(artist="jane77", extra={"artist_name": "Jane Painter"})
    for line in ("artist: JANE77", "artist: jane  painter", "artist: @jane77 # by mail", "artist: jane77 #by mail"):
        assert optouts(tmp_path, line).blocks(both), line
    assert not optouts(tmp_path, "artist: jane").blocks(both)


@pytest.mark.parametrize(
    "page", ["https://www.artstation.com/Jane77", "jane77.artstation.com", "http://artstation.com/jane77/"]
)
def test_the_artists_page_names_all_of_their_works_and_no_work_names_the_artist(tmp_path: Path, page: str) -> None:
    work = Candidate("artstation", "a/1", "https://www.artstation.com/artwork/a", (), "jane77")
    other = Candidate("artstation", "b/2", "https://www.artstation.com/artwork/b", (), "jane77")
    nobody = Candidate("artstation", "c/3", "https://www.artstation.com/artwork/c", (), "jane")
    listed = optouts(tmp_path, f"url: {page.lower()}")
    assert listed.blocks(work)
    assert not listed.blocks(nobody)
    stones = Tombstones()
    stones.add_candidate(work)
    assert not stones.names(other), "one work that was taken out is not all of them"
    for kind, value in Wanted(urls=(page.lower() if "/" in page[8:] else f"https://{page}/*",)).stones():
        stones.add(kind, value)
    assert stones.names(other)
    assert not stones.names(nobody)


def test_a_number_sign_may_be_part_of_a_name(tmp_path: Path) -> None:
    assert optouts(tmp_path, "artist: artist #1").blocks(candidate(artist="Artist #1"))
    assert not optouts(tmp_path, "artist: artist #1").blocks(candidate(artist="artist"))


@pytest.mark.parametrize("spelling", PAGES)
def test_an_address_is_one_in_any_spelling(tmp_path: Path, spelling: str) -> None:
    for listed, shown in ((spelling, PAGE), (PAGE, spelling)):
        assert optouts(tmp_path, f"url: {listed}").blocks(of_page(shown))
        stones = Tombstones()
        stones.add_candidate(of_page(listed))
        assert stones.names(of_page(shown))
        assert stones.has_address(shown)


def test_a_host_alone_is_the_whole_site(tmp_path: Path) -> None:
    for line in (
        "url: https://jane.example",
        "https://jane.example/*",
        "url: jane.example",
        "url: https://jane.example*",
    ):
        assert optouts(tmp_path, line).blocks(of_page("https://www.jane.example/art/1")), line
        assert not optouts(tmp_path, line).blocks(of_page("https://jane.example.com/art/1")), line


@pytest.mark.parametrize("line", ["url: *", "url: https://", "url: jane", "artist: \u200b", "url: http://[/x"])
def test_an_entry_that_names_nothing_is_an_error(tmp_path: Path, line: str) -> None:
    with pytest.raises(SuiteError, match="line 1"):
        optouts(tmp_path, line)


def test_a_permission_is_compared_as_strictly_as_it_is_meant(tmp_path: Path) -> None:
    def covers(line: str, asked: Candidate) -> bool:
        (tmp_path / "p.toml").write_text(f'[[permission]]\nwho = "Jane"\ndate = 2026-05-01\ntext = "Yes."\n{line}\n')
        return Permissions(tmp_path / "p.toml").find(asked) is not None

    assert covers(f'artist = "{NFD}"', candidate(artist=NAME))
    assert not covers('artist = "Jane Painter"', candidate(artist="other", extra={"artist_name": "Jane Painter"}))
    assert covers(f'work = "{PAGES[1]}"', of_page(PAGE))
    assert not covers('work = "https://x.org/show?id=5"', of_page("https://x.org/show?id=6"))
    assert not covers('work = "https://x.org/show?id=5"', of_page("https://x.org/show"))
    assert covers('url_prefix = "https://x.org/art/"', of_page("https://X.org:443/art/%61/1"))
    assert not covers('url_prefix = "https://x.org/art"', of_page("https://x.org/artists/1"))
    assert not covers('url_prefix = "https://x.org/art/"', of_page("https://x.org/art/../private/1"))


def test_tombstones_of_before_still_hold() -> None:
    """They were hashed without normal forms, and without the query."""
    stones = Tombstones()
    before = (
        *(("artist", "jane  painter"), ("artist", "gogh, vincent van")),
        *(("address", "x.org/%7Ejane/show"), ("under", "x.org/%7ejohn/")),
    )
    for kind, value in before:
        stones.add(kind, value)
    assert stones.names(candidate(artist="Jane  Painter"))
    assert stones.names(candidate(artist="Gogh, Vincent van"))
    assert stones.names(of_page("https://x.org/%7Ejane/show?id=6"))
    assert stones.names(of_page("https://x.org/%7ejohn/1"))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    with Ledger(tmp_path, create=True) as made, made.transaction():
        made.add_candidate(Candidate("urls", "a", PAGE, ("https://cdn.example/a.jpg",), NAME))
        made.add_candidate(
            Candidate(
                "artstation", "b/1", "https://x.org/show?id=5", (), "jane77", extra={"artist_name": "Jane Painter"}
            )
        )
        made.add_candidate(Candidate("urls", "c", "https://x.org/show?id=6", (), "Nobody"))
    return Ledger(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        *((Wanted(artists=(spelling,)), ["a"]) for spelling in NAMES),
        *((Wanted(urls=(spelling,)), ["a"]) for spelling in PAGES),
        (Wanted(artists=("JANE painter",)), ["b/1"]),
        (Wanted(works=("https://x.org/show?id=5",)), ["b/1"]),
        (Wanted(urls=("https://x.org/*",)), ["b/1", "c"]),
    ],
)
def test_removal_and_lookup_find_any_spelling(ledger: Ledger, wanted: Wanted, keys: list[str]) -> None:
    asked = Question(wanted.artists, tuple(url for url in (*wanted.works, *wanted.urls) if not url.endswith("*")))
    with ledger:
        if not wanted.urls or not wanted.urls[0].endswith("*"):
            assert len(lookup(ledger.folder, asked).matches) == len(keys)
        check(wanted)
        assert len(remove(ledger, wanted).named) == len(keys)
        assert not {row["key"] for row in ledger.rows("SELECT key FROM pictures")} & set(keys)
        assert ledger.count("pictures") == 3 - len(keys)
        if not wanted.urls or not wanted.urls[0].endswith("*"):
            assert lookup(ledger.folder, asked).removed


@pytest.mark.parametrize("url", ["https://x.org", "https://x.org/a*", "nothing", "http://[/x", "*"])
def test_a_removal_of_a_whole_site_has_to_be_meant(url: str) -> None:
    with pytest.raises(SuiteError, match=r"expected a whole address, as https://host/page, or https://host/user/\*"):
        check(Wanted(urls=(url,)))


def test_a_picture_that_is_not_here_yet_is_kept_out(ledger: Ledger) -> None:
    """What `aahq remove` promises of a name that it does not know: by key, by id, and by a face's id."""
    later = [Candidate("folder", "later.jpg", None, ("file:///x/later.jpg",)), Candidate("urls", "z", None, ())]
    from aahq.ledger import face_id, picture_id

    names = ("later.jpg", face_id(picture_id("urls", "z"), 3))
    with ledger:
        assert not remove(ledger, Wanted(pictures=names)).named
        stones = Tombstones.read(ledger.folder / "tombstones.json")
    assert all(stones.names(work) for work in later)
    assert not stones.names(Candidate("folder", "other.jpg", None, ()))
