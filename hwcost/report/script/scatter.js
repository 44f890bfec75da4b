// Score against a quantity: every trial, the front, the noise, the part's limit, the float network.

// The best score of use for at most this cost (for at least this speed), as a line of steps.
const stairs = (points, x, y, better) => {
  const sorted = points.filter(point => point.trial.of_use !== false).sort((a, b) => better === "min" ? a.vx - b.vx : b.vx - a.vx);
  let best = null, path = "";
  for (const point of sorted) {
    if (best !== null && !(UP ? point.vy > best : point.vy < best)) continue;
    path += best === null ? `M${point.x.toFixed(1)} ${point.y.toFixed(1)}` : `H${point.x.toFixed(1)}V${point.y.toFixed(1)}`;
    best = point.vy;
  }
  return best === null ? "" : `${path}H${x.at(better === "min" ? x.high : x.low).toFixed(1)}`;
};

// Names of the marked points where they hide neither a point nor each other, nor what is already written.
const placed = (marks, dots, width, top, bottom, written) => {
  const taken = [...written], out = [];
  for (const mark of marks) {
    const size = mark.words.length * 6.7 + 6;
    let best = null;
    for (const [turn, [dx, dy]] of [[-10, -12], [10, -12], [-10, 20], [10, 20], [-22, -34], [22, -34], [-22, 42], [22, 42], [-40, -58], [40, 62]].entries()) {
      const x0 = dx < 0 ? mark.x + dx - size : mark.x + dx, y0 = mark.y + dy - 11;
      const box = [x0, y0, x0 + size, y0 + 15];
      const outside = box[0] < 50 || box[2] > width || box[1] < top || box[3] > bottom;
      const hits = taken.some(other => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1]);
      const hidden = dots.filter(dot => dot.x > box[0] - 4 && dot.x < box[2] + 4 && dot.y > box[1] - 4 && dot.y < box[3] + 4).length;
      const badness = 1000 * outside + 1000 * hits + 10 * hidden + turn;
      if (!best || badness < best[0]) best = [badness, box, dx, dy];
    }
    const [, box, dx, dy] = best;
    taken.push(box);
    if (Math.abs(dy) > 25) out.push(tag("line", { class: "leader", x1: mark.x, y1: mark.y, x2: dx < 0 ? box[2] : box[0], y2: mark.y + dy - 4 }));
    out.push(label(dx < 0 ? box[2] - 3 : box[0] + 3, mark.y + dy, mark.words, { class: "name", "text-anchor": dx < 0 ? "end" : "start" }));
  }
  return out.join("");
};

// The name of a line across, above or below it and at one of its ends, where it hides the fewest points. heights(trial):
// of what is drawn for a trial, in pixels.
const beside = (at, words, points, left, right, heights) => {
  const size = 6.7 * words.length + 8, places = [];
  for (const [from, anchor] of [[left, "start"], [right - size, "end"]]) for (const [top, base] of [[at - 18, at - 5], [at + 2, at + 15]]) {
    const hidden = points.filter(({ trial, x }) => {
      const [high, low] = extent(heights(trial));
      return x > from - 8 && x < from + size + 8 && low > top - 8 && high < top + 24;
    }).length;
    places.push({ hidden, box: [from, top, from + size, top + 16], words: label(anchor === "start" ? left + 4 : right - 4, base, words, { class: "ink", "text-anchor": anchor }) });
  }
  const best = places.reduce((a, b) => b.hidden < a.hidden ? b : a);
  return [best.words, best.box];
};

// Levels of a third quantity among the front, and the words of each level.
const shades = key => {
  const values = [...new Set(FRONT.map(trial => trial[key]).filter(known))].sort((a, b) => a - b);
  if (!METRIC[key] || values.length < 2) return { of: () => null, legend: [] };
  const steps = Math.min(values.length, 4), cut = Array.from({ length: steps + 1 }, (_, at) => Math.round(at * values.length / steps));
  const bins = cut.slice(0, -1).map((from, at) => [values[from], values[cut[at + 1] - 1]]);
  const paint = at => Math.round(6 * at / (steps - 1));
  return { of: value => known(value) ? paint(bins.findIndex(([, most]) => value <= most)) : null,
    legend: bins.map(([low, high], at) => [paint(at), low === high ? short(low) : `${short(low)}–${short(high)}`]) };
};

