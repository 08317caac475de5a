// Everything about one application. Sections whose data is the same are left as they are.

import { h, setText, short, since, span, state, TONES, words } from "/dom.js";
import { rolloutCard } from "/rollout.js";

const GOOD_RESULTS = ["Synced", "Succeeded"];

export class Detail {
  constructor() {
    this.element = document.getElementById("detail");
    this.clear();
  }

  clear() {
    this.cards = new Map();
    this.seen = {};
    this.parts = {};
    this.element.replaceChildren();
  }

  /** Shows a sentence in place of an application. */
  say(sentence) {
    this.clear();
    this.element.replaceChildren(back(), h("p", { class: "empty" }, sentence));
  }

  /** Brings the page to an entry. */
  set(entry) {
    if (!this.parts.head) {
      for (const name of ["head", "notes", "rollouts", "diff", "history", "activity"]) {
        this.parts[name] = h("div", { class: `part-${name}` });
      }
      const { head, notes, rollouts, diff, history, activity } = this.parts;
      const columns = h("div", { class: "halves" }, history, activity);
      this.element.replaceChildren(back(), head, notes, rollouts, diff, columns);
    }
    const { status } = entry;
    this.draw("head", { ...entry, status: { ...status, workloads: 0, history: 0 }, activity: 0, diff: 0 }, () => head(entry));
    // Where a rollout waits, its own card says for what.
    const waitingFor = (status.workloads ?? []).some((workload) => workload.waitingFor) ? "" : status.waitingFor;
    const told = [waitingFor, status.lastError, status.conditions, status.handledRequest, entry.suspended];
    this.draw("notes", told, () => notes(entry, waitingFor));
    this.setRollouts(status.workloads ?? []);
    this.draw("diff", [entry.diff, status.differing, status.changes], () => diff(entry));
    this.draw("history", status.history, () => history(status.history ?? []));
    this.draw("activity", entry.activity, () => activity(entry.activity ?? []));
  }

  draw(part, data, make) {
    const text = JSON.stringify(data) ?? "";
    if (this.seen[part] === text) return;
    this.seen[part] = text;
    this.parts[part].replaceChildren(...[make()].flat().filter(Boolean));
  }

  setRollouts(workloads) {
    const cards = workloads.map((workload) => {
      if (!this.cards.has(workload.name)) this.cards.set(workload.name, rolloutCard(workload.name));
      const card = this.cards.get(workload.name);
      card.set(workload);
      return card.element;
    });
    const { rollouts } = this.parts;
    if (cards.length !== rollouts.childElementCount || cards.some((card, at) => rollouts.children[at] !== card)) {
      rollouts.replaceChildren(...cards);
    }
  }
}

function back() {
  return h("a", { class: "back", href: "#/" }, "All applications");
}

function head({ key, status, suspended, mode, isBusy, repository, targetRevision, path, destination }) {
  const states = [state(status.sync, TONES[status.sync]), state(status.health, TONES[status.health])];
  if (suspended && status.health !== "Suspended") states.push(state("Suspended", "quiet"));
  if (isBusy) states.push(h("span", { class: "tag working" }, "syncing"));
  const fact = (name, value, more) => h("div", null, h("dt", null, name), h("dd", more, value));
  return [
    h("p", { class: "over" }, key.namespace || "from a folder"),
    h("div", { class: "head" }, h("h2", null, key.name), h("span", { class: "states" }, states)),
    h("dl", { class: "facts" },
      fact("Commit", short(status.revision ?? "") || "not read yet", { class: "mono", title: status.revision ?? "" }),
      fact("Revision", targetRevision, { class: "mono" }),
      fact("Path", path, { class: "mono" }),
      fact("Repository", repository, { class: "mono" }),
      fact("Destination", destination),
      fact("Mode", mode === "observe" ? "observe: only reports" : "enforce: repairs")),
  ];
}

function notes({ status, suspended }, waitingFor) {
  const found = [];
  const note = (tone, title, text, time) => found.push(h("div", { class: "note", "data-tone": tone },
    h("strong", null, title), h("p", null, text), time ? since(time) : null));
  const error = status.lastError;
  if (error) note("bad", words(error.reason), error.message, error.time);
  if (suspended) note("quiet", "Suspended", "Nothing is changed until it is resumed: cutover resume");
  if (waitingFor) note("busy", "Waiting", `for ${waitingFor}`);
  for (const condition of status.conditions ?? []) {
    const isWrong = condition.type === "Stalled" && condition.status === "True";
    if (isWrong && condition.message !== error?.message) note("bad", words(condition.reason), condition.message, condition.lastTransitionTime);
  }
  const request = status.handledRequest;
  if (request) note(request.done ? "good" : "notice", `Request: ${request.request.split(" ")[0]}`, request.message, request.time);
  return found;
}

function title(name, more) {
  return h("div", { class: "head" }, h("h3", null, name), more ? h("span", { class: "muted" }, more) : null);
}

function diff({ diff, status }) {
  const { create = 0, update = 0, prune = 0, blocked = 0 } = status.changes ?? {};
  const counts = [[create, "to create"], [update, "to update"], [prune, "to prune"], [blocked, "blocked"]];
  const told = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`).join(", ");
  const names = (status.differing ?? []).map((name) => h("li", { class: "mono" }, name));
  if (!diff && !names.length) {
    return status.sync === "Synced"
      ? [h("section", { class: "card calm" }, h("p", null, "Everything that runs is as Git says."))]
      : [];
  }
  const lines = diff.split("\n").map((line) => h("span", { "data-line": kind(line) }, `${line}\n`));
  return [h("section", { class: "card", "aria-label": "Difference" }, title("Difference", told),
    names.length ? h("ul", { class: "chips" }, names) : null,
    diff ? h("pre", { class: "diff", tabindex: "0", "aria-label": "What differs between Git and what runs" }, lines) : null)];
}

/** What a line of a plan is: plans indent the lines of a difference by four. */
function kind(line) {
  const inner = line.startsWith("    ") ? line.slice(4) : null;
  if (inner === null) return /^[+~!±-] /.test(line) ? "title" : /^\S/.test(line) ? "strong" : "";
  if (inner.startsWith("@@") || inner.startsWith("--- ") || inner.startsWith("+++ ")) return "place";
  if (inner.startsWith("+")) return "added";
  return inner.startsWith("-") ? "removed" : "";
}

function history(entries) {
  if (!entries.length) return [];
  const items = entries.map((entry) => h("li", { "data-tone": GOOD_RESULTS.includes(entry.result) ? "good" : entry.result === "Superseded" ? "quiet" : "bad" },
    h("div", { class: "head" }, h("code", { title: entry.revision }, short(entry.revision)), h("b", null, words(entry.result)), since(entry.ended)),
    entry.summary ? h("p", null, entry.summary) : null,
    h("p", { class: "muted" }, entry.message ? `${entry.message} · ` : "", `took ${span(entry.started, entry.ended)}`)));
  return [h("section", { class: "card", "aria-label": "History" }, title("History", "newest first"), h("ol", { class: "history" }, items))];
}

function activity(lines) {
  if (!lines.length) return [];
  const items = [...lines].reverse().map((line) => h("li", null, since(line.time), h("span", null, line.text)));
  return [h("section", { class: "card", "aria-label": "Activity" }, title("Activity", "newest first"), h("ol", { class: "activity" }, items))];
}
