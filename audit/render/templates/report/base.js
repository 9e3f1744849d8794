"use strict";
// Rows arrive as arrays; these tables name their columns (see pagedata.py). Text is only ever set as
// text: nothing in here parses HTML, and the page's policy forbids it.
const data = JSON.parse(document.getElementById("data").textContent);
const G = { id: 0, name: 1, status: 2, reason: 3, closed: 4, open: 5, evidence: 6 };
const S = {
  id: 0, gate: 1, title: 2, owner: 3, status: 4, reason: 5, next: 6, code: 7, tests: 8, runbook: 9,
  evidence: 10, exit: 11, claim: 12, conditions: 13, cells: 14,
};
const C = {
  id: 0, cmd: 1, required: 2, result: 3, passed: 4, reason: 5, timeout: 6, needs: 7, flaky: 8,
  attempts: 9,
};
const A = { result: 0, reason: 1, exit: 2, start: 3, took: 4, log: 5, leftovers: 6, artifacts: 7 };
const L = {
  name: 0, bytes: 1, group: 2, offset: 3, head: 4, tail: 5, leftOut: 6, truncated: 7, root: 8,
};
const ICON = {
  GO: "go", PARTIAL: "partial", "NO-GO": "nogo", "BLOCKED-EXTERNAL": "blocked",
  passed: "go", failed: "nogo", timed_out: "late", skipped: "skipped", could_not_run: "blocked",
  interrupted: "cut", absent: "skipped",
  met: "go", missing: "skipped", broken: "nogo", wrong_subject: "nogo", stale: "late", no: "nogo",
};
const STATUSES = ["NO-GO", "BLOCKED-EXTERNAL", "PARTIAL", "GO"];
const RESULTS = [
  "failed", "timed_out", "interrupted", "could_not_run", "skipped", "absent", "passed",
];
const byId = (id) => document.getElementById(id);
const cellNumber = new Map(data.cells.map((cell, n) => [cell[C.id], n]));
const signalNumber = new Map(data.signals.map((signal, n) => [signal[S.id], n]));
const gateNumber = new Map(data.gates.map((gate, n) => [String(gate[G.id]), n]));

function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

function svg(tag, props, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(props || {})) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Prose with `code` in it: balanced backticks only.
function prose(text) {
  const parts = text.split("`");
  if (parts.length % 2 === 0) return [text];
  return parts.map((part, n) => (n % 2 ? h("code", {}, part) : part));
}

const words = (name) => name.replaceAll("_", " ");
const icon = (name) =>
  svg("svg", { class: `i i-${ICON[name]}`, "aria-hidden": "true" },
    svg("use", { href: `#i-${ICON[name]}` }));
const badge = (name) => h("span", { class: `badge s-${ICON[name]}` }, icon(name), words(name));
const count = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many || one + "s"}`;

function spoken(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return `${ms} ms`;
  if (seconds < 60) return `${seconds}.${Math.floor((ms % 1000) / 100)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

function sized(bytes) {
  if (bytes < 1000) return count(bytes, "byte");
  const power = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(1)} ${["", "kB", "MB", "GB"][power]}`;
}

const clock = (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " ") + " UTC";
const inBundle = (path) => "./" + path.split("/").map(encodeURIComponent).join("/");

// A path of the repository: a link where it lies in this bundle.
function place(path) {
  const inside = data.meta.folder + "/";
  if (!path.startsWith(inside)) return /\s/.test(path) ? path : h("code", {}, path);
  return h("a", { href: inBundle(path.slice(inside.length)) }, h("code", {}, path));
}

const signalLink = (signal) =>
  h("a", { class: "go", href: `#signal/${encodeURIComponent(signal[S.id])}` }, signal[S.id]);
const cellLink = (cell) =>
  h("a", { class: "go", href: `#cell/${encodeURIComponent(cell[C.id])}` }, cell[C.id]);
// A row has room for one open condition: where there are more, it says where all of them are.
function allConditions(signal) {
  const conditions = signal[S.conditions];
  if (conditions.filter(([, answer]) => answer !== "met").length < 2) return null;
  const text = `all ${conditions.length} conditions`;
  return [" ", h("a", { class: "all", href: `#signal/${encodeURIComponent(signal[S.id])}`,
    "aria-label": `${text} of ${signal[S.id]}` }, text)];
}

const lastAttempt = (cell) => cell[C.attempts].at(-1);
const ranMs = data.cells.flatMap((cell) => cell[C.attempts])
  .reduce((end, attempt) => Math.max(end, attempt[A.start] + attempt[A.took]), 1);
const tookMs = (cell) => cell[C.attempts].reduce((sum, attempt) => sum + attempt[A.took], 0);
const say = (text) => { byId("say").textContent = text; };

// Fills parts of a long list when they come near the window, and never before.
const near = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    near.unobserve(entry.target);
    entry.target.fill();
  }
}, { rootMargin: "1200px" });

function lazily(node, fill) {
  node.fill = () => { node.fill = () => {}; fill(); };
  near.observe(node);
  return node;
}
