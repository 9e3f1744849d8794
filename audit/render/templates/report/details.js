const CITED_MAX = 60;

const block = (title, ...content) =>
  h("div", { class: "block" }, h("h2", { class: "small" }, title), ...content);

const rows = (...pairs) => h("dl", { class: "rows" }, pairs.filter(Boolean).map(([term, value, why]) =>
  h("div", {}, h("dt", {}, term),
    h("dd", {}, value, why ? h("span", { class: "why" }, why) : null))));

const plain = (items) => h("ul", { class: "plain" }, items.map((item) => h("li", {}, item)));

// Where one is, and the neighbours that j and k lead to.
function crumb(back, backTitle, kind, all, n, idOf) {
  const to = (k, text, rel) => all[k]
    ? h("a", { href: `#${kind}/${encodeURIComponent(idOf(all[k]))}`, rel }, text)
    : null;
  return h("p", { class: "crumb" }, h("a", { href: back, id: "back" }, backTitle),
    h("span", { class: "to" }, to(n - 1, "Previous", "prev"), to(n + 1, "Next", "next")));
}

const title = (text, ...beside) =>
  h("div", { class: "title" }, h("h1", { tabindex: "-1" }, text), ...beside);

const step = (kind, term, text) =>
  h("div", { class: `step s-${ICON[kind]}` }, h("b", {}, term), h("span", {}, prose(text)));

function gatePage(id) {
  const n = gateNumber.get(id);
  if (n === undefined) return missing("gate", id);
  const gate = data.gates[n];
  const own = data.signals.filter((signal) => signal[S.gate] === gate[G.id]);
  const open = own.filter((signal) => signal[S.status] !== "GO");
  const closed = own.filter((signal) => signal[S.status] === "GO");
  const list = (name, signals) => signals.length
    ? h("div", { class: "block" }, h("h2", {}, name), signalTable(signals, name)) : null;
  const evidence = gate[G.evidence].slice(0, CITED_MAX).map(place);
  return h("section", {}, crumb("#overview", "Overview", "gate", data.gates, n, (g) => g[G.id]),
    title(`Gate ${gate[G.id]}`, badge(gate[G.status])),
    h("p", { class: "sub" }, gate[G.name]),
    h("p", { class: "n" }, `${gate[G.closed]} closed, ${gate[G.open]} open.`),
    list("Still open", open), list("Closed", closed),
    own.length ? null : h("p", { class: "empty" }, "No signals, and emptiness is not success."),
    evidence.length ? block("Evidence", plain(evidence)) : null);
}

const metOf = (conditions) => conditions.length
  ? `, ${conditions.filter(([, answer]) => answer === "met").length} of ${conditions.length} met` : "";

function conditionTable(conditions) {
  if (!conditions.length) return h("p", { class: "empty" }, "No condition is written down.");
  const line = ([text, answer, reason]) => h("tr", {}, h("td", {}, badge(answer)),
    h("td", {}, prose(text), reason ? h("span", { class: "why" }, prose(reason)) : null));
  return h("table", { class: "list" }, h("caption", { class: "hide" }, "Conditions"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Answer"),
      h("th", { scope: "col" }, "Condition"))),
    h("tbody", {}, conditions.map(line)));
}

function signalPage(id) {
  const n = signalNumber.get(id);
  if (n === undefined) return missing("signal", id);
  const signal = data.signals[n];
  const gate = data.gates[gateNumber.get(String(signal[S.gate]))];
  const differs = signal[S.claim] && signal[S.claim] !== signal[S.status];
  const status = signal[S.status];
  const cells = signal[S.cells].slice(0, CITED_MAX).map((k) => data.cells[k]);
  const left = signal[S.cells].length - cells.length;
  const lists = [["Code", S.code], ["Tests", S.tests], ["Evidence", S.evidence]];
  return h("section", {}, crumb("#signals", "Signals", "signal", data.signals, n, (s) => s[S.id]),
    title(signal[S.id], badge(status),
      signal[S.claim] ? h("span", { class: "claim" }, `claimed ${signal[S.claim]}`) : null),
    h("p", { class: "sub" }, prose(signal[S.title])),
    status === "GO" ? null : step(status, `Next step for ${signal[S.owner]}`, signal[S.next]),
    status === "GO" ? null : step("absent", `Why it is ${status}`, signal[S.reason]),
    differs ? step("PARTIAL", "The claim is not carried by the evidence",
      `Somebody wrote ${signal[S.claim]}; the evidence says ${status}.`) : null,
    h("div", { class: "block" }, rows(["Owner", signal[S.owner]],
      ["Gate", h("a", { href: `#gate/${gate[G.id]}` }, `${gate[G.id]} ${gate[G.name]}`)],
      ["Exit test", prose(signal[S.exit])],
      signal[S.runbook] ? ["Runbook", place(signal[S.runbook])] : null)),
    block(`Conditions${metOf(signal[S.conditions])}`, conditionTable(signal[S.conditions])),
    cells.length ? h("div", { class: "block" }, h("h2", { class: "small" }, "Commands it asks about"),
      cellTable(cells), left > 0 ? h("p", { class: "more" }, `${left} more`) : null) : null,
    lists.map(([name, column]) => signal[column].length
      ? block(name, plain(signal[column].map(place))) : null));
}

