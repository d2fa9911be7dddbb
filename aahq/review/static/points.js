// Five points on a picture, placed or moved by mouse, finger or keys, with the crop that they give beside it.

import { explain, get, post } from "./api.js";
import { cropSquare, fivePoints, svg } from "./detail.js";
import { element } from "./filters.js";

const PREVIEW_MS = 60;
// A pointer that strays less than this many screen pixels is a click.
const STILL = 5;

export class Points {
  constructor(dialog, state) {
    Object.assign(this, { dialog, state });
    this.names = state.session.points;
    dialog.addEventListener("keydown", (event) => this.key(event));
    dialog.addEventListener("close", () => { this.face = null; });
  }

  get open() { return this.dialog.open; }

  async show(face) {
    this.face = face;
    this.id = face.id;
    this.item = await get(`/api/item/${this.id}`);
    const before = this.state.own.get(face.id)?.points ?? fivePoints(this.item.landmarks);
    this.points = before.map((point) => [...point]);
    this.chosen = Math.min(this.points.length, 4);
    this.build();
    this.dialog.showModal();
    this.lookAt();
    this.draw();
    this.preview();
    this.stage.focus();
  }

  build() {
    const { width, height } = this.item;
    this.marks = svg("g");
    this.square = svg("polygon", { class: "square" });
    this.stage = svg("svg", { class: "stage", tabindex: 0, role: "application", "aria-label": "Picture: click to place the next point" },
      svg("image", { href: `/picture/${this.id}`, width, height }), this.square, this.marks);
    this.stage.addEventListener("pointerdown", (event) => this.press(event));
    this.stage.addEventListener("pointermove", (event) => this.drag(event));
    this.stage.addEventListener("pointerup", (event) => this.release(event));
    this.stage.addEventListener("pointercancel", () => { this.held = null; });
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.crop = element("img", { alt: "The crop that these points give", class: "crop" });
    this.hint = element("p", { class: "hint", role: "status" });
    this.list = element("ol", { class: "names" });
    this.save = element("button", { class: "act keep", onclick: () => this.done() }, "Keep with these points ", element("kbd", {}, "Enter"));
    this.dialog.replaceChildren(this.stage, element("div", { class: "beside" },
      element("h2", {}, "Five points"), this.crop, this.hint, this.list,
      element("div", { class: "actions" }, this.save,
        element("button", { class: "act", onclick: () => this.clear() }, "Start over"),
        element("button", { class: "act", onclick: () => this.dialog.close() }, "Cancel ", element("kbd", {}, "Esc"))),
      element("p", { class: "dim keys" }, "1–5 choose · arrows nudge · + − or wheel zoom · drag to move the picture")));
  }

  // The face with room around it, or the whole picture.
  lookAt() {
    const { width, height } = this.item;
    this.box = { x: 0, y: 0, w: width, h: height };
    if (this.points.length === 5) {
      const square = cropSquare(this.aligned());
      const [xs, ys] = [0, 1].map((axis) => square.map((point) => point[axis]));
      const side = 1.15 * Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
      this.box = { x: (Math.max(...xs) + Math.min(...xs) - side) / 2, y: (Math.max(...ys) + Math.min(...ys) - side) / 2, w: side, h: side };
    }
  }

  aligned() { return [0, 1, 3, 4].map((n) => this.points[n]); }

  draw() {
    const { x, y, w, h } = this.box;
    this.stage.setAttribute("viewBox", `${x} ${y} ${w} ${h}`);
    const matrix = this.stage.getScreenCTM();
    const unit = matrix ? 1 / matrix.a : w / 600;
    this.square.setAttribute("points", this.points.length === 5 ? cropSquare(this.aligned()).map((at) => at.join(",")).join(" ") : "");
    this.marks.replaceChildren(...this.points.map(([px, py], n) => {
      const [cx, cy] = [px + 0.5, py + 0.5];
      const mark = svg("g", { class: n === this.chosen ? "mark chosen" : "mark", "data-n": n });
      mark.append(
        svg("circle", { class: "grip", cx, cy, r: 22 * unit }),
        svg("circle", { class: "ring", cx, cy, r: 8 * unit, "stroke-width": 2 * unit }),
        svg("circle", { class: "core", cx, cy, r: 1.5 * unit }));
      const label = svg("text", { x: cx + 12 * unit, y: cy - 10 * unit, "font-size": 13 * unit, "stroke-width": 3 * unit });
      label.textContent = n + 1;
      mark.append(label);
      return mark;
    }));
    this.list.replaceChildren(...this.names.map((name, n) => {
      const at = this.points[n];
      const text = at ? `${Math.round(at[0])}, ${Math.round(at[1])}` : "to place";
      return element("li", { class: n === this.chosen ? "chosen" : "" },
        element("button", { class: "quiet", "aria-pressed": String(n === this.chosen), onclick: () => { this.choose(n); } },
          element("b", {}, n + 1), element("span", {}, name), element("span", { class: "dim" }, text)));
    }));
    const left = 5 - this.points.length;
    if (left) this.say(`Click the ${this.names[this.points.length]}${this.points.length ? "" : " — left as the face is seen upright"}.`);
    this.save.disabled = left > 0 || this.wrong === true;
  }

