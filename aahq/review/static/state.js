// What the page knows: the list that it shows, what this reviewer said about each face, and what undo takes back.

import { get, nonce, Outbox } from "./api.js";

export class State extends EventTarget {
  constructor(session) {
    super();
    this.session = session;
    this.count = session.count;
    this.reviewer = session.reviewer;
    // id -> this reviewer's own word, or null: of the rows that came, and of what was decided here.
    this.own = new Map();
    this.history = [];
    // reviewer -> how many faces they decided
    this.others = {};
    this.words = null;
    this.view = null;
    this.outbox = new Outbox(() => this.say("saving"), (why) => this.refused(why));
  }

  say(what, detail) { this.dispatchEvent(new CustomEvent(what, { detail })); }

  async load() {
    await this.outbox.drained();
    const said = await get(`/api/decisions?reviewer=${encodeURIComponent(this.reviewer)}`);
    this.history = [];
    for (const line of said.recent) this.remember(line.group || line.nonce, line, undefined);
    this.others = said.decided;
  }

  async loadWords() { this.words ??= await get("/api/words"); }

  remember(group, line, before) {
    const last = this.history.at(-1);
    if (last && last.group === group) last.lines.push({ line, before });
    else this.history.push({ group, lines: [{ line, before }] });
  }

  // Another word of this reviewer about a face, of which the list keeps count where it holds the face.
  set(id, line, listed) {
    if (listed) this.view.count(this.own.get(id), line);
    this.own.set(id, line);
  }

  // Keep or drop faces with one keystroke: [{face, act, reason, points, settle}], each face a row of a list.
  decide(wanted) {
    const group = nonce();
    const lines = wanted.map(({ face, act, reason = "", points = null, settle = false }) => {
      const before = this.own.get(face.id) ?? null;
      // A face that was placed stays placed when it is kept once more.
      const placed = act === "keep" ? points ?? (settle ? null : before?.points ?? null) : null;
      const line = { act, nonce: nonce(), reviewer: this.reviewer, id: face.id, reason, points: placed, settle, group };
      this.remember(group, line, before);
      if (!settle) this.set(face.id, line, this.view.indexOf(face.id) >= 0);
      return line;
    });
    this.outbox.put(lines);
    this.say("decided", wanted.map(({ face }) => face.id));
  }

  // Take the last keystroke back; the ids of the faces that it was about.
  async undo() {
    const last = this.history.pop();
    if (!last) return [];
    this.outbox.put(last.lines.map(({ line }) => ({
      act: "undo", nonce: nonce(), reviewer: this.reviewer, id: line.id, undoes: line.nonce,
    })));
    const ids = last.lines.map(({ line }) => line.id);
    // What stood before a line of an earlier visit is known to the server alone.
    if (last.lines.some(({ before }) => before === undefined)) {
      await this.load();
      this.say("reload");
      return ids;
    }
    for (const { line, before } of last.lines.toReversed()) {
      if (!line.settle) this.set(line.id, before, (await this.view.place(line.id)) >= 0);
    }
    this.say("decided", ids);
    return ids;
  }

  async refused(why) {
    this.say("refused", why);
    await new Promise((done) => setTimeout(done));
    await this.load();
    this.say("reload");
  }
}
