const OPEN_SHOWN_MAX = 60;
const PRINTED_MAX = 1500;
const scrolled = new Map();
let here = "";

// --- pages ----------------------------------------------------------------------------------------

const PAGES = {
  signals: signalsPage, commands: commandsPage, find: findPage,
  gate: gatePage, signal: signalPage, cell: cellPage, log: (id) => cellPage(id, true),
};

function route() {
  const hash = location.hash.slice(1) || "overview";
  const cut = hash.indexOf("/");
  const name = cut < 0 ? hash : hash.slice(0, cut);
  let id = cut < 0 ? "" : hash.slice(cut + 1);
  try { id = decodeURIComponent(id); } catch { id = ""; }
  return [PAGES[name] || name === "evidence" ? name : "overview", id];
}

function redraw() {
  const [name, id] = route();
  const detail = byId("detail");
  byId("overview").hidden = name !== "overview";
  byId("proof").hidden = name !== "overview" && name !== "evidence";
  detail.hidden = !PAGES[name];
  byId("proof-page").hidden = name !== "evidence";
  const focused = detail.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  detail.replaceChildren(...(PAGES[name] ? [PAGES[name](id)] : []));
  if (focused) [...detail.querySelectorAll("button, select")].find((node) => nameOf(node) === focused)?.focus();
  const part = { gate: "overview", signal: "signals", cell: "commands", log: "commands" }[name] || name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === "#" + part) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

const nameOf = (node) => node.getAttribute("aria-label") || node.textContent.replace(/[\d,.]+$/, "");

function travel() {
  scrolled.set(here, window.scrollY);
  here = location.hash;
  redraw();
  const [name] = route();
  const kept = name === "overview" || name === "signals" || name === "commands";
  window.scrollTo(0, kept ? scrolled.get(here) || 0 : 0);
  const top = name === "overview" ? byId("main")
    : name === "evidence" ? byId("evidence-title") : byId("detail").querySelector("h1");
  if (name !== "find") {
    top.setAttribute("tabindex", "-1");
    top.focus({ preventScroll: true });
  }
  document.title = `${top.id === "main" ? data.meta.verdict : top.textContent} · ${plainTitle}`;
}

const plainTitle = document.querySelector(".brand-title").textContent;

// --- search ---------------------------------------------------------------------------------------

const find = byId("find");
find.addEventListener("input", () => {
  const query = find.value.trim();
  const target = query ? `#find/${encodeURIComponent(query)}` : "#overview";
  if (route()[0] === "find") history.replaceState(null, "", target);
  else history.pushState(null, "", target);
  here = target;
  redraw();
});

// --- keys -----------------------------------------------------------------------------------------

const BY_KEY = { o: "#overview", s: "#signals", c: "#commands", e: "#evidence" };
const inField = (node) => node.matches("input:not([type=checkbox]), select, textarea");

function moveRow(by) {
  const beside = document.querySelector(by > 0 ? "#detail [rel=next]" : "#detail [rel=prev]");
  if (beside) { location.hash = beside.hash; return; }
  const links = [...document.querySelectorAll("main a.go")].filter((link) => link.offsetParent);
  const now = links.indexOf(document.activeElement);
  const next = links[now < 0 ? (by > 0 ? 0 : links.length - 1) : now + by];
  if (!next) return;
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function leave(event) {
  if (inField(event.target)) {
    if (event.target.value && event.target !== find) { event.target.value = ""; event.target.dispatchEvent(new Event("input")); }
    event.target.blur();
    if (event.target === find && route()[0] === "find") { find.value = ""; location.hash = "#overview"; }
    return;
  }
  const back = byId("back");
  location.hash = back ? back.hash : "#overview";
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  if (event.key === "Escape") return leave(event);
  if (inField(event.target)) return;
  if (event.key === "/") {
    event.preventDefault();
    (byId("find-log") || find).focus();
  } else if (event.key === "j" || event.key === "k") moveRow(event.key === "j" ? 1 : -1);
  else if (event.key === "?") byId("help").showModal();
  else if (BY_KEY[event.key]) location.hash = BY_KEY[event.key];
});

