// What all figures share: drawing in true pixels, so that text keeps its size; one tooltip; walking along points by keys.

const $ = id => document.getElementById(id);
const svg = (width, height, body, attributes = "") =>
  `<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ${attributes}>${body}</svg>`;
const tag = (name, attributes, body = "") => `<${name} ${Object.entries(attributes).filter(([, value]) => value !== null)
  .map(([key, value]) => `${key}="${typeof value === "number" ? Math.round(value * 10) / 10 : escaped(value)}"`).join(" ")}>${body}</${name}>`;
const label = (x, y, words, more = {}) => tag("text", { x, y, ...more }, escaped(words));

// Draw into an element now, when its width changes, and when one of these keys does.
const drawn = (host, keys, draw) => {
  let width = 0;
  const again = () => { if (width) draw(width); };
  new ResizeObserver(() => { const now = Math.floor(host.clientWidth); if (now && now !== width) { width = now; again(); } }).observe(host);
  watch(keys, again);
  addEventListener("beforeprint", again);
};

const tip = $("tip");
const tell = (lines, x, y) => {
  tip.hidden = !lines;
  if (!lines) return;
  tip.replaceChildren(...lines.filter(Boolean).map(line => Object.assign(document.createElement("div"), { textContent: line })));
  const { width, height } = tip.getBoundingClientRect(), room = document.documentElement.clientWidth;
  tip.style.left = `${Math.max(4, Math.min(x + 14, room - width - 4))}px`;
  tip.style.top = `${y + height + 22 > innerHeight ? Math.max(4, y - height - 12) : y + 14}px`;
};
const announce = lines => { $("said").textContent = lines.join("; "); };

// Everything with data-tip has a tooltip, by pointer and by focus.
const tipped = event => { const found = event.target.closest?.("[data-tip]"); return found && [found, found.dataset.tip.split("\n")]; };
document.addEventListener("pointerover", event => { const found = tipped(event); if (found) tell(found[1], event.clientX, event.clientY); });
document.addEventListener("pointerout", event => { if (tipped(event)) tell(null); });
document.addEventListener("focusin", event => { const found = tipped(event); if (found) { const box = found[0].getBoundingClientRect(); tell(found[1], box.left, box.bottom); } });
document.addEventListener("focusout", event => { if (tipped(event)) tell(null); });
document.addEventListener("keydown", event => { if (event.key === "Escape") tell(null); });
addEventListener("scroll", () => tell(null), { passive: true });

