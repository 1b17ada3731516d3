// What the model understands of a caption: marks under its words, notes, and the table of attributes.

import { element } from "./dom.js";

// The text of a reading, for the titles of marked words.
const READINGS = ["letters", "ignored", "cut"];

// Underlines the words of a caption that the model does not read as others.
export function mark(mirror, text, pieces) {
  const whole = pieces.map((piece) => piece.text).join("");
  const rest = text.startsWith(whole) ? text.slice(whole.length) : text;
  const shown = text.startsWith(whole) ? pieces : [];
  mirror.replaceChildren(
    ...shown.map(({ text: word, reading }) =>
      READINGS.includes(reading) ? element("mark", { className: reading }, word) : word,
    ),
    `${rest}\u200b`,
  );
}

const quoted = (words) => [...new Set(words)].map((word) => `“${word}”`).join(", ");

// The notes on a caption: unknown words, words that are cut, denials that are not read.
export function notes(understood, facts) {
  const words = (reading) =>
    understood.pieces.filter((piece) => piece.reading === reading).map((piece) => piece.text);
  const found = [];
  const letters = understood.pieces.filter((piece) => piece.reading === "letters");
  const alike = letters.filter((piece) => piece.like);
  const alone = letters.filter((piece) => !piece.like).map((piece) => piece.text);
  const ignored = words("ignored");
  const cut = words("cut");
  for (const [word, like] of new Map(alike.map(({ text: word, like }) => [word, like]))) {
    found.push(`${quoted([word])}: not in the vocabulary, read about like ${quoted([like])}.`);
  }
  if (alone.length) found.push(`${quoted(alone)}: not in the vocabulary, read by ${its(alone)} letters.`);
  if (ignored.length) found.push(`${quoted(ignored)}: not in the vocabulary, ignored.`);
  if (cut.length) found.push(`${quoted(cut)}: not read; the model reads ${facts.caption_words} words.`);
  const denials = understood.unread_denials.map((denial) => denial.phrase);
  if (denials.length) found.push(`${quoted(denials)}: not read as a denial; what it denies may be drawn.`);
  return found;
}

const its = (words) => (words.length > 1 ? "their" : "its");

// `hair-length` as `hair length`.
export const plain = (name) => name.replaceAll("-", " ");

// One line of what a caption claims, for screen readers.
export function claims(understood) {
  const claimed = understood.attributes.filter((said) => said.claimed.length);
  return claimed.map((said) => `${plain(said.attribute)} ${said.claimed.map(plain).join(" or ")}`).join(", ");
}

// Whether the attributes that a caption leaves open are shown.
let opened = false;

// The table of attributes: what the caption says, and what the face has.
export function table(understood, face) {
  const claimed = understood.attributes.filter((said) => said.claimed.length);
  const open = understood.attributes.filter((said) => !said.claimed.length);
  const contradicted = new Set(face.contradictions.map((contradiction) => contradiction.attribute));
  const row = (said) => {
    const drawn = plain(face.attributes[said.attribute] ?? "not known");
    const wrong = contradicted.has(said.attribute);
    const words = said.claimed.length
      ? [said.claimed.map(plain).join(" or "), meter(said)]
      : [element("span", { className: "open" }, "open")];
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, plain(said.attribute)),
      element("td", {}, ...words),
      element("td", {}, drawn, ...(wrong ? [element("span", { className: "wrong" }, " contradicts it")] : [])),
    );
  };
  const head = () =>
    element(
      "thead",
      {},
      element("tr", {}, ...["Attribute", "Description", "This face"].map((text) => element("th", { scope: "col" }, text))),
    );
  const parts = [];
  if (claimed.length) {
    parts.push(element("table", {}, head(), element("tbody", {}, ...claimed.map(row))));
  } else {
    parts.push(element("p", { className: "muted" }, "The description says nothing that the model knows."));
  }
  if (open.length) {
    parts.push(
      element(
        "details",
        { open: opened, ontoggle: (event) => (opened = event.target.open) },
        element("summary", {}, `${open.length} attributes that the description leaves open`),
        element("table", {}, head(), element("tbody", {}, ...open.map(row))),
      ),
    );
  }
  return parts;
}

// A bar of the probability that the caption mentions the attribute.
function meter(said) {
  const percent = Math.round(100 * said.mentioned);
  const bar = element("span", { className: "meter", title: `mentioned with a probability of ${percent} %` }, element("span"));
  bar.firstChild.style.width = `${percent}%`;
  return bar;
}
