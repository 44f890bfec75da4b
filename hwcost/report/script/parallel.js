// Parallel coordinates: a line for each trial through its parameters, its costs and its score. Drawing along an axis
// writes its range into the filter.

const LINES = 1000; // dominated trials drawn; more would be one grey area

const parallelAxes = () => METRICS.filter(metric => ["param", "cost", "speed"].includes(metric.kind)).concat(METRIC.accuracy ? [METRIC.accuracy] : [])
  .map(metric => {
    const values = DONE.map(trial => trial[metric.key]).filter(value => value !== null && value !== undefined);
    const words = values.every(known) ? null : [...new Set(values.map(String))].sort();
    return { metric, values, words, differ: new Set(values.map(String)).size > 1 };
  }).filter(axis => axis.differ);

const drawParallel = (host, width, axes) => {
  const shown = axes.filter(axis => chosenAxes(axes).includes(axis.metric.key));
  if (!shown.length) { host.innerHTML = ""; return { lines: [], shown: [] }; }
  const height = 340, top = 56, bottom = height - 26, left = 44, right = Math.max(width, 78 * shown.length + 40) - 44;
  const place = at => shown.length > 1 ? left + at * (right - left) / (shown.length - 1) : (left + right) / 2;
  for (const axis of shown) {
    const [low, high] = axis.words ? [0, axis.words.length - 1] : extent(axis.values);
    axis.log = !axis.words && axis.metric.kind !== "score" && spansDecades(axis.values);
    axis.scale = scale(axis.log ? "log" : "linear", low, high, bottom, top);
    axis.at = trial => { const value = axis.words ? axis.words.indexOf(String(trial[axis.metric.key])) : trial[axis.metric.key]; return known(value) && (!axis.words || value >= 0) ? axis.scale.at(value) : null; };
  }
  const behind = DONE.filter(trial => !trial.front), step = Math.ceil(behind.length / LINES);
  const drawnTrials = [...behind.filter((trial, at) => at % Math.max(step, 1) === 0 || isSelected(trial)), ...FRONT];
  const lines = drawnTrials.map(trial => ({ trial, heights: shown.map(axis => axis.at(trial)), lines: () => described(trial) }));
  const path = line => {
    let d = "", pen = "M";
    line.heights.forEach((y, at) => { if (y === null) pen = "M"; else { d += `${pen}${place(at).toFixed(1)} ${y.toFixed(1)}`; pen = "L"; } });
    return d;
  };
  const [worst, best] = extent(FRONT.map(trial => UP ? trial.accuracy : -trial.accuracy));
  const strong = trial => best > worst ? 0.35 + 0.65 * ((UP ? trial.accuracy : -trial.accuracy) - worst) / (best - worst) : 1;
  const bright = lines.filter(line => passes(line.trial));
  let body = tag("path", { class: "thread dull", d: lines.filter(line => !passes(line.trial)).map(path).join("") });
  body += tag("path", { class: "thread", d: bright.filter(line => !line.trial.front).map(path).join("") });
  for (const line of bright) if (line.trial.front) body += tag("path", { class: "thread front", "data-trial": line.trial.number, style: `opacity:${strong(line.trial).toFixed(2)}`, d: path(line) });
  for (const line of lines) if (isSelected(line.trial)) body += tag("path", { class: `thread chosen s${slot(line.trial)}`, d: path(line) });
  const most = Math.max(12, Math.floor(2 * (right - left) / Math.max(shown.length - 1, 1) / 6.8) - 2); // letters: every other name stands in a line
  shown.forEach((axis, at) => {
    const x = place(at), anchor = at ? at === shown.length - 1 ? "end" : "middle" : "start", edge = { start: x - 40, middle: x, end: x + 40 }[anchor];
    const fit = words => words.length > most ? `…${words.slice(1 - most)}` : words, ends = axis.words ? [axis.words[0], axis.words.at(-1)] : [axis.scale.low, axis.scale.high].map(value => axis.metric.kind === "score" ? scoreNumber(value) : short(value));
    body += tag("line", { class: "axis", x1: x, x2: x, y1: top, y2: bottom });
    body += label(edge, 14 + 15 * (at % 2), fit(heading(axis.metric) + (axis.log ? " (log)" : "")), { class: "ink", "text-anchor": anchor });
    body += label(x, top - 8, ends[1], { "text-anchor": "middle" }) + label(x, bottom + 16, ends[0], { "text-anchor": "middle" });
    body += tag("rect", { class: "handle", x: x - 12, y: top, width: 24, height: bottom - top, "data-axis": axis.metric.key });
  });
  body += '<rect class="frame" width="0" height="0"/>';
  host.innerHTML = svg(right + 44, height, body, 'aria-hidden="true"');
  host.setAttribute("aria-label", `Parallel coordinates of ${lines.length} of ${DONE.length} finished trials: ${shown.map(axis => axis.metric.title).join(", ")}. Arrow keys walk along the trials, Enter selects one.`);
  $("parallel-words").textContent = lines.length < DONE.length ? `${lines.length} of ${DONE.length} finished trials are drawn, the whole front among them.` : "";
  return { lines, shown, place, top, bottom };
};

