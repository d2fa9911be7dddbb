// The page: puts the parts together and gives every key its meaning.

import { explain, get, post, useToken } from "./api.js";
import { Agree } from "./agree.js";
import { Detail } from "./detail.js";
import { element, Filters, grouped, readable } from "./filters.js";
import { Grid } from "./grid.js";
import { Points } from "./points.js";
import { State } from "./state.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const PATIENCE_MS = 500;
let size = 2;
const SIZES = [96, 128, 176, 232, 320];
const STATES = {
  borderline: "borderline", "no face": "no face found", kept: "passed every check", rejected: "rejected", duplicate: "a copy",
  unfinished: "not judged yet",
};
const HELP = [
  ["arrows, h j l", "move; Page Up / Down, Home, End jump"],
  ["k", "keep, and on to the next"],
  ["d, then 1–9", "drop for a reason (or 1–9 at once)"],
  ["Shift K", "keep every undecided face in sight"],
  ["space, n", "next undecided"],
  ["u", "undo, as often as you like"],
  ["z, Enter", "look closely; again to close"],
  ["p", "place five points: a face missed or misplaced"],
  ["f", "filters"],
  ["a", "agreement; settle disagreements"],
  ["+ −", "larger, smaller faces"],
  ["Esc", "close what is open"],
];

// About as many tiles as the window holds come at once; each of the others is asked for by itself.
const holds = Math.ceil(innerWidth / SIZES[size]) * Math.ceil(innerHeight / SIZES[size]);
const [session, first] = await Promise.all([get("/api/session"), get(`/api/first?count=${Math.min(holds, 200)}`)]);
useToken(session.token);
const state = new State(session);
const detail = new Detail($("detail"), state);
const points = new Points($("points"), state);
const agree = new Agree($("agree"), state);
const grid = new Grid($("sheet"), { make, draw, wait, load, picked });
const filters = new Filters($("filters"), state, refilter);

function make() {
  const image = element("img", { alt: "", draggable: "false", decoding: "async" });
  // A tile shows its picture when it is there, and its ground until then.
  image.addEventListener("load", () => image.classList.add("there"));
  return element("div", { class: "tile", role: "option" }, image, element("span", { class: "badge", "aria-hidden": "true" }),
    element("span", { class: "label", "aria-hidden": "true" }));
}

function draw(tile, face, at, here) {
  const { id, bucket, reason } = face;
  const line = state.own.get(id);
  const said = line ? (line.act === "keep" ? "kept" : `dropped, ${readable(line.reason)}`) : "undecided";
  set(tile, "class", `tile ${line?.act ?? ""} ${bucket.replace(" ", "-")} ${here ? "here" : ""}`);
  set(tile, "id", `face-${at}`);
  set(tile, "aria-selected", here);
  set(tile, "aria-setsize", grid.view.length);
  set(tile, "aria-posinset", at + 1);
  set(tile, "aria-label", `Face ${at + 1}: ${bucket}${reason ? `, ${readable(reason)}` : ""}; ${said}`);
  write(tile.children[1], line ? (line.act === "keep" ? (line.points ? "✓•" : "✓") : "✕") : "");
  write(tile.children[2], line?.act === "drop" ? readable(line.reason) : bucket === "kept" ? "" : readable(reason || bucket).replace("quality ", ""));
  if (here) $("sheet").setAttribute("aria-activedescendant", tile.id);
  if (tile.face !== id) forget(tile, id);
}

// A tile whose face has not come yet.
function wait(tile, at) {
  set(tile, "class", "tile");
  set(tile, "id", `face-${at}`);
  set(tile, "aria-label", `Face ${at + 1}`);
  write(tile.children[1], "");
  write(tile.children[2], "");
  forget(tile, "");
}

function forget(tile, id) {
  tile.face = id;
  tile.firstChild.classList.remove("there");
  tile.firstChild.removeAttribute("src");
}

