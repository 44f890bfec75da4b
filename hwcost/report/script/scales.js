// Scales of axes: linear, logarithmic, and the logarithm of the error, which spreads accuracies near 100 %.

const STEPS = [0, 20, 40, 50, 60, 70, 80, 85, 90, 92, 94, 95, 96, 97, 98, 98.5, 99, 99.5, 99.8, 99.9, 100];

const niceTicks = (low, high, most) => {
  const raw = (high - low) / Math.max(most, 1), size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map(factor => factor * size).find(step => step >= raw * 0.999);
  const ticks = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + 1e-9 * step; at++) ticks.push(Number((at * step).toPrecision(12)));
  return ticks.length < 2 && most < 16 && high > low ? niceTicks(low, high, 2 * most) : ticks; // one number shows no distance
};

const logTicks = (low, high, most) => {
  const decades = Math.log10(high / low);
  for (const factors of [[1, 1.5, 2, 3, 4, 5, 7], [1, 2, 3, 5], [1, 2, 5], [1, 3], [1]]) {
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
      for (const factor of factors) ticks.push(Number((factor * 10 ** power).toPrecision(6)));
    const seen = ticks.filter(tick => tick >= low * 0.9999 && tick <= high * 1.0001);
    if (seen.length <= most || factors.length === 1 && decades > 1) return seen.filter((_, at) => at % Math.ceil(seen.length / most) === 0);
  }
  return niceTicks(low, high, most);
};

// A scale from [low, high] to pixels; `ticks(n)` are about n round values.
const scale = (kind, low, high, from, to, floor = 0) => {
  const forth = { linear: v => v, log: v => Math.log(v), error: v => -Math.log10(Math.max(100 - v + floor, floor / 10)) }[kind];
  const back = { linear: v => v, log: v => Math.exp(v), error: v => 100 + floor - 10 ** -v }[kind];
  const start = forth(low), span = forth(high) - start || 1;
  const at = value => from + (forth(value) - start) / span * (to - from);
  const spread = (values, least) => values.reduceRight((kept, value) =>
    kept.length && Math.abs(at(kept[0]) - at(value)) < least ? kept : [value, ...kept], []);
  const ticks = most => kind === "log" ? logTicks(low, high, most)
    : kind === "error" ? spread(STEPS.filter(step => step >= low && step <= Math.min(high, 100)), 22)
      : niceTicks(low, high, most);
  return { kind, low, high, at, ticks, value: pixel => back(start + (pixel - from) / (to - from) * span) };
};

const extent = values => values.reduce(([low, high], value) => known(value) ? [Math.min(low, value), Math.max(high, value)] : [low, high], [Infinity, -Infinity]);

// Whether a quantity is read better on a logarithmic axis: all above 0, and more than 3 times apart.
const spansDecades = values => { const [low, high] = extent(values); return low > 0 && high > 3 * low; };

const costScale = (values, from, to, kind) => {
  const [low, high] = extent(values), chosen = kind === "auto" ? spansDecades(values) ? "log" : "linear" : low > 0 ? kind : "linear";
  if (chosen === "log" && high > low) { const margin = (high / low) ** 0.06; return scale("log", low / margin, high * margin, from, to); }
  const span = high > low ? 0.06 * (high - low) : 0.5 * Math.max(Math.abs(high), 1);
  return scale("linear", low - span, high + span, from, to);
};

// `focus` must be in view; dominated trials far below may not be.
const scoreScale = (focus, from, to, kind) => {
  const [low, high] = extent(focus), floor = Math.max(100 - high, 0.1) / 2;
  const error = PERCENT && UP && (kind === "error" || kind === "auto" && (100 - low) / (2 * floor) > 8);
  if (!error) { const span = high > low ? high - low : PERCENT ? 0.5 : Math.abs(high) || 1; return scale("linear", low - 0.08 * span, high + 0.1 * span, from, to); }
  const wide = scale("error", low, high, 0, 1, floor);
  return scale("error", wide.value(-0.07), wide.value(1.1), from, to, floor);
};
