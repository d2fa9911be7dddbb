"""Many hosts at once: the slow, the dead and those that ask to be left alone hold back nobody else."""

from __future__ import annotations

import heapq
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aahq.candidates import Candidate
from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.crawl import pool, process, stage
from aahq.crawl.host_queues import BATCH, HostQueues, host_of
from aahq.crawl.process import FetchContext, FetchResult
from aahq.ledger import Ledger
from aahq.reasons import Rejection
from aahq.sources import SourceOptions, open_source
from aahq.web.client import Http
from aahq.web.interrupts import BotChallenge, SiteBusy


def crawl(out: Path, urls: list[str]) -> stage.StageStats:
    """A crawl of a list; what is asked of hosts is replaced by the tests."""
    out.mkdir(exist_ok=True)
    listed = out / "list.csv"
    listed.write_text("url,license\n" + "".join(f"{url},CC0\n" for url in urls))
    with Http(None) as http, Ledger(out, create=True) as ledger:
        where = stage.CrawlTarget("urls", "", lambda: open_source("urls", SourceOptions(str(listed))))
        return stage.run(ledger, where, FetchContext(http, OptOuts(), Permissions()), 2)


def states(out: Path) -> dict[str, str]:
    with Ledger(out) as ledger:
        return {row["image_url"]: row["state"] for row in ledger.rows("SELECT image_url, state FROM pictures")}


def test_fifty_of_a_thousand_hosts_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their answers come only when all the others are done: whoever waited for one of them would wait for ever."""
    hosts = [f"h{n}.example" for n in range(1000)]
    hanging = set(hosts[::20])
    urls = [f"http://{host}/{k}.jpg" for host in hosts for k in range(2)]
    left = len(urls) - 2 * len(hanging)
    all_others, guard = threading.Event(), threading.Lock()
    waited_in_vain: list[str] = []

    def take(id: str, candidate: Candidate, terms: FetchContext, folder: Path) -> FetchResult:
        nonlocal left
        if host_of(candidate.image_urls[0]) in hanging:
            if not all_others.wait(60):
                waited_in_vain.append(candidate.image_urls[0])
            return FetchResult(id, None, Rejection("timeout", "no answer"))
        with guard:
            left -= 1
            if not left:
                all_others.set()
        return FetchResult(id, None, Rejection("gone", ""))

    monkeypatch.setattr(process, "process_candidate", take)
    stats = crawl(tmp_path / "out", urls)
    assert waited_in_vain == []
    assert stats.reasons == {"gone": 1900, "timeout": 100}


# Of one simulated picture: requests at one a second of its host; of one that hangs: until a thread gives up.
PICTURE, PATIENCE = 3.0, 30.0


def seconds_to_fetch(hosts: int, hanging: int, pictures: int) -> float:
    """By a clock that nobody waits for: until every picture of the hosts that answer is there."""
    queues = HostQueues(at_once=8)
    names = [f"{'hang' if n < hanging else 'good'}{n}" for n in range(hosts)]
    for number in range(pictures):
        for name in sorted(names, key=lambda name: name[::-1]):
            queues.add(name, f"{name}/{number}")
    now, left, free = 0.0, (hosts - hanging) * pictures, dict.fromkeys(names, 0.0)
    running: list[tuple[float, str, int]] = []
    while left:
        while len(running) < pool.THREADS and (task := queues.take()) is not None:
            host, ids = task
            # A host's requests follow each other, whichever thread asks.
            free[host] = max(now, free[host]) + len(ids) * (PATIENCE if host.startswith("hang") else PICTURE)
            heapq.heappush(running, (free[host], host, len(ids)))
        now, host, count = heapq.heappop(running)
        queues.done(host, answered=host.startswith("good"))
        left -= count if host.startswith("good") else 0
    return now


def test_hosts_that_hang_cost_less_than_a_tenth_of_the_rate() -> None:
    """More hosts than threads, so that every thread that waits in vain is one that others could use."""
    ideal = 950 / seconds_to_fetch(950, 0, 20)
    assert 950 / seconds_to_fetch(1000, 50, 20) >= 0.9 * ideal


@pytest.mark.parametrize("stop", [BotChallenge("http://b.example/0.jpg"), SiteBusy("http://b.example/0.jpg", "429")])
def test_a_host_that_stops_keeps_its_own_pictures_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: SiteBusy | BotChallenge
) -> None:
    asked: list[str] = []

    def take(id: str, candidate: Candidate, terms: FetchContext, folder: Path) -> FetchResult:
        asked.append(candidate.image_urls[0])
        if "b.example" in candidate.image_urls[0]:
            raise stop
        return FetchResult(id, None, Rejection("gone", ""))

    monkeypatch.setattr(process, "process_candidate", take)
    urls = [f"http://{host}.example/{k}.jpg" for k in range(250) for host in "abc"]
    with pytest.raises(type(stop)):
        crawl(tmp_path / "out", urls)
    assert sum("b.example" in url for url in asked) == 1, "it is asked once, and then left alone"
    after = states(tmp_path / "out")
    assert {state for url, state in after.items() if "b.example" in url} == {"found"}
    assert {state for url, state in after.items() if "b.example" not in url} == {"rejected"}
    monkeypatch.setattr(process, "process_candidate", lambda id, *_: FetchResult(id, None, Rejection("gone", "")))
    crawl(tmp_path / "out", urls)
    assert set(states(tmp_path / "out").values()) == {"rejected"}


def test_one_worker_finds_out_whether_a_host_lives() -> None:
    queues = HostQueues(4)
    for n in range(40):
        queues.add("a", f"a{n}")
    queues.add("b", "b0")
    assert queues.take() == ("a", ["a0"])
    assert queues.take() == ("b", ["b0"])
    assert queues.take() is None, "nobody knows yet whether they answer"
    queues.done("a", answered=True)
    assert [len((queues.take() or ("", []))[1]) for _ in range(4)] == [BATCH] * 4
    assert queues.take() is None, "as many as one host may have"
    queues.done("a", answered=False)
    assert queues.take() is None, "it fell silent, and the others still ask"


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60), st.integers(1, 5))
def test_everything_that_is_queued_comes_once(added: list[tuple[str, bool]], at_once: int) -> None:
    queues, running, came = HostQueues(at_once), [], []
    for number, (host, answered) in enumerate(added):
        queues.add(host, str(number))
        if (found := queues.take()) is not None:
            running.append((found[0], answered))
            came += found[1]
        if number % 3 == 0 and running:
            queues.done(*running.pop(0))
    while len(queues) or running:
        found = queues.take()
        if found is not None:
            came += found[1]
            running.append((found[0], True))
        else:
            queues.done(*running.pop(0))
    assert sorted(came, key=int) == [str(number) for number in range(len(added))]


def test_any_address_has_a_queue() -> None:
    assert host_of("http://A.example:81/x") == "a.example:81"
    assert host_of("http://[::1") == ""
    assert host_of("") == ""
