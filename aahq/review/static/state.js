// What the page knows: the faces, what this reviewer said about each, and what undo takes back.

import { get, nonce, Outbox } from "./api.js";

const STAMP = 12;

export class State extends EventTarget {
  constructor(session, tiles) {
    super();
    this.session = session;
    this.tiles = tiles;
    this.count = tiles.id.length;
    this.reviewer = session.reviewer;
    this.own = new Map();
    this.history = [];
    this.others = {};
    this.scores = null;
    this.outbox = new Outbox(() => this.say("saving"), (why) => this.refused(why));
  }

  say(what, detail) { this.dispatchEvent(new CustomEvent(what, { detail })); }

  // Where each id is: made when it is first asked for, for most visits need it after the first sheet only.
  get place() { return this.places ??= new Map(this.tiles.id.map((id, face) => [id, face])); }

  stamp(face) { return this.tiles.stamps.slice(face * STAMP, (face + 1) * STAMP); }

  word(column, face) { return this.tiles.words[column][this.tiles[column][face]]; }

  async load() {
    await this.outbox.drained();
    const said = await get(`/api/decisions?reviewer=${encodeURIComponent(this.reviewer)}`);
    this.own = new Map();
    for (const [id, line] of Object.entries(said.own)) {
      if (this.place.has(id)) this.own.set(this.place.get(id), line);
    }
    this.history = [];
    for (const line of said.recent) this.remember(line.group || line.nonce, line, undefined);
    this.others = Object.fromEntries(Object.entries(said.decided).map(([who, ids]) => [who, new Set(ids)]));
    this.say("decided");
  }

  async loadScores() {
    if (!this.scores) this.scores = await get("/api/scores");
    return this.scores;
  }

  remember(group, line, before) {
    const last = this.history.at(-1);
    if (last && last.group === group) last.lines.push({ line, before });
    else this.history.push({ group, lines: [{ line, before }] });
  }

  // Keep or drop faces with one keystroke: [{face, act, reason, points, settle}].
  decide(wanted) {
    const group = nonce();
    const lines = wanted.map(({ face, act, reason = "", points = null, settle = false }) => {
      const before = this.own.get(face) ?? null;
      // A face that was placed stays placed when it is kept once more.
      const placed = act === "keep" ? points ?? (settle ? null : before?.points ?? null) : null;
      const line = { act, nonce: nonce(), reviewer: this.reviewer, id: this.tiles.id[face], reason, points: placed, settle, group };
      this.remember(group, line, before);
      if (!settle) this.own.set(face, line);
      return line;
    });
    this.outbox.put(lines);
    this.say("decided", wanted.map(({ face }) => face));
  }

  // Take the last keystroke back; the faces that it was about.
  async undo() {
    const last = this.history.pop();
    if (!last) return [];
    this.outbox.put(last.lines.map(({ line }) => ({
      act: "undo", nonce: nonce(), reviewer: this.reviewer, id: line.id, undoes: line.nonce,
    })));
    const faces = [];
    for (const { line, before } of last.lines.reverse()) {
      const face = this.place.get(line.id);
      if (face === undefined) continue;
      faces.push(face);
      if (line.settle) continue;
      if (before) this.own.set(face, before);
      else this.own.delete(face);
    }
    // What stood before a line of an earlier visit is known to the server alone.
    if (last.lines.some(({ before }) => before === undefined)) await this.load();
    this.say("decided", faces);
    return faces;
  }

  async refused(why) {
    this.say("refused", why);
    await new Promise((done) => setTimeout(done));
    await this.load();
  }

  tally(view) {
    let kept = 0;
    let dropped = 0;
    for (const face of view) {
      const line = this.own.get(face);
      if (line) line.act === "keep" ? kept++ : dropped++;
    }
    return { kept, dropped, left: view.length - kept - dropped };
  }
}
