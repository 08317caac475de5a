// One blue/green workload: its traffic bar, its phase, its two slots. A card is made once and then changed, so that the
// bar moves from where it was.

import { h, setText, words } from "/dom.js";

const STEPS = ["preparing", "gating", "shifting", "baking", "live"];
/** An approval is awaited behind the other gates, and only where one is asked for. */
const APPROVAL = "awaiting approval";
const TROUBLED = ["rolling back", "quarantined", "blocked", "unreadable"];

/** The colour of a phase. */
export function phaseTone(phase) {
  if (TROUBLED.includes(phase)) return "bad";
  if (phase === "live") return "good";
  return phase === APPROVAL ? "notice" : "busy";
}

/** A bar of the two weights. `set` moves it. */
export function trafficBar(size) {
  const blue = h("span", { class: "part blue" });
  const green = h("span", { class: "part green" });
  const element = h("span", { class: `bar ${size}`, role: "img" }, blue, green);
  const set = (slots) => {
    const total = slots.blue.weight + slots.green.weight;
    for (const [part, slot] of [[blue, slots.blue], [green, slots.green]]) {
      const share = total ? (100 * slot.weight) / total : 0;
      part.style.flexGrow = share;
      part.classList.toggle("none", share === 0);
      if (size === "large") setText(part, share >= 6 ? `${slot.weight} %` : "");
    }
    element.classList.toggle("dark", total === 0);
    element.setAttribute("aria-label", `blue ${slots.blue.weight} %, green ${slots.green.weight} % of the requests`);
  };
  return { element, set };
}

/** The card of a workload. `set` brings it to a newer summary. */
export function rolloutCard(name) {
  const phase = h("span", { class: "state" });
  const steps = STEPS.map((step) => h("li", null, words(step)));
  const stepper = h("ol", { class: "steps", "aria-label": "Phases of a rollout" }, steps);
  const waiting = h("p", { class: "waiting" });
  const bar = trafficBar("large");
  const slots = { blue: slotBox("blue"), green: slotBox("green") };
  const both = h("div", { class: "slots" }, slots.blue.element, slots.green.element);
  const traffic = h("div", { class: "traffic" }, bar.element, both);
  const head = h("div", { class: "head" }, h("h3", null, name), phase);
  const element = h("section", { class: "card rollout", "aria-label": `Rollout of ${name}` }, head, stepper, waiting, traffic);
  const set = (workload) => {
    const at = STEPS.indexOf(workload.phase === APPROVAL ? "gating" : workload.phase);
    setText(steps[STEPS.indexOf("gating")], words(workload.phase === APPROVAL ? APPROVAL : "gating"));
    setText(phase, words(workload.phase));
    phase.dataset.tone = phaseTone(workload.phase);
    stepper.hidden = at < 0;
    steps.forEach((step, index) => {
      step.dataset.at = index < at || workload.phase === "live" ? "past" : index === at ? "now" : "later";
      if (index === at) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    });
    waiting.hidden = !workload.waitingFor;
    setText(waiting, workload.waitingFor ? `Waiting for ${workload.waitingFor}` : "");
    traffic.hidden = !workload.slots;
    if (workload.slots) {
      bar.set(workload.slots);
      slots.blue.set(workload.slots.blue);
      slots.green.set(workload.slots.green);
    }
  };
  return { element, set };
}

function slotBox(color) {
  const role = h("span", { class: "role" });
  const weight = h("span", { class: "weight" });
  const revision = h("p", { class: "revision mono" });
  const running = h("dd");
  const targets = h("dd");
  const figures = h("dl", null, h("dt", null, "Running"), running, h("dt", null, "Targets"), targets);
  const title = h("h4", null, h("i", { class: `chip ${color}`, "aria-hidden": "true" }), words(color));
  const element = h("div", { class: `slot ${color}` }, h("div", { class: "head" }, title, role, weight), revision, figures);
  const set = (slot) => {
    setText(role, slot.role);
    role.dataset.role = slot.role;
    setText(weight, `${slot.weight} %`);
    const isThere = slot.desired > 0 || slot.running > 0;
    element.classList.toggle("idle", !isThere && slot.weight === 0);
    setText(revision, slot.revision || "nothing runs here");
    setText(running, `${slot.running} of ${slot.desired}`);
    running.dataset.tone = slot.running < slot.desired ? "busy" : "";
    const sick = slot.unhealthyTargets ? `, ${slot.unhealthyTargets} unhealthy` : "";
    setText(targets, `${slot.healthyTargets} healthy${sick}`);
    targets.dataset.tone = slot.unhealthyTargets ? "bad" : "";
  };
  return { element, set };
}