// Changes only what differs: most tiles that scroll in look like those that scrolled out.
function set(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function load(tile, face) {
  const image = tile.firstChild;
  const { id, stamp } = face;
  const address = id in first.tiles ? `data:image/jpeg;base64,${first.tiles[id]}` : `/tile/${id}?${stamp}`;
  if (image.getAttribute("src") !== address) image.src = address;
}

function picked(at, opened) {
  grid.move(at);
  told();
  if (opened && face()) detail.show(face());
}

// The row at the cursor; undefined where there is none, or until it comes.
function face() { return grid.view.row(grid.cursor); }

// Ask for the list that fits the filters; of several askings in a row the last one counts.
async function refilter() {
  if (refilter.asked) { refilter.again = true; return refilter.asked; }
  refilter.asked = (async () => {
    do {
      refilter.again = false;
      // Filters by decisions look at what is saved.
      await state.outbox.drained();
      const here = face()?.id ?? "";
      try {
        const answer = await post(`/api/view?here=${encodeURIComponent(here)}`, filters.asked());
        if (!answer.ok) throw new Error(await explain(answer));
        const told = await answer.json();
        if (!refilter.again) arrange(new View(told, state, seen), told.at ?? 0);
      } catch (error) { state.say("refused", error.message); }
    } while (refilter.again);
  })();
  try { await refilter.asked; } finally { refilter.asked = null; }
  told();
}

// What a list tells.
const seen = {
  came(from, count) {
    grid.came(from, count);
    if (grid.cursor < from || grid.cursor >= from + count) return;
    told();
    if (detail.open && face() && detail.face?.id !== face().id) detail.show(face());
  },
  lost: () => refilter(),
};

function arrange(view, at) {
  state.view = view;
  grid.show(view, at);
  $("empty").hidden = view.length > 0;
  $("sheet").hidden = view.length === 0;
}

function told() {
  const { kept, dropped, left } = grid.view;
  const total = grid.view.length;
  $("shown").textContent = total === state.count ? `${grouped(total)} faces` : `${grouped(total)} of ${grouped(state.count)} faces`;
  $("tally").replaceChildren(element("span", { class: "keep" }, `✓ ${grouped(kept)}`), element("span", { class: "drop" }, `✕ ${grouped(dropped)}`),
    element("span", {}, `${grouped(left)} left`));
  $("progress").max = total || 1;
  $("progress").value = total - left;
  const here = face();
  if (here === undefined) { $("current").textContent = ""; return; }
  const { bucket, reason } = here;
  $("current").textContent = `${grouped(grid.cursor + 1)} · ${STATES[bucket]}${reason ? ` · ${session.reasons[reason] ?? readable(reason)}` : ""}`;
}

function saved() {
  const { waiting, trouble } = state.outbox;
  const shown = $("saved");
  shown.textContent = trouble ? `NOT SAVED (${waiting.length}): ${trouble}` : waiting.length ? `saving ${waiting.length}…` : "all saved";
  shown.className = `saved ${trouble ? "trouble" : ""}`;
}

function step(to) {
  grid.move(to);
  told();
  if (detail.open && face()) detail.show(face());
}

async function nextOpen() {
  const at = await grid.view.nextOpen(grid.cursor);
  if (at >= 0) step(at);
}

function decide(act, reason = "") {
  $("reasons").hidden = true;
  if (agree.open) { agree.settle(act, reason); return; }
  if (face() === undefined) return;
  if (act === "keep" && face().bucket === "no face" && !state.own.get(face().id)?.points) {
    points.show(face());
    return;
  }
  state.decide([{ face: face(), act, reason }]);
  if (grid.cursor < grid.view.length - 1) step(grid.cursor + 1);
  else if (detail.open && face()) detail.show(face());
}

function keepInSight() {
  const faces = grid.inSight().map((at) => grid.view.peek(at)).filter((face) => face);
  const open = faces.filter(({ id, bucket }) => !state.own.get(id) && bucket !== "no face");
  if (open.length) state.decide(open.map((face) => ({ face, act: "keep" })));
}

async function undo() {
  const ids = await state.undo();
  if (agree.open) { agree.show(); return; }
  if (!ids.length) return;
  const at = await grid.view.place(ids[0]);
  if (at >= 0) step(at);
}

function askReason() {
  const box = $("reasons");
  box.replaceChildren(...Object.entries(session.drop_reasons).map(([reason, meaning], n) =>
    element("button", { role: "menuitem", title: meaning, onclick: () => decide("drop", reason) },
      element("kbd", {}, n + 1), element("span", {}, readable(reason)))));
  box.hidden = false;
  box.firstChild.focus();
}

function closeReasons() {
  $("reasons").hidden = true;
  if (!agree.open) $("sheet").focus();
}

function showFilters(open = document.body.classList.contains("no-filters")) {
  document.body.classList.toggle("no-filters", !open);
  $("show-filters").setAttribute("aria-expanded", open);
  if (open) $("filters").querySelector("input, button")?.focus();
  else $("sheet").focus();
}

function showHelp() {
  const box = $("help");
  box.replaceChildren(element("h2", {}, "Keys"), element("dl", {}, ...HELP.flatMap(([keys, what]) => [element("dt", {}, keys), element("dd", {}, what)])),
    element("button", { class: "act", onclick: () => box.close() }, "Close"));
  box.showModal();
}

function resize(by) {
  size = Math.max(0, Math.min(size + by, SIZES.length - 1));
  grid.resize(SIZES[size]);
}

function back() {
  if (!$("reasons").hidden) closeReasons();
  else if (detail.open) { detail.close(); $("sheet").focus(); }
  else if (agree.open) { agree.close(); $("sheet").focus(); }
  else if (narrow.matches) showFilters(false);
}

function zoom() { detail.open ? back() : face() !== undefined && detail.show(face()); }

const moves = {
  ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: () => -grid.columns, ArrowDown: () => grid.columns,
  h: () => -1, l: () => 1, j: () => grid.columns, PageUp: () => -grid.page, PageDown: () => grid.page,
  Home: () => -Infinity, End: () => Infinity,
};
const keys = {
  k: () => decide("keep"), K: keepInSight, d: askReason, u: undo, z: zoom, Enter: zoom, " ": nextOpen, n: nextOpen,
  f: () => showFilters(), "?": showHelp, "+": () => resize(1), "=": () => resize(1), "-": () => resize(-1), Escape: back,
  p: () => { const at = agree.open ? agree.face : face(); if (at) points.show(at); }, a: () => (agree.open ? back() : agree.show()),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || points.open || $("help").open) return;
  const { target, key } = event;
  const typing = target.matches("input:not([type=checkbox]):not([type=radio]), select");
  if (typing && key !== "Escape") return;
  const reasons = Object.keys(session.drop_reasons);
  const inReasons = !$("reasons").hidden;
  if (inReasons && (key === "ArrowDown" || key === "ArrowUp")) {
    const all = [...$("reasons").children];
    all[(all.indexOf(document.activeElement) + (key === "ArrowDown" ? 1 : -1) + all.length) % all.length].focus();
  } else if (/^[1-9]$/.test(key) && reasons[key - 1]) decide("drop", reasons[key - 1]);
  else if ((key === "Enter" || key === " ") && target.closest("button, a, label, input")) return;
  else if (inReasons && key !== "Escape") return;
  else if (moves[key] && !target.matches("input")) {
    const by = moves[key]();
    agree.open ? agree.move(Math.sign(by)) : step(grid.cursor + by);
  } else if (keys[key]) keys[key]();
  else return;
  event.preventDefault();
});

