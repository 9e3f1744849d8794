const CHUNK_LINES = 200;
const LINE_PX = 20;
const MATCHES_SHOWN_MAX = 200;
// What tools mostly say where something went wrong; a line may also say it of something harmless.
const ERROR_LINE = /(?<!\b(?:0|no) )(?:error|failed|traceback|panicked)/i;
const unpackedGroups = new Map();

// The bytes of a group: base64 of a raw deflate stream, unpacked once.
function unpackGroup(n) {
  if (!unpackedGroups.has(n)) {
    const packed = Uint8Array.from(atob(byId(`logs-${n}`).textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    unpackedGroups.set(n, new Response(stream).arrayBuffer());
    if (unpackedGroups.size > 24) unpackedGroups.delete(unpackedGroups.keys().next().value);
  }
  return unpackedGroups.get(n);
}

async function logLines(log) {
  const bytes = await unpackGroup(log[L.group]);
  const utf8 = new TextDecoder();
  const part = (start, size) => {
    const text = utf8.decode(new Uint8Array(bytes, start, size));
    return text ? text.replace(/\n$/, "").split("\n") : [];
  };
  const head = part(log[L.offset], log[L.head]);
  const tail = part(log[L.offset] + log[L.head], log[L.tail]);
  const lines = head.map((text, n) => [n + 1, text]);
  if (log[L.leftOut]) lines.push([null, `${sized(log[L.leftOut])} left out here; the file has them`]);
  return lines.concat(tail.map((text, n) => [n - tail.length, text]));
}

// Puts <mark> around what matches, without reading any of it as markup.
function marked(text, wanted) {
  if (!wanted) return [text];
  const low = text.toLowerCase();
  const parts = [];
  let from = 0;
  for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), h("mark", {}, text.slice(at, at + wanted.length)));
    from = at + wanted.length;
  }
  return parts.concat(text.slice(from));
}

function lineNode([number, text], wanted) {
  if (number === null) return h("div", { class: "cutline" }, text);
  return h("div", { class: "l" }, h("i", {}, String(number)), h("span", {}, marked(text, wanted)));
}

function drawLines(box, lines, wanted) {
  const chunks = [];
  for (let start = 0; start < lines.length; start += CHUNK_LINES) {
    const part = lines.slice(start, start + CHUNK_LINES);
    const chunk = h("div", { class: "chunk" });
    chunk.style.minHeight = `${part.length * LINE_PX}px`;
    const fill = () => {
      chunk.style.minHeight = "";
      chunk.style.containIntrinsicSize = `auto ${part.length * LINE_PX}px`;
      chunk.replaceChildren(...part.map((line) => lineNode(line, wanted)));
    };
    if (start === 0) { chunk.fill = () => {}; fill(); } else lazily(chunk, fill);
    chunks.push(chunk);
  }
  box.replaceChildren(...chunks);
  if (!lines.length) box.replaceChildren(h("p", { class: "empty" }, "Nothing to show."));
  return (n) => {
    const chunk = chunks[Math.floor(n / CHUNK_LINES)];
    chunk.fill();
    return chunk.children[n % CHUNK_LINES];
  };
}

function logViewer(chosen, all, toError) {
  const view = h("div", { class: "log" });
  const open = (n, jump) => view.replaceChildren(...oneLog(n, all, open, jump));
  open(chosen, toError);
  if (toError && !view.querySelector(".lines")) requestAnimationFrame(() => view.scrollIntoView({ block: "center" }));
  return view;
}

function oneLog(n, all, open, toError) {
  const log = data.logs[n];
  const link = h("a", { href: inBundle("command-logs/" + log[L.name]) }, log[L.name]);
  if (log[L.bytes] === 0) return [h("p", { class: "empty" }, link, " is empty.")];
  if (log[L.group] < 0) {
    const why = log[L.group] === -1 ? "did not fit into this page" : "is not in this folder";
    return [h("p", { class: "empty" }, `This log of ${sized(log[L.bytes])} ${why}: `, link)];
  }
  const box = h("div", { class: "lines", tabindex: "0", role: "region", "aria-label": `Log ${log[L.name]}` });
  const state = { lines: [], matches: [], at: -1, nodeOf: null };
  const tell = h("span", { class: "n", role: "status" }, "…");
  const field = h("input", { type: "search", id: "find-log", placeholder: "Search this log  /",
    "aria-label": "Search this log", spellcheck: "false", autocomplete: "off" });
  const only = h("input", { type: "checkbox" });
  const draw = () => drawLog(log, state, box, tell, field.value.toLowerCase(), only.checked);
  const go = (by) => showMatch(state, box, tell, by);
  field.addEventListener("input", draw);
  only.addEventListener("change", draw);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    go(event.shiftKey ? -1 : 1);
  });
  const others = all.length > 1
    ? choice("Attempt", all.map((k, i) => [String(k), `Attempt ${i + 1}`]), String(n), (k) => open(Number(k)))
    : null;
  logLines(log).then((lines) => { state.lines = lines; draw(); if (toError) showError(state, box, tell); }, (error) => {
    box.replaceChildren(h("p", { class: "empty" }, `This browser cannot unpack the log (${error}): `, link));
  });
  return [h("div", { class: "log-bar" }, others, field,
    h("button", { type: "button", onclick: () => go(-1), "aria-label": "Previous match" }, "↑"),
    h("button", { type: "button", onclick: () => go(1), "aria-label": "Next match" }, "↓"),
    h("label", { class: "only" }, only, "only matches"), tell, link), box];
}

