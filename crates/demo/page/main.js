// The page: its inputs and its address, the requests while a visitor types, and the results.

import { ask } from "./api.js";
import { showComparison } from "./compare.js";
import { element } from "./dom.js";
import { showFaces } from "./faces.js";
import { claims, mark, notes } from "./reading.js";
import { fromAddress, toAddress } from "./state.js";
import { showWalk } from "./walk.js";

// Milliseconds after a change until faces are generated, until progress is shown, until the result is announced,
// and between attempts to reach the program.
const [TYPING, SLOW, QUIET, AGAIN] = [60, 300, 900, 2000];

const $ = (id) => document.getElementById(id);
const results = $("results");
const SHOW = { faces: showFaces, compare: showComparison, walk: showWalk };
const NUMBERS = ["count", "seed", "truncation", "guidance", "frames"];

let facts;
let state;
let running = new AbortController();
const timers = {};
// The pieces of each description at its last reading.
const pieces = { caption: [], other: [] };

// Runs `action` after a time, unless the same timer is set again.
function later(name, milliseconds, action) {
  clearTimeout(timers[name]);
  timers[name] = setTimeout(action, milliseconds);
}

// Changes the state, and shows it unless only the address changes.
function change(changes, showing = true) {
  state = { ...state, ...changes, model: facts.hash.slice(0, 8) };
  history.replaceState(null, "", state.caption.trim() ? toAddress(state) : "/");
  if (!showing) return;
  fill();
  later("update", TYPING, update);
}

// Fills the inputs from the state.
function fill() {
  for (const name of ["caption", "other"]) {
    if ($(name).value !== state[name]) $(name).value = state[name];
    mark($(`${name}-mirror`), state[name] || $(name).placeholder, pieces[name]);
  }
  for (const name of NUMBERS) {
    if (document.activeElement !== $(name) || $(name).type === "range") $(name).value = state[name];
    const value = $(`${name}-value`);
    if (value) value.textContent = state[name];
  }
  document.querySelectorAll("[role=tab]").forEach((tab) => {
    const selected = tab.dataset.mode === state.mode;
    tab.setAttribute("aria-selected", String(selected));
    tab.tabIndex = selected ? 0 : -1;
  });
  results.setAttribute("aria-labelledby", `tab-${state.mode}`);
  document.querySelectorAll("[data-modes]").forEach((setting) => {
    setting.hidden = !setting.dataset.modes.split(" ").includes(state.mode);
  });
  $("other-field").hidden = state.mode === "faces";
  $("other-label").textContent = state.mode === "walk" ? "Walk to" : "Other words";
}

// Generates and shows what the state says. An earlier update that is not finished is dropped.
async function update() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  clearTimeout(timers.again);
  if (!state.caption.trim()) return showExamples();
  later("slow", SLOW, () => ($("progress").hidden = false));
  try {
    const other = state.mode === "faces" ? [] : [state.other];
    const body = { captions: [state.caption, ...other], guidance: state.guidance };
    const { captions } = await ask("/api/v1/understanding", body, signal);
    ["caption", "other"].forEach((name, at) => showReading(name, captions[at]));
    const shown = state.mode === "faces" || state.other.trim();
    const context = { state, facts, understood: captions[0], signal, change };
    const message = shown ? await SHOW[state.mode](results, context) : askForOther();
    showProblem();
    later("live", QUIET, () => ($("live").textContent = `${message}. Understood: ${claims(captions[0]) || "nothing"}.`));
  } catch (error) {
    if (signal.aborted) return;
    showProblem(error);
  }
  clearTimeout(timers.slow);
  $("progress").hidden = true;
}

function showReading(name, understood) {
  if (!understood) return;
  pieces[name] = understood.pieces;
  mark($(`${name}-mirror`), state[name] || $(name).placeholder, pieces[name]);
  $(`${name}-notes`).replaceChildren(...notes(understood, facts).map((note) => element("li", {}, note)));
}

