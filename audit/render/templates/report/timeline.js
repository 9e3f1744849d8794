const LANE_PX = 26;
const LANES_MAX = 24;

// Attempts in lanes, one per job that was busy. Starts are known to the second only: when no lane is
// free, the one that was free first is meant, and the bar starts where the former one ended.
function lanes() {
  const bars = data.cells.flatMap((cell) => cell[C.attempts]
    .filter((attempt) => attempt[A.took] > 0 || attempt[A.exit] !== null)
    .map((attempt, n) => ({ cell, attempt, n, start: attempt[A.start] })));
  bars.sort((a, b) => a.start - b.start || a.start + a.attempt[A.took] - b.start - b.attempt[A.took]);
  const free = [];
  const jobs = Math.min(LANES_MAX, Math.max(1, data.meta.jobs));
  for (const bar of bars) {
    let lane = free.findIndex((end) => end <= bar.start);
    if (lane < 0) lane = free.length < jobs ? free.push(0) - 1 : free.indexOf(Math.min(...free));
    bar.lane = lane;
    bar.from = Math.max(bar.start, free[lane]);
    bar.to = Math.max(bar.from + 1, bar.start + bar.attempt[A.took]);
    free[lane] = bar.to;
  }
  return { bars, lanes: Math.max(1, free.length) };
}

function tickStep(span) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
  return 1000 * (steps.find((step) => (span / 1000) / step <= 8) || 604800);
}

const shortTime = (ms) => {
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 ? `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")} min` : `${s / 60} min`;
  return s % 3600 ? `${(s / 3600).toFixed(1)} h` : `${s / 3600} h`;
};

function timeline() {
  const { bars, lanes: rowsUsed } = lanes();
  if (!bars.length) return h("p", { class: "empty" }, "Nothing ran.");
  const span = bars.reduce((end, bar) => Math.max(end, bar.to), ranMs);
  const height = rowsUsed * LANE_PX;
  const paths = new Map();
  for (const bar of bars) {
    const passed = bar.attempt[A.result] === "passed";
    const x = (1000 * bar.from) / span;
    const width = Math.max(0.7, (1000 * (bar.to - bar.from)) / span - 0.5);
    const y = bar.lane * LANE_PX + (passed ? 8 : 3);
    const tall = passed ? LANE_PX - 16 : LANE_PX - 6;
    const kind = ICON[bar.attempt[A.result]];
    paths.set(kind, (paths.get(kind) || "") + `M${x.toFixed(2)} ${y}h${width.toFixed(2)}v${tall}h-${width.toFixed(2)}z`);
  }
  const kinds = [...paths].sort(([a]) => (a === "go" ? -1 : 1));
  const failed = bars.filter((bar) => bar.attempt[A.result] !== "passed").length;
  const picture = svg("svg", { viewBox: `0 0 1000 ${height}`, preserveAspectRatio: "none", height, role: "img",
    "aria-label": `${count(bars.length, "attempt")} over ${spoken(span)} in ${count(rowsUsed, "lane")}, ${failed} not passed; the list of commands says the same` },
    ...Array.from({ length: rowsUsed }, (_, n) =>
      svg("rect", { class: "track", x: 0, width: 1000, y: n * LANE_PX + LANE_PX / 2 - 0.5, height: 1 })),
    ...kinds.map(([kind, d]) => svg("path", { class: `t-${kind}`, d })));
  const box = h("div", { class: "time" }, picture, ticks(span));
  pointing(box, picture, bars, span);
  return h("div", {}, box, h("p", { class: "n" },
    `${count(data.meta.jobs, "job")}, ${count(bars.length, "attempt")}. Slim bars passed, tall bars did not.`));
}

function ticks(span) {
  const every = tickStep(span);
  const line = h("div", { class: "ticks", "aria-hidden": "true" });
  for (let at = 0; at <= span; at += every) {
    if (at && span - at < 0.6 * every) break;
    const tick = h("span", {}, shortTime(at));
    tick.style.left = `${(100 * at) / span}%`;
    line.append(tick);
  }
  const end = h("span", {}, shortTime(span));
  end.style.left = "100%";
  line.append(end);
  return line;
}

function pointing(box, picture, bars, span) {
  const tip = h("div", { class: "tip", hidden: true });
  box.append(tip);
  const under = (event) => {
    const area = picture.getBoundingClientRect();
    const at = (span * (event.clientX - area.left)) / area.width;
    const lane = Math.floor((event.clientY - area.top) / LANE_PX);
    const slack = (span * 3) / area.width;
    return bars.find((bar) => bar.lane === lane && bar.from - slack <= at && at <= bar.to + slack);
  };
  picture.addEventListener("pointermove", (event) => {
    const bar = under(event);
    tip.hidden = !bar;
    if (!bar) return;
    const more = bar.cell[C.attempts].length > 1 ? `, attempt ${bar.n + 1}` : "";
    tip.textContent = `${bar.cell[C.id]}${more}: ${words(bar.attempt[A.result])}, ${spoken(bar.attempt[A.took])}`;
    const area = box.getBoundingClientRect();
    tip.style.left = `${Math.min(event.clientX - area.left + 12, area.width - tip.offsetWidth)}px`;
    tip.style.top = `${event.clientY - area.top + 16}px`;
  });
  picture.addEventListener("pointerleave", () => { tip.hidden = true; });
  picture.addEventListener("click", (event) => {
    const bar = under(event);
    if (bar) location.hash = `#cell/${encodeURIComponent(bar.cell[C.id])}`;
  });
}
