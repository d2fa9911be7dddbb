"""Cards: valid by the standard's own reader, the same twice, true to the manifest, and nothing biometric leaves."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aahq.ledger import Ledger
from aahq.release.cards.datasheet import cell
from aahq.release.cards.stats import decade, release_stats, tone
from aahq.release.cards.update import update_cards
from aahq.release.schema import COLUMNS, REJECT_COLUMNS
from aahq.release.verify import verify
from aahq.release.write import write

# The vocabulary's terms, from docs.mlcommons.org/croissant/docs/croissant-rai-spec.html.
RAI = (
    "dataCollection dataCollectionType dataCollectionMissingData dataCollectionRawData dataPreprocessingProtocol "
    "dataAnnotationProtocol machineAnnotationTools personalSensitiveInformation dataUseCases dataSocialImpact dataBiases "
    "dataLimitations dataReleaseMaintenancePlan"
)


def rows(count: int = 12) -> Any:
    rng = np.random.default_rng(5)
    for n in range(count):
        row = {
            "id": f"{n:04}",
            "domain": "art",
            "split": ("train", "train", "test")[n % 3],
            "source": ("met", "artstation")[n % 2],
            "key": str(n),
            "license": ("CC0-1.0", "All rights reserved", "CC-BY-ND-4.0")[n % 3],
            "artist": f"artist {n % 4}",
            "medium": ("Oil on canvas", "Pastel | <b>ink</b>")[n % 2],
            "made": ("ca. 1652", "1890s", "")[n % 3],
            "published": "2019-05-01",
        }
        yield row, rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("form", ["folder", "shards", "links"])
def test_croissant_is_valid_and_reads_the_manifest_offline(tmp_path: Path, form: str) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    write(tmp_path, rows(), name="cards", recipe="r", size=32, form=form)
    text = json.loads((tmp_path / "croissant.json").read_text())
    assert text["conformsTo"] == ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
    assert [term for term in RAI.split() if not text[f"rai:{term}"]] == []
    dataset = mlcroissant.Dataset(jsonld=str(tmp_path / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    assert dataset.metadata.data_biases == text["rai:dataBiases"]
    table = pd.read_parquet(tmp_path / "manifest.parquet")
    for record, row in zip(dataset.records("faces"), table.to_dict("records"), strict=True):
        for name in ("id", "license", "sha256", "page_url"):
            assert record[f"faces/{name}"].decode() == row[name]
        assert record["faces/width"] == row["width"]
    assert verify(tmp_path).ok


def test_the_figures_are_the_manifests(tmp_path: Path) -> None:
    write(tmp_path, rows(), name="cards", recipe="r", size=32)
    seen = release_stats(tmp_path, tmp_path / "manifest.parquet")
    table = pd.read_parquet(tmp_path / "manifest.parquet")
    assert seen.tables["source"] == table["source"].value_counts().to_dict()
    assert seen.licences == {
        "CC0-1.0": (4, True),
        "All rights reserved": (4, False),
        "CC-BY-ND-4.0": (4, False),
    }
    assert seen.tables["decade"] == {"1650s": 4, "1890s": 4, "2010s": 4}
    assert seen.artists == 4
    assert seen.toned == 12
    page = (tmp_path / "DATASHEET.md").read_text()
    assert "| CC0-1.0 | 4 | 33.3 % | yes |" in page
    assert "| oil on canvas | 6 | 50.0 % |" in page
    assert "<b>" not in page, "a stranger's markup is text"
    assert all(f"| `{name}` |" in page for name in COLUMNS)


def test_the_same_release_has_the_same_cards_and_update_gives_them_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, rows(), name="cards", recipe="r", size=32)
    for card in ("DATASHEET.md", "croissant.json", "SHA256SUMS"):
        before = (tmp_path / "a" / card).read_bytes()
        assert before == (tmp_path / "b" / card).read_bytes()
    sums = (tmp_path / "a" / "SHA256SUMS").read_bytes()
    (tmp_path / "a" / "DATASHEET.md").write_text("lost")
    assert not verify(tmp_path / "a").ok
    update_cards(tmp_path / "a")
    assert verify(tmp_path / "a").ok
    assert sorted((tmp_path / "a" / "SHA256SUMS").read_bytes().splitlines()) == sorted(sums.splitlines())


@pytest.mark.parametrize(
    ("colour", "lightness"),
    # L* of sRGB greys and of pure yellow by the CIE's formulas, as skimage.color.rgb2lab prints them.
    [((0, 0, 0), 0.0), ((119, 119, 119), 50.03), ((255, 255, 255), 100.0), ((255, 255, 0), 97.14)],
)
def test_tone_is_cie_lightness(colour: tuple[int, int, int], lightness: float) -> None:
    rgb = np.full((64, 64, 3), colour, np.uint8)
    # The matrix has four digits, which moves L* by less than a hundredth; the truth is given to two digits.
    assert tone(rgb)[0] == pytest.approx(lightness, abs=0.02)


def test_tone_looks_at_the_cheeks_alone_and_tells_warm_from_light() -> None:
    rgb = np.zeros((100, 100, 3), np.uint8)
    rgb[55:66, 31:42] = rgb[55:66, 60:71] = (224, 172, 105)
    light, angle = tone(rgb)
    one = np.float32([[[224, 172, 105]]]) / 255
    l, _, b = cv2.cvtColor(one, cv2.COLOR_RGB2LAB)[0, 0]
    # OpenCV reads gamma and cube root from tables, which moves L* by up to a tenth.
    assert light == pytest.approx(l, abs=0.15)
    assert angle == pytest.approx(np.degrees(np.arctan2(l - 50, b)), abs=0.4)
    rgb[:50] = rgb[:, :30] = 255
    assert tone(rgb) == (light, angle)


def test_decades_come_from_what_is_stated() -> None:
    assert decade({"made": "ca. 1652-55", "published": ""}) == "1650s"
    assert decade({"made": "", "published": "2021-02-03T04:05"}) == "2020s"
    assert decade({"made": "late 17th century", "published": ""}) == "unknown"
    assert decade({"made": "inv. 123456", "published": ""}) == "unknown"


def test_markup_in_cells_is_text() -> None:
    assert cell("a|b\n<script>") == "a\\|b \\<script\\>"


# What would identify people, or would let others be searched by face.
BIOMETRIC = re.compile(r"embed|descriptor|arcface|facenet|faceid|encoding|identity_vector", re.IGNORECASE)


def test_no_embedding_leaves_the_working_folder(built: Path) -> None:
    """Neither as a column, nor as bytes anywhere in the release, whatever they are packed in."""
    assert not [name for name in (*COLUMNS, *REJECT_COLUMNS) if BIOMETRIC.search(name)]
    with Ledger(built) as ledger:
        vectors = [bytes(row["embedding"]) for row in ledger.rows("SELECT embedding FROM descriptors")]
    assert vectors, "the working folder has them, for dedup"
    release = built / "release"
    for name in ("manifest.parquet", "rejects.parquet"):
        table = pd.read_parquet(release / name)
        assert not [column for column in table.columns if BIOMETRIC.search(column)]
        for column in table.columns:
            for value in table[column].dropna():
                assert isinstance(value, (str, int, np.integer))
                numbers = re.findall(r"-?\d+\.\d+", str(value))
                # 68 landmarks are 136 numbers; what dedup compares has more, what recognizes faces has 128 and up.
                assert column in ("landmarks", "quality", "factors") or len(numbers) < 10, column
                if column == "landmarks":
                    assert len(json.loads(value)) in (4, 5, 68)
                if column == "quality":
                    assert len(json.loads(value)) < 20
    for path in release.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(vector[:32] in data or vector.hex()[:64].encode() in data for vector in vectors), path
            if path.suffix == ".png":
                assert set(Image.open(io.BytesIO(data)).info) == set(), "no metadata rides in a picture"
    assert {path.name for path in release.iterdir()} == {
        "DATASHEET.md",
        "croissant.json",
        "SHA256SUMS",
        "release.json",
        "manifest.parquet",
        "rejects.parquet",
        "images",
    }


def test_the_card_says_where_it_comes_from_and_what_it_is_for(tmp_path: Path) -> None:
    """As a reader of RDF finds it, with the vocabularies' own names."""
    rdflib = pytest.importorskip("rdflib")

    def some() -> Any:
        for number, (row, rgb) in enumerate(rows()):
            yield {**row, "factors": {"identity": 1} if number == 3 else None}, rgb

    card = {"rebuilt_from": "ab" * 32}
    write(tmp_path, some(), name="cards", recipe="r", size=32, card=card)
    text = json.loads((tmp_path / "croissant.json").read_text())
    assert text["rai:hasSyntheticData"] is True
    graph = rdflib.Graph().parse(data=json.dumps(text), format="json-ld")
    prov, odrl = rdflib.Namespace("http://www.w3.org/ns/prov#"), rdflib.Namespace("http://www.w3.org/ns/odrl/2/")
    sc = rdflib.Namespace("https://schema.org/")
    (dataset,) = graph.subjects(rdflib.RDF.type, sc.Dataset)
    derived = list(graph.objects(dataset, prov.wasDerivedFrom))
    labels = {str(graph.value(entity, prov.label)): entity for entity in derived}
    assert set(labels) == {"source: met", "source: artstation", "the release that this one was rebuilt from"}
    assert str(graph.value(labels["source: met"], sc.description)) == "6 faces"
    assert str(graph.value(labels["source: met"], prov.atLocation)) == "https://metmuseum.github.io"
    assert len(list(graph.objects(dataset, prov.wasGeneratedBy))) == 3
    (offer,) = graph.objects(dataset, sc.usageInfo)
    assert (offer, rdflib.RDF.type, odrl.Offer) in graph
    actions = {
        str(graph.value(graph.value(permission, odrl.duty), sc.license)): set(graph.objects(permission, odrl.action))
        for permission in graph.objects(offer, odrl.permission)
    }
    assert actions["https://creativecommons.org/publicdomain/zero/1.0/"] == {odrl.reproduce, odrl.derive}
    assert actions["All rights reserved"] == {odrl.read}
    forbidden = {
        str(graph.value(graph.value(prohibition, odrl.constraint), odrl.rightOperand))
        for prohibition in graph.objects(offer, odrl.prohibition)
    }
    assert any("face-recognition" in use for use in forbidden)


def test_every_source_on_the_web_has_its_page() -> None:
    from aahq.sources import SOURCES, page_about, source_class

    web = {name for name in SOURCES if not source_class(name).local and name != "urls"}
    assert [name for name in web if not page_about(name).startswith("https://")] == []
    assert page_about("somebody's folder") == ""


def test_real_pictures_alone_are_not_called_synthetic(tmp_path: Path) -> None:
    write(tmp_path, rows(), name="cards", recipe="r", size=32)
    assert json.loads((tmp_path / "croissant.json").read_text())["rai:hasSyntheticData"] is False
    assert "0 faces are synthetic" in (tmp_path / "DATASHEET.md").read_text()
