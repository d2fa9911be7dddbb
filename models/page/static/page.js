// The page: choose a face and styles, ask for pictures one by one, show them. The server remembers; every tab asks it anew.

const $ = (id) => document.getElementById(id);
const make = (tag, more = {}, ...inside) => {
  const one = Object.assign(document.createElement(tag), more);
  one.append(...inside);
  return one;
};

let session;
let chosenFace = "";
const chosenStyles = new Set();
// face id + style id -> results, oldest first; and which of them its card shows.
const tried = new Map();
const shown = new Map();
// Result id -> an address of its bytes in this tab, which outlives the server.
const bytes = new Map();
let aside = false;
let running = false;

class Refused extends Error {
  constructor(words, faces) { super(words); this.faces = faces; }
}

async function ask(path, options) {
  let answer;
  try { answer = await fetch(path, options); } catch { $("gone").hidden = false; throw new Refused("the program behind this page has ended"); }
  $("gone").hidden = true;
  if (answer.ok) return answer.json();
  const text = await answer.text();
  let told = {};
  try { told = JSON.parse(text); } catch { /* the guard speaks plainly */ }
  const words = typeof told.detail === "string" ? told.detail : told.detail?.[0]?.msg ?? text;
  throw new Refused(words || `status ${answer.status}`, told.faces);
}

const post = (path, type, body, more = {}) =>
  ask(path, { method: "POST", headers: { "content-type": type, "x-page-token": session.token, ...more }, body });

function note(place, words, buttons = []) {
  const close = () => one.remove();
  const one = make("div", { className: "note" }, make("span", { textContent: words }),
    ...buttons.map(([text, act]) => make("button", { textContent: text, onclick: () => { close(); act(); } })),
    make("button", { textContent: "OK", onclick: close }));
  $(place).append(one);
}

// --- what can be chosen

function thumb(item, pressed, act) {
  const one = make("button", { className: "thumb", title: item.name, ariaLabel: item.name, onclick: act },
    make("img", { src: item.src, alt: "" }));
  one.ariaPressed = String(pressed);
  one.dataset.id = item.id;
  return one;
}

function draw() {
  $("faces").replaceChildren(...session.faces.map((one) => thumb(one, one.id === chosenFace, () => choose(one.id))));
  $("styles").replaceChildren(...session.styles.map((one) => thumb(one, chosenStyles.has(one.id), () => toggle(one.id))));
  ready();
}

function press(place, id, pressed) {
  for (const one of $(place).children) if (one.dataset.id === id) one.ariaPressed = String(pressed);
}

function choose(id) {
  press("faces", chosenFace, false);
  chosenFace = id;
  press("faces", id, true);
  ready();
}

function toggle(id) {
  const on = !chosenStyles.delete(id);
  if (on) chosenStyles.add(id);
  press("styles", id, on);
  ready();
}

function ready() {
  $("go").disabled = running || !chosenFace || !chosenStyles.size;
  const count = chosenStyles.size;
  $("go").textContent = count > 1 ? `Stylise in ${count} styles` : "Stylise";
}

function add(list, item) {
  if (!list.some((one) => one.id === item.id)) list.push(item);
}

// --- what a person gives

async function give(kind, file, query = "") {
  const place = `${kind}-notes`;
  if (file.size > session.largest) {
    note(place, `${file.name}: ${Math.ceil(file.size / 1e6)} MB; at most ${Math.floor(session.largest / 1e6)} MB are taken`);
    return;
  }
  const drop = $(`drop-${kind}`);
  drop.lastElementChild.textContent = `reading ${file.name} ...`;
  try {
    const item = await post(`/api/${kind}${query}`, "application/octet-stream", file, { "x-file-name": encodeURIComponent(file.name) });
    if (kind === "face") { add(session.faces, item); chosenFace = item.id; }
    else { add(session.styles, item); chosenStyles.add(item.id); }
    draw();
  } catch (error) {
    const buttons = [];
    if (error.faces > 1) buttons.push(["Take the largest", () => give(kind, file, "?largest=true")]);
    if (error.faces === 0) buttons.push(["Take it as it is", () => give(kind, file, "?cut=true")]);
    note(place, error.message, buttons);
  } finally { drop.lastElementChild.replaceChildren(...words[kind].map((one) => one.cloneNode(true))); }
}

const words = Object.fromEntries(["face", "style"].map((kind) => [kind, [...$(`drop-${kind}`).lastElementChild.childNodes]]));

function listen(kind) {
  const drop = $(`drop-${kind}`), input = $(`${kind}-file`);
  input.onchange = async () => {
    const files = [...input.files];
    input.value = "";
    for (const file of files) await give(kind, file);
  };
  drop.ondragover = (event) => { event.preventDefault(); drop.classList.add("over"); };
  drop.ondragleave = () => drop.classList.remove("over");
  drop.ondrop = async (event) => {
    event.preventDefault();
    event.stopPropagation();
    drop.classList.remove("over");
    const files = [...event.dataTransfer.files];
    if (!files.length) note(`${kind}-notes`, "Only files can be dropped here; save the picture first.");
    for (const file of kind === "face" ? files.slice(0, 1) : files) await give(kind, file);
  };
}

// A file dropped beside a zone would replace the page.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => event.preventDefault());

// --- strength

function blendOfStrength(strength) {
  const layers = session.model.layers, styled = strength * layers, whole = Math.floor(styled + 1e-9);
  return whole >= layers ? [0, 1] : [layers - whole - 1, Math.max(0, styled - whole)];
}

function followStrength() {
  const strength = Number($("strength").value), [i, theta] = blendOfStrength(strength);
  aside = false;
  $("i").value = i;
  $("theta").value = theta;
  showDials();
}