const chosenAxes = axes => {
  if (state.axes) return state.axes.split(",");
  return axes.filter(axis => axis.metric.kind !== "speed" && (axis.metric.kind !== "param" || DATA.related.includes(axis.metric.key))).map(axis => axis.metric.key);
};

if ($("parallel-lines")) {
  const axes = parallelAxes(), host = $("parallel-lines");
  host.closest("section").hidden = DONE.length < 2 || axes.length < 2;
  $("axes").innerHTML = axes.map(axis => `<label><input type="checkbox" value="${escaped(axis.metric.key)}"> ${escaped(heading(axis.metric))}</label>`).join("");
  $("axes").addEventListener("change", () => choose({ axes: [...$("axes").querySelectorAll(":checked")].map(box => box.value).join(",") || "accuracy" }));
  watch(["axes"], () => { for (const box of $("axes").querySelectorAll("input")) box.checked = chosenAxes(axes).includes(box.value); });
  let picture = { lines: [], shown: [] };
  drawn(host.parentElement, ["axes", "filter", "selected"], width => { picture = drawParallel(host, width, axes); });
  const near = (x, y) => {
    let best = null, least = 7;
    const at = picture.shown.findIndex((_, index) => picture.place(index + 1) >= x);
    if (at < 0 || at > picture.shown.length - 2) return null;
    const share = (x - picture.place(at)) / (picture.place(at + 1) - picture.place(at));
    for (const line of picture.lines) {
      const [a, b] = line.heights.slice(at, at + 2);
      const away = a === null || b === null ? Infinity : Math.abs(a + share * (b - a) - y) - (line.trial.front ? 1 : 0);
      if (away < least) [best, least] = [line, away];
    }
    return best && { ...best, x, y };
  };
  pointable(host, () => picture.lines.map(line => ({ ...line, x: picture.place(0), y: line.heights[0] ?? 0 })), { near, frame: false });
  let brush = null;
  host.addEventListener("pointerdown", event => {
    const axis = event.target.dataset?.axis;
    if (!axis || event.button) return;
    brush = { axis: picture.shown.find(one => one.metric.key === axis), y: event.clientY - host.getBoundingClientRect().top, box: event.target };
    host.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  host.addEventListener("pointermove", event => {
    if (!brush) return;
    const y = event.clientY - host.getBoundingClientRect().top, frame = host.querySelector(".frame");
    for (const [key, value] of Object.entries({ x: brush.box.getAttribute("x"), y: Math.min(y, brush.y), width: 24, height: Math.abs(y - brush.y) })) frame.setAttribute(key, value);
  });
  host.addEventListener("pointerup", event => {
    if (!brush) return;
    const { axis, y: from } = brush, to = event.clientY - host.getBoundingClientRect().top;
    brush = null;
    if (Math.abs(to - from) < 4) { refine(axis.metric.key, null); return; }
    const clamp = y => Math.max(picture.top, Math.min(picture.bottom, y));
    const [low, high] = [axis.scale.value(clamp(Math.max(from, to))), axis.scale.value(clamp(Math.min(from, to)))];
    host.framed = true;
    if (axis.words) { const word = axis.words[Math.round((low + high) / 2)]; choose({ filter: `${axis.metric.title} = ${word}` }); } else refine(axis.metric.key, low, high);
  });
}
