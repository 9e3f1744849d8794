const CHUNK_ROWS = 50;
const ROW_PX = 64;

// A table of any length: `titles` are [title, class], `row` makes the cells of one item.
function longTable(kind, label, titles, items, row) {
  const head = titles.map(([title, look]) => h("th", { scope: "col", class: look }, title));
  const table = h("table", { class: `list rowlist ${kind}`, "aria-rowcount": items.length + 1 },
    h("caption", { class: "hide" }, label), h("thead", {}, h("tr", {}, head)));
  for (let start = 0; start < items.length; start += CHUNK_ROWS) {
    const part = items.slice(start, start + CHUNK_ROWS);
    const room = h("td", { colspan: titles.length });
    room.style.height = `${part.length * ROW_PX}px`;
    const body = h("tbody", {}, h("tr", { class: "wait" }, room));
    const fill = () => body.replaceChildren(...part.map((item, n) => {
      const line = h("tr", { "aria-rowindex": start + n + 2 }, row(item));
      [...line.children].forEach((cell, k) => {
        cell.dataset.t = titles[k][0];
        if (titles[k][1]) cell.classList.add(titles[k][1]);
      });
      return line;
    }));
    table.append(start === 0 ? (fill(), body) : lazily(body, fill));
  }
  return items.length ? table : h("p", { class: "empty" }, "Nothing matches.");
}

function signalRow(signal) {
  const claim = signal[S.claim] && signal[S.claim] !== signal[S.status]
    ? h("span", { class: "why" }, h("span", { class: "claim" }, "claimed " + signal[S.claim]))
    : null;
  const why = signal[S.status] === "GO" ? signal[S.exit] : signal[S.reason];
  return [
    h("td", {}, badge(signal[S.status]), claim),
    h("td", {}, signalLink(signal), " ", prose(signal[S.title]), h("span", { class: "why" }, prose(why), allConditions(signal))),
    h("td", {}, h("a", { href: `#gate/${signal[S.gate]}` }, String(signal[S.gate]))),
    h("td", {}, signal[S.owner]),
    h("td", {}, prose(signal[S.next])),
  ];
}

const signalTable = (signals, label = "Signals") => longTable("t-signals", label, [
  ["Status", ""], ["Signal", ""], ["Gate", "num"], ["Owner", "owner"], ["Next step", ""],
], signals, signalRow);

function lane(cell) {
  const bars = cell[C.attempts].map((attempt) => {
    const width = Math.max(0.8, (100 * attempt[A.took]) / ranMs);
    const x = Math.min(100 - width, (100 * attempt[A.start]) / ranMs);
    const full = attempt[A.result] === "passed" ? [3, 5] : [0, 11];
    const kind = `t-${ICON[attempt[A.result]]}`;
    return svg("rect", { class: kind, x, width, y: full[0], height: full[1] });
  });
  const track = svg("rect", { class: "track", x: 0, width: 100, y: 5, height: 1 });
  const box = { viewBox: "0 0 100 11", preserveAspectRatio: "none", "aria-hidden": "true" };
  return svg("svg", box, track, ...bars);
}

function cellRow(cell) {
  const last = lastAttempt(cell);
  const tries = cell[C.attempts].length;
  const why = cell[C.passed] && !cell[C.reason] ? null : h("span", { class: "why" }, prose(cell[C.reason]));
  return [
    h("td", {}, badge(cell[C.result]),
      cell[C.required] ? null : h("span", { class: "why" }, "not required")),
    h("td", {}, cellLink(cell), h("span", { class: "line" }, cell[C.cmd]), why),
    h("td", {}, last && last[A.exit] !== null ? String(last[A.exit]) : "–"),
    h("td", {}, String(tries)),
    h("td", {}, tries ? spoken(tookMs(cell)) : "–"),
    h("td", {}, lane(cell)),
  ];
}

const cellTable = (cells, label = "Commands") => longTable("t-cells", label, [
  ["Result", ""], ["Command", ""], ["Exit", "num"], ["Tries", "num"], ["Took", "num"],
  ["When", "lane"],
], cells, cellRow);

