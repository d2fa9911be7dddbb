"""The pages: the same bytes every time, safe against hostile records, used in a real browser by mouse, keys and thumb."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser import browser, page  # noqa: F401
from click.testing import CliRunner
from PIL import Image

from benchmark.cli import main
from benchmark.leaderboard.inputs import face_name, pair_name
from benchmark.run.record import Record
from benchmark.run.record_file import parse, write
from benchmark.site.board import PAPER, build_board, page_names, read_records
from benchmark.site.build import build, render
from benchmark.site.plot import figure, scale
from benchmark.tasks.paper import Cell, cells, published
from benchmark.tasks.protocol import VERSION, Protocol
from suite.errors import SuiteError
from suite.files import digest
from tests.benchmark.report.test_records_and_tables import content

if TYPE_CHECKING:
    from playwright.sync_api import Page

OUR_RECORDS = Path(__file__).resolve().parents[3] / "benchmark" / "records"
# Passes the rules for names, and would still break a page that built its markup or scripts by hand.
HOSTILE = "x onerror=alert(1) {{7*7}} %3Cscript%3E javascript:alert(2) ${1}"


def made(name: str, fid: float, guidance: str = "reference", seed: str = "0", **change: Any) -> Record:
    given = content(Cell(0, guidance, name, None), fid=fid, seed=seed) | change  # type: ignore[arg-type]
    given["provenance"] |= {"inputs": digest([name, fid, guidance])}
    given["trust"] = change.get("trust", "re-run from weights")
    return parse(json.dumps(given))


def webp(path: Path, colour: tuple[int, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(buffer, "WEBP")
    path.with_suffix(".webp").write_bytes(buffer.getvalue())


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    many = {
        "alpha": made("Alpha", 30), "beta": made("Beta", 40), "gamma": made("Gamma", 9.5, trust="self-reported"),
        "alpha-latent": made("Alpha", 31, "latent"), "other": made("Elsewhere", 5, seed="9"),
        "hostile": made(HOSTILE, 100.5), "far": made("Ω名", 250),
    }  # fmt: skip
    for stem, record in many.items():
        write(folder / f"{stem}.json", record)
    for number, stem in enumerate(("alpha", "beta")):
        for face in range(8):
            for style in range(3):
                webp(folder / "samples" / stem / pair_name(face, style), (face * 30, style * 80, 200 * number))
                webp(folder / "samples" / f"inputs-{'0' * 12}" / pair_name(face, style), (style * 80, 0, 0))
            webp(folder / "samples" / f"inputs-{'0' * 12}" / face_name(face), (0, face * 30, 0))
    return folder


@pytest.fixture(scope="module")
def site(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "out"
    build(records, out)
    return out


# --- what the board says --------------------------------------------------------------------------------------------


def test_printed_rows_are_the_papers_and_marked(records: Path) -> None:
    board = build_board(read_records(records))
    printed = [group for group in board.groups if group.printed]
    assert {row.trust for group in printed for row in group.rows} == {"published"}
    # Tables 1-3 without cells that stand in two of them: 10 indicators and 4 (5) other methods.
    assert [len(group.rows) for group in printed] == [14, 15]
    for group in printed:
        for row in group.rows:
            cell = next(
                c for c in cells() if (c.guidance, c.method, c.indicator) == (group.guidance, row.method, row.indicator)
            )
            values = {column.metric: row.numbers[column.key].value for column in group.columns}
            assert values == {"FID": published(cell).fid, "LPIPS": published(cell).lpips}


def test_protocols_never_share_a_column(records: Path) -> None:
    for group in build_board(read_records(records)).groups:
        for row in group.rows:
            for column in group.columns:
                if column.key in row.numbers and row.record is not None:
                    assert row.record.get(column.metric).protocol == column.protocol  # type: ignore[union-attr]
        assert len({column.protocol for column in group.columns if column.metric == "FID"}) == 1
    groups = {group.protocol: group for group in build_board(read_records(records)).groups}
    assert len(groups) == 3
    assert {row.method for row in groups[Protocol("FID", {"seed": "9"}).id].rows} == {"Elsewhere"}
    assert PAPER in groups


def test_only_what_may_be_ranked_is_ranked(records: Path) -> None:
    board = build_board(read_records(records))
    group = next(g for g in board.groups if any(row.method == "Beta" for row in g.rows))
    ranks = {row.method: row.numbers[group.columns[0].key].rank for row in group.rows}
    # Intervals are value - 1 to value + 1, so these separate; the self-reported one is best and has no rank.
    assert ranks == {"Alpha": "1", "Beta": "2", HOSTILE: "3", "Ω名": "4", "Gamma": ""}
    assert group.rows[0].method == "Gamma"


def test_earlier_protocols_keep_their_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "old.json", made("Alpha", 30))
    monkeypatch.setattr("benchmark.site.board.VERSION", VERSION + 1)
    board = build_board(read_records(tmp_path))
    old = [group for group in board.groups if group.old]
    assert [row.method for group in old for row in group.rows] == ["Alpha"]
    assert "Earlier protocols" in render(tmp_path)["index.html"].decode()


def test_twins_of_two_tables_are_one_row(tmp_path: Path) -> None:
    record = made("Alpha", 30)
    write(tmp_path / "t1.json", record)
    write(tmp_path / "t2.json", record.model_copy(update={"notes": ["the same pictures"]}))
    assert sum(len(group.rows) for group in build_board(read_records(tmp_path)).groups if not group.printed) == 1


def test_two_records_of_one_measurement_that_differ_are_both_shown_and_neither_is_ranked(tmp_path: Path) -> None:
    true, beta = made("Alpha", 30), made("Beta", 40)
    given = true.model_dump()
    for key in ("value", "low", "high"):
        given["values"][0][key] -= 20
    for stem, record in (("a-forged", Record.model_validate(given)), ("true", true), ("beta", beta)):
        write(tmp_path / f"{stem}.json", record)
    board = build_board(read_records(tmp_path))
    (group,) = [group for group in board.groups if not group.printed]
    rows = {row.stem: row for row in group.rows}
    assert set(rows) == {"a-forged", "true", "beta"}
    for stem in ("a-forged", "true"):
        assert "a conflict: a-forged.json and true.json are of one measurement and differ" in rows[stem].doubt
        assert not any(number.rank or number.rankable for number in rows[stem].numbers.values())
    text = render(tmp_path)["methods/alpha.html"].decode()
    assert text.count("Not ranked: a conflict") == 2
    done = CliRunner().invoke(
        main, ["validate", str(tmp_path / "a-forged.json"), "--board", str(tmp_path), "--new-protocol"]
    )
    assert done.exit_code == 1
    assert "provenance.inputs: true.json is of the same measurement and has other numbers" in done.output


def test_a_record_of_copies_is_shown_and_not_ranked(tmp_path: Path) -> None:
    given = made("Thief", 3).model_dump()
    protocol = Protocol("copies (lite0)", {"seed": "0"})
    given["protocols"][protocol.id] = {"metric": protocol.metric, "parameters": protocol.parameters}
    given["values"].append({**given["values"][0], "metric": "copies (lite0)", "protocol": protocol.id, "value": 1.0})
    given["values"][-1] |= {"low": None, "high": None, "interval": None}
    write(tmp_path / "thief.json", Record.model_validate(given))
    write(tmp_path / "alpha.json", made("Alpha", 30))
    write(tmp_path / "beta.json", made("Beta", 40))
    (group,) = [group for group in build_board(read_records(tmp_path)).groups if not group.printed]
    fid = {row.method: row.numbers[group.columns[0].key] for row in group.rows}
    assert (fid["Thief"].rank, fid["Alpha"].rank, fid["Beta"].rank) == ("", "1", "2")
    assert fid["Thief"].why.startswith("copies (lite0) is 1.00")


def test_seconds_and_memory_have_columns_where_a_record_says_them(tmp_path: Path) -> None:
    given = made("Alpha", 30).model_dump()
    given["provenance"]["picture"] = {"seconds": 0.25, "bytes": 3_000_000, "threads": 2}
    write(tmp_path / "alpha.json", Record.model_validate(given))
    write(tmp_path / "beta.json", made("Beta", 40))
    text = render(tmp_path)["index.html"].decode()
    assert text.count("s a picture</button>") == 1
    assert 'data-v="0.25"' in text
    assert 'data-v="3000000"' in text


def test_page_names_are_plain_and_distinct() -> None:
    names = page_names(["DRIT++", "DRITpp", "../../x", "Ω名", "名", "con. ", "a" * 80])
    assert len(set(names.values())) == 7
    assert all(re.fullmatch(r"[a-z0-9-]{1,60}", name) for name in names.values())


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.79, "3.79"), (103.61, "103.61"), (0.65, "0.650"), (0, "0.000"), (1e-7, "1.00e-07"), (0.0041, "0.00410")],
)
def test_figures_print_as_the_paper_prints_them(value: float, text: str) -> None:
    assert figure(value) == text


def test_scales_have_round_ticks_inside() -> None:
    for values in ([3.79, 176.96], [0.145, 0.661], [5, 5], [-3, 1e6], [1e-7, 2e-7]):
        axis = scale(values, 0, 100)
        assert 2 <= len(axis.ticks) <= 8
        assert all(-0.1 <= axis(tick) <= 100.1 for tick in axis.ticks)
        assert all(0 <= axis(value) <= 100 for value in values)


# --- files ----------------------------------------------------------------------------------------------------------


def test_rebuilt_byte_for_byte_and_tidied(records: Path, site: Path, tmp_path: Path) -> None:
    again = build(records, tmp_path / "again")
    assert again == json.loads((site / "files.json").read_text())
    for path in again:
        assert (site / path).read_bytes() == (tmp_path / "again" / path).read_bytes()
    (tmp_path / "fewer").mkdir()
    build(tmp_path / "fewer", tmp_path / "again")
    assert not (tmp_path / "again" / "methods" / "alpha.html").exists()
    assert (tmp_path / "again" / "methods" / "blendgan.html").exists()
    (tmp_path / "again" / "methods" / "alpha.html").write_text("mine")
    with pytest.raises(SuiteError, match=r"methods/alpha\.html is there and no page of an earlier build"):
        build(records, tmp_path / "again")
    assert (tmp_path / "again" / "methods" / "alpha.html").read_text() == "mine"


def test_folders_of_others_are_left_alone(records: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SuiteError, match="no build wrote"):
        build(records, tmp_path)
    (tmp_path / "files.json").write_text('{"../../etc/passwd": ""}')
    with pytest.raises(SuiteError, match="not that of a site"):
        build(records, tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("<b>.webp", b"", "is no sample"),
        ("f0000-s00.webp", b"<svg onload=alert(1)>", "not a readable WebP"),
        ("f0000-s00.webp", b"\0" * (1 << 19), "at most"),
    ],
)
def test_hostile_samples_are_refused(name: str, data: bytes, said: str, tmp_path: Path) -> None:
    write(tmp_path / "alpha.json", made("Alpha", 30))
    (tmp_path / "samples" / "alpha").mkdir(parents=True)
    (tmp_path / "samples" / "alpha" / name).write_bytes(data)
    with pytest.raises(SuiteError, match=said):
        render(tmp_path)


def test_links_and_doubles_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a" / "alpha.json", made("Alpha", 30))
    write(tmp_path / "b" / "alpha.json", made("Beta", 30))
    with pytest.raises(SuiteError, match="another record has this file name"):
        read_records(tmp_path)
    (tmp_path / "b" / "alpha.json").unlink()
    (tmp_path / "b" / "beta.json").symlink_to(tmp_path / "a" / "alpha.json")
    with pytest.raises(SuiteError, match="a link"):
        read_records(tmp_path)


class Markup(HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_no_record_reaches_the_markup(site: Path) -> None:
    for path in sorted(site.rglob("*.html")):
        text = path.read_text()
        found = Markup()
        found.feed(text)
        policies = [a["content"] for tag, a in found.seen if a.get("http-equiv") == "Content-Security-Policy"]
        assert len(policies) == 1
        assert str(policies[0]).startswith("default-src 'none'; ")
        assert "unsafe" not in str(policies[0])
        assert sum(tag == "script" for tag, _ in found.seen) == 1
        for tag, attributes in found.seen:
            assert not any(name.startswith("on") or name == "style" for name in attributes), (path, tag, attributes)
            for name in ("href", "src"):
                target = attributes.get(name) or ""
                assert re.match(r"^(https://|#|[./]*[\w./#=-]*$)", target), (path, target)
                local = target.partition("#")[0]
                if local and not target.startswith("https:"):
                    assert (path.parent / local).exists(), (path, target)
        assert "49" not in re.findall(r"<h1>(.*?)</h1>", text)[0]


def test_the_committed_board_builds() -> None:
    files = render(OUR_RECORDS)
    assert {"index.html", "compare.html", "how.html", "methods/blendgan.html"} <= set(files)


def test_the_command_tells_what_it_wrote(records: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["site", "--records", str(records), "-o", str(tmp_path / "s"), "--json"])
    assert done.exit_code == 0, done.output
    assert "index.html" in json.loads(done.output)["files"]
    done = CliRunner().invoke(main, ["site", "--records", str(tmp_path / "none"), "-o", str(tmp_path / "s")])
    assert done.exit_code == 2
    assert done.output.startswith("error: RECORDS")


# --- in a browser ---------------------------------------------------------------------------------------------------


def methods_of(page: Page, table: str) -> list[str]:  # noqa: F811
    return page.locator(f"{table} tbody th a").all_inner_texts()


@pytest.mark.browser
@pytest.mark.slow
def test_tables_sort_by_keyboard(page: Page, site: Path) -> None:  # noqa: F811
    page.goto((site / "index.html").as_uri())
    table = "#" + page.locator("table.board", has_text="Beta").get_attribute("id")  # type: ignore[operator]
    assert methods_of(page, table) == ["Gamma", "Alpha", "Beta", HOSTILE, "Ω名"]
    head = page.locator(f"{table} thead th.num").first
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert methods_of(page, table) == ["Ω名", HOSTILE, "Beta", "Alpha", "Gamma"]
    # 100.5 after 9.5: as numbers, not as words.
    page.keyboard.press("Space")
    assert methods_of(page, table)[0] == "Gamma"
    page.locator(f"{table} thead button").first.click()
    assert methods_of(page, table)[:2] == ["Alpha", "Beta"]


@pytest.mark.browser
@pytest.mark.slow
def test_the_first_key_leads_past_the_header(page: Page, site: Path) -> None:  # noqa: F811
    page.goto((site / "index.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


@pytest.mark.browser
@pytest.mark.slow
def test_hostile_names_run_nothing(browser: Any, site: Path) -> None:  # noqa: F811
    spoken: list[str] = []
    blocked: list[str] = []
    opened = browser.new_page()
    opened.on("dialog", lambda dialog: (spoken.append(dialog.message), dialog.dismiss()))
    opened.on("console", lambda said: blocked.append(said.text))
    opened.goto((site / "index.html").as_uri())
    opened.locator("table.board a", has_text="onerror").click()
    assert opened.locator("h1").inner_text() == HOSTILE
    assert blocked == []
    # Even markup that a mistake of ours let through would not run.
    opened.evaluate(
        """() => { const div = document.createElement('div'); div.innerHTML = '<img src=x onerror="window.ran=1">';
                   document.body.append(div); }"""
    )
    opened.wait_for_timeout(200)
    assert spoken == []
    assert opened.evaluate("window.ran") is None
    assert any("Content Security Policy" in text for text in blocked)
    opened.close()


@pytest.mark.browser
@pytest.mark.slow
def test_two_methods_stand_side_by_side_and_load_lazily(page: Page, site: Path) -> None:  # noqa: F811
    page.set_viewport_size({"width": 390, "height": 700})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "compare.html").as_uri(), wait_until="load")
    images = page.locator("img.answer")
    assert images.count() == 8 * 3 * 2
    # Chromium begins about 1250 px ahead of the window; the last of 24 pairs lies far beyond.
    assert not any(url.endswith("alpha/f0007-s02.webp") for url in asked)
    page.locator("[data-of=b]").last.scroll_into_view_if_needed()
    page.wait_for_function("() => [...document.querySelectorAll('[data-of=b]')].at(-1).naturalWidth > 0")
    pair = page.locator(".pair").last
    names = [image.get_attribute("src") for image in pair.locator("img.answer").all()]
    assert names == ["samples/alpha/f0007-s02.webp", "samples/beta/f0007-s02.webp"]
    page.locator("[data-swap]").click()
    assert page.locator("[data-of=a]").last.get_attribute("src") == "samples/beta/f0007-s02.webp"
    page.locator("select").first.select_option("alpha")
    assert page.locator("[data-said]").inner_text() == "Alpha beside Alpha"
    page.goto((site / "compare.html").as_uri() + "#a=beta")
    page.reload()
    assert page.locator("select").first.input_value() == "beta"


@pytest.mark.browser
@pytest.mark.slow
def test_no_page_is_wider_than_a_phone(page: Page, site: Path) -> None:  # noqa: F811
    page.set_viewport_size({"width": 360, "height": 740})
    for path in ("index.html", "compare.html", "how.html", "methods/alpha.html"):
        page.goto((site / path).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        # A thumb needs about 24 px (WCAG 2.2, 2.5.8).
        small = page.locator("button:visible").evaluate_all(
            "all => all.filter(b => b.getBoundingClientRect().height < 24).length"
        )
        assert small == 0, path


@pytest.mark.browser
@pytest.mark.slow
def test_a_link_to_a_protocol_opens_it(page: Page, site: Path) -> None:  # noqa: F811
    page.goto((site / "methods" / "alpha.html").as_uri())
    page.locator("td a").first.click()
    target = page.url.partition("#")[2]
    assert target.startswith("aahq-fid-v1-")
    assert page.locator(f"#{target}").get_attribute("open") is not None


@pytest.mark.browser
@pytest.mark.slow
def test_everything_shows_without_scripts(browser: Any, site: Path) -> None:  # noqa: F811
    context = browser.new_context(java_script_enabled=False)
    quiet = context.new_page()
    quiet.goto((site / "index.html").as_uri())
    assert quiet.locator("table.board tbody tr").count() == 14 + 15 + 7
    quiet.goto((site / "compare.html").as_uri())
    assert quiet.locator("img.answer").count() == 48
    context.close()


def test_a_control_is_shown_and_never_ranked(tmp_path: Path) -> None:
    """However well it scores: nobody may be second to the painter's own answer."""
    control = {"method": {"name": "painted answer", "control": True}}
    for stem, record in {"one": made("One", 30), "two": made("Two", 60), "c": made("x", 1, **control)}.items():
        write(tmp_path / f"{stem}.json", record)
    group = next(g for g in build_board(read_records(tmp_path)).groups if not g.printed)
    ranks = {row.label: {number.rank for number in row.numbers.values()} for row in group.rows}
    assert ranks["control: painted answer"] == {""}
    assert "1" in ranks["One"]