// Let the points of a figure be pointed at, clicked, framed by a rectangle, and walked along with the arrow keys.
// points(): [{trial, x, y, lines}]; reach: how near the pointer must be, in pixels.
const pointable = (host, points, { reach = 14, near = null, frame = true } = {}) => {
  let start = null, at = -1;
  const place = event => { const box = host.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  const nearest = near || ((x, y) => {
    let best = null, least = reach * reach;
    for (const point of points()) {
      const away = (point.x - x) ** 2 + (point.y - y) ** 2 - (point.trial.front ? 9 : 0);
      if (away < least) [best, least] = [point, away];
    }
    return best;
  });
  const ring = point => {
    const circle = host.querySelector(".cursor");
    if (!circle) return;
    circle.style.display = point ? "" : "none";
    if (point) { circle.setAttribute("cx", point.x); circle.setAttribute("cy", point.y); }
  };
  const show = (point, x, y) => {
    ring(point);
    glow(point ? point.trial.number : null);
    tell(point ? point.lines() : null, x, y);
    host.style.cursor = point ? "pointer" : "";
  };
  host.addEventListener("pointermove", event => {
    const [x, y] = place(event);
    if (start && frame && event.buttons && Math.hypot(x - start[0], y - start[1]) > 5) {
      const box = host.querySelector(".frame");
      for (const [key, value] of Object.entries({ x: Math.min(x, start[0]), y: Math.min(y, start[1]), width: Math.abs(x - start[0]), height: Math.abs(y - start[1]) })) box.setAttribute(key, value);
      start.dragged = true;
      tell(null);
    } else show(nearest(x, y), event.clientX, event.clientY);
  });
  host.addEventListener("pointerdown", event => {
    if (event.pointerType === "touch" || event.button) return;
    start = place(event);
    if (frame) { host.setPointerCapture(event.pointerId); event.preventDefault(); host.focus({ preventScroll: true }); }
  });
  host.addEventListener("pointerup", event => {
    if (!start) return;
    const [x, y] = place(event), from = start;
    start = null;
    host.querySelector(".frame")?.setAttribute("width", 0);
    if (!from.dragged) return;
    const [left, right, top, bottom] = [Math.min(x, from[0]), Math.max(x, from[0]), Math.min(y, from[1]), Math.max(y, from[1])];
    const inside = points().filter(point => point.x >= left && point.x <= right && point.y >= top && point.y <= bottom && passes(point.trial));
    host.framed = true;
    if (inside.length) select(inside.map(point => point.trial.number), event.shiftKey || event.ctrlKey || event.metaKey);
  });
  host.addEventListener("pointerleave", () => show(null));
  host.addEventListener("click", event => {
    if (host.framed) { host.framed = false; return; }
    const found = nearest(...place(event));
    if (found) clicked(found.trial, event);
  });
  host.addEventListener("keydown", event => {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
    const all = points();
    if (event.key in steps && all.length) {
      at = Math.max(0, Math.min(all.length - 1, at + steps[event.key]));
      const box = host.getBoundingClientRect();
      show(all[at], box.left + all[at].x, box.top + all[at].y);
      announce(all[at].lines());
    } else if ((event.key === "Enter" || event.key === " ") && all[at]) clicked(all[at].trial, event);
    else if (event.key === "Escape") { at = -1; show(null); } else return;
    event.preventDefault();
  });
  host.addEventListener("blur", () => { at = -1; show(null); });
};

// Light up what belongs to a trial, in every figure and in the table.
let glowing = null;
const glow = number => {
  if (number === glowing) return;
  for (const element of document.querySelectorAll(".hot")) element.classList.remove("hot");
  glowing = number;
  if (number !== null) for (const element of document.querySelectorAll(`[data-trial="${number}"]`)) element.classList.add("hot");
};

// Level 0..6 of a value on the ramp of colours; the style sheet knows what they look like on a dark page.
const level = (value, low, high) => high > low ? Math.round(6 * (value - low) / (high - low)) : 3;

// Options of a <select>, with one chosen.
const options = (pairs, chosen) => pairs.map(([value, words]) => tag("option", { value, selected: value === chosen ? "" : null }, escaped(words))).join("");

// A control of the page whose value is a key of the state. What a <select> does not offer, its first option stands for.
const bound = (id, key, attribute = "value") => {
  const control = $(id), on = attribute === "checked";
  if (!control) return;
  if (control.options) {
    CHOICES[key] = [...control.options].map(option => option.value);
    if (!CHOICES[key].includes(DEFAULTS[key])) DEFAULTS[key] = state[key] = CHOICES[key][0];
  }
  control.addEventListener("change", () => choose({ [key]: on ? control.checked ? "1" : "" : control.value }));
  watch([key], () => { if (on) control.checked = state[key] === "1"; else control.value = state[key]; });
};

// A line chart with a tooltip at the nearest step. series: [{name, values, slot}], all over the same steps.
const lineChart = (host, width, series, steps, words) => {
  const height = words.height || 190, left = words.left || 46, right = width - 10, bottom = height - (words.bare ? 6 : 34);
  const top = words.y ? 26 : 10, every = series.flatMap(one => one.values), [low, high] = extent(every);
  if (!known(low) || high === -Infinity) { host.innerHTML = ""; return; }
  const first = words.zero ? 0 : low, span = high - first || 1;
  const x = scale("linear", steps[0], steps.at(-1) === steps[0] ? steps[0] + 1 : steps.at(-1), left + (words.inset || 0), right - (words.inset || 0));
  const y = scale("linear", first - (words.zero ? 0 : 0.06 * span), high + 0.08 * span, bottom, top);
  let body = words.y ? label(2, 12, words.y) : "";
  for (const tick of y.ticks(height / 32)) body += tag("line", { class: "grid", x1: left, x2: right, y1: y.at(tick), y2: y.at(tick) })
    + label(left - 6, y.at(tick) + 4, String(tick), { "text-anchor": "end" });
  if (!words.bare) for (const tick of x.ticks(Math.min(6, width / 70)).filter(Number.isInteger)) body += label(x.at(tick), bottom + 16, short(tick), { "text-anchor": "middle" });
  if (!words.bare) body += label((left + right) / 2, height - 3, words.x, { "text-anchor": "middle" });
  for (const one of series) {
    let path = "", pen = "M";
    one.values.forEach((value, at) => {
      if (!known(value)) { pen = "M"; return; }
      path += words.steps && pen === "L" ? `H${x.at(steps[at]).toFixed(1)}V${y.at(value).toFixed(1)}` : `${pen}${x.at(steps[at]).toFixed(1)} ${y.at(value).toFixed(1)}`;
      pen = "L";
    });
    body += tag("path", { class: `line s${one.slot}`, d: path });
    if (words.ends && known(one.values.at(-1))) body += label(right, y.at(one.values.at(-1)) - 7, words.text(one.values.at(-1)), { class: "ink", "text-anchor": "end" });
  }
  host.innerHTML = svg(width, height, body, `role="img" aria-label="${escaped(words.label)}"`);
  host.onpointermove = event => {
    const pixel = event.clientX - host.getBoundingClientRect().left;
    const at = steps.reduce((best, step, index) => Math.abs(x.at(step) - pixel) < Math.abs(x.at(steps[best]) - pixel) ? index : best, 0);
    tell([`${words.x} ${count(steps[at])}`, ...series.map(one => `${one.name}: ${words.text(one.values[at])}`)], event.clientX, event.clientY);
  };
  host.onpointerleave = () => tell(null);
};
