"""The pipeline: the stages in their order over one folder, each resumable and each a command of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aahq.candidates import FOLDER
from aahq.config import POLICY_KEY, RELEASE_KEY, SOURCE_KEY, CrawlPolicy, ReleaseConfig, SourceConfig
from aahq.ledger import Ledger
from aahq.open_folder import open_folder
from aahq.own import RELEASE, refuse_source
from aahq.release.own import NAME
from aahq.remove.forget import overwrite_beforehand
from aahq.sources import SOURCES, Source
from aahq.stages.dask_engine import choose_engine
from aahq.stages.engine import Engine, SerialExecutor, StageStats
from suite.errors import SuiteError, did_you_mean

if TYPE_CHECKING:
    from aahq.consent.optouts import OptOuts


@dataclass
class Build:
    """An open folder: the ledger, the engine and what is asked for."""

    ledger: Ledger
    engine: Engine
    source: SourceConfig | None
    policy: CrawlPolicy
    release: ReleaseConfig


@contextmanager
def open_build(
    out: Path,
    *,
    source: Mapping[str, Any] | None = None,
    policy: Mapping[str, Any] | None = None,
    release: Mapping[str, Any] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    create: bool = False,
) -> Iterator[Build]:
    """Open `out` and a pool of workers; what is not given is what an earlier run kept.

    Args:
        out: the build's folder.
        source: `source`, `limit` and fields of `SourceOptions`; None values count as not given, here and below.
        policy: given fields of `CrawlPolicy`.
        release: given fields of `ReleaseConfig`; size and domain of a folder that has faces already cannot change.
        workers: processes; one a core where None.
        scheduler: the address of a Dask cluster that works instead; it has to see `out` under the same path.
        create: start a build where there is none.

    Raises:
        SuiteError: another process works there, there is nothing to go on from, or the release's size or domain differs.
    """
    if scheduler is not None:
        out = out.absolute()
    if source is not None and source.get("source") == FOLDER and source.get("target"):
        if not Path(source["target"]).is_dir():
            raise SuiteError(f"--source folder: {source['target']!r} is no directory; expected --source folder DIR")
        refuse_source(out, Path(source["target"]))
    with open_folder(out, create=create) as ledger:
        wanted = Build(
            ledger,
            Engine(SerialExecutor(), 1),
            _source_config(ledger, _without_none(source)),
            CrawlPolicy.from_stored(_merged(ledger, POLICY_KEY, _without_none(policy))),
            _release_config(ledger, _without_none(release)),
        )
        with choose_engine(workers, scheduler) as engine:
            yield replace(wanted, engine=engine)


def _without_none(values: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (values or {}).items() if value is not None}


def _merged(ledger: Ledger, name: str, options: dict[str, Any]) -> dict[str, Any]:
    values = {**(ledger.get(name) or {}), **options}
    ledger.put(name, values)
    return values


def _source_config(ledger: Ledger, options: dict[str, Any]) -> SourceConfig | None:
    if "source" in options:
        if options["source"] not in SOURCES:
            raise SuiteError(f"--source: no {options['source']!r}{did_you_mean(options['source'], SOURCES)}")
        ledger.put(SOURCE_KEY, options)
    values = _merged(ledger, SOURCE_KEY, options)
    return SourceConfig.from_stored(values) if "source" in values else None


def _release_config(ledger: Ledger, options: dict[str, Any]) -> ReleaseConfig:
    stored = ledger.get(RELEASE_KEY) or {}
    if ledger.count("faces"):
        for key, value in options.items():
            if key in ("size", "domain") and stored[key] != value:
                raise SuiteError(f"--{key} {value}: {ledger.folder} was begun with {stored[key]}; give another folder")
    config = ReleaseConfig(**{**stored, **options})
    if not NAME.fullmatch(config.name):
        raise SuiteError(f"--name {config.name!r}: expected letters, digits, '.', '_' and '-', at most 90 of them")
    if not 16 <= config.size <= 4096:
        raise SuiteError(f"--size {config.size}: expected 16 to 4096 pixels")
    ledger.put(RELEASE_KEY, vars(config))
    return config


def crawl(build: Build, *, again: bool = False, retry: bool = False) -> StageStats:
    """List and fetch. `again` lists the source from its start; `retry` offers passing failures again."""
    from aahq.consent.permissions import Permissions
    from aahq.consent.site_reservations import read_terms
    from aahq.crawl import stage
    from aahq.crawl.lost import offer_lost
    from aahq.crawl.process import FetchContext
    from aahq.remove.releases import written_places
    from aahq.web.client import Http
    from aahq.web.limits import Limits

    source, policy = build.source, build.policy
    if source is None:
        raise SuiteError(f"--source: this folder has none yet; expected one of {', '.join(SOURCES)}")
    limits = Limits(per_second=policy.per_second)
    rules: dict[str, Any] = {"ai_tokens": policy.ai_tokens, "site_terms": read_terms(_path(policy.site_terms))}
    with Http(policy.contact, allow=policy.allow, limits=limits, **rules) as http:
        context = FetchContext(http, _optouts(build), Permissions(_path(policy.permissions)))
        if again:
            stage.forget_cursors(build.ledger)
        if retry:
            stage.offer_again(build.ledger)
            offer_lost(build.ledger)

        def reopen() -> Source:
            return source.open(written_places(build.ledger))

        target = stage.CrawlTarget(source.name, source.cursor_key(), reopen, source.limit)
        return stage.run(build.ledger, target, context, policy.connections)


def _optouts(build: Build) -> OptOuts:
    from aahq.remove.forget import with_tombstones

    return with_tombstones(build.ledger.folder, _path(build.policy.optouts))


def _path(file: str | None) -> Path | None:
    return None if file is None else Path(file)


def screen(build: Build) -> StageStats:
    """Decode to canonical pixels, or refuse."""
    from aahq.stages import screen as stage

    return stage.run(build.ledger, build.engine, _optouts(build))


def faces(build: Build) -> StageStats:
    """Find faces and landmarks."""
    from aahq.stages import faces as stage

    return stage.run(build.ledger, build.engine)


def align(build: Build) -> StageStats:
    """Cut every face by the recipe, and measure it."""
    from aahq.stages import align as stage

    return stage.run(build.ledger, build.engine, build.release.size, _optouts(build).tombstones)


def safety(build: Build) -> StageStats:
    """Look at pictures and faces through the screens that the folder keeps."""
    from aahq.stages import safety as stage

    return stage.run(build.ledger, build.engine)


def dedup(build: Build) -> StageStats:
    """Cluster the whole set and choose keepers and splits."""
    from aahq.stages import dedup as stage

    return stage.run(build.ledger, build.release.seed, build.engine)


def quality(build: Build, thresholds: Path | None = None, shipped: bool = False) -> StageStats:
    """Judge by the thresholds of a file, by the `shipped` ones, or by what the folder keeps."""
    from aahq.stages import quality as stage

    if thresholds is not None and shipped:
        raise SuiteError("--shipped: --thresholds names others; give one of the two")
    if shipped:
        stage.forget_thresholds(build.ledger)
    return stage.run(build.ledger, thresholds)


def review(build: Build) -> StageStats:
    """Do what people decided on the review page; faces whose points they placed are aligned and judged first."""
    from aahq.stages import review as stage

    def judge_again() -> None:
        for again in (align, safety, dedup, quality):
            again(build)

    return stage.run(build.ledger, judge_again)


def release(build: Build, out: Path | None = None, **layout: Any) -> StageStats:
    """Write the release; the tally counts its faces.

    Args:
        build: the open folder.
        out: the release's folder; `release` in the build's where None.
        layout: given fields of `aahq.config.Layout`; what is not given is as it was for this release, else for the last
            one that the folder wrote.
    """
    from aahq.remove.releases import choose_layout, refuse_release_place, remembered_release
    from aahq.stages import release as stage
    from aahq.stages.engine import stage_run

    config = build.release
    with stage_run(build.ledger, "release", 0, "faces") as (stats, _):
        place = out or build.ledger.folder / RELEASE
        refuse_release_place(build.ledger, place)
        chosen = choose_layout(build.ledger, place, _without_none(layout))
        with remembered_release(build.ledger, place, chosen):
            written = stage.run(
                build.ledger,
                name=config.name,
                size=config.size,
                domain=config.domain,
                optouts=_optouts(build),
                out=place,
                **vars(chosen),
            )
        stats.keep(written.count)
        stats.notes |= {
            "folder": str(written.folder),
            "pictures": written.pictures,
            "manifest_sha256": written.manifest_sha256,
            "form": chosen.form,
            "public": chosen.public,
        }
    return stats


# The stages in their order; each is also a command.
RUN: dict[str, Callable[..., StageStats]] = {
    "crawl": crawl,
    "screen": screen,
    "faces": faces,
    "align": align,
    "safety": safety,
    "dedup": dedup,
    "quality": quality,
    "review": review,
    "release": release,
}
STAGES = tuple(RUN)


def run_all(
    build: Build, on_stage: Callable[[StageStats], None] = lambda stats: None, **release_options: Any
) -> list[StageStats]:
    """Run every stage in order, calling `on_stage` after each; `release_options` are for `release`."""
    all_stats = []
    for name in STAGES:
        stats = RUN[name](build, **(release_options if name == "release" else {}))
        all_stats.append(stats)
        on_stage(stats)
    overwrite_beforehand(build.ledger)
    return all_stats
