"""The release as MLCommons Croissant 1.1 with the responsible-AI vocabulary, provenance (PROV-O) and use conditions (ODRL).

https://github.com/mlcommons/croissant/blob/main/docs/croissant-spec-1.1.md; what only its publisher knows (address, creator,
day of publication) is theirs to add.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from aahq.release.cards.lineage import LICENCE_PAGES, provenance, use_conditions
from aahq.release.cards.screens import screen_sentences
from aahq.release.cards.stats import ReleaseStats
from aahq.release.cards.texts import WORDS
from aahq.release.schema import COLUMNS, SPLITS
from aahq.release.version import FIRST

# The vocabulary's own context: tools compare it word by word.
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(metadata: Mapping[str, Any], stats: ReleaseStats, shards: Mapping[str, str]) -> dict[str, Any]:
    """JSON-LD as a dict.

    Args:
        metadata: the content of `release.json`.
        stats: what the manifest holds.
        shards: path -> SHA-256 of the shards.
    """
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": metadata["name"],
        "description": (
            f"{stats.rows} aligned faces of {stats.works} works ({' and '.join(metadata['domains'])}), {metadata['size']} x "
            f"{metadata['size']} pixels, with source, terms, evidence of consent, landmarks and hashes in each row. "
            "Rights are stated row by row in the column license."
        ),
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        # By aahq/release/version.py; the digest says which set it is. A release of before had no version.
        "version": metadata.get("version", FIRST),
        "identifier": f"sha256:{metadata['manifest_sha256']}",
        "license": [LICENCE_PAGES.get(name, name) for name in sorted(stats.licences)],
        "isLiveDataset": False,
        "distribution": _files(metadata, shards),
        "recordSet": [_splits(), _records()],
        **provenance(metadata, stats),
        "usageInfo": use_conditions(stats),
        **{f"rai:{name}": text for name, text in WORDS.items()},
        "rai:dataPreprocessingProtocol": [
            WORDS["dataPreprocessingProtocol"],
            *(f"screen {name}: {sentence}" for name, sentence in screen_sentences(metadata).items()),
        ],
        "rai:dataCollectionType": [f"source: {name}" for name in stats.tables["source"]],
        "rai:dataBiases": _leanings(stats),
        "rai:hasSyntheticData": stats.synthetic > 0,
    }


def _files(metadata: Mapping[str, Any], shards: Mapping[str, str]) -> list[dict[str, Any]]:
    def file(name: str, kind: str, sha256: str) -> dict[str, Any]:
        return {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "encodingFormat": kind,
            "sha256": sha256,
        }

    out = [file("manifest.parquet", "application/x-parquet", metadata["manifest_sha256"])]
    if metadata["form"] == "shards":
        out += [file(name, "application/x-tar", digest) for name, digest in sorted(shards.items())]
    elif metadata["form"] == "folder":
        out.append(
            {
                "@type": "cr:FileSet",
                "@id": "images",
                "name": "images",
                "description": "the aligned pictures; the manifest's column file names each",
                "encodingFormat": "image/png",
                "includes": "images/*/*/*.png",
            }
        )
    return out


def _splits() -> dict[str, Any]:
    kinds = {"train": "TrainingSplit", "val": "ValidationSplit", "test": "TestSplit"}
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": ["cr:Split", "sc:URL"]},
        ],
        "data": [{"splits/name": name, "splits/url": f"cr:{kinds[name]}"} for name in SPLITS],
    }


def _records() -> dict[str, Any]:
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"faces/{name}",
            "name": name,
            "description": column.what,
            "dataType": "sc:Integer" if pa.types.is_integer(column.type) else "sc:Text",
            "source": {"fileObject": {"@id": "manifest.parquet"}, "extract": {"column": name}},
            **({"references": {"field": {"@id": "splits/name"}}} if name == "split" else {}),
        }
        for name, column in COLUMNS.items()
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "faces",
        "name": "faces",
        "description": "a row a face",
        "key": {"@id": "faces/id"},
        "field": fields,
    }


def _leanings(stats: ReleaseStats) -> list[str]:
    """A sentence a table; the datasheet has them whole."""
    out = []
    for name in ("source", "decade", "medium"):
        table = list(stats.tables[name].items())[:10]
        out.append(
            f"{name}: " + ", ".join(f"{value} {100 * count / max(1, stats.rows):.1f} %" for value, count in table)
        )
    out.append(f"the ten artists with most faces: {100 * stats.top_artists:.1f} %")
    for name, values in stats.percentiles.items():
        if values:
            out.append(f"{name}, 5th, 25th, 50th, 75th, 95th percentile: " + ", ".join(f"{value}" for value in values))
    out.append("Tone is measured on pixels of paint where cheeks lie; it is no statement about people or their origin.")
    return out
