// Joins the list, the application that is looked at, and the stream of events. Read-only: nothing is ever sent.

import { growOlder, pathOf, setText } from "/dom.js";
import { Detail } from "/detail.js";
import { List } from "/list.js";

/** Between two tries, when the server refuses the stream. */
const RETRY_MS = 5000;
const list = new List();
const detail = new Detail();
const search = document.getElementById("search");
const link = document.getElementById("link");
/** The path of the application that is looked at, or null. */
let selected = null;
let events = null;
let isAsking = false;
let isStale = false;

function show(connection, text) {
  link.dataset.state = connection;
  setText(link, text);
}

function connect() {
  if (document.hidden || (events && events.readyState !== EventSource.CLOSED)) return;
  events = new EventSource("/events");
  events.addEventListener("open", () => show("live", "Live"));
  events.addEventListener("snapshot", (event) => {
    list.reset(JSON.parse(event.data).applications);
    if (selected) refresh();
  });
  events.addEventListener("change", (event) => {
    const { changed, gone } = JSON.parse(event.data);
    list.change(changed, gone);
    if (selected && [...changed.map((app) => app.key), ...gone].some((key) => pathOf(key) === selected)) refresh();
  });
  events.addEventListener("error", () => {
    show("lost", "Reconnecting; what is shown may be old");
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
  });
}

/** Nobody looks at a tab in the background; and browsers open only six streams to one server. */
function rest() {
  if (document.hidden) {
    events?.close();
    show("waiting", "Paused");
  } else connect();
}

/** Reads the application that is looked at. While one answer is awaited, no other is asked for. */
async function refresh() {
  isStale = true;
  if (isAsking) return;
  isAsking = true;
  while (isStale && selected) {
    isStale = false;
    const path = selected;
    const answer = await fetch(`/api/applications${path}`).catch(() => null);
    const entry = answer?.ok ? await answer.json().catch(() => null) : null;
    if (path !== selected) isStale = true;
    else if (entry) detail.set(entry);
    else if (answer?.status === 404) detail.say("There is no such application; it may have been deleted.");
  }
  isAsking = false;
}

function route() {
  const path = location.hash.slice(1);
  selected = /^\/[^/]+\/[^/]+$/.test(path) ? path : null;
  document.body.classList.toggle("one", Boolean(selected));
  detail.element.hidden = !selected;
  detail.clear();
  detail.element.scrollTop = 0;
  document.title = selected ? `${decode(selected.split("/")[2])} · Cutover` : "Cutover";
  list.select(selected);
  if (selected) refresh();
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `/` searches, `j` and `k` or the arrows walk through the list, Escape goes back. */
function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target === search;
  if (event.key === "/" && !isTyping) {
    event.preventDefault();
    search.select();
  } else if (event.key === "Escape") {
    if (isTyping && search.value) {
      search.value = "";
      list.search("");
    } else if (isTyping) search.blur();
    else if (selected) location.hash = "#/";
  } else {
    const isDown = event.key === "ArrowDown" || (event.key === "j" && !isTyping);
    const isUp = event.key === "ArrowUp" || (event.key === "k" && !isTyping);
    const isElsewhere = detail.element.contains(event.target);
    if ((!isDown && !isUp) || isElsewhere) return;
    const rows = list.shown();
    const at = rows.indexOf(document.activeElement);
    const next = at < 0 ? rows[isDown ? 0 : rows.length - 1] : rows[at + (isDown ? 1 : -1)];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }
}

search.addEventListener("input", () => list.search(search.value));
window.addEventListener("hashchange", route);
document.addEventListener("keydown", key);
document.addEventListener("visibilitychange", rest);
setInterval(growOlder, 15000);
route();
connect();
