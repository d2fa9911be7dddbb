// The contact sheet: a few dozen tiles that are given new faces as they scroll by, whatever the number of faces.
// A face whose row has not come yet has its place, and is drawn when it comes.

const GAP = 8;
const ROWS_BEYOND = 2;
const SETTLED_MS = 90;
// Nobody sees faces that pass at more sheets a second than this; they are drawn as soon as the sheet slows down.
const FASTEST = 4;

export class Grid {
  // draw(tile, face) dresses a tile, wait(tile, at) one whose face has not come; load(tile, face) gives it its picture;
  // picked(position, opened) hears of clicks.
  constructor(box, { make, draw, wait, load, picked }) {
    Object.assign(this, { box, make, draw, wait, load, picked });
    this.view = { length: 0, row() {}, peek() {}, indexOf() { return -1; } };
    this.cursor = 0;
    this.wanted = 176;
    this.rows = [];
    // What is in sight comes first; what lies beyond waits for `lookAhead`.
    this.ahead = false;
    this.field = document.createElement("div");
    this.field.className = "field";
    this.field.setAttribute("role", "presentation");
    box.append(this.field);
    box.addEventListener("scroll", () => this.soon(), { passive: true });
    new ResizeObserver(() => this.layout()).observe(box);
    this.field.addEventListener("click", (event) => this.click(event, false));
    this.field.addEventListener("dblclick", (event) => this.click(event, true));
  }

  click(event, opened) {
    const tile = event.target.closest(".tile");
    if (tile && tile.dataset.at) this.picked(Number(tile.dataset.at), opened);
  }

  show(view, cursor = 0) {
    this.view = view;
    this.cursor = Math.max(0, Math.min(cursor, view.length - 1));
    this.layout(true);
    this.reveal();
  }

  resize(wanted) {
    this.wanted = wanted;
    this.layout();
    this.reveal();
  }

  layout(fresh = false) {
    const width = this.box.clientWidth - 2 * GAP;
    if (width <= 0) return;
    const columns = Math.max(2, Math.floor((width + GAP) / (this.wanted + GAP)));
    const side = Math.floor((width - (columns - 1) * GAP) / columns);
    const pool = Math.ceil(this.box.clientHeight / (side + GAP)) + 1 + 2 * ROWS_BEYOND;
    if (!fresh && columns === this.columns && side === this.side && pool === this.rows.length) return;
    const top = this.columns ? Math.floor(this.box.scrollTop / this.pitch) * this.columns : 0;
    Object.assign(this, { columns, side, pitch: side + GAP });
    this.field.style.setProperty("--side", `${side}px`);
    this.field.style.height = `${Math.ceil(this.view.length / columns) * this.pitch + GAP}px`;
    this.build(pool, columns);
    if (!fresh) this.box.scrollTop = Math.floor(top / columns) * this.pitch;
    this.update();
  }

  build(pool, columns) {
    this.rows = Array.from({ length: pool }, () => {
      const row = document.createElement("div");
      row.className = "row";
      row.setAttribute("role", "presentation");
      const tiles = Array.from({ length: columns }, () => this.make());
      row.append(...tiles);
      return { row, tiles, number: -1 };
    });
    this.field.replaceChildren(...this.rows.map(({ row }) => row));
  }

