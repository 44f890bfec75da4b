"use strict";
// The study of this page: its trials, its quantities, and how their numbers are written.

const DATA = JSON.parse(document.getElementById("data").textContent);
const SCORE = DATA.score;
const PERCENT = SCORE.unit === "%";
const UP = SCORE.direction === "maximize";

// Quantities that trials have: {key, title, unit, kind: score|cost|speed|param|state, words} in the order of the table.
const METRICS = DATA.metrics;
const METRIC = Object.fromEntries(METRICS.map(metric => [metric.key, metric]));

const TRIALS = DATA.columns.number.map((_, row) =>
  Object.fromEntries(Object.entries(DATA.columns).map(([key, values]) => [key, values[row]])));
const TRIAL = new Map(TRIALS.map(trial => [trial.number, trial]));
const FRONT = TRIALS.filter(trial => trial.front).sort((a, b) => a[DATA.cost] - b[DATA.cost] || a.number - b.number);
const DONE = TRIALS.filter(trial => trial.state === "complete");
const MARK = new Map(DATA.marks.map(mark => [mark.number, mark]));

const escaped = text => String(text).replace(/[&<>"']/g, sign => `&#${sign.charCodeAt(0)};`);
const known = value => typeof value === "number" && Number.isFinite(value);

const count = (value, digits = 0) => {
  if (!known(value)) return "–";
  if (digits === 0 && !Number.isInteger(value) && Math.abs(value) < 100) return String(Number(value.toPrecision(3)));
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
};

// A count in at most five characters, for ticks.
const short = value => {
  const size = Math.abs(value);
  const [divisor, letter] = size >= 1e6 ? [1e6, "M"] : size >= 1e3 ? [1e3, "k"] : [1, ""];
  return `${Number((value / divisor).toPrecision(letter ? 3 : 4))}${letter}`;
};

const scoreNumber = value => {
  if (!known(value)) return "–";
  const [, digits, kind] = /^,?\.(\d+)([fg])$/.exec(SCORE.format) || [null, PERCENT ? 2 : 4, PERCENT ? "f" : "g"];
  return kind === "f" ? count(value, Number(digits)) : String(Number(value.toPrecision(Number(digits))));
};

const written = (metric, value) => {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return value;
  if (metric.kind === "score") return scoreNumber(value);
  if (metric.kind === "param" || metric.kind === "figure") return value.toLocaleString("en-US", { maximumSignificantDigits: 6 });
  return count(value);
};
const heading = metric => metric.unit ? `${metric.title}, ${metric.unit}` : metric.title;
const withUnit = (metric, value) => `${written(metric, value)}${metric.unit && known(value) ? ` ${metric.unit}` : ""}`;

// 95 % interval of an accuracy on `samples` samples (Wilson); none for scores that are no share of samples.
const interval = (value, samples) => {
  if (!DATA.binomial || !samples || !known(value)) return null;
  const z = 1.96, share = value / 100, z2 = z * z / samples;
  const middle = (share + z2 / 2) / (1 + z2);
  const half = z / (1 + z2) * Math.sqrt(share * (1 - share) / samples + z2 / (4 * samples));
  return [100 * (middle - half), 100 * (middle + half)];
};
const validationInterval = trial => interval(trial.accuracy, DATA.samples.validation);

// Resources of which a trial needs more than the part has.
const excess = trial => Object.entries(DATA.budgets).filter(([name, most]) => trial[name] > most).map(([name]) => name);
const fitWords = trial => trial.fits === null ? "" : trial.fits ? `fits the ${DATA.part}`
  : `does not fit the ${DATA.part}${excess(trial).length ? `: ${excess(trial).map(name =>
    `${count(trial[name])} of ${count(DATA.budgets[name])} ${name}`).join(", ")}` : ""}`;

// Where a trial stands: on the front, behind it, or how it ended.
const standing = trial => trial.front ? "front" : trial.state !== "complete" ? trial.state : trial.of_use === false ? "beyond the worst" : "dominated";

// What a tooltip says of a trial: a list of lines.
const described = (trial, ...extra) => {
  const noise = validationInterval(trial), lines = [];
  lines.push(`trial ${trial.number}${MARK.has(trial.number) ? `: ${MARK.get(trial.number).names.join(", ")}` : ""}`);
  if (trial.state !== "complete") return [...lines, trial.state];
  lines.push(`validation ${scoreNumber(trial.accuracy)} ${SCORE.unit}${noise
    ? ` (95 %: ${scoreNumber(noise[0])} to ${scoreNumber(noise[1])})` : ""}`);
  if (known(trial.test_accuracy)) lines.push(`test ${scoreNumber(trial.test_accuracy)} ${SCORE.unit}`);
  if (known(trial.repeat_mean))
    lines.push(`test over ${trial.repeats} seeds ${scoreNumber(trial.repeat_mean)} ± ${scoreNumber(trial.repeat_sd)}`);
  const keys = [...new Set([DATA.cost, ...extra, "BRAM18"])].filter(key => METRIC[key] && known(trial[key]));
  lines.push(keys.map(key => `${METRIC[key].title} ${withUnit({ ...METRIC[key], unit: METRIC[key].suffix }, trial[key])}`).join(", "));
  if (fitWords(trial)) lines.push(fitWords(trial));
  if (trial.within_budget === false) lines.push("missed its budget");
  return lines;
};

// Layers and epochs of a trial, unpacked; null where the page does not hold them.
const detail = trial => {
  const packed = DATA.details[trial.number];
  if (!packed) return null;
  const [names, kinds] = DATA.shapes[packed.shape] || [[], []];
  const layers = names.map((layer, at) => ({ layer, kind: kinds[at],
    ...Object.fromEntries(Object.entries(packed.layers).map(([key, values]) => [key, values[at]])) }));
  return { layers, epochs: packed.epochs, scores: packed.scores, widths: packed.widths };
};
const layerTitle = layer => layer.kind ? `${layer.layer} (${layer.kind.replace(/^Quant/, "")})` : layer.layer;
