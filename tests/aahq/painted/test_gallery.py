"""The embedded gallery: the sites' shapes, the truth about its pictures, and every fault within reach."""

import io
import itertools
import socket
from collections import Counter

import numpy as np
import pytest
import requests
from bs4 import BeautifulSoup
from PIL import Image

from aahq.painted.gallery import FAULTS, Gallery, serve
from aahq.painted.gallery.pictures import altered, encode, paint_shown
from aahq.painted.gallery.works import KINDS, pictures, plan
from aahq.reasons import REASONS
from suite.errors import SuiteError


@pytest.fixture(scope="module")
def gallery():
    return Gallery(count=40, seed=1, side=96)


@pytest.fixture(scope="module")
def base(gallery):
    with serve(gallery) as url:
        yield url


def works_of(base, channel=87):
    out = []
    for page in itertools.count(1):
        url = f"{base}/api/v2/community/channels/projects.json?channel_id={channel}&page={page}&per_page=30"
        found = requests.get(url, timeout=20).json()
        if not found["data"]:
            return out, found["total_count"]
        out += found["data"]


def test_channels_and_paging(base):
    channels = requests.get(f"{base}/api/v2/community/channels/channels.json", timeout=20).json()
    assert channels["total_count"] == len(channels["data"])
    assert {c["uri"]: c["id"] for c in channels["data"]}["portraits"] == 87
    works, total = works_of(base)
    assert total == len(works) == len({w["hash_id"] for w in works}) == 40
    assert {"id", "hash_id", "url", "title", "hide_as_adult", "icons", "user", "smaller_square_cover_url"} <= works[
        0
    ].keys()


def test_a_work_its_page_and_its_picture(base):
    works, _ = works_of(base)
    work = requests.get(f"{base}/projects/{works[0]['hash_id']}.json", timeout=20).json()
    asset = work["assets"][0]
    picture = requests.get(asset["image_url"], timeout=60)
    assert picture.headers["Content-Type"].startswith("image/")
    size = Image.open(io.BytesIO(picture.content)).size
    head = requests.head(asset["image_url"], timeout=20)
    assert head.status_code == 200
    assert not head.content
    assert int(head.headers["Content-Length"]) == len(picture.content)
    small = requests.get(asset["image_url"].replace("/large/", "/small/"), timeout=20)
    assert max(Image.open(io.BytesIO(small.content)).size) < max(size)
    page = BeautifulSoup(requests.get(work["permalink"], timeout=20).text, "html.parser")
    assert page.find("meta", property="og:image")["content"] == asset["image_url"]


def test_4k_is_sometimes_missing(base):
    works, _ = works_of(base)
    codes = set()
    for item in works[:12]:
        url = requests.get(f"{base}/projects/{item['hash_id']}.json", timeout=20).json()["assets"][0]["image_url"]
        codes.add(requests.head(url.replace("/large/", "/4k/"), timeout=60).status_code)
    assert codes == {200, 404}


def test_every_reservation_is_where_its_site_puts_it(base, gallery):
    truth = {row["expect"]: row for row in gallery.truth()}

    def get(path, **kwargs):
        return requests.get(base + path, timeout=60, **kwargs)

    page = BeautifulSoup(get(f"/artwork/{truth['page_noai']['work']}").text, "html.parser")
    assert "noai" in page.find("meta", attrs={"name": "robots"})["content"]
    image = get(f"/projects/{truth['header_noai']['work']}.json").json()["assets"][0]["image_url"]
    assert "noai" in requests.head(image, timeout=60).headers["X-Robots-Tag"]
    image = get(f"/projects/{truth['embedded_noai']['work']}.json").json()["assets"][0]["image_url"]
    assert b"DMI-PROHIBITED" in requests.get(image, timeout=60).content
    assert "NoAI" in get(f"/projects/{truth['tag_noai']['work']}.json").json()["tags"]
    for name in ("page_noai", "header_noai", "embedded_noai", "tag_noai"):
        assert get(f"/public/collection/v1/objects/{truth[name]['met']}").json()["isPublicDomain"] is False


def test_front_page_and_met(base, gallery):
    assert requests.get(f"{base}/", timeout=20).text.count("/artwork/") == 40
    ids = requests.get(f"{base}/public/collection/v1/search?hasImages=true&q=portrait", timeout=20).json()
    assert ids["total"] == len(ids["objectIDs"]) == 40
    assert sorted(row["met"] for row in gallery.truth() if row["met"] is not None) == ids["objectIDs"]
    thing = requests.get(f"{base}/public/collection/v1/objects/{ids['objectIDs'][0]}", timeout=20).json()
    assert thing["primaryImage"].startswith(base)


def test_plans_are_functions_of_their_arguments():
    assert plan(60, 5, 800) == plan(60, 5, 800)
    assert plan(60, 5, 800) != plan(60, 6, 800)
    for count in (1, 2, 7, 60, 130):
        works = plan(count, 0, 800)
        assert len(works) == count == len({w.hash_id for w in works})
    kinds = Counter(shown.kind for _, shown in pictures(plan(120, 0, 800)))
    assert set(kinds) == set(KINDS)


