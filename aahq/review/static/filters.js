// Which faces are shown: by state, reason, score, source, and by who decided what.

const SHOWN_AT_FIRST = new Set(["borderline", "no face", "kept", "rejected", "unfinished"]);
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
    const { words } = this.state.tiles;
    this.off = {
      bucket: new Set(words.bucket.filter((word) => !SHOWN_AT_FIRST.has(word))),
      reason: new Set(),
      source: new Set(),
    };
    if (this.off.bucket.size === words.bucket.length) this.off.bucket.clear();
    this.mine = "any";
    this.by = "";
    this.score = "";
    this.low = -Infinity;
    this.high = Infinity;
    this.sorted = "";
  }

  // Faces that fit, in order.
  view() {
    const { tiles, own, others, scores, count } = this.state;
    const shut = {};
    for (const column of ["bucket", "reason", "source"]) {
      shut[column] = tiles.words[column].map((word) => this.off[column].has(word));
    }
    const by = this.by ? others[this.by] ?? new Set() : null;
    const values = this.score && scores ? scores[this.score] : null;
    const out = [];
    for (let face = 0; face < count; face++) {
      if (shut.bucket[tiles.bucket[face]] || shut.reason[tiles.reason[face]] || shut.source[tiles.source[face]]) continue;
      if (this.mine !== "any" && !this.fitsMine(own.get(face))) continue;
      if (by && !by.has(tiles.id[face])) continue;
      if (values && !(values[face] >= this.low && values[face] <= this.high && values[face] !== null)) continue;
      out.push(face);
    }
    if (this.sorted && values) {
      const sign = this.sorted === "up" ? 1 : -1;
      out.sort((a, b) => sign * (values[a] - values[b]) || a - b);
    }
    return out;
  }

  fitsMine(line) {
    if (this.mine === "open") return !line;
    if (this.mine === "placed") return Boolean(line?.points);
    return line?.act === this.mine;
  }

  draw() {
    this.box.replaceChildren(
      element("div", { class: "panel-head" }, element("h2", {}, "Filters"),
        element("button", { class: "quiet", onclick: () => this.reset() }, "Reset")),
      this.choice("Mine", Object.entries(MINE), this.mine, (value) => { this.mine = value; }),
      this.boxes("State", "bucket"),
      this.boxes("Reason", "reason", this.state.session.reasons),
      this.boxes("Source", "source"),
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

  boxes(title, column, meanings = {}) {
    const words = this.state.tiles.words[column];
    if (words.length < 2) return "";
    const counts = new Array(words.length).fill(0);
    for (const code of this.state.tiles[column]) counts[code]++;
    return element("fieldset", {}, element("legend", {}, title), ...words.map((word, code) =>
      element("label", { title: meanings[word] ?? null },
        element("input", { type: "checkbox", checked: !this.off[column].has(word), onchange: (event) => {
          event.target.checked ? this.off[column].delete(word) : this.off[column].add(word);
          this.changed();
        } }),
        element("span", {}, word ? readable(word) : "none"), element("span", { class: "count" }, grouped(counts[code])))));
  }

  byScore() {
    const pick = element("select", { "aria-label": "Score", onchange: async (event) => {
      this.score = event.target.value;
      await this.state.loadScores();
      this.low = -Infinity;
      this.high = Infinity;
      this.draw();
      this.changed();
      this.box.querySelector("select").focus();
    } }, element("option", { value: "" }, "any score"), ...["sharpness", "quad_side", "blockiness", "brightness", "contrast",
      "yaw", "pitch", "outside"].map((name) => element("option", { value: name, selected: name === this.score }, readable(name))));
    const box = element("fieldset", {}, element("legend", {}, "Score"), pick);
    if (this.score && this.state.scores) box.append(...this.range());
    return box;
  }

  range() {
    const values = this.state.scores[this.score].filter((value) => value !== null);
    const least = values.reduce((a, b) => Math.min(a, b), Infinity);
    const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
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
          `${who} (${grouped(this.state.others[who].size)})`))));
  }
}
