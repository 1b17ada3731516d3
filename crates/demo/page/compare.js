// The same faces in other words: equal noise, two captions, and the difference of each pair.

import { ask } from "./api.js";
import { decoded, element, picture } from "./dom.js";
import { plain } from "./reading.js";
import { seeds } from "./state.js";

// A pixel counts as changed if a channel differs by more, of 255.
const CHANGED = 16;
// The opacity of the first image under the changed pixels.
const FAINT = 0.25;

// Generates the faces of both captions and shows them in `results`.
export async function showComparison(results, context) {
  const { state, facts, signal } = context;
  const { caption, other, truncation, guidance } = state;
  const chosen = seeds(state, facts.limits);
  const body = { captions: [caption, other], seeds: chosen, truncation, guidance };
  const { faces } = await ask("/api/v1/faces", body, signal);
  const images = faces.map((face) => picture(face.png, face.caption));
  await decoded(images);
  signal.throwIfAborted();

  const [before, after] = changedWords(caption, other);
  const heads = element("div", { className: "pair heads" }, before, after, element("p", {}, "Difference"));
  const rows = chosen.map((seed, at) => {
    const [first, second] = [faces[at], faces[at + chosen.length]];
    const [one, two] = [images[at], images[at + chosen.length]];
    const { canvas, share } = difference(one, two);
    const pair = element("div", { className: "pair" }, one, two, canvas);
    return element("div", { className: "row" }, pair, changes(seed, first, second, share));
  });
  results.replaceChildren(element("div", { className: "comparison" }, heads, ...rows));
  return `${chosen.length} faces in both words`;
}

// What changed: attributes, and the share of pixels.
function changes(seed, first, second, share) {
  const names = Object.keys(first.attributes).filter((name) => first.attributes[name] !== second.attributes[name]);
  const change = (name) =>
    `${plain(name)}: ${plain(first.attributes[name])} → ${plain(second.attributes[name])}`;
  const lines = names.length ? names.map(change) : ["no attribute changes"];
  return element(
    "div",
    { className: "changes" },
    element("p", { className: "seed" }, `seed ${seed}`),
    ...lines.map((line) => element("p", {}, line)),
    element("p", { className: "seed" }, `${Math.round(100 * share)} % of the pixels change`),
  );
}

// A canvas of the changed pixels over a faint first image, and their share.
function difference(one, two) {
  const { naturalWidth: width, naturalHeight: height } = one;
  const canvas = element("canvas", { width, height, className: "pixels", role: "img" });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const pixels = (image) => {
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, width, height);
  };
  const [before, after] = [pixels(one).data, pixels(two)];
  const shown = after.data;
  const [red, green, blue] = accent();
  let changed = 0;
  for (let at = 0; at < shown.length; at += 4) {
    const apart = Math.max(...[0, 1, 2].map((channel) => Math.abs(shown[at + channel] - before[at + channel])));
    changed += Number(apart > CHANGED);
    const strength = Math.min(1, (3 * apart) / 255);
    const grey = 0.3 * before[at] + 0.6 * before[at + 1] + 0.1 * before[at + 2];
    const mixed = (channel) => grey * (1 - strength) + channel * strength;
    shown.set([mixed(red), mixed(green), mixed(blue), 255 * (FAINT * (1 - strength) + strength)], at);
  }
  context.putImageData(after, 0, 0);
  const share = changed / (width * height);
  canvas.setAttribute("aria-label", `difference: ${Math.round(100 * share)} % of the pixels change`);
  return { canvas, share };
}

// The accent colour as red, green and blue.
function accent() {
  const colour = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
  return [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
}

// Both captions with the words marked that the other does not have in their place (longest common subsequence).
function changedWords(before, after) {
  const [first, second] = [before, after].map((text) => text.trim().split(/\s+/));
  const lengths = Array.from({ length: first.length + 1 }, () => new Array(second.length + 1).fill(0));
  for (let i = first.length - 1; i >= 0; i--) {
    for (let j = second.length - 1; j >= 0; j--) {
      const same = first[i] === second[j];
      lengths[i][j] = same ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  const kept = [new Set(), new Set()];
  for (let i = 0, j = 0; i < first.length && j < second.length; ) {
    if (first[i] === second[j]) {
      kept[0].add(i++);
      kept[1].add(j++);
    } else if (lengths[i + 1][j] >= lengths[i][j + 1]) i++;
    else j++;
  }
  return [first, second].map((words, side) =>
    element("p", {}, ...words.flatMap((word, at) => [kept[side].has(at) ? word : element("strong", {}, word), " "])),
  );
}
