// Elements of the page.

// A new element with properties, and with children: elements or text.
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("aria-") || key === "role" || key === "for") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

// The address of a PNG file in base64.
export const png = (base64) => `data:image/png;base64,${base64}`;

// An image of a face, shown with crisp pixels.
export const picture = (base64, alt) => element("img", { src: png(base64), alt, className: "pixels" });

// Waits until images are decoded, so that they replace others without a flicker.
export const decoded = (images) => Promise.all(images.map((image) => image.decode().catch(() => {})));

// A file name of a caption: its words in lower case.
export function fileName(caption, end, extension = "png") {
  const words = caption.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60);
  return `${words.replace(/^-+|-+$/g, "") || "face"}-${end}.${extension}`;
}
