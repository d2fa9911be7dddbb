"""The judging page's HTTP API: a judge's next trial, its pictures, an answer. `suite.page.guard` controls access."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Response
from fastapi.responses import JSONResponse
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from benchmark.people.answers import JUDGE, Answer, AnswerLog, read_answers
from benchmark.people.showing import Showing, picture, showings
from benchmark.people.study import QUESTIONS, Design
from suite.page.files import NEVER, page_app
from suite.pictures.machine_made import save_made

# Pictures of so many trials stay in memory: a judge goes back a few.
KEPT = 64
# Small pictures are enlarged by whole pixels, so that a browser's smoothing favours none.
LEAST_SIDE = 256


class Given(BaseModel):
    """What the page sends: the trial by its place in the judge's order, and a side for each question."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    judge: str = Field(pattern=JUDGE)
    place: int = Field(ge=0)
    better: Literal["left", "right"]
    person: Literal["left", "right"]
    seconds: float = Field(ge=0, le=1e6)


class Session:
    """One run of the page: the study's folder, its design, and the log that it holds."""

    def __init__(self, folder: Path, design: Design, judge: str) -> None:
        self.design, self.judge = design, judge
        self.log = AnswerLog(folder)
        self._orders: dict[str, list[Showing]] = {}
        self._said = {(one.judge, one.trial): one for one in read_answers(folder, len(design.trials))}
        self.drawn = lru_cache(KEPT)(self._drawn)

    def order(self, judge: str) -> list[Showing]:
        """All trials as that judge sees them."""
        if judge not in self._orders:
            self._orders[judge] = showings(self.design, judge)
        return self._orders[judge]

    def showing(self, judge: str, place: int) -> Showing:
        """The trial at a place of a judge's order, or 404."""
        order = self.order(judge)
        if not 0 <= place < len(order):
            raise HTTPException(404, f"no trial {place}; there are {len(order)}")
        return order[place]

    def answered(self, judge: str) -> list[dict[str, str] | None]:
        """By place: the sides that the judge chose, or None."""
        return [self._sides(judge, showing) for showing in self.order(judge)]

    def _sides(self, judge: str, showing: Showing) -> dict[str, str] | None:
        answer = self._said.get((judge, showing.trial))
        if answer is None:
            return None
        left = "b" if showing.swapped else "a"
        return {q: "left" if getattr(answer, q) == left else "right" for q in QUESTIONS}

    def take(self, sent: Given) -> None:
        """Keep an answer; it is on the disk when this returns."""
        showing = self.showing(sent.judge, sent.place)
        left, right = ("b", "a") if showing.swapped else ("a", "b")
        names = {"left": left, "right": right}
        answer = Answer.model_validate(
            {
                "judge": sent.judge,
                "trial": showing.trial,
                "better": names[sent.better],
                "person": names[sent.person],
                "left": left,
                "seconds": sent.seconds,
            }
        )
        self.log.append(answer)
        self._said[answer.judge, answer.trial] = answer

    def _drawn(self, trial: int, which: str) -> bytes:
        pixels = picture(self.design, self.design.trials[trial], which)
        image = Image.fromarray(pixels)
        if (times := LEAST_SIDE // image.width) > 1:
            image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
        buffer = io.BytesIO()
        save_made(image, buffer, "PNG", compress_level=1)
        return buffer.getvalue()


def make_app(session: Session, token: str) -> FastAPI:
    """The application; to be served behind `suite.page.guard.Guard` only.

    Args:
        token: the guard's, which a write repeats.
    """
    app = page_app("benchmark.people")

    @app.get("/api/session")
    def opened(judge: Annotated[str, Query(pattern=JUDGE)] = session.judge) -> Response:
        """Who judges and what they said so far; names of methods never leave the server while people judge."""
        return _never({"token": token, "judge": judge, "questions": QUESTIONS, "answered": session.answered(judge)})

    @app.get("/picture/{place}/{which}")
    def shown(
        place: int,
        which: Literal["face", "style", "left", "right"],
        judge: Annotated[str, Query(pattern=JUDGE)] = session.judge,
    ) -> Response:
        showing = session.showing(judge, place)
        sides = {"left": "b" if showing.swapped else "a", "right": "a" if showing.swapped else "b"}
        # Not kept by the browser: the address names a place in one judge's order, not a picture.
        return Response(session.drawn(showing.trial, sides.get(which, which)), media_type="image/png", headers=NEVER)

    @app.post("/api/answer")
    def answer(sent: Given) -> Response:
        try:
            session.take(sent)
        except OSError as error:
            raise HTTPException(507, f"not saved: {error.strerror or error}") from None
        return _never({"saved": sent.place})

    return app


def _never(value: Any) -> JSONResponse:
    return JSONResponse(value, headers=NEVER)
