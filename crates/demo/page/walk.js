// A walk between two captions: frames with a slider, and the animation as a file.

import { ask } from "./api.js";
import { decoded, element, fileName, picture } from "./dom.js";

// The time of a frame in milliseconds, as in the file.
const DELAY = 80;
// Frames beside the player.
const STRIP = 9;

// Generates the frames and shows them in `results`.
export async function showWalk(results, context) {
  const { state, facts, signal } = context;
  const { caption, other, truncation, guidance, frames: count } = state;
  const seed = Math.min(state.seed, facts.limits.largest_seed);
  const body = { from: caption, to: other, seed, frames: count, truncation, guidance };
  const { frames, url } = await ask("/api/v1/walk", body, signal);
  const pictures = frames.map((frame) => picture(frame, ""));
  await decoded(pictures);
  signal.throwIfAborted();

  const last = frames.length - 1;
  const screen = element("div", { className: "screen" });
  const slider = element("input", { type: "range", min: 0, max: last, step: 1, value: 0, "aria-label": "Frame" });
  const button = element("button", { type: "button", className: "main" }, "Play");
  const show = (at) => {
    slider.value = at;
    const percent = Math.round((100 * at) / last);
    pictures[at].alt = at < last / 2 ? caption : other;
    slider.setAttribute("aria-valuetext", `frame ${at + 1} of ${frames.length}, ${percent} % of the way`);
    screen.replaceChildren(pictures[at]);
  };
  const player = playing(last, show, () => Number(slider.value), button, signal);
  slider.oninput = () => {
    player.pause();
    show(Number(slider.value));
  };
  const strip = element("div", { className: "grid", role: "group", "aria-label": "Frames" });
  const shown = Math.min(STRIP, frames.length);
  for (let tile = 0; tile < shown; tile++) {
    const at = Math.round((tile * last) / (shown - 1));
    const percent = element("span", { className: "seed" }, `${Math.round((100 * at) / last)} %`);
    const jump = () => {
      player.pause();
      show(at);
    };
    const image = picture(frames[at], at < last / 2 ? caption : other);
    strip.append(element("button", { type: "button", className: "tile", onclick: jump }, image, percent));
  }
  const file = (extension) => fileName(`${caption} ${other}`, `seed${seed}-walk`, extension);
  const link = (name, href, extension) =>
    element("a", { className: "button", href, download: file(extension) }, name);
  const downloads = [
    link("Download animation", url, "png"),
    link("Download GIF", url.replace("/walk.png", "/walk.gif"), "gif"),
  ];
  show(0);
  const ends = element("div", { className: "ends" }, element("span", {}, caption), element("span", {}, other));
  const actions = element("div", { className: "actions" }, button, ...downloads);
  const large = element("div", { className: "large" }, screen, ends, slider, actions);
  results.replaceChildren(element("div", { className: "walk" }, large, strip));
  return `A walk of ${frames.length} frames`;
}

// Plays there and back until it is paused or the walk is replaced.
function playing(last, show, at, button, signal) {
  let timer;
  let step = 1;
  const pause = () => {
    clearInterval(timer);
    timer = undefined;
    button.textContent = "Play";
  };
  const play = () => {
    button.textContent = "Pause";
    timer = setInterval(() => {
      if (at() + step < 0 || at() + step > last) step = -step;
      show(at() + step);
    }, DELAY);
  };
  button.onclick = () => (timer ? pause() : play());
  signal.addEventListener("abort", pause);
  return { pause };
}
