// The state of the page. All of it is in the address, so that a copied link shows the same faces.

const DEFAULTS = {
  mode: "faces",
  caption: "",
  other: "",
  seed: 0,
  count: 8,
  truncation: 1,
  guidance: 1,
  frames: 24,
  face: 0, // the position of the face that is shown large
  model: "", // the beginning of the hash of the model that made the link
};

const MODES = ["faces", "compare", "walk"];

// The state of an address. Values of another form are the defaults.
export function fromAddress(search, limits) {
  const query = new URLSearchParams(search);
  const number = (name, least, most, step) => {
    const value = Number.parseFloat(query.get(name));
    if (!Number.isFinite(value)) return DEFAULTS[name];
    const within = Math.min(Math.max(value, least), most);
    return step === 1 ? Math.round(within) : within;
  };
  const text = (name) => (query.get(name) ?? "").replace(/\p{Cc}/gu, " ").slice(0, limits.caption_characters);
  return {
    mode: MODES.includes(query.get("mode")) ? query.get("mode") : DEFAULTS.mode,
    caption: text("caption"),
    other: text("other"),
    seed: number("seed", 0, limits.largest_seed, 1),
    count: number("count", 1, limits.seeds, 1),
    truncation: number("truncation", 0, 1),
    guidance: number("guidance", 0, limits.largest_guidance),
    frames: number("frames", 2, limits.frames, 1),
    face: number("face", 0, limits.seeds - 1, 1),
    model: query.get("model") ?? "",
  };
}

// The address of a state, without the values that are defaults.
export function toAddress(state) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (value !== DEFAULTS[name]) query.set(name, value);
  }
  const search = query.toString();
  return search ? `/?${search}` : "/";
}

// The seeds of a state.
export function seeds({ seed, count }, limits) {
  const first = Math.min(seed, limits.largest_seed - count + 1);
  return Array.from({ length: count }, (_, at) => first + at);
}
