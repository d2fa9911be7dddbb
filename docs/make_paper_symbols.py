"""Write `docs/paper_symbols.md`: the paper's symbols, equations and sections -> file and line, found in the code itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from suite.errors import SuiteError
from suite.files import write_whole

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "paper_symbols.md"
EQUATION = re.compile(r"Eq\. (\d+)(?:(?:-|, )(\d+))?")
PLACE = re.compile(r"[Ss]ection (\d(?:\.\d)?)|[Aa]ppendix (A\.\d)")
# Whose equations a file counts by; a place that is not listed is BlendGAN's, or names its source on the line itself.
OTHER_PAPERS = {
    "baselines/adain/": "AdaIN (Huang and Belongie 2017)",
    "baselines/munit/": "MUNIT (Huang et al. 2018)",
    "baselines/funit/": "FUNIT (Liu et al. 2019)",
    "baselines/drit/": "DRIT++ (Lee et al. 2020)",
    "baselines/mdmm/": "DRIT++ (Lee et al. 2020)",
    "baselines/stargan2/": "StarGAN v2 (Choi et al. 2020)",
    "baselines/gatys/": "Gatys et al. 2016",
    "models/training/augment.py": "adaptive augmentation (Karras et al. 2020)",
}
# A citation of another paper with its own equation or section.
_CITED = re.compile(
    r"(?!Liu et al\. 2021)(?:[A-Z]\w+(?: et al\.| and [A-Z]\w+) 20\d\d|StyleGAN2)(?:, arXiv [\d.]+)?"
    r", (?:[Ss]ection|Eq\.) [\d.]+"
)

# symbol, what it is, file, the text that its line holds.
SYMBOLS = (
    ("z_f", "face latent, N(0, I): one seed per sample", "models/rng.py", "def seeded_normal"),
    ("z_s", "style latent: N(0, I) or E_style(x)", "models/training/blendgan.py", "def codes"),
    ("w_f", "the face's mapping network, StyleGAN2's", "models/networks/stylegan2.py", "def map_face"),
    ("w_s", "the style's mapping network", "models/networks/blendgan.py", "def map_style"),
    ("WBM", "weighted blending module: W+ of the stylised face", "models/networks/blendgan.py", "def blend("),
    ("w = w_s * a + w_f * (1 - a)", "the blend", "models/networks/blendgan.py", "# Eq. 3"),
    ("alpha", "learnable share of the style, one scalar per layer in [0, 1]", "models/networks/blendgan.py", "def alpha"),
    ("a = alpha * m(i, theta)", "the blend's weight", "models/networks/blendgan.py", "# Eq. 4"),
    ("m(i, theta)", "blending indicator and its soft step", "models/networks/blendgan.py", "# Eq. 5"),
    ("E_style", "style encoder: Gram matrices and a four-layer MLP", "models/networks/style_encoder.py", "class StyleEncoder"),
    ("Gram matrices, 610,304 values", "style features of VGG-19", "ops/gram/__init__.py", "def gram("),
    ("p", "projector of the contrastive loss", "models/networks/style_encoder.py", "class Projector"),
    ("NT-Xent, tau", "contrastive loss", "models/training/style_encoder.py", "# Eq. 2"),
    ("affine augmentations", "the style encoder's views", "models/training/affine.py", "def affine_views"),
    ("G", "generator", "models/networks/blendgan.py", "class BlendGAN"),
    ("D_face, D_style", "image discriminators", "models/networks/discriminators.py", "class Discriminator"),
    ("D_style_latent", "projection discriminator", "models/networks/discriminators.py", "class ProjectionDiscriminator"),
    ("embedding queue, z_s-", "earlier style codes as negatives", "models/training/blendgan.py", "def _negatives"),
    ("L of D_face", "its game", "models/training/games.py", "# Eq. 6"),
    ("L of D_style", "its game", "models/training/games.py", "Eq. 7"),
    ("L of D_style_latent", "its game", "models/training/games.py", "# Eq. 8"),
    ("L_G", "the generator against all three", "models/training/games.py", "def generator_loss"),
    ("R1", "gradient penalty", "models/training/losses.py", "def r1"),
    ("path length", "path-length regularisation", "models/training/losses.py", "def path_length"),
    ("EMA", "averaged generator", "models/training/updates.py", "def update_ema"),
    ("pSp (A.3)", "inversion encoder", "models/networks/psp.py", "class PSPEncoder"),
    ("concatenated Gram codes (A.4)", "ablation of Figure 11", "models/training/blendgan_settings.py", "gram_codes: bool"),
    ("one-shot finetuning (A.5)", "style outside the data", "models/training/finetune.py", "def start_from"),
    ("LPIPS diversity (section 4)", "mean over the 45 pairs of a face", "benchmark/metrics/lpips.py", "def of_faces"),
    ("FID (section 4)", "Fréchet distance", "benchmark/metrics/frechet.py", "def frechet_distance"),
    ("1,000 faces x 10 styles", "the protocol's draw", "benchmark/tasks/protocol.py", "def sample_pairs("),
    ("AAHQ alignment (A.2)", "FFHQ's recipe", "aahq/faces/align.py", "def align"),
)  # fmt: skip


def line_of(file: str, text: str) -> int:
    """The first line of `file` that holds `text`.

    Raises:
        SuiteError: none does; the table names something that the code no longer has.
    """
    for number, line in enumerate((ROOT / file).read_text().splitlines(), 1):
        if text in line:
            return number
    raise SuiteError(f"docs/make_paper_symbols.py: {file} has no line with {text!r}; mend SYMBOLS")


def anchors() -> Iterator[tuple[str, str, str, int]]:
    """(paper, "Eq. N" or its like, file, line number) of every mention of an equation, section or appendix."""
    rooms = ("ops", "models", "baselines", "benchmark")
    for path in sorted(path for room in rooms for path in (ROOT / room).rglob("*.py")):
        file = path.relative_to(ROOT).as_posix()
        for number, line in enumerate(path.read_text().splitlines(), 1):
            paper = next((name for place, name in OTHER_PAPERS.items() if file.startswith(place)), "BlendGAN")
            line = _CITED.sub("", line)
            for match in EQUATION.finditer(line):
                first, last = int(match[1]), int(match[2] or match[1])
                for one in range(first, last + 1):
                    yield paper, f"Eq. {one}", file, number
            if paper == "BlendGAN":
                for match in PLACE.finditer(line):
                    yield paper, f"section {match[1]}" if match[1] else f"appendix {match[2]}", file, number


def _order(name: str) -> tuple[int, list[int]]:
    kind = ("Eq.", "section", "appendix").index(name.split()[0])
    return kind, [int(part) for part in re.findall(r"\d+", name)]


def page() -> str:
    """The whole page."""
    out = [
        "# The paper's symbols in the code",
        "",
        "Written by `python docs/make_paper_symbols.py`; a test keeps the lines true. Liu et al., *BlendGAN: Implicitly GAN",
        "Blending for Arbitrary Stylized Face Generation*, NeurIPS 2021, arXiv 2110.11728.",
        "",
        "| symbol | what | where |",
        "|---|---|---|",
    ]
    out += [f"| {symbol} | {what} | {_link(file, line_of(file, text))} |" for symbol, what, file, text in SYMBOLS]
    mentions: dict[str, dict[str, list[str]]] = {}
    for paper, name, file, number in anchors():
        mentions.setdefault(paper, {}).setdefault(name, []).append(_link(file, number))
    for paper in ["BlendGAN", *sorted(set(mentions) - {"BlendGAN"})]:
        out += ["", f"## {paper}: every mention", "", "| in the paper | where |", "|---|---|"]
        places = mentions[paper]
        out += [f"| {name} | {', '.join(dict.fromkeys(places[name]))} |" for name in sorted(places, key=_order)]
    return "\n".join(out) + "\n"


def _link(file: str, number: int) -> str:
    return f"[{file}:{number}](../{file}#L{number})"


if __name__ == "__main__":
    write_whole(PAGE, page())
