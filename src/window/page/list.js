// All applications at a glance. Each has one row, which is made once and then changed; browsers draw only rows in view.

import { h, pathOf, setText, short, state, TONES, words } from "/dom.js";
import { phaseTone, trafficBar } from "/rollout.js";

const FILTERS = [
  ["all", "All", "", () => true],
  ["failing", "Failing", "bad", isFailing],
  ["out", "Out of sync", "notice", (app) => app.sync === "OutOfSync"],
  ["rolling", "Rolling out", "busy", isRolling],
  ["suspended", "Suspended", "quiet", (app) => app.suspended],
  ["well", "All well", "good", (app) => app.sync === "Synced" && app.health === "Healthy" && !app.error],
];
/** Bars in one row; of more workloads only the number is told. */
const BARS = 2;

function isFailing(app) {
  return app.health === "Degraded" || Boolean(app.error);
}

function isRolling(app) {
  return app.workloads.some((workload) => !["live", "quarantined", "blocked", "unreadable"].includes(workload.phase));
}

/** What needs people comes first, then what moves; the rest by name. */
function rank(app) {
  if (isFailing(app)) return 0;
  if (app.workloads.some((workload) => workload.phase === "awaiting approval")) return 1;
  if (isRolling(app)) return 2;
  return app.sync === "OutOfSync" ? 3 : 4;
}

export class List {
  constructor() {
    this.rows = new Map();
    this.filter = "all";
    this.query = "";
    this.list = document.getElementById("list");
    this.empty = document.getElementById("empty");
    this.isComplete = false;
    this.chips = FILTERS.map(([id, name, tone]) => {
      const count = h("b");
      const choose = () => this.choose(this.filter === id ? "all" : id);
      const chip = h("button", { type: "button", "data-tone": tone, "data-filter": id, onclick: choose }, name, " ", count);
      document.getElementById("filters").append(chip);
      return { id, chip, count };
    });
  }

  choose(filter) {
    this.filter = filter;
    this.draw();
  }

  search(query) {
    this.query = query.trim().toLowerCase();
    this.draw();
  }

  select(path) {
    for (const [key, row] of this.rows) {
      if (key === path) row.link.setAttribute("aria-current", "true");
      else row.link.removeAttribute("aria-current");
    }
    this.selected = path;
  }

  /** Takes everything anew. */
  reset(apps) {
    const kept = new Set(apps.map((app) => pathOf(app.key)));
    for (const path of [...this.rows.keys()]) if (!kept.has(path)) this.remove(path);
    this.isComplete = true;
    this.change(apps, []);
  }

  change(changed, gone) {
    for (const key of gone) this.remove(pathOf(key));
    for (const app of changed) {
      const path = pathOf(app.key);
      if (!this.rows.has(path)) this.rows.set(path, new Row(path));
      this.rows.get(path).set(app);
    }
    this.draw();
    this.select(this.selected);
  }

  remove(path) {
    this.rows.get(path)?.element.remove();
    this.rows.delete(path);
  }

  /** The rows in view, in order. */
  shown() {
    return [...this.list.children].filter((element) => !element.hidden).map((element) => element.firstChild);
  }

  draw() {
    const rows = [...this.rows.values()].sort((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1));
    this.order(rows);
    const [, , , accepts] = FILTERS.find(([id]) => id === this.filter);
    let shown = 0;
    for (const row of rows) {
      const isShown = accepts(row.app) && row.text.includes(this.query);
      row.element.hidden = !isShown;
      if (isShown) shown += 1;
    }
    for (const { id, chip, count } of this.chips) {
      const of = FILTERS.find(([other]) => other === id)[3];
      const number = rows.reduce((sum, row) => sum + (of(row.app) ? 1 : 0), 0);
      setText(count, String(number));
      chip.setAttribute("aria-pressed", String(this.filter === id));
      chip.classList.toggle("zero", number === 0);
    }
    this.empty.hidden = shown > 0 || !this.isComplete;
    setText(this.empty, rows.length ? "No application matches." : "No Application is registered yet. Apply one, and it appears here.");
  }

  /** Moves only what is in another place, and keeps the focus where it is. */
  order(rows) {
    const focused = document.activeElement;
    let at = this.list.firstChild;
    for (const { element } of rows) {
      if (at === element) at = at.nextSibling;
      else if (at && at.nextSibling === element) {
        this.list.append(at);
        at = element.nextSibling;
      } else this.list.insertBefore(element, at);
    }
    if (focused !== document.activeElement && this.list.contains(focused)) focused.focus({ preventScroll: true });
  }
}

class Row {
  constructor(path) {
    this.name = h("strong");
    this.namespace = h("small");
    this.states = h("span", { class: "states" });
    this.commit = h("span", { class: "commit" });
    this.bars = h("span", { class: "bars" });
    this.barOf = new Map();
    this.destination = h("span", { class: "destination" });
    const title = h("span", { class: "title" }, this.name, this.namespace);
    this.link = h("a", { href: `#${path}` }, title, this.states, this.commit, this.bars, this.destination);
    this.element = h("li", null, this.link);
  }

  set(app) {
    const text = JSON.stringify(app);
    if (text === this.json) return;
    this.json = text;
    this.app = app;
    this.rank = rank(app);
    setText(this.name, app.key.name);
    setText(this.namespace, app.key.namespace);
    this.element.dataset.tone = isFailing(app) ? "bad" : "";
    this.link.classList.toggle("working", app.isBusy);
    this.states.replaceChildren(...states(app));
    const summary = app.last && app.last.revision === app.revision ? app.last.summary : "";
    this.commit.replaceChildren(h("code", null, short(app.revision) || "–"), h("span", null, app.error?.message || summary));
    setText(this.destination, app.destination);
    this.setBars(app.workloads);
    this.text = [app.key.namespace, app.key.name, app.repository, app.revision, app.destination, summary, app.mode,
      ...app.workloads.map((workload) => workload.name)].join("\n").toLowerCase();
    this.name.title = `${app.key.namespace}/${app.key.name}`;
    this.link.title = app.waitingFor ? `Waiting for ${app.waitingFor}` : "";
  }

  setBars(workloads) {
    const bars = workloads.slice(0, BARS).map((workload) => {
      if (!this.barOf.has(workload.name)) {
        const bar = trafficBar("small");
        const phase = h("em");
        this.barOf.set(workload.name, { bar, phase, element: h("span", { class: "lane" }, bar.element, phase) });
      }
      const { bar, phase, element } = this.barOf.get(workload.name);
      bar.element.hidden = !workload.slots;
      if (workload.slots) bar.set(workload.slots);
      setText(phase, `${workload.name} ${workload.phase}`);
      phase.dataset.tone = phaseTone(workload.phase);
      element.classList.toggle("resting", workload.phase === "live");
      return element;
    });
    const more = workloads.length - bars.length;
    if (more > 0) bars.push(h("em", null, `and ${more} more`));
    if (bars.length !== this.bars.childElementCount || bars.some((bar, at) => this.bars.children[at] !== bar)) {
      this.bars.replaceChildren(...bars);
    }
  }
}

function states(app) {
  const found = [state(app.sync, TONES[app.sync]), state(app.health, TONES[app.health])];
  if (app.suspended && app.health !== "Suspended") found.push(state("Suspended", "quiet"));
  if (app.mode === "observe") found.push(h("span", { class: "tag" }, "observe"));
  if (app.error) found.push(h("span", { class: "tag bad" }, words(app.error.reason)));
  return found;
}
