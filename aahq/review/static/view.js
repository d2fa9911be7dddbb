// The faces that fit the filters: how many they are, and the rows of those that are looked at, a window at a time.

import { get } from "./api.js";

const WINDOW = 200;
// Windows held: some fifty sheets.
const HELD = 60;

export class View {
  // told: { view, count, kept, dropped, first, rows } of the server. came(first, count) hears of rows that came; lost() of a list that is gone.
  constructor(told, state, { came, lost }) {
    Object.assign(this, { name: told.view, length: told.count, kept: told.kept, dropped: told.dropped, state, came, lost });
    this.windows = new Map();
    // Windows that are here or on their way.
    this.wanted = new Set();
    this.places = new Map();
    if (told.rows) this.take(told.first, told.rows);
  }

  get left() { return this.length - this.kept - this.dropped; }

  // The row at a place; where it is not here yet, undefined, and it is asked for.
  row(at) {
    if (!(at >= 0 && at < this.length)) return undefined;
    const rows = this.windows.get(Math.floor(at / WINDOW));
    const found = rows?.[at % WINDOW];
    if (!found) this.need(at);
    return found;
  }

  peek(at) { return this.windows.get(Math.floor(at / WINDOW))?.[at % WINDOW]; }

  // Where a face is among the rows that are here.
  indexOf(id) { return this.places.get(id) ?? -1; }

  // The same among all.
  async place(id) {
    if (this.places.has(id)) return this.places.get(id);
    const { at } = await get(`/api/place?view=${this.name}&id=${encodeURIComponent(id)}`);
    return at ?? -1;
  }

  // The next face without a word of this reviewer, going round once; -1 where there is none.
  async nextOpen(after) {
    for (let away = 1; away <= this.length; away++) {
      const at = (after + away) % this.length;
      const row = this.peek(at);
      if (!row) break;
      if (!this.state.own.get(row.id)) return at;
    }
    await this.state.outbox.drained();
    const { at } = await get(`/api/next?view=${this.name}&after=${after}&reviewer=${encodeURIComponent(this.state.reviewer)}`);
    return at ?? -1;
  }

  async need(at) {
    const number = Math.floor(at / WINDOW);
    if (this.wanted.has(number)) return;
    this.wanted.add(number);
    const first = number * WINDOW;
    try {
      const asked = `view=${this.name}&first=${first}&count=${WINDOW}&reviewer=${encodeURIComponent(this.state.reviewer)}`;
      this.take(first, await get(`/api/tiles?${asked}`));
    } catch (error) {
      this.wanted.delete(number);
      if (/no view/.test(error.message)) this.lost();
      return;
    }
    this.came(first, WINDOW);
  }

  // Rows of the server, a list a column, from a place on.
  take(first, columns) {
    columns.id.forEach((id, n) => {
      const at = first + n;
      const number = Math.floor(at / WINDOW);
      const rows = this.windows.get(number) ?? [];
      rows[at % WINDOW] = { id, stamp: columns.stamp[n], bucket: columns.bucket[n], reason: columns.reason[n] };
      // The newest last: Map keeps the order in which keys came.
      this.windows.delete(number);
      this.windows.set(number, rows);
      this.places.set(id, at);
      // What was decided here since is newer than what the server knew.
      if (!this.state.own.has(id)) this.state.own.set(id, columns.own[id] ?? null);
    });
    while (this.windows.size > HELD) {
      const [oldest, rows] = this.windows.entries().next().value;
      rows.forEach(({ id }) => this.places.delete(id));
      this.windows.delete(oldest);
      this.wanted.delete(oldest);
    }
  }

  // A face got another word.
  count(before, after) {
    const add = (line, by) => {
      if (line?.act === "keep") this.kept += by;
      else if (line?.act === "drop") this.dropped += by;
    };
    add(before, -1);
    add(after, 1);
  }
}