  soon() {
    if (!this.ahead) this.lookAhead();
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.update(); });
  }

  // Fetch the pictures beyond the sheet from now on.
  lookAhead() {
    this.ahead = true;
    for (const { tiles } of this.rows) for (const tile of tiles) this.loadAt(tile);
  }

  loadAt(tile) {
    const face = tile.dataset.at && this.view.peek(Number(tile.dataset.at));
    if (face) this.load(tile, face);
  }

  // Rows of the list came.
  came(first, count) {
    for (const slot of this.rows) {
      const at = slot.number * this.columns;
      if (!slot.blank && at < first + count && at + this.columns > first) this.dress(slot);
    }
  }

  sees(number) {
    const top = number * this.pitch - this.box.scrollTop;
    return top < this.box.clientHeight && top + this.pitch > 0;
  }

  update() {
    if (!this.columns) return;
    const last = Math.ceil(this.view.length / this.columns) - 1;
    const first = Math.max(0, Math.min(Math.floor(this.box.scrollTop / this.pitch) - ROWS_BEYOND, last - this.rows.length + 1));
    const flying = this.speed() > FASTEST;
    for (let number = first; number < first + this.rows.length; number++) {
      const slot = this.rows[number % this.rows.length];
      if (slot.number === number) continue;
      slot.number = number;
      slot.row.style.transform = `translate3d(0, ${number * this.pitch + GAP}px, 0)`;
      if (flying) this.blank(slot);
      else this.dress(slot);
    }
    if (flying) {
      clearTimeout(this.settle);
      this.settle = setTimeout(() => this.rows.forEach((slot) => slot.blank && this.dress(slot)), SETTLED_MS);
    }
  }

  // Sheets a second since the last frame.
  speed() {
    const [now, top] = [performance.now(), this.box.scrollTop];
    const sheets = Math.abs(top - (this.lastTop ?? top)) / this.box.clientHeight;
    const seconds = Math.max(now - (this.lastNow ?? now), 1) / 1000;
    Object.assign(this, { lastNow: now, lastTop: top });
    // A jump (End, a drag of the bar) is one frame with nothing before it: what it lands on is to be seen.
    return seconds > 0.1 ? 0 : sheets / seconds;
  }

  blank(slot) {
    if (slot.blank) return;
    slot.blank = true;
    slot.row.classList.add("blank");
    for (const tile of slot.tiles) delete tile.dataset.at;
  }

  dress(slot) {
    slot.blank = false;
    slot.row.classList.remove("blank");
    const load = this.ahead || this.sees(slot.number);
    slot.tiles.forEach((tile, column) => {
      const at = slot.number * this.columns + column;
      tile.hidden = !(at >= 0 && at < this.view.length);
      if (tile.hidden) { delete tile.dataset.at; return; }
      tile.dataset.at = at;
      const face = this.view.row(at);
      if (!face) { this.wait(tile, at); return; }
      this.draw(tile, face, at, at === this.cursor);
      if (load) this.load(tile, face);
    });
  }

  // Fulfilled once what is wholly in sight shows its pictures, or cannot.
  shown() {
    return Promise.all(this.inSight().map((at) => this.tileAt(at)?.firstChild.decode().catch(() => {})));
  }

  tileAt(at) {
    const slot = this.rows[Math.floor(at / this.columns) % this.rows.length];
    const tile = slot && slot.tiles[at % this.columns];
    return tile && Number(tile.dataset.at) === at ? tile : undefined;
  }

  redraw(at) {
    const tile = this.tileAt(at);
    const face = this.view.peek(at);
    if (tile && !tile.hidden && face) this.draw(tile, face, at, at === this.cursor);
  }

  move(to) {
    if (!this.view.length) return;
    const from = this.cursor;
    this.cursor = Math.max(0, Math.min(to, this.view.length - 1));
    this.redraw(from);
    this.reveal();
    this.redraw(this.cursor);
  }

  reveal() {
    if (!this.view.length || !this.columns) return;
    const top = Math.floor(this.cursor / this.columns) * this.pitch;
    const seen = this.box.clientHeight;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + this.pitch + GAP > this.box.scrollTop + seen) this.box.scrollTop = top + this.pitch + GAP - seen;
    this.update();
  }

  // Positions of the faces that are wholly in sight.
  inSight() {
    const first = Math.ceil(this.box.scrollTop / this.pitch) * this.columns;
    const end = Math.floor((this.box.scrollTop + this.box.clientHeight) / this.pitch) * this.columns;
    const out = [];
    for (let at = first; at < Math.min(end, this.view.length); at++) out.push(at);
    return out;
  }

  get page() { return Math.max(1, Math.floor(this.box.clientHeight / this.pitch)) * this.columns; }
}
