"""The release as MLCommons Croissant 1.0 (http://mlcommons.org/croissant/1.0) with the responsible-AI vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from aahq.release.cards.stats import ReleaseStats
from aahq.release.cards.texts import WORDS
from aahq.release.schema import COLUMNS

LICENCE_PAGES = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "PDM-1.0": "https://creativecommons.org/publicdomain/mark/1.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "CC-BY-NC-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
}
# The vocabulary's own context: tools compare it word by word.
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
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


def croissant(told: Mapping[str, Any], seen: ReleaseStats, shards: Mapping[str, str]) -> dict[str, Any]:
    """JSON-LD as a dict.

    Args:
        told: the content of `release.json`.
        seen: what the manifest holds.
        shards: path -> SHA-256 of the shards.
    """
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": told["name"],
        "description": (
            f"{seen.rows} aligned faces of {seen.works} works ({' and '.join(told['domains'])}), {told['size']} x "
            f"{told['size']} pixels, with source, terms, evidence of consent, landmarks and hashes in each row. "
            "Rights are stated row by row in the column license."
        ),
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        # A version is needed; the digest says which set it is.
        "version": "1.0.0",
        "identifier": f"sha256:{told['manifest_sha256']}",
        "license": [LICENCE_PAGES.get(name, name) for name in sorted(seen.licences)],
        "isLiveDataset": False,
        "distribution": _files(told, shards),
        "recordSet": [_records()],
        **{f"rai:{name}": text for name, text in WORDS.items()},
        "rai:dataCollectionType": [f"source: {name}" for name in seen.tables["source"]],
        "rai:dataBiases": _leanings(seen),
    }


def _files(told: Mapping[str, Any], shards: Mapping[str, str]) -> list[dict[str, Any]]:
    def file(name: str, kind: str, sha256: str) -> dict[str, Any]:
        return {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "encodingFormat": kind,
            "sha256": sha256,
        }

    out = [file("manifest.parquet", "application/x-parquet", told["manifest_sha256"])]
    if told["form"] == "shards":
        out += [file(name, "application/x-tar", digest) for name, digest in sorted(shards.items())]
    elif told["form"] == "folder":
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


def _records() -> dict[str, Any]:
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"faces/{name}",
            "name": name,
            "description": column.what,
            "dataType": "sc:Integer" if pa.types.is_integer(column.type) else "sc:Text",
            "source": {"fileObject": {"@id": "manifest.parquet"}, "extract": {"column": name}},
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


def _leanings(seen: ReleaseStats) -> list[str]:
    """A sentence a table; the datasheet has them whole."""
    out = []
    for name in ("source", "decade", "medium"):
        table = list(seen.tables[name].items())[:10]
        out.append(
            f"{name}: " + ", ".join(f"{value} {100 * count / max(1, seen.rows):.1f} %" for value, count in table)
        )
    out.append(f"the ten artists with most faces: {100 * seen.top_artists:.1f} %")
    for name, values in seen.percentiles.items():
        if values:
            out.append(f"{name}, 5th, 25th, 50th, 75th, 95th percentile: " + ", ".join(f"{value}" for value in values))
    out.append("Tone is measured on pixels of paint where cheeks lie; it is no statement about people or their origin.")
    return out