function askForOther() {
  results.replaceChildren(element("p", { className: "muted" }, "Give the other description above."));
  return "The other description is missing";
}

// The empty state: captions to try, each with a face.
function showExamples() {
  clearTimeout(timers.slow);
  $("progress").hidden = true;
  $("caption-notes").replaceChildren();
  showProblem();
  const tile = (caption, seed) => {
    const source = `/api/v1/face.png?${new URLSearchParams({ caption, seed })}`;
    const image = element("img", { src: source, alt: "", className: "pixels", width: 96, height: 96 });
    return element("button", { type: "button", className: "example", onclick: () => change({ caption, seed: 0, face: seed }) }, image, caption);
  };
  results.replaceChildren(
    element("h2", {}, "Describe a face, or start from one of these"),
    element("div", { className: "examples" }, ...facts.examples.map(tile)),
  );
}

// Shows a problem above the faces of before, or removes it.
function showProblem(problem) {
  $("problem").hidden = !problem;
  results.classList.toggle("stale", Boolean(problem));
  if (!problem) return;
  const where = problem.parameter ? ` (${problem.parameter})` : "";
  const again = element("button", { type: "button", onclick: start }, "Try again");
  const detail = problem.detail ?? String(problem);
  const text = element("p", {}, element("strong", {}, `${detail}${where}`), ` ${problem.hint ?? ""}`);
  $("problem").replaceChildren(text, again);
  if (problem.status === 0) later("again", AGAIN, start);
}

// Asks for the model's facts, if they are unknown, and shows the state.
async function start() {
  try {
    facts ??= await ask("/api/v1/model");
  } catch (error) {
    return showProblem(error);
  }
  if (!state) begin();
  update();
}

// The first state, from the address.
function begin() {
  const linked = fromAddress(location.search, facts.limits);
  state = linked;
  $("guidance").disabled = !facts.has_empty_caption;
  $("count").max = facts.limits.seeds;
  $("frames").max = facts.limits.frames;
  $("seed").max = facts.limits.largest_seed;
  const { resolution, words, attributes, name, hash, provenance } = facts;
  document.body.classList.toggle("smooth", resolution > 128);
  $("facts").textContent =
    `${name}, ${hash.slice(0, 8)}: ${resolution}×${resolution} pixels, ${words} words, ` +
    `${attributes.length} attributes, ${provenance.kimg.toFixed(0)} thousand images shown in training`;
  if (linked.model && !hash.startsWith(linked.model)) {
    $("notice").textContent = `The link was made with another model (${linked.model}); its faces differ from these.`;
    $("notice").hidden = false;
  }
  fill();
}

// Text in one line, as the API accepts it.
const oneLine = (text) => text.toWellFormed().replace(/[\s\p{Cc}]/gu, " ");

for (const name of ["caption", "other"]) {
  $(name).addEventListener("input", () => facts && change({ [name]: oneLine($(name).value) }));
  $(name).addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (facts) update();
  });
}
for (const name of NUMBERS) {
  $(name).addEventListener("input", () => {
    const value = Number($(name).value);
    if (facts && $(name).value !== "" && $(name).checkValidity()) change({ [name]: value });
  });
}
$("new-seeds").addEventListener("click", () => change({ seed: state.seed + state.count, face: 0 }));
$("form").addEventListener("submit", (event) => event.preventDefault());
const tabs = [...document.querySelectorAll("[role=tab]")];
tabs.forEach((tab, at) => {
  const choose = (mode) => change({ mode, other: state.other || state.caption });
  tab.addEventListener("click", () => choose(tab.dataset.mode));
  tab.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    const next = tabs[(at + (steps[event.key] ?? 0) + tabs.length) % tabs.length];
    if (next === tab) return;
    choose(next.dataset.mode);
    next.focus();
  });
});
$("copy-link").addEventListener("click", async () => {
  const button = $("copy-link");
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Link copied";
  } catch {
    button.textContent = "Copy it from the address bar";
  }
  later("copied", 2000, () => (button.textContent = "Copy link"));
});
start();
