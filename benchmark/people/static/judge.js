// One trial after the other: two results, two questions, a click or a key each. An answer is shown as saved once it is on the disk.

const at = (id) => document.getElementById(id);
const sides = ["left", "right"];
let token = "";
let judge = "";
let questions = [];
let answered = [];
let place = 0;
let said = {};
let since = 0;
let busy = false;
// Counts up with every trial that is shown: a picture or an answer that comes late belongs to an earlier one.
let turn = 0;

async function explain(answer) {
  const text = await answer.text();
  try {
    const { detail } = JSON.parse(text);
    return typeof detail === "string" ? detail : detail[0].msg;
  } catch { return text || `status ${answer.status}`; }
}

function tell(text, trouble = false) {
  at("saved").textContent = text;
  at("saved").classList.toggle("trouble", trouble);
}

const source = (number, which) => `/picture/${number}/${which}?judge=${encodeURIComponent(judge)}`;

function wait(whether) {
  busy = whether;
  at("trial").ariaBusy = String(whether);
}

async function load(name) {
  wait(true);
  const answer = await fetch(`/api/session${name ? `?judge=${encodeURIComponent(name)}` : ""}`);
  if (!answer.ok) {
    tell(await explain(answer), true);
    at("judge").value = judge;
    wait(!judge);
    return;
  }
  const told = await answer.json();
  ({ token, judge, answered } = told);
  questions = Object.entries(told.questions);
  at("judge").value = judge;
  const open = answered.indexOf(null);
  open < 0 ? finish() : await show(open);
}

function count() {
  const done = answered.filter(Boolean).length;
  at("count").textContent = `${done} of ${answered.length}`;
  at("progress").value = answered.length ? done / answered.length : 1;
}

function finish() {
  place = answered.length;
  at("trial").hidden = true;
  at("done").hidden = false;
  count();
}

async function show(number) {
  place = number;
  said = {};
  wait(true);
  const mine = ++turn;
  at("done").hidden = true;
  at("trial").hidden = false;
  count();
  paint();
  // The two results appear together: whichever came first would be looked at longer.
  const images = [at("face"), at("style"), ...sides.map((side) => at(side).querySelector("img"))];
  const wanted = ["face", "style", ...sides].map((which) => source(number, which));
  images.forEach((image) => image.style.visibility = "hidden");
  images.forEach((image, k) => { image.src = wanted[k]; });
  const whole = await Promise.allSettled(images.map((image) => image.decode()));
  if (mine !== turn) return;
  if (whole.some((one) => one.status === "rejected")) { tell("a picture could not be read; reload the page", true); return; }
  images.forEach((image) => image.style.visibility = "");
  since = performance.now();
  wait(false);
  if (number + 1 < answered.length) for (const which of ["face", "style", ...sides]) new Image().src = source(number + 1, which);
}

function paint() {
  const now = questions.findIndex(([name]) => !said[name]);
  at("question").textContent = questions[Math.max(now, 0)][1];
  at("steps").replaceChildren(...questions.map(([name], k) => {
    const item = document.createElement("li");
    item.textContent = { better: "better picture", person: "same person" }[name];
    item.className = said[name] ? "done" : k === now ? "now" : "";
    return item;
  }));
  const before = answered[place];
  const current = questions[Math.max(now, 0)][0];
  for (const side of sides) at(side).classList.toggle("chosen", before?.[current] === side);
  at("back").disabled = place === 0 && !Object.keys(said).length;
}

async function choose(side) {
  if (busy || at("trial").hidden) return;
  const [name] = questions.find(([name]) => !said[name]);
  said[name] = side;
  if (questions.some(([name]) => !said[name])) { tell(""); paint(); return; }
  busy = true;
  const body = { judge, place, ...said, seconds: (performance.now() - since) / 1000 };
  try {
    const answer = await fetch("/api/answer", {
      method: "POST",
      headers: { "content-type": "application/json", "x-page-token": token },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(await explain(answer));
  } catch (error) {
    // The last question is asked again: nothing was saved, and nothing is taken for saved.
    delete said[name];
    busy = false;
    tell(error instanceof TypeError ? "not saved: the server is away; answer again" : `${error.message}; answer again`, true);
    paint();
    return;
  }
  answered[place] = { ...said };
  tell("saved");
  const next = place + 1;
  next < answered.length ? await show(next) : finish();
}

function back() {
  if (Object.keys(said).length) { said = {}; paint(); return; }
  if (place > 0) { tell(""); show(place - 1); }
}

for (const side of sides) at(side).addEventListener("click", () => choose(side));
at("back").addEventListener("click", back);
at("again").addEventListener("click", back);
at("judge").addEventListener("change", () => { tell(""); load(at("judge").value.trim()); });
addEventListener("keydown", (event) => {
  if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const key = { 1: "left", 2: "right", ArrowLeft: "left", ArrowRight: "right" }[event.key];
  if (key) { event.preventDefault(); choose(key); }
  if (event.key === "u" || event.key === "Backspace") { event.preventDefault(); back(); }
});
load("");