  say(text, wrong = false) {
    this.hint.textContent = text;
    this.hint.classList.toggle("wrong", wrong);
  }

  choose(n) {
    this.chosen = Math.min(n, this.points.length, 4);
    this.draw();
    this.stage.focus();
  }

  clear() {
    this.points = [];
    this.chosen = 0;
    this.crop.removeAttribute("src");
    this.lookAt();
    this.draw();
    this.stage.focus();
  }

  where(event) {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.stage.getScreenCTM().inverse());
    return [at.x - 0.5, at.y - 0.5];
  }

  press(event) {
    if (event.button) return;
    const mark = event.target.closest(".mark");
    this.stage.setPointerCapture(event.pointerId);
    this.held = { mark: mark ? Number(mark.dataset.n) : -1, x: event.clientX, y: event.clientY, at: this.where(event), moved: false, box: { ...this.box } };
    if (mark) this.choose(this.held.mark);
  }

  drag(event) {
    if (!this.held) return;
    if (!this.held.moved && Math.hypot(event.clientX - this.held.x, event.clientY - this.held.y) < STILL) return;
    this.held.moved = true;
    if (this.held.mark >= 0) {
      this.put(this.held.mark, this.where(event));
      return;
    }
    const unit = 1 / this.stage.getScreenCTM().a;
    this.box.x = this.held.box.x - (event.clientX - this.held.x) * unit;
    this.box.y = this.held.box.y - (event.clientY - this.held.y) * unit;
    this.draw();
  }

  release(event) {
    const { held } = this;
    this.held = null;
    if (!held || held.moved || held.mark >= 0) return;
    if (this.points.length < 5) {
      this.put(this.points.length, this.where(event));
      this.choose(this.points.length);
    } else this.put(this.chosen, this.where(event));
  }

  put(n, point) {
    this.points[n] = point.map((value) => Math.round(value * 100) / 100);
    this.draw();
    this.preview();
  }

  preview() {
    clearTimeout(this.soon);
    if (this.points.length < 5) return;
    this.soon = setTimeout(async () => {
      const asked = JSON.stringify(this.points);
      const answer = await post("/api/preview", { id: this.id, points: this.points });
      if (!this.face || asked !== JSON.stringify(this.points)) return;
      this.wrong = !answer.ok;
      if (answer.ok) {
        const old = this.crop.src;
        this.crop.src = URL.createObjectURL(await answer.blob());
        if (old.startsWith("blob:")) URL.revokeObjectURL(old);
        this.say("This is how the face would be cut.");
      } else this.say(await explain(answer), true);
      this.save.disabled = this.wrong;
    }, PREVIEW_MS);
  }

  zoom(factor, [x, y]) {
    const w = Math.min(Math.max(this.box.w * factor, 24), 3 * Math.max(this.item.width, this.item.height));
    const scale = w / this.box.w;
    this.box = { x: x - (x - this.box.x) * scale, y: y - (y - this.box.y) * scale, w, h: this.box.h * scale };
    this.draw();
  }

  wheel(event) {
    event.preventDefault();
    this.zoom(Math.exp(event.deltaY * 0.0015), this.where(event));
  }

  key(event) {
    const nudge = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const middle = [this.box.x + this.box.w / 2, this.box.y + this.box.h / 2];
    if (nudge && this.points[this.chosen]) {
      const step = (event.shiftKey ? 10 : 1) / this.stage.getScreenCTM().a;
      const [x, y] = this.points[this.chosen];
      this.put(this.chosen, [x + nudge[0] * step, y + nudge[1] * step]);
    } else if (/^[1-5]$/.test(event.key)) this.choose(Number(event.key) - 1);
    else if (event.key === "+" || event.key === "=") this.zoom(0.8, middle);
    else if (event.key === "-") this.zoom(1.25, middle);
    else if (event.key === "Enter" && event.target.tagName !== "BUTTON") this.done();
    else if (event.key === "Escape") this.dialog.close();
    else if (event.key !== "Enter") return;
    else { event.stopPropagation(); return; }
    event.preventDefault();
    event.stopPropagation();
  }

  done() {
    if (this.save.disabled) return;
    this.state.decide([{ face: this.face, act: "keep", points: this.points }]);
    this.dialog.close();
  }
}