state.addEventListener("decided", ({ detail: ids }) => {
  for (const id of ids) grid.redraw(grid.view.indexOf(id));
  told();
  if (detail.open && ids.includes(detail.face?.id)) detail.show(detail.face);
});
// What the page holds of decisions may be old: the list is asked for anew, and its rows with it.
state.addEventListener("reload", () => { state.own.clear(); refilter(); });
state.addEventListener("saving", saved);
state.addEventListener("refused", ({ detail: why }) => { $("saved").textContent = `refused: ${why}`; });
for (const [id, act] of Object.entries({
  keep: () => decide("keep"), drop: askReason, place: keys.p, undo, "show-filters": () => showFilters(), "show-help": showHelp,
  "show-agree": keys.a, smaller: () => resize(-1), larger: () => resize(1), "reset-empty": () => filters.reset(),
})) $(id).addEventListener("click", act);
$("points").addEventListener("close", () => { $("sheet").focus(); if (detail.open && face()) detail.show(face()); });
$("help").addEventListener("close", () => $("sheet").focus());
$("reviewer").value = state.reviewer;
$("reviewer").addEventListener("change", async ({ target }) => {
  const name = target.value.trim();
  if (!/^[\p{L}\p{N}_][\p{L}\p{N}_ .@+-]{0,39}$/u.test(name)) { target.value = state.reviewer; return; }
  await state.outbox.drained();
  state.reviewer = name;
  await state.load();
  filters.draw();
  state.own.clear();
  await refilter();
  $("sheet").focus();
});

document.title = `Review · ${session.name}`;
$("name").textContent = session.name;
const narrow = matchMedia("(max-width: 760px)");
const fold = () => document.body.classList.toggle("no-filters", narrow.matches);
narrow.addEventListener("change", fold);
fold();
saved();
// The faces first; words about them once they are there, or are long in coming.
arrange(new View(first, state, seen), 0);
$("sheet").focus();
await Promise.all([state.load(), Promise.race([grid.shown(), new Promise((done) => setTimeout(done, PATIENCE_MS))])]);
filters.draw();
told();
grid.lookAhead();
// All reasons and sources of a large build take a moment.
await state.loadWords();
filters.draw();
document.body.dataset.ready = "yes";
