"""Where a release comes from and what it may be used for, in the words of PROV-O and ODRL, as Croissant 1.1 asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aahq.release.cards.stats import ReleaseStats
from aahq.release.cards.texts import FORBIDDEN_USES, USES, WORDS
from aahq.sources import page_about

LICENCE_PAGES = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "PDM-1.0": "https://creativecommons.org/publicdomain/mark/1.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "CC-BY-NC-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
}
# What made the release, and the entry of `WORDS` that tells how.
_ACTIVITIES = {
    "collection with consent": "dataCollection",
    "detection, alignment, removal of copies, quality": "dataPreprocessingProtocol",
    "annotation": "dataAnnotationProtocol",
}
_AGENT = {"@type": "prov:SoftwareAgent", "prov:label": "aahq"}


def provenance(metadata: Mapping[str, Any], stats: ReleaseStats) -> dict[str, Any]:
    """What the release was derived from, and by what it was made.

    Args:
        metadata: the content of `release.json`.
        stats: what the manifest holds.
    """
    derived = [_source(name, count) for name, count in stats.tables["source"].items()]
    if "rebuilt_from" in metadata:
        derived.append(_release(metadata["rebuilt_from"], "the release that this one was rebuilt from"))
    revised = {}
    if "follows" in metadata:
        revised["prov:wasRevisionOf"] = _release(metadata["follows"], "the version before")
    made = [
        {"@type": "prov:Activity", "prov:label": label, "sc:description": WORDS[name], "prov:wasAssociatedWith": _AGENT}
        for label, name in _ACTIVITIES.items()
    ]
    return {"prov:wasDerivedFrom": derived, "prov:wasGeneratedBy": made, **revised}


def _source(name: str, count: int) -> dict[str, Any]:
    about = page_about(name)
    page = {"prov:atLocation": {"@id": about}} if about else {}
    return {"@type": "prov:Entity", "prov:label": f"source: {name}", "sc:description": f"{count} faces", **page}


def _release(manifest_sha256: str, what: str) -> dict[str, Any]:
    return {"@type": "prov:Entity", "prov:label": what, "sc:identifier": f"sha256:{manifest_sha256}"}


def use_conditions(stats: ReleaseStats) -> dict[str, Any]:
    """An offer: one permission a stated licence, for the uses that the set is made for; what no licence lets anyone do."""
    return {
        "@type": ["CreativeWork", "odrl:Offer"],
        "name": "Uses",
        "description": WORDS["dataUseCases"],
        "odrl:permission": [_permission(name, count, adapt) for name, (count, adapt) in sorted(stats.licences.items())],
        "odrl:prohibition": [
            {"@type": "odrl:Prohibition", "odrl:action": {"@id": "odrl:use"}, "odrl:constraint": _purpose(use)}
            for use in FORBIDDEN_USES
        ],
    }


def _permission(licence: str, count: int, adapt: bool) -> dict[str, Any]:
    """Rows whose licence lets nobody adapt a work are for the research exceptions of the law at most: `odrl:read` alone."""
    actions = ("odrl:reproduce", "odrl:derive") if adapt else ("odrl:read",)
    return {
        "@type": "odrl:Permission",
        "sc:description": f"{count} faces whose column license is {licence!r}",
        "odrl:action": [{"@id": action} for action in actions],
        "odrl:constraint": _purpose(USES),
        "odrl:duty": {
            "@type": "odrl:Duty",
            "odrl:action": {"@id": "odrl:attribute"},
            "sc:license": LICENCE_PAGES.get(licence, licence),
        },
    }


def _purpose(what: str) -> dict[str, Any]:
    return {
        "@type": "odrl:Constraint",
        "odrl:leftOperand": {"@id": "odrl:purpose"},
        "odrl:operator": {"@id": "odrl:isA"},
        "odrl:rightOperand": what,
    }