const marker = (trial, x, y, paint, small) => {
  const size = small ? 4 : 6, kind = `${paint === null ? "" : `r${paint}`}${trial.within_budget === false ? " missed" : ""}`;
  if (trial.fits === false) return tag("path", { class: `front cross ${kind}`, "data-trial": trial.number,
    d: `M${x - size} ${y - size}L${x + size} ${y + size}M${x - size} ${y + size}L${x + size} ${y - size}` });
  return tag("circle", { class: `front ${kind}`, "data-trial": trial.number, cx: x, cy: y, r: size });
};

// Draw one of these figures; returns its points for pointer and keys.
const scatter = (host, width, options) => {
  const { key, small } = options, metric = METRIC[key];
  const height = options.height, left = 52, right = width - (small ? 8 : 14), top = small ? 24 : 26, bottom = height - 40;
  const complete = DONE.filter(trial => known(trial[key]) && known(trial.accuracy));
  const front = complete.filter(trial => trial.front);
  const whiskers = !small && state.noise === "1", tests = !small && state.test === "1";
  const focus = front.flatMap(trial => [trial.accuracy, ...(whiskers ? validationInterval(trial) || [] : []),
    ...(tests ? [trial.test_accuracy, trial.refit_accuracy, known(trial.repeat_mean) ? trial.repeat_mean - trial.repeat_sd : null] : [])]);
  if (!complete.length) { host.innerHTML = `<p class="note">No finished trial has both numbers.</p>`; return []; }
  const y = scoreScale([...(front.length ? focus : complete.map(trial => trial.accuracy)), ...(small ? [] : [DATA.float])].filter(known), bottom, top, state.yscale);
  const seen = complete.filter(trial => trial.accuracy >= y.low && trial.accuracy <= y.high);
  const measured = !small && key === "LUT" ? front.map(trial => trial.LUT_measured) : [];
  const x = costScale([...seen.map(trial => trial[key]), ...measured], left + 8, right, state.xscale);
  const points = seen.map(trial => ({ trial, vx: trial[key], vy: trial.accuracy, x: x.at(trial[key]), y: y.at(trial.accuracy), lines: () => described(trial, key) }))
    .sort((a, b) => a.x - b.x || b.y - a.y);
  let body = "";
  const boxes = [];
  for (const tick of y.ticks(small ? 4 : 7)) if (!(PERCENT && tick > 100)) body += tag("line", { class: "grid", x1: left, x2: right, y1: y.at(tick), y2: y.at(tick) }) + label(left - 6, y.at(tick) + 4, String(tick), { "text-anchor": "end" });
  for (const tick of x.ticks(Math.floor((right - left) / 62))) body += tag("line", { class: "grid", x1: x.at(tick), x2: x.at(tick), y1: top, y2: bottom }) + label(x.at(tick), bottom + 16, short(tick), { "text-anchor": "middle" });
  body += label((left + right) / 2, height - 6, `${metric.words || heading(metric)}${x.kind === "log" ? " (log)" : ""}`, { "text-anchor": "middle" });
  body += label(2, 12, `validation ${SCORE.name}${SCORE.unit ? `, ${SCORE.unit}` : ""}${y.kind === "error" ? " (log of the error)" : ""}${UP ? "" : ", smaller is better"}`);
  const most = DATA.budgets[key];
  if (most && most > x.low && most < x.high) {
    const edge = x.at(most), flip = edge > (left + right) / 2;
    body += tag("rect", { class: "beyond", x: edge, y: top, width: right - edge, height: bottom - top }) + tag("line", { class: "limit", x1: edge, x2: edge, y1: top, y2: bottom });
    if (!small) body += label(edge + (flip ? -5 : 5), bottom - 6, `${count(most)} ${metric.title} of the ${DATA.part}`, { class: "ink", "text-anchor": flip ? "end" : "start" });
  }
  if (!small && known(DATA.float) && DATA.float >= y.low && DATA.float <= y.high) {
    const at = y.at(DATA.float), [words, box] = beside(at, `float ${scoreNumber(DATA.float)} ${SCORE.unit}`, points, left, right, trial =>
      [trial.accuracy, ...(whiskers && trial.front && validationInterval(trial) || []), ...(tests && trial.front ? [trial.test_accuracy, trial.refit_accuracy] : [])].filter(known).map(y.at));
    body += tag("line", { class: "float", x1: left, x2: right, y1: at, y2: at }) + words;
    boxes.push(box);
  }
  const bright = points.filter(point => passes(point.trial)), dull = points.filter(point => !passes(point.trial));
  const dots = some => some.map(point => `M${point.x.toFixed(1)} ${point.y.toFixed(1)}h0`).join("");
  body += tag("path", { class: "dots dull", d: dots(dull) }) + tag("path", { class: "dots", d: dots(bright.filter(point => !point.trial.front)) });
  body += tag("path", { class: "stairs", d: stairs(points, x, y, metric.better) });
  const paint = small ? { of: () => null } : shades(state.color);
  for (const { trial, x: px, y: py } of bright.filter(point => point.trial.front)) {
    const noise = whiskers ? validationInterval(trial) : null;
    if (noise) body += tag("path", { class: "whisker", d: `M${px - 3} ${y.at(noise[0]).toFixed(1)}h6m-3 0V${y.at(noise[1]).toFixed(1)}m-3 0h6` });
    if (tests && known(trial.test_accuracy)) body += tag("rect", { class: "test", x: px - 4, y: y.at(trial.test_accuracy) - 4, width: 8, height: 8 });
    if (tests && known(trial.repeat_mean)) body += tag("path", { class: "seeds", d: `M${px + 9} ${y.at(trial.repeat_mean - trial.repeat_sd).toFixed(1)}V${y.at(trial.repeat_mean + trial.repeat_sd).toFixed(1)}m-4 ${(y.at(trial.repeat_mean) - y.at(trial.repeat_mean + trial.repeat_sd)).toFixed(1)}h8` });
    if (tests && known(trial.refit_accuracy)) body += tag("path", { class: "test", d: `M${px} ${(y.at(trial.refit_accuracy) - 5).toFixed(1)}l5 9h-10z` });
    if (!small && key === "LUT" && known(trial.LUT_measured)) body += tag("path", { class: "measured", d: `M${px} ${py}H${x.at(trial.LUT_measured).toFixed(1)}m0 -5l5 5l-5 5l-5 -5z` });
  }
  for (const point of bright) if (point.trial.front) body += marker(point.trial, point.x, point.y, paint.of(point.trial[state.color]), small);
  const drawnToo = points.filter(point => point.trial.front).flatMap(({ trial, x: px }) => {
    const [low, high] = extent((whiskers && validationInterval(trial) || []).map(y.at)), along = known(low) ? Math.ceil((high - low) / 8) : -1;
    const whisker = Array.from({ length: along + 1 }, (_, at) => low + at * (high - low) / Math.max(along, 1));
    return [...whisker, ...tests && known(trial.test_accuracy) ? [y.at(trial.test_accuracy)] : []].map(at => ({ x: px, y: at }));
  });
  if (!small) body += placed(points.filter(point => MARK.has(point.trial.number)).map(point => ({ x: point.x, y: point.y,
    words: MARK.get(point.trial.number).short })), [...points, ...drawnToo], right, top, bottom, boxes);
  for (const point of points) if (isSelected(point.trial)) body += tag("circle", { class: `ring s${slot(point.trial)}`, cx: point.x, cy: point.y, r: small ? 7 : 10 });
  body += '<circle class="cursor" r="12" style="display:none"/><rect class="frame" width="0" height="0"/>';
  const hidden = complete.length - seen.length;
  host.setAttribute("aria-label", `Validation ${SCORE.name} against ${metric.title}: ${complete.length} trials, ${front.length} on the front${hidden
    ? `, ${hidden} dominated outside the picture` : ""}. Arrow keys walk along the points, Enter selects one.`);
  host.innerHTML = svg(width, height, body, 'aria-hidden="true"');
  host.hiddenPoints = hidden;
  host.shaded = most && most > x.low && most < x.high;
  return points;
};