// Chips that switch one value on and off; `names` are those that occur, with how often.
function chips(label, names, counts, chosen, change) {
  const all = names.reduce((sum, name) => sum + (counts.get(name) || 0), 0);
  const chip = (name, text, picture) => h("button", {
    type: "button", class: name ? `s-${ICON[name]}` : null, "aria-pressed": String(chosen === name),
    onclick: () => change(name),
  }, picture, text);
  return h("div", { class: "chips", role: "group", "aria-label": label },
    chip("", `All ${all.toLocaleString("en")}`, null),
    names.filter((name) => counts.get(name)).map((name) =>
      chip(name, `${words(name)} ${counts.get(name).toLocaleString("en")}`, icon(name))));
}

function tally(items, column) {
  const counts = new Map();
  for (const item of items) counts.set(item[column], (counts.get(item[column]) || 0) + 1);
  return counts;
}

function choice(label, options, chosen, change) {
  const made = options.map(([value, text]) =>
    h("option", { value, selected: value === chosen }, text));
  const box = h("select", { "aria-label": label, onchange: () => change(box.value) }, made);
  return box;
}

const shown = { status: "", owner: "", result: "", order: "plan" };

function signalsPage() {
  const again = (key) => (value) => { shown[key] = value; redraw(); };
  const owners = [...new Set(data.signals.map((signal) => signal[S.owner]))].sort();
  const list = data.signals.filter((signal) =>
    (!shown.status || signal[S.status] === shown.status) &&
    (!shown.owner || signal[S.owner] === shown.owner));
  const bar = chips("Status", STATUSES, tally(data.signals, S.status), shown.status, again("status"));
  bar.append(h("span", { class: "gap" }), choice("Owner", [["", "Every owner"],
    ...owners.map((owner) => [owner, owner])], shown.owner, again("owner")));
  say(count(list.length, "signal"));
  return h("section", {}, heading("Signals"), bar, signalTable(list));
}

const ORDERS = {
  plan: ["In order of the plan", null],
  worst: ["Worst first", (a, b) => RESULTS.indexOf(a[C.result]) - RESULTS.indexOf(b[C.result])],
  longest: ["Longest first", (a, b) => tookMs(b) - tookMs(a)],
};

function commandsPage() {
  const again = (key) => (value) => { shown[key] = value; redraw(); };
  const list = data.cells.filter((cell) => !shown.result || cell[C.result] === shown.result);
  const sorter = ORDERS[shown.order][1];
  if (sorter) list.sort(sorter);
  const bar = chips("Result", RESULTS, tally(data.cells, C.result), shown.result, again("result"));
  const orders = Object.entries(ORDERS).map(([key, [text]]) => [key, text]);
  bar.append(h("span", { class: "gap" }), choice("Order", orders, shown.order, again("order")));
  say(count(list.length, "command"));
  return h("section", {}, heading("Commands"), h("div", { class: "block" }, timeline()),
    h("div", { class: "block" }, logSearch()), h("div", { class: "block" }, bar, cellTable(list)));
}

const heading = (text) => h("div", { class: "head" }, h("h1", { tabindex: "-1" }, text));

function findPage(query) {
  const wanted = query.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (...texts) => {
    const text = texts.join(" ").toLowerCase();
    return wanted.every((word) => text.includes(word));
  };
  const signals = data.signals.filter((s) =>
    fits(s[S.id], s[S.title], s[S.owner], s[S.status], s[S.exit], s[S.reason]));
  const cells = data.cells.filter((c) => fits(c[C.id], c[C.cmd], words(c[C.result]), c[C.reason]));
  say(`${count(signals.length, "signal")}, ${count(cells.length, "command")}`);
  const part = (title, n, table) =>
    h("div", { class: "block" }, h("h2", {}, `${title} `, h("span", { class: "n" }, String(n))),
      n ? table() : h("p", { class: "empty" }, "None."));
  return h("section", {}, heading(`Search: ${query}`),
    part("Signals", signals.length, () => signalTable(signals)),
    part("Commands", cells.length, () => cellTable(cells)));
}
