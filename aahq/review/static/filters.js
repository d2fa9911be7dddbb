// Which faces are shown: by state, reason, score, source, and by who decided what.

import { get } from "./api.js";

const MINE = { any: "all", open: "undecided", keep: "kept", drop: "dropped", placed: "placed by hand" };

export function element(name, attributes = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...inside);
  return made;
}

// 30,000: by hand, for the browser's own way loads its tables of languages, which a first sheet would wait for.
export function grouped(number) { return String(number).replace(/\B(?=(\d{3})+$)/g, ","); }

export function readable(word) { return word.replaceAll("_", " "); }

export class Filters {
  constructor(box, state, changed) {
    Object.assign(this, { box, state, changed });
    this.clear();
  }

  reset() {
    this.clear();
    this.draw();
    this.changed();
  }

  clear() {
    const { buckets, shown } = this.state.session;
    this.off = {
      bucket: new Set(Object.keys(buckets).filter((word) => !shown.includes(word))),
      reason: new Set(),
      source: new Set(),
    };
    this.mine = "any";
    this.by = "";
    this.score = "";
    this.low = -Infinity;
    this.high = Infinity;
    this.sorted = "";
  }

  // What the server is asked for.
  asked() {
    return {
      reviewer: this.state.reviewer,
      bucket: Object.keys(this.state.session.buckets).filter((word) => !this.off.bucket.has(word)),
      reason_off: [...this.off.reason],
      source_off: [...this.off.source],
      mine: this.mine,
      by: this.by,
      score: this.score,
      low: Number.isFinite(this.low) ? this.low : null,
      high: Number.isFinite(this.high) ? this.high : null,
      order: this.score ? this.sorted : "",
    };
  }

  draw() {
    this.box.replaceChildren(
      element("div", { class: "panel-head" }, element("h2", {}, "Filters"),
        element("button", { class: "quiet", onclick: () => this.reset() }, "Reset")),
      this.choice("Mine", Object.entries(MINE), this.mine, (value) => { this.mine = value; }),
      this.boxes("State", "bucket", this.state.session.buckets),
      this.boxes("Reason", "reason", this.state.words?.reason, this.state.session.reasons),
      this.boxes("Source", "source", this.state.words?.source),
      this.byScore(),
      this.byReviewer(),
    );
  }

  choice(title, entries, chosen, set) {
    const name = `choice-${title}`;
    return element("fieldset", {}, element("legend", {}, title), ...entries.map(([value, text]) =>
      element("label", {}, element("input", { type: "radio", name, value, checked: value === chosen,
        onchange: () => { set(value); this.changed(); } }), element("span", {}, text))));
  }

  // counts: word -> how many faces have it.
  boxes(title, column, counts = {}, meanings = {}) {
    const words = Object.keys(counts);
    if (words.length < 2) return "";
    return element("fieldset", {}, element("legend", {}, title), ...words.map((word) =>
      element("label", { title: meanings[word] ?? null },
        element("input", { type: "checkbox", checked: !this.off[column].has(word), onchange: (event) => {
          event.target.checked ? this.off[column].delete(word) : this.off[column].add(word);
          this.changed();
        } }),
        element("span", {}, word ? readable(word) : "none"), element("span", { class: "count" }, grouped(counts[word])))));
  }

  byScore() {
    const pick = element("select", { "aria-label": "Score", onchange: async (event) => {
      this.score = event.target.value;
      this.ends = this.score ? await get(`/api/range?score=${this.score}`) : null;
      this.low = -Infinity;
      this.high = Infinity;
      this.draw();
      this.changed();
      this.box.querySelector("select").focus();
    } }, element("option", { value: "" }, "any score"), ...["sharpness", "quad_side", "blockiness", "brightness", "contrast",
      "yaw", "pitch", "outside"].map((name) => element("option", { value: name, selected: name === this.score }, readable(name))));
    const box = element("fieldset", {}, element("legend", {}, "Score"), pick);
    if (this.score && this.ends) box.append(...this.range());
    return box;
  }

  range() {
    const [least, most] = this.ends;
    const step = (most - least) / 200 || 1;
    const side = (text, key, start, end) => {
      const shown = element("output", {}, start.toPrecision(3));
      const slide = element("input", { type: "range", min: least, max: most, step: "any", value: start,
        "aria-label": `${text} ${readable(this.score)}`, oninput: (event) => {
          const value = Number(event.target.value);
          this[key] = Math.abs(value - end) < step / 2 ? (key === "low" ? -Infinity : Infinity) : value;
          shown.textContent = value.toPrecision(3);
          this.changed();
        } });
      return element("div", { class: "slide" }, element("span", {}, text), slide, shown);
    };
    const order = [["", "as they are"], ["up", "lowest first"], ["down", "highest first"]];
    return [
      side("from", "low", Number.isFinite(this.low) ? this.low : least, least),
      side("to", "high", Number.isFinite(this.high) ? this.high : most, most),
      element("select", { "aria-label": "Order", onchange: (event) => { this.sorted = event.target.value; this.changed(); } },
        ...order.map(([value, text]) => element("option", { value, selected: value === this.sorted }, text))),
    ];
  }

  byReviewer() {
    const names = Object.keys(this.state.others);
    if (!names.length) return "";
    return element("fieldset", {}, element("legend", {}, "Decided by"),
      element("select", { "aria-label": "Decided by", onchange: (event) => { this.by = event.target.value; this.changed(); } },
        element("option", { value: "" }, "anybody or nobody"),
        ...names.map((who) => element("option", { value: who, selected: who === this.by },
          `${who} (${grouped(this.state.others[who])})`))));
  }
}