function attemptTable(attempts) {
  const line = (attempt, n) => {
    const log = attempt[A.log] >= 0 ? data.logs[attempt[A.log]] : null;
    const exit = attempt[A.exit] === null ? "–" : String(attempt[A.exit]);
    return h("tr", {}, h("td", {}, badge(attempt[A.result])),
      h("td", {}, `Attempt ${n + 1}`, h("span", { class: "why" },
        prose([attempt[A.reason], attempt[A.leftovers]
          ? `${count(attempt[A.leftovers], "process", "processes")} left behind and ended` : ""]
          .filter(Boolean).join("; ")))),
      h("td", { class: "num", "data-t": "Exit" }, exit),
      h("td", { class: "num", "data-t": "Took" }, spoken(attempt[A.took])),
      h("td", {}, clock(data.meta.start + attempt[A.start])),
      h("td", {}, log ? h("a", { href: inBundle("command-logs/" + log[L.name]) },
        `${log[L.name]}, ${sized(log[L.bytes])}`) : "no log"));
  };
  const titles = ["Result", "Attempt", "Exit", "Took", "Started", "Log"];
  return h("table", { class: "list rowlist t-tries" }, h("caption", { class: "hide" }, "Attempts"),
    h("thead", {}, h("tr", {}, titles.map((name) =>
      h("th", { scope: "col", class: name === "Exit" || name === "Took" ? "num" : null }, name)))),
    h("tbody", {}, attempts.map(line)));
}

function artifactTable(attempts) {
  const kept = attempts.flatMap((attempt) => attempt[A.artifacts]);
  if (!kept.length) return null;
  return block("Kept files", h("dl", { class: "rows files" }, kept.map(([source, href, bytes, sum]) =>
    h("div", {}, h("dt", {}, h("a", { href }, source)),
      h("dd", {}, sized(bytes), h("span", { class: "why" }, h("code", { class: "hash" }, sum)))))));
}

const askedBy = (signals) => h("ul", { class: "asked" },
  signals.slice(0, CITED_MAX).map((signal) => h("li", {}, signalLink(signal), badge(signal[S.status]))),
  signals.length > CITED_MAX ? h("li", { class: "n" }, `${signals.length - CITED_MAX} more`) : null);

// `toError` also brings the reader to what went wrong in the log, as far as that can be told.
function cellPage(id, toError = false) {
  const n = cellNumber.get(id);
  if (n === undefined) return missing("command", id);
  const cell = data.cells[n];
  const attempts = cell[C.attempts];
  const asking = data.signals.filter((signal) => signal[S.cells].includes(n));
  const needs = cell[C.needs].flatMap((k) => [cellLink(data.cells[k]), " "]);
  const notes = [cell[C.required] ? "required" : "not required", cell[C.flaky] ? "may be flaky" : "",
    `time limit ${spoken(cell[C.timeout])}`].filter(Boolean).join(" · ");
  const logs = attempts.map((attempt) => attempt[A.log]).filter((log) => log >= 0);
  return h("section", {}, crumb("#commands", "Commands", "cell", data.cells, n, (c) => c[C.id]),
    title(cell[C.id], badge(cell[C.result])),
    h("pre", { class: "cmd" }, h("code", {}, cell[C.cmd])),
    h("p", { class: "n" }, notes),
    cell[C.reason] && cell[C.reason] !== attempts.at(-1)?.[A.reason] ? step(cell[C.passed] ? "absent" : cell[C.result], "Reason", cell[C.reason]) : null,
    attempts.length ? block("Attempts", attemptTable(attempts))
      : h("p", { class: "empty" }, "It did not run."),
    asking.length || needs.length ? h("div", { class: "block" }, rows(
      asking.length ? ["Asked about by", askedBy(asking)] : null,
      needs.length ? ["Runs after", h("span", {}, needs)] : null)) : null,
    artifactTable(attempts),
    logs.length ? block("Log", logViewer(logs.at(-1), logs, toError)) : null);
}

const missing = (kind, id) => h("section", {}, heading(`No ${kind} ${id}`),
  h("p", {}, "It is not part of this run. ", h("a", { href: "#overview" }, "Back to the overview")));
