"""A page of the suite, served by its own command in a process of its own, and asked as a browser would."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class LocalPage:
    """A served page.

    Attributes:
        words: package and command line, as `["aahq", "review", "OUT"]`.
        process, url: where it runs; the address with the secret.
    """

    words: list[str]
    process: subprocess.Popen[str]
    url: str

    @classmethod
    def start(cls, words: list[str]) -> Self:
        """Start it and wait for its address."""
        command = [sys.executable, "-m", *words, "--no-open", "--json"]
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})
        assert process.stdout is not None
        text = ""
        for line in process.stdout:
            text += line
            if line.startswith("}"):
                break
        return cls(words, process, json.loads(text)["url"])

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def secret(self) -> str:
        return urlsplit(self.url).query.removeprefix("token=")

    @property
    def cookie_name(self) -> str:
        program = {"models": "blendgan", "benchmark": "aahq-bench"}.get(self.words[0], self.words[0])
        return f"{program}_{self.words[1]}_{self.port}"

    @property
    def cookie(self) -> dict[str, str]:
        return {"Cookie": f"{self.cookie_name}={self.secret}"}

    def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (names in lower case) and body; `body` goes as it is (bytes), or as JSON."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        line.request(method, path, data, headers or {})
        answer = line.getresponse()
        found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        line.close()
        return found

    def write_headers(self) -> dict[str, str]:
        """What a write of the page itself carries."""
        session = json.loads(self.ask("GET", "/api/session", self.cookie)[2])
        return {**self.cookie, "Content-Type": "application/json", "X-Page-Token": session["token"]}