const legend = () => {
  const { legend: levels } = shades(state.color), front = FRONT, parts = [];
  const entry = (picture, words) => parts.push(`<span>${svg(16, 16, picture, 'aria-hidden="true"')} ${escaped(words)}</span>`);
  const behind = new Set(DONE.filter(trial => !trial.front).map(standing));
  if (behind.size) entry('<path class="dots" d="M8 8h0"/>', [...behind].sort().reverse().join(" or "));
  if (!levels.length && front.length) entry('<circle class="front" cx="8" cy="8" r="5"/>', "front");
  for (const [paint, words] of levels) entry(`<circle class="front r${paint}" cx="8" cy="8" r="5"/>`, `front, ${words} ${METRIC[state.color].title}`);
  if (front.some(trial => trial.fits === false)) entry('<path class="front cross" d="M4 4L12 12M4 12L12 4"/>', "does not fit the part");
  if (front.some(trial => trial.within_budget === false)) entry('<circle class="front missed" cx="8" cy="8" r="5"/>', "missed its budget");
  if (state.noise === "1" && front.some(validationInterval)) entry('<path class="whisker" d="M5 2h6m-3 0V14m-3 0h6"/>', "95 % interval of the validation samples");
  if (state.test === "1" && front.some(trial => known(trial.test_accuracy))) entry('<rect class="test" x="4" y="4" width="8" height="8"/>', "test");
  if (state.test === "1" && front.some(trial => known(trial.repeat_mean))) entry('<path class="seeds" d="M8 2V14M4 8h8"/>', "test, mean and deviation over seeds");
  if (state.test === "1" && front.some(trial => known(trial.refit_accuracy))) entry('<path class="test" d="M8 3l5 9h-10z"/>', "test, refit");
  if (state.x === "LUT" && front.some(trial => known(trial.LUT_measured))) entry('<path class="measured" d="M8 3l5 5l-5 5l-5 -5z"/>', "synthesized");
  $("legend").innerHTML = parts.join("");
};

