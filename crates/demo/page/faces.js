// The faces of a caption: a grid, and one face large with its attributes.

import { ask } from "./api.js";
import { decoded, element, fileName, picture } from "./dom.js";
import { table } from "./reading.js";
import { seeds } from "./state.js";

// Generates the faces and shows them in `results`. `change` takes changes of the state.
export async function showFaces(results, context) {
  const { state, facts, understood, signal, change } = context;
  const { caption, truncation, guidance } = state;
  const body = { captions: [caption], seeds: seeds(state, facts.limits), truncation, guidance };
  const { faces } = await ask("/api/v1/faces", body, signal);
  const images = faces.map((face) => picture(face.png, caption));
  await decoded(images);
  signal.throwIfAborted();

  const grid = element("div", { className: "grid", role: "group", "aria-label": "Faces" });
  const large = element("aside", { className: "large", "aria-label": "The chosen face" });
  const tiles = faces.map((face, at) =>
    element(
      "button",
      { type: "button", className: "tile", onclick: () => choose(at) },
      images[at],
      element("span", { className: "seed" }, `seed ${face.seed}`),
    ),
  );
  const choose = (at) => {
    tiles.forEach((tile, other) => tile.setAttribute("aria-pressed", String(other === at)));
    large.replaceChildren(...about(faces[at], understood, facts, change));
    change({ face: at }, false);
  };
  grid.append(...tiles);
  choose(Math.min(state.face, faces.length - 1));
  keepFocus(results, () => results.replaceChildren(element("div", { className: "faces" }, grid, large)));
  return `${faces.length} ${faces.length === 1 ? "face" : "faces"} of “${caption}”`;
}

// A face large, with what can be done with it and its attributes.
function about(face, understood, facts, change) {
  const download = element(
    "a",
    { className: "button main", href: face.url, download: fileName(face.caption, `seed${String(face.seed).padStart(4, "0")}`) },
    "Download",
  );
  const another = (mode, text) =>
    element("button", { type: "button", onclick: () => change({ mode, seed: face.seed, other: face.caption, face: 0 }) }, text);
  const parts = [
    element("figure", {}, picture(face.png, face.caption), element("figcaption", {}, `seed ${face.seed}`)),
    element("div", { className: "actions" }, download, another("compare", "Change a word"), another("walk", "Walk")),
  ];
  if (facts.has_prior) parts.push(...table(understood, face));
  return parts;
}

// Replaces content and returns the focus to the tile of the same position.
function keepFocus(results, replace) {
  const at = [...results.querySelectorAll(".tile")].indexOf(document.activeElement);
  replace();
  results.querySelectorAll(".tile")[at]?.focus();
}
