// Two reviewers side by side: how far they agree beyond chance, and the faces on which somebody has to settle it.

import { get } from "./api.js";
import { element, grouped, readable } from "./filters.js";

const percent = (share) => `${(100 * share).toFixed(1)} %`;

export class Agree {
  constructor(dialog, state) {
    Object.assign(this, { dialog, state });
    this.at = 0;
  }

  get open() { return this.dialog.open; }

  // The face at hand, as a row of a list; undefined where there is none.
  get face() { return this.open ? this.list[this.at] : undefined; }

  close() { this.dialog.close(); }

  async show() {
    await this.state.outbox.drained();
    const { pairs, disagreements } = await get("/api/agreement");
    this.pairs = pairs;
    this.list = disagreements;
    const open = this.list.findIndex(({ settled }) => !settled);
    this.at = Math.max(0, open);
    if (!this.dialog.open) this.dialog.show();
    this.draw();
  }

  move(step) {
    this.at = Math.max(0, Math.min(this.at + step, this.list.length - 1));
    this.draw();
  }

  // Settle the face at hand and go to the next one that is open.
  settle(act, reason = "") {
    const here = this.list[this.at];
    if (!here) return;
    this.state.decide([{ face: here, act, reason, settle: true }]);
    here.settled = { by: this.state.reviewer, act, reason };
    const later = this.list.findIndex(({ settled }, n) => n > this.at && !settled);
    const any = this.list.findIndex(({ settled }) => !settled);
    if (later >= 0 || any >= 0) this.at = later >= 0 ? later : any;
    this.draw();
  }

  draw() {
    const open = this.list.filter(({ settled }) => !settled).length;
    this.dialog.replaceChildren(
      element("button", { class: "quiet close", "aria-label": "Close (Esc)", onclick: () => this.close() }, "×"),
      element("section", { class: "pairs" }, element("h2", {}, "Agreement"),
        ...(this.pairs.length ? this.pairs.map((pair) => this.pair(pair))
          : [element("p", { class: "dim" }, "No face was decided by two reviewers yet. Give the page another reviewer's name above, or start it with --reviewer.")])),
      element("section", { class: "settle" },
        element("h2", {}, this.list.length ? `Disagreements: ${grouped(open)} of ${grouped(this.list.length)} open` : "No disagreements"),
        ...(this.list.length ? this.case(this.list[this.at]) : [])),
    );
  }

  pair(pair) {
    const cell = (value, same) => element("td", { class: same ? "same" : "differ" }, grouped(value));
    return element("article", {},
      element("div", { class: "kappa" }, element("b", {}, pair.kappa === null ? "–" : pair.kappa.toFixed(2)),
        element("span", {}, pair.kappa === null ? "Cohen’s κ is not defined: one word only" : "Cohen’s κ"),
        element("span", { class: "dim" }, `agree on ${percent(pair.observed)} of ${grouped(pair.both)}`)),
      element("table", { "aria-label": `${pair.first} and ${pair.second}` },
        element("tr", {}, element("td"), element("th", { scope: "col" }, `${pair.second} keeps`), element("th", { scope: "col" }, `${pair.second} drops`)),
        element("tr", {}, element("th", { scope: "row" }, `${pair.first} keeps`), cell(pair.both_keep, true), cell(pair.first_only, false)),
        element("tr", {}, element("th", { scope: "row" }, `${pair.first} drops`), cell(pair.second_only, false), cell(pair.both_drop, true))));
  }

  case({ id, stamp, words, settled }) {
    return [
      element("figure", { class: "face" }, element("img", { src: `/face/${id}?${stamp}`, alt: "The face in question" })),
      element("ul", { class: "words" }, ...Object.entries(words).map(([who, line]) =>
        element("li", { class: line.act }, element("b", {}, who), line.act === "keep" ? " keeps it" : ` drops it: ${readable(line.reason)}`,
          line.points ? " (placed points)" : ""))),
      element("p", { class: `verdict ${settled?.act ?? ""}`, role: "status" }, settled
        ? `settled by ${settled.by}: ${settled.act === "keep" ? "keep" : `drop, ${readable(settled.reason)}`}` : "open: k keeps it, d drops it"),
      element("p", { class: "dim" }, `${this.at + 1} of ${this.list.length} · arrows move · k keep · d drop · u undo`),
    ];
  }
}
