// One face, large: the crop as it would be released, the picture that it is cut from, and what is known about it.

import { get, post } from "./api.js";
import { element, readable } from "./filters.js";

const SVG = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...inside) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...inside);
  return made;
}

// The recipe's square from eyes and mouth corners, as in aahq/faces/align.py: top left, bottom left, bottom right, top right.
export function cropSquare([left, right, mouthLeft, mouthRight]) {
  const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  const eyes = middle(left, right);
  const mouth = middle(mouthLeft, mouthRight);
  const across = [right[0] - left[0], right[1] - left[1]];
  const down = [mouth[0] - eyes[0], mouth[1] - eyes[1]];
  let x = [across[0] + down[1], across[1] - down[0]];
  const scale = Math.max(Math.hypot(...across) * 2, Math.hypot(...down) * 1.8) / Math.hypot(...x);
  x = [x[0] * scale, x[1] * scale];
  const y = [-x[1], x[0]];
  const centre = [eyes[0] + down[0] * 0.1, eyes[1] + down[1] * 0.1];
  return [[-1, -1], [-1, 1], [1, 1], [1, -1]].map(([a, b]) => [centre[0] + a * x[0] + b * y[0], centre[1] + a * x[1] + b * y[1]]);
}

const mean = (points) => [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);

// Left eye, right eye, nose, mouth corners from what the ledger holds; an empty list where it holds nothing.
export function fivePoints(landmarks) {
  if (landmarks.length === 68) {
    return [mean(landmarks.slice(36, 42)), mean(landmarks.slice(42, 48)), landmarks[30], landmarks[48], landmarks[54]];
  }
  if (landmarks.length !== 4) return [];
  const [eyes, mouth] = [mean(landmarks.slice(0, 2)), mean(landmarks.slice(2))];
  return [landmarks[0], landmarks[1], mean([eyes, mouth, mouth, eyes]), landmarks[2], landmarks[3]];
}

export class Detail {
  constructor(dialog, state) {
    Object.assign(this, { dialog, state });
    this.face = null;
  }

  get open() { return this.dialog.open; }

  close() { this.dialog.close(); }

  async show(face) {
    this.face = face;
    const { id, stamp } = face;
    if (!this.dialog.open) this.dialog.show();
    const item = await get(`/api/item/${id}`);
    if (this.face?.id !== id) return;
    const line = this.state.own.get(id);
    const points = line?.points ?? fivePoints(item.landmarks);
    const verdict = line ? (line.act === "keep" ? "kept by you" : `dropped by you: ${readable(line.reason)}`) : "undecided";
    this.dialog.className = line?.act ?? "";
    this.dialog.replaceChildren(
      element("button", { class: "quiet close", "aria-label": "Close (Esc)", onclick: () => this.close() }, "×"),
      element("figure", { class: "face" },
        element("img", { src: `/face/${id}?${stamp}`, alt: item.title ? `Face from ${item.title}` : "Face" }),
        element("figcaption", {}, line?.points ? "as your points will cut it (preview)"
          : item.bucket === "no face" ? "no face was found: press p to place one" : "as it would be released")),
      element("div", { class: "beside" },
        element("figure", {}, this.whole(item, id, points)),
        element("h2", {}, item.title || id),
        element("p", { class: "dim" }, [item.artist, item.license].filter(Boolean).join(" · ") || "no artist named"),
        element("p", { class: `verdict ${line?.act ?? ""}` }, verdict),
        this.facts(item, id)),
    );
    if (line?.points) this.preview(id, line.points, this.dialog.querySelector(".face img"));
  }

  // The file is cut anew by the next release; until then the page shows what it will be.
  async preview(id, points, image) {
    const answer = await post("/api/preview", { id, points });
    if (!answer.ok) return;
    const address = URL.createObjectURL(await answer.blob());
    image.addEventListener("load", () => URL.revokeObjectURL(address), { once: true });
    image.src = address;
  }

  whole(item, id, points) {
    const drawn = svg("svg", { viewBox: `0 0 ${item.width} ${item.height}`, role: "img", "aria-label": "The whole picture" },
      svg("image", { href: `/picture/${id}`, width: item.width, height: item.height }));
    if (points.length === 5) {
      const square = cropSquare([points[0], points[1], points[3], points[4]]);
      drawn.append(svg("polygon", { class: "square", points: square.map((at) => at.join(",")).join(" ") }));
      for (const [x, y] of points) drawn.append(svg("circle", { class: "dot", cx: x + 0.5, cy: y + 0.5, r: Math.max(item.width, item.height) / 130 }));
    }
    return drawn;
  }

  facts(item, id) {
    const list = element("dl");
    const add = (name, ...value) => list.append(element("dt", {}, name), element("dd", {}, ...value));
    add("state", readable(item.bucket));
    if (item.reason) add("reason", readable(item.reason), element("span", { class: "dim" }, ` ${item.detail}`));
    for (const [name, value] of Object.entries(item.scores)) add(readable(name), String(value));
    add("picture", `${item.width} × ${item.height}`);
    if (item.detector) add("found by", item.detector);
    if (item.page_url) add("page", element("a", { href: item.page_url, target: "_blank", rel: "noreferrer noopener" }, new URL(item.page_url).host));
    add("id", element("code", {}, id));
    return list;
  }
}