function drawLog(log, state, box, tell, wanted, only) {
  const fits = ([number, text]) => number !== null && text.toLowerCase().includes(wanted);
  const lines = wanted && only ? state.lines.filter(fits) : state.lines;
  state.matches = wanted ? lines.flatMap((line, n) => (fits(line) ? [n] : [])) : [];
  state.at = -1;
  state.nodeOf = drawLines(box, lines, wanted);
  const total = `${count(state.lines.length, "line")}${log[L.truncated] ? ", cut at the output limit" : ""}`;
  tell.textContent = wanted ? `${count(state.matches.length, "matching line")}` : total;
}

function showLine(state, box, n) {
  box.querySelector(".at")?.classList.remove("at");
  const node = state.nodeOf(n);
  node.classList.add("at");
  node.scrollIntoView({ block: "center" });
}

// The first line that speaks of an error, or else the end, where most tools say how it went.
function showError(state, box, tell) {
  if (!state.lines.length) return;
  const found = state.lines.findIndex(([number, text]) => number !== null && ERROR_LINE.test(text));
  const n = found < 0 ? state.lines.length - 1 : found;
  box.focus({ preventScroll: true });
  showLine(state, box, n);
  tell.textContent = found < 0 ? "no line speaks of an error; this is the end"
    : `line ${state.lines[n][0]} of ${count(state.lines.length, "line")} is the first that speaks of an error`;
}

function showMatch(state, box, tell, by) {
  const n = state.matches.length;
  if (!n) return;
  state.at = state.at < 0 ? (by > 0 ? 0 : n - 1) : (state.at + by + n) % n;
  showLine(state, box, state.matches[state.at]);
  tell.textContent = `${state.at + 1} of ${count(n, "matching line")}`;
}

// --- all logs at once -----------------------------------------------------------------------------

function logSearch() {
  const out = h("div", {});
  const field = h("input", { type: "search", id: "find-all", "aria-label": "Search all logs",
    placeholder: "Search all logs", spellcheck: "false", autocomplete: "off" });
  const form = h("form", { class: "chips", onsubmit: (event) => {
    event.preventDefault();
    searchAll(field.value, out);
  } }, field, h("button", {}, "Search logs"));
  return h("div", {}, form, out);
}

async function searchAll(query, out) {
  const wanted = query.toLowerCase();
  if (!wanted) return out.replaceChildren();
  const found = [];
  for (const cell of data.cells) {
    for (const attempt of cell[C.attempts]) {
      const log = attempt[A.log] >= 0 ? data.logs[attempt[A.log]] : null;
      if (!log || log[L.group] < 0 || found.length >= MATCHES_SHOWN_MAX) continue;
      const lines = (await logLines(log)).filter(([n, text]) => n !== null && text.toLowerCase().includes(wanted));
      if (lines.length) found.push([cell, log, lines]);
    }
  }
  const unseen = data.logs.filter((log) => log[L.group] < 0 || log[L.leftOut]).length;
  const more = found.length >= MATCHES_SHOWN_MAX ? "at least " : "";
  const note = unseen ? `; ${count(unseen, "log")} not fully in this page` : "";
  say(`${more}${count(found.length, "log")} match${note}`);
  out.replaceChildren(h("p", { class: "n" }, `${more}${count(found.length, "log")} with “${query}”${note}`),
    ...found.map(([cell, log, lines]) => h("div", { class: "block" },
      h("p", {}, cellLink(cell), h("span", { class: "n" }, ` ${log[L.name]}, ${count(lines.length, "matching line")}`)),
      h("div", { class: "lines" }, lines.slice(0, 3).map((line) => lineNode(line, wanted))))));
}