function showDials() {
  document.querySelector(".dials").classList.toggle("aside", aside);
  $("strength-value").textContent = aside ? "–" : Number($("strength").value).toFixed(2);
  $("i-value").textContent = $("i").value;
  $("theta-value").textContent = Number($("theta").value).toFixed(2);
}

// --- the work

async function watch() {
  while (running) {
    try {
      const doing = await ask("/api/doing");
      if (!running) break;
      $("doing").textContent = doing.what ? `${doing.what} ...` : "";
      $("step").hidden = doing.of === undefined;
      if (doing.of !== undefined) { $("step").max = doing.of; $("step").value = doing.step; }
    } catch { /* told by the work itself */ }
    await new Promise((done) => setTimeout(done, 300));
  }
  $("doing").textContent = "";
  $("step").hidden = true;
}

async function go() {
  if (running || !chosenFace || !chosenStyles.size) return;
  running = true;
  ready();
  $("go-notes").replaceChildren();
  watch();
  const blend = aside ? { i: Number($("i").value), theta: Number($("theta").value) } : { strength: Number($("strength").value) };
  const face = chosenFace;
  for (const style of [...chosenStyles]) {
    try { await take(await post("/api/stylise", "application/json", JSON.stringify({ face, style, ...blend })), true); }
    catch (error) { note("go-notes", error.message); break; }
  }
  running = false;
  ready();
}

// --- results

async function take(result, first = false) {
  const pair = `${result.face_id} ${result.style_id}`;
  const all = tried.get(pair) ?? [];
  if (!all.some((one) => one.id === result.id)) all.push(result);
  tried.set(pair, all);
  shown.set(pair, result.id);
  if (!bytes.has(result.id)) {
    const answer = await fetch(result.src);
    if (answer.ok) bytes.set(result.id, URL.createObjectURL(await answer.blob()));
  }
  const card = drawn(pair), old = document.querySelector(`[data-pair="${CSS.escape(pair)}"]`);
  if (first || !old) { old?.remove(); $("cards").prepend(card); } else old.replaceWith(card);
  $("empty").hidden = true;
  $("measures").hidden = false;
  if (first && card.getBoundingClientRect().top > innerHeight) card.scrollIntoView({ block: "center", behavior: "smooth" });
}

const number = (value) => value === null || value === undefined ? "–" : (Math.round(value * 100) / 100).toFixed(2).replace("-", "−");
const dial = (one) => one.strength === null ? `i ${one.i}, θ ${one.theta.toFixed(2)}` : one.strength.toFixed(2);
const figure = (name, value) => make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value }));
const source = (list, id) => session[list].find((one) => one.id === id)?.src ?? "/static/icon.svg";

function drawn(pair) {
  const all = tried.get(pair), result = all.find((one) => one.id === shown.get(pair)), address = bytes.get(result.id) ?? result.src;
  const title = `${result.face} in ${result.style}`;
  const card = make("article", { className: "card", ariaLabel: title },
    make("img", { className: "made", src: address, alt: `${title}, strength ${dial(result)}` }));
  card.dataset.pair = pair;
  const under = make("div", { className: "under" },
    make("div", { className: "pair" }, make("img", { src: source("faces", result.face_id), alt: "" }),
      make("img", { src: source("styles", result.style_id), alt: "" }), make("span", { textContent: title, title })),
    make("dl", { className: "figures" }, figure("strength", dial(result)),
      figure("to the face", number(result.face_similarity)), figure("to the style", number(result.style_similarity))));
  if (all.length > 1) {
    under.append(make("div", { className: "tried", role: "group", ariaLabel: "Strengths tried" }, ...all.map((one) => {
      const button = make("button", { textContent: dial(one), onclick: () => { shown.set(pair, one.id); card.replaceWith(drawn(pair)); } });
      button.ariaPressed = String(one.id === result.id);
      return button;
    })));
  }
  under.append(make("a", { className: "save", href: address, download: result.file, textContent: "Save picture" }));
  card.append(under);
  return card;
}

// --- beginning, and catching up with what other tabs did

async function load() {
  session = await ask("/api/session");
  for (const result of session.results) {
    const known = tried.get(`${result.face_id} ${result.style_id}`)?.some((one) => one.id === result.id);
    if (!known) await take(result);
  }
  draw();
}

function begin() {
  const { model, kept } = session;
  const untrained = model.trained ? "" : " The networks are untrained: their pictures are noise.";
  const painted = model.painted ? " It has seen painted portraits only; photographs come out worse." : "";
  $("model").textContent = `${model.weights}, ${model.size} px; faces are inverted by ${model.how}.${painted}${untrained}`;
  $("kept").textContent = kept ? `Results are kept in ${kept}.` : "Results are kept until the program ends; save what you want to keep.";
  $("i").max = model.layers;
  followStrength();
  // One press gives a picture: what was used last, else the first of each.
  const last = session.results.at(-1);
  choose(session.faces.find((one) => one.id === last?.face_id)?.id ?? session.faces[0].id);
  toggle(session.styles.find((one) => one.id === last?.style_id)?.id ?? session.styles[0].id);
  for (const kind of ["face", "style"]) listen(kind);
  $("strength").oninput = followStrength;
  $("strength").onchange = go;
  for (const id of ["i", "theta"]) { $(id).oninput = () => { aside = true; showDials(); }; $(id).onchange = go; }
  $("go").onclick = go;
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !running) load().catch(() => {}); });
  document.body.dataset.ready = "";
}

load().then(begin).catch((error) => { $("gone").hidden = false; $("gone").textContent = error.message; });