def test_truth_names_reasons_and_whole_clusters():
    rows = Gallery(count=90, seed=2).truth()
    assert len({row["key"] for row in rows}) == len(rows)
    clusters = Counter(row["cluster"] for row in rows if row["cluster"])
    assert len(clusters) >= 6
    assert min(clusters.values()) >= 2
    for row in rows:
        assert row["expect"] in ("keep", "one of cluster") or row["expect"] in REASONS
        assert (row["faces"] == 0) == (row["kind"] in ("landscape", "still life"))
        assert (row["expect"] == "one of cluster") == bool(row["cluster"])


def test_files_are_what_their_kind_says():
    shown = {s.kind: s for _, s in pictures(plan(120, 0, 90))}
    mode = {
        kind: Image.open(io.BytesIO(encode(s, altered(s, np.full((90, 70, 3), 90, np.uint8)))))
        for kind, s in shown.items()
    }
    assert mode["grey"].mode == "L"
    assert mode["cmyk"].mode == "CMYK"
    assert mode["transparent edge"].mode == "RGBA"
    assert mode["rotated"].getexif()[0x0112] == 6
    assert mode["rotated"].size == (90, 70)
    assert max(mode["tiny"].size) <= 72
    assert mode["resized"].size == (49, 63)


def test_pictures_are_painted_the_same_each_time(tmp_path):
    works = plan(12, 4, 80)
    shown = works[0].shown[0]
    assert np.array_equal(paint_shown(shown).rgb, paint_shown(shown).rgb)
    kept = Gallery(count=12, seed=4, side=80, cache=tmp_path)
    first = kept.data(kept.works[0].shown[0])
    assert len(list(tmp_path.iterdir())) == 1
    again = Gallery(count=12, seed=4, side=80, cache=tmp_path)
    assert again.data(again.works[0].shown[0]) == first


def test_repeated_pictures_have_bytes_of_their_own():
    many = Gallery(count=500, side=64, distinct=2)
    files = [many.data(work.shown[0]) for work in many.works[:20]]
    assert len(set(files)) == 20
    assert len({np.asarray(Image.open(io.BytesIO(f))).tobytes() for f in files}) == 2


def test_a_folder_of_real_pictures(tmp_path):
    Image.new("RGB", (40, 30), (200, 10, 10)).save(tmp_path / "a.png")
    Image.new("RGB", (50, 60), (10, 10, 200)).save(tmp_path / "b.jpg")
    with serve(Gallery(pictures_from=tmp_path)) as url:
        works, total = works_of(url)
        assert total == 2
        asset = requests.get(f"{url}/projects/{works[1]['hash_id']}.json", timeout=20).json()["assets"][0]
        assert requests.get(asset["image_url"], timeout=20).content == (tmp_path / "b.jpg").read_bytes()
    with pytest.raises(SuiteError, match="--pictures"):
        Gallery(pictures_from=tmp_path / "nowhere")


def test_faults_expect_known_reasons():
    for fault in FAULTS.values():
        assert fault.expect in REASONS or fault.expect in ("arrives", "stop")
        assert fault.at in ("image", "page", "work", "listing")
        assert (fault.expect == "stop") == (fault.at == "listing")
    with pytest.raises(SuiteError, match="did you mean 'status-404'"):
        Gallery(count=1, faults=("status-4044",))


def test_every_fault_is_within_reach():
    """Ask for each faulty address by hand and look at the first bytes on the wire."""
    works = Gallery(count=2, side=64, faults=("all",))
    with serve(works) as url:
        host, port = url[7:].split(":")
        for work in works.works:
            if not work.fault:
                continue
            fault = FAULTS[work.fault]
            paths = {"work": f"/projects/{work.hash_id}.json", "page": f"/artwork/{work.hash_id}"}
            asset = work.shown[0].number
            digits = f"{asset:09d}"
            image = f"/p/assets/images/images/{digits[:3]}/{digits[3:6]}/{digits[6:]}/large/x.jpg"
            with socket.create_connection((host, int(port)), timeout=30) as wire:
                wire.sendall(
                    f"GET {paths.get(fault.at, image)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
                )
                try:
                    start = wire.recv(200)
                except ConnectionResetError:
                    start = b""
            if work.fault == "reset":
                assert start == b""
            elif work.fault == "not-http":
                assert start.startswith(b"SSH-")
            else:
                assert start.startswith(b"HTTP/1.1 ")
            if work.fault.startswith(("status-", "redirect-loop-")):
                assert start.split()[1].decode() == work.fault.rpartition("-")[2]


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.at == "listing"])
def test_listing_faults_change_the_listing(name):
    with serve(Gallery(count=1, side=64), faults=(name,)) as url:
        answer = requests.get(f"{url}/api/v2/community/channels/projects.json?channel_id=87&page=1", timeout=20)
        try:
            assert "data" not in answer.json()
        except requests.exceptions.JSONDecodeError:
            assert answer.status_code >= 400 or answer.content.startswith(b'{"data"')
        if name == "challenge":
            assert (answer.status_code, answer.headers["Cf-Mitigated"]) == (403, "challenge")


def test_it_binds_to_this_machine_only(gallery):
    with serve(gallery) as url:
        assert url.startswith("http://127.0.0.1:")