// --- theme ----------------------------------------------------------------------------------------

const THEMES = ["auto", "light", "dark"];
const afterTheme = (name) => THEMES[(THEMES.indexOf(name) + 1) % THEMES.length];

function setTheme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  byId("theme").textContent = `Theme: ${name}`;
  byId("theme").setAttribute("aria-label", `Theme: ${name}, change to ${afterTheme(name)}`);
  try { localStorage.setItem("audit-theme", name); } catch { /* a file may have no storage */ }
}

function keptTheme() {
  try { return localStorage.getItem("audit-theme"); } catch { return null; }
}

let theme = THEMES.includes(keptTheme()) ? keptTheme() : "auto";
byId("theme").addEventListener("click", () => {
  theme = afterTheme(theme);
  setTheme(theme);
});

// --- blockers by gate or by owner -----------------------------------------------------------------

const plainBlockers = byId("blockers") ? [...byId("blockers").querySelectorAll("tbody")] : [];

function blockersByOwner() {
  const owners = new Map();
  for (const signal of data.signals) {
    if (signal[S.status] === "GO") continue;
    if (!owners.has(signal[S.owner])) owners.set(signal[S.owner], []);
    owners.get(signal[S.owner]).push(signal);
  }
  let room = OPEN_SHOWN_MAX;
  return [...owners].sort((a, b) => b[1].length - a[1].length).map(([owner, signals]) => {
    const part = signals.slice(0, Math.max(0, room));
    room -= part.length;
    const head = h("tr", { class: "group" }, h("th", { colspan: "4", scope: "rowgroup" }, owner,
      h("span", { class: "n" }, `${signals.length} open`)));
    return h("tbody", {}, head, part.map((signal) => h("tr", {}, h("td", {}, badge(signal[S.status])),
      h("td", {}, signalLink(signal), " ", prose(signal[S.title]), h("span", { class: "why" }, prose(signal[S.reason]), allConditions(signal))),
      h("td", { class: "owner" }, `Gate ${signal[S.gate]}`), h("td", { "data-t": "Next step" }, prose(signal[S.next])))));
  });
}

byId("group").addEventListener("click", (event) => {
  const by = event.target.dataset.by;
  if (!by) return;
  for (const button of byId("group").children) button.setAttribute("aria-pressed", String(button.dataset.by === by));
  const table = byId("blockers");
  table.querySelectorAll("tbody").forEach((body) => body.remove());
  table.append(...(by === "owner" ? blockersByOwner() : plainBlockers));
  table.querySelectorAll("thead th")[2].textContent = by === "owner" ? "Gate" : "Owner";
});

// --- print ----------------------------------------------------------------------------------------

window.addEventListener("beforeprint", () => {
  const failed = data.cells.filter((cell) => !cell[C.passed]);
  const part = (title, table) => h("section", {}, h("h2", {}, title), table);
  byId("print").replaceChildren(part("All signals", signalTable(data.signals.slice(0, PRINTED_MAX))),
    failed.length ? part("Commands that did not pass", cellTable(failed.slice(0, PRINTED_MAX))) : "");
  byId("print").querySelectorAll("tbody").forEach((body) => body.fill?.());
});
window.addEventListener("afterprint", () => byId("print").replaceChildren());

// --- start ----------------------------------------------------------------------------------------

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
byId("keys").addEventListener("click", () => byId("help").showModal());
document.querySelector(".tools").hidden = false;
if (byId("blockers")) byId("group").hidden = false;
byId("time-part").hidden = false;
byId("timeline").append(timeline());
setTheme(theme);
window.addEventListener("hashchange", travel);
here = location.hash;
if (location.hash) travel();
else redraw();
document.documentElement.dataset.ready = "";
