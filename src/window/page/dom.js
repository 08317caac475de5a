// Small helpers. Text from outside only ever becomes text nodes and attributes: nothing here reads HTML.

/** An element: `h("p", {class: "x"}, "text", child)`. Attributes that are null or false are left out. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets the text of an element only if it is another one, so that nothing is drawn anew. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A time of the server, `2026-11-25T21:19:16Z`, as a `<time>` that grows older by itself. */
export function since(time) {
  const element = h("time", { datetime: time, title: new Date(time).toLocaleString() });
  element.textContent = ago(time);
  return element;
}

/** Brings all `<time>` elements to now. */
export function growOlder() {
  for (const element of document.querySelectorAll("time[datetime]")) setText(element, ago(element.dateTime));
}

function ago(time) {
  const seconds = Math.round((Date.now() - Date.parse(time)) / 1000);
  if (Number.isNaN(seconds)) return "";
  if (seconds < 5) return "now";
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit} ago`;
  }
  return `${seconds} s ago`;
}

/** Seconds between two times, for people. */
export function span(from, to) {
  const seconds = Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 1000));
  if (Number.isNaN(seconds)) return "";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** A commit as people name it. */
export function short(commit) {
  return /^[0-9a-f]{12,}$/.test(commit) ? commit.slice(0, 7) : commit;
}

/** `OutOfSync` → `Out of sync` */
export function words(name) {
  const spaced = name.replace(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`);
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** A state as a coloured dot with its name. */
export function state(name, tone) {
  return h("span", { class: "state", "data-tone": tone }, words(name));
}

/** The path of an application in the address bar and, behind `/api/applications`, on the server. */
export function pathOf(key) {
  return `/${encodeURIComponent(key.namespace || "-")}/${encodeURIComponent(key.name)}`;
}

/** The colour that a state has everywhere. */
export const TONES = {
  Synced: "good", Healthy: "good", OutOfSync: "notice", Progressing: "busy", Degraded: "bad",
  Suspended: "quiet", Unknown: "quiet", Missing: "quiet",
};
