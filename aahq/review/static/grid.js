// The contact sheet: a few dozen tiles that are given new faces as they scroll by, whatever the number of faces.

const GAP = 8;
const ROWS_BEYOND = 2;
const SETTLED_MS = 90;

export class Grid {
  // draw(tile, face) dresses a tile; load(tile, face) gives it its picture; picked(position, opened) hears of clicks.
  constructor(box, { make, draw, load, picked }) {
    Object.assign(this, { box, make, draw, load, picked });
    this.view = [];
    this.cursor = 0;
    this.wanted = 176;
    this.rows = [];
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
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.update(); });
  }

  update() {
    if (!this.columns) return;
    const last = Math.ceil(this.view.length / this.columns) - 1;
    const first = Math.max(0, Math.min(Math.floor(this.box.scrollTop / this.pitch) - ROWS_BEYOND, last - this.rows.length + 1));
    const fresh = [];
    for (let number = first; number < first + this.rows.length; number++) {
      const slot = this.rows[number % this.rows.length];
      if (slot.number !== number) { slot.number = number; fresh.push(slot); }
    }
    // A sheet that flies by is not worth its pictures; they come as soon as it slows down.
    const flying = fresh.length > 3 && fresh.length < this.rows.length;
    for (const slot of fresh) this.dress(slot, !flying);
    if (flying) {
      clearTimeout(this.settle);
      this.settle = setTimeout(() => this.rows.forEach((slot) => this.loadRow(slot)), SETTLED_MS);
    }
  }

  dress(slot, load) {
    slot.row.style.transform = `translate3d(0, ${slot.number * this.pitch + GAP}px, 0)`;
    slot.tiles.forEach((tile, column) => {
      const at = slot.number * this.columns + column;
      const face = this.view[at];
      tile.hidden = face === undefined;
      if (face === undefined) { delete tile.dataset.at; return; }
      tile.dataset.at = at;
      this.draw(tile, face, at, at === this.cursor);
      tile.waits = true;
    });
    if (load) this.loadRow(slot);
  }

  loadRow(slot) {
    for (const tile of slot.tiles) {
      if (tile.hidden || !tile.waits) continue;
      tile.waits = false;
      this.load(tile, this.view[Number(tile.dataset.at)]);
    }
  }

  tileAt(at) {
    const slot = this.rows[Math.floor(at / this.columns) % this.rows.length];
    const tile = slot && slot.tiles[at % this.columns];
    return tile && Number(tile.dataset.at) === at ? tile : undefined;
  }

  redraw(at) {
    const tile = this.tileAt(at);
    if (tile && !tile.hidden) this.draw(tile, this.view[at], at, at === this.cursor);
  }

  redrawAll() {
    for (const { tiles } of this.rows) for (const tile of tiles) if (tile.dataset.at) this.redraw(Number(tile.dataset.at));
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
