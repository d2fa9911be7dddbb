"""State of one run of the page: faces, styles and results, all on this machine; one job at a time."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, TypeVar

import torch
from PIL import Image
from torch import nn

from models.data.pictures import PICTURE_ERRORS, decode_rgb, read_picture, save_png, to_uint8
from models.inference.aligner import AlignedFace, Aligner, NotOneFace
from models.inference.pretrained import PAINTED, Pretrained
from models.inference.stylize import Inverter, Settings, Style, Stylist, at_model_size, compare_faces, style_code
from models.networks.psp import PSPEncoder
from suite.errors import SuiteError
from suite.files import write_whole

STATIC = Path(__file__).parent / "static"
# Own faces and own styles that a run keeps; the oldest make room.
MOST_KEPT = 200
T = TypeVar("T")


@dataclass(frozen=True)
class FaceItem:
    """A face ready to be stylised.

    Attributes:
        id, name: its own and a person's name for it.
        file: PNG, (size, size), aligned.
        aligned: where it lay in its photograph, with landmarks; None when nobody looked for them.
    """

    id: str
    name: str
    file: Path
    aligned: AlignedFace | None


@dataclass(frozen=True)
class ResultItem:
    """A picture that was made, of which face and style, where it lies, and the facts that its file carries too."""

    id: str
    face_id: str
    style_id: str
    file: Path
    facts: dict[str, Any]


class WrongFaces(SuiteError):
    """A photograph with `count` faces where one is needed."""

    def __init__(self, message: str, count: int) -> None:
        super().__init__(message)
        self.count = count


class Session:
    """One run of the page.

    Args:
        model, psp, distance, inverter, steps: how faces are inverted and blended; see `Stylist`.
        scratch: a folder of its own for faces and styles, gone when the page ends.
        out: where results are kept.
        half: dtype of large feature maps.
    """

    def __init__(
        self,
        model: Pretrained,
        inverter: Inverter,
        steps: int,
        scratch: Path,
        out: Path,
        *,
        psp: PSPEncoder | None = None,
        distance: nn.Module | None = None,
        half: torch.dtype | None = None,
    ) -> None:
        self.model, self.steps, self.scratch, self.out = model, steps, scratch, out
        self.settings = Settings(0, 1.0, inverter, steps, half=half)
        self.psp, self.distance = psp, distance
        self.aligner = Aligner(model.generator.size)
        self.faces: dict[str, FaceItem] = {}
        self.styles: dict[str, Style] = {}
        self.results: dict[str, ResultItem] = {}
        self.shipped = {
            kind: {path.stem: path for path in sorted(STATIC.glob(f"{kind}-*.webp"))} for kind in ("face", "style")
        }
        self.doing: dict[str, Any] = {}
        self._codes: dict[str, tuple[torch.Tensor, str]] = {}
        self._one_at_a_time = threading.Lock()

    def close(self) -> None:
        """End the process that aligns."""
        self.aligner.__exit__(None, None, None)

    def shipped_name(self, id: str) -> str:
        """What a person calls a shipped face or style."""
        return id.replace("face-", "painted face ").removeprefix("style-").replace("-", " ")

    def facts(self) -> dict[str, Any]:
        """What the page says about the networks."""
        generator = self.model.generator
        how = "pSp" if self.settings.inverter == "psp" else f"{self.steps} steps of optimisation"
        weights, painted = str(self.model.origin["weights"]), PAINTED in str(self.model.origin["weights"])
        return {"weights": weights, "size": generator.size, "layers": generator.n_latent, "how": how,
                "trained": self.model.origin["trained"], "painted": painted}  # fmt: skip

    def add_face(self, data: bytes, name: str, largest: bool, cut: bool) -> FaceItem:
        """A photograph's face, aligned.

        Args:
            data: a picture file.
            largest: take the largest of several faces.
            cut: the picture is cut to the face already; nobody looks for one.

        Raises:
            WrongFaces: no face, or several.
            SuiteError: not a picture that can be read, or too large.
        """
        name = tidy(name)
        id = _digest(data, largest, cut)
        if id in self.faces:
            return self.faces[id]
        photograph = self.scratch / f"{id}.photograph"
        write_whole(photograph, data)
        try:
            return self._work(
                f"looking for the face in {name}", lambda: self._aligned(id, name, photograph, largest, cut)
            )
        except NotOneFace as error:
            raise WrongFaces(_faces_in_words(name, error.count), error.count) from None
        except SuiteError as error:
            raise SuiteError(str(error).replace(str(photograph), name)) from None
        finally:
            photograph.unlink(missing_ok=True)

    def _aligned(self, id: str, name: str, photograph: Path, largest: bool, cut: bool) -> FaceItem:
        file = self.scratch / f"{id}.face.png"
        aligned = None
        if cut:
            save_png(file, read_picture(photograph, self.model.generator.size), source="given")
        else:
            aligned = self.aligner.align(photograph, file, largest)
        return _keep(self.faces, id, FaceItem(id, name, file, aligned))

    def face(self, id: str) -> FaceItem:
        """A face by its id; a painted one is made ready when it is first asked for.

        Raises:
            SuiteError: none of that id (any more).
        """
        if id in self.faces:
            return self.faces[id]
        if id not in self.shipped["face"]:
            raise SuiteError("this face is not here any more; give the photograph again")
        source, name = self.shipped["face"][id], self.shipped_name(id)
        try:
            return self._work(f"reading {name}", lambda: self._aligned(id, name, source, False, False))
        except SuiteError:
            # Without dlib a painted face is cut as it is; only the similarity to it cannot be measured.
            return self._work(f"reading {name}", lambda: self._aligned(id, name, source, False, True))

    def add_style(self, data: bytes, name: str) -> str:
        """The id of a style picture, encoded. SuiteError when it cannot be read, or the weights have no style encoder."""
        name, id = tidy(name), _digest(data)
        if id not in self.styles:
            try:
                picture = at_model_size(decode_rgb(data), self.model)
            except PICTURE_ERRORS as error:
                raise SuiteError(f"{name}: {' '.join(str(error).split())[:200]}") from None
            file = self.scratch / f"{id}.style.png"
            save_png(file, picture, source="given")
            _keep(self.styles, id, Style(name, file, self._encoded(name, file)))
        return id

    def style(self, id: str) -> Style:
        """A style by its id. SuiteError when there is none of that id (any more)."""
        if id not in self.styles:
            if id not in self.shipped["style"]:
                raise SuiteError("this style is not here any more; give the picture again")
            file, name = self.shipped["style"][id], self.shipped_name(id)
            self.styles[id] = Style(name, file, self._encoded(name, file))
        return self.styles[id]

    def _encoded(self, name: str, file: Path) -> torch.Tensor:
        return self._work(f"reading the style {name}", lambda: style_code(self.model, file))

    def stylise(self, face_id: str, style_id: str, i: int, theta: float, strength: float | None = None) -> ResultItem:
        """One face in one style; the same question again gives the same result without work.

        Args:
            i, theta: of Eq. 5.
            strength: what the person chose where that set i and theta; kept with the picture.

        Raises:
            SuiteError: the face or the style is not here (any more).
        """
        id = hashlib.sha256(f"{face_id} {style_id} {i} {theta!r}".encode()).hexdigest()[:16]
        if id in self.results:
            return self.results[id]
        face, style = self.face(face_id), self.style(style_id)
        what = f"{face.name} in {style.name}"
        picture, made = self._work(what, lambda: self._stylised(face, style, i, theta))
        facts = {"face": face.name, "style": style.name, "strength": strength, **made}
        file = self.out / f"{_stem(face.name)}__{_stem(style.name)}__{id[:8]}.png"
        save_png(file, picture, {key: value for key, value in facts.items() if value is not None})
        self.results[id] = ResultItem(id, face_id, style_id, file, facts)
        return self.results[id]

    def _stylised(self, face: FaceItem, style: Style, i: int, theta: float) -> tuple[Image.Image, dict[str, Any]]:
        """The picture, and what is known of it."""
        stylist = Stylist(self.model, replace(self.settings, i=i, theta=theta), self.psp, self.distance)
        stylist.watch = self._watched
        if face.id not in self._codes:
            _keep(self._codes, face.id, stylist.invert(read_picture(face.file)))
        latents, how = self._codes[face.id]
        pixels = to_uint8(stylist.blend(latents, [style])[0])
        picture, scratch = Image.fromarray(pixels), self.scratch / "result.png"
        save_png(scratch, picture)
        return picture, {
            "i": i,
            "theta": round(theta, 6),
            "inverted": how,
            "weights": self.model.origin["weights"],
            "sha256": self.model.origin["sha256"],
            "face_similarity": self._face_similarity(face, scratch),
            "style_similarity": round(stylist.style_similarity(pixels, style), 4),
        }

    def _face_similarity(self, face: FaceItem, file: Path) -> float | None:
        if face.aligned is None:
            return None
        try:
            return round(compare_faces(self.aligner, replace(face.aligned, file=face.file), file), 4)
        except SuiteError:
            return None

    def _watched(self, step: int) -> None:
        self.doing = {**self.doing, "step": step, "of": self.steps}

    def _work(self, what: str, work: Callable[[], T]) -> T:
        with self._one_at_a_time:
            self.doing = {"what": what}
            try:
                return work()
            finally:
                self.doing = {}


def tidy(name: str) -> str:
    """A file's name as it is shown and kept: its last part, without control characters, at most 80 letters."""
    plain = "".join(letter for letter in PurePath(name.replace("\\", "/")).name if letter.isprintable()).strip()
    return plain[:80] or "picture"


def _keep(kept: dict[str, T], id: str, item: T) -> T:
    kept[id] = item
    if len(kept) > MOST_KEPT:
        kept.pop(next(iter(kept)))
    return item


def _stem(name: str) -> str:
    return re.sub(r"[^\w-]+", "-", PurePath(name).stem).strip("-")[:40] or "picture"


def _digest(data: bytes, *flags: bool) -> str:
    return hashlib.sha256(data + repr(flags).encode()).hexdigest()[:16]


def _faces_in_words(name: str, count: int) -> str:
    if count:
        return f"{name}: {count} faces were found. Crop it to one, or take the largest."
    return f"{name}: no face was found. If the picture is cut to the face already, it can be taken as it is."