if ($("chart")) {
  const axes = METRICS.filter(metric => ["cost", "speed"].includes(metric.kind) && DONE.some(trial => known(trial[metric.key])));
  const varying = axes.filter(metric => new Set(DONE.map(trial => trial[metric.key])).size > 1);
  $("x").innerHTML = options(axes.map(metric => [metric.key, heading(metric)]), state.x);
  $("color").innerHTML = options([["", "one colour"], ...varying.map(metric => [metric.key, heading(metric)])], state.color);
  for (const id of ["x", "xscale", "yscale", "color"]) bound(id, id);
  bound("noise", "noise", "checked");
  bound("test", "test", "checked");
  let points = [];
  drawn($("chart"), ["x", "xscale", "yscale", "color", "noise", "test", "filter", "selected"], width => {
    points = METRIC[state.x] ? scatter($("chart"), width, { key: state.x, height: Math.max(320, Math.min(540, 0.55 * width)) }) : [];
    const hidden = $("chart").hiddenPoints;
    $("shaded").textContent = $("chart").shaded ? `Shaded: beyond the ${DATA.part}.` : "";
    $("hidden").textContent = hidden ? `${hidden} dominated trial${hidden > 1 ? "s" : ""} below the picture.` : "";
    legend();
  });
  pointable($("chart"), () => points);
  const others = varying.filter(metric => metric.key !== DATA.cost);
  for (const metric of others) {
    const host = document.createElement("div");
    Object.assign(host, { className: "chart", tabIndex: 0 });
    host.setAttribute("role", "application");
    $("resources").append(host);
    let small = [];
    drawn(host, ["filter", "selected", "xscale", "yscale"], width => { small = scatter(host, width, { key: metric.key, small: true, height: 230 }); });
    pointable(host, () => small);
  }
  $("others").hidden = !others.length;
}
