"""Whose file is it: overlaps behind links, folders and files that are somebody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from suite.errors import SuiteError
from suite.files import whole_file
from suite.ownership import claim_file, claim_folder, overlap, part_of, refuse_overlap, refuse_unwritable


def test_places_overlap_whatever_links_lead_there(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "to-b").symlink_to(tmp_path / "a" / "b")
    (tmp_path / "ab").mkdir()
    for one, other in (("a", "a"), ("a", "a/b"), ("a/b", "a"), ("to-b/new", "a"), ("a", "to-b"), ("a/../a", "a/b/x")):
        assert overlap(tmp_path / one, tmp_path / other), (one, other)
    for one, other in (("a", "ab"), ("to-b", "ab"), ("a/b/../c", "a/b")):
        assert not overlap(tmp_path / one, tmp_path / other), (one, other)
    with pytest.raises(SuiteError, match=r"--to .*to-b: lies in RELEASE .*a; give another place"):
        refuse_overlap("--to", tmp_path / "to-b", "RELEASE", tmp_path / "a")


def test_a_folder_is_claimed_when_new_empty_or_marked(tmp_path: Path) -> None:
    def marked(folder: Path) -> bool:
        return (folder / "mark").is_file()

    claim_folder("OUT", tmp_path / "new" / "er", marked)
    assert not (tmp_path / "new").exists()
    (tmp_path / "there").mkdir()
    claim_folder("OUT", tmp_path / "there", marked)
    (tmp_path / "there" / "thesis.txt").touch()
    with pytest.raises(SuiteError, match=r"OUT .*: holds 'thesis\.txt' and nothing of this command's"):
        claim_folder("OUT", tmp_path / "there", marked)
    (tmp_path / "there" / "mark").touch()
    claim_folder("OUT", tmp_path / "there", marked)


def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing" / "x")
    for name, why in (("file", "is a file"), ("file/inside", "is a file"), ("nowhere", "is a link to nothing")):
        with pytest.raises(SuiteError, match=why):
            refuse_unwritable("OUT", tmp_path / name)
    refuse_unwritable("OUT", tmp_path / "new" / "er")


def test_a_file_is_written_over_only_where_it_is_ours(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    claim_file("--to", page, lambda path: False)
    page.write_text("my own page")
    with pytest.raises(SuiteError, match="is there already and not this command's own"):
        claim_file("--to", page, lambda path: "by us" in path.read_text())
    claim_file("--to", page, lambda path: "my own" in path.read_text())
    with pytest.raises(SuiteError, match="is a folder"):
        claim_file("--to", tmp_path, lambda path: True)


def test_half_written_files_are_known_by_their_names(tmp_path: Path) -> None:
    with whole_file(tmp_path / "report.html") as part:
        assert part_of(part.name) == "report.html"
    for name in (".part", ".film.mkv.part", "report.html.abcdefgh.part", ".report.html.ABCDEFGH.part"):
        assert part_of(name) is None
