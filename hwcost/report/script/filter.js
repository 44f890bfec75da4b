// The filter: conditions in the words of the page, as "LUT < 3k and fits = yes". It rules the charts and the table.

const OPERATORS = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b,
  "=": (a, b) => a === b, "!=": (a, b) => a !== b };
const SAME = { "==": "=", "≤": "<=", "≥": ">=", "≠": "!=", is: "=" };

// Names that a condition may begin with -> key of the trials; the first letters do where they tell names apart.
const NAMES = new Map();
for (const metric of METRICS) for (const name of [metric.title, metric.key.replace(/^param:/, ""), heading(metric)])
  NAMES.set(name.toLowerCase(), metric.key);
NAMES.set("validation", "accuracy");
NAMES.set(SCORE.name.toLowerCase(), "accuracy");

const keyOf = words => {
  const name = words.trim().toLowerCase().replace(/\s+/g, " ");
  if (NAMES.has(name)) return NAMES.get(name);
  const found = [...NAMES].filter(([known]) => known.startsWith(name));
  const keys = new Set(found.map(([, key]) => key));
  if (keys.size === 1) return found[0][1];
  if (keys.size) throw Error(`“${words.trim()}” may be ${[...new Set(found.map(([known]) => known))].slice(0, 5).join(" or ")}: write more of it`);
  throw Error(`no quantity is called “${words.trim()}”; write a heading of the table, as ${METRICS.slice(0, 4).map(m => m.title).join(", ")}`);
};

const valueOf = (words, metric) => {
  const text = words.trim().toLowerCase(), numeric = TRIALS.some(trial => known(trial[metric.key]));
  if (["yes", "no", "true", "false"].includes(text) && !numeric) return text === "yes" || text === "true";
  const found = /^(-?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([kmg]?)\s*([%a-zµ/ 0-9]*)$/.exec(text);
  const units = [metric.unit, metric.title, metric.suffix].filter(Boolean).map(unit => unit.toLowerCase());
  if (numeric && found && (!found[3] || units.some(unit => unit === found[3].trim())))
    return Number(found[1].replaceAll(",", "")) * ({ k: 1e3, m: 1e6, g: 1e9 }[found[2]] || 1);
  if (!numeric) return text;
  throw Error(`“${words.trim()}” is no number of ${metric.title}; write one as 3000, 3,000 or 3k`);
};

// One condition -> whether a trial meets it.
const condition = words => {
  const found = /^\s*(.+?)\s*(<=|>=|!=|==|≤|≥|≠|<|>|=|\bis\b)\s*(.+?)\s*$/i.exec(words);
  if (!found) throw Error(`“${words.trim()}” is no condition; write a heading, <, > or =, and a value`);
  const metric = METRIC[keyOf(found[1])], operator = SAME[found[2].toLowerCase()] || found[2];
  const value = valueOf(found[3], metric);
  if (typeof value !== "number" && !["=", "!="].includes(operator))
    throw Error(`${metric.title} is no number; write ${metric.title} = ${metric.kind === "state" ? "yes" : "a value"}`);
  return trial => {
    const own = trial[metric.key];
    if (own === null || own === undefined) return false;
    return OPERATORS[operator](typeof own === "string" ? own.toLowerCase() : own, value);
  };
};

// The conditions of a filter; a comma separates nothing in 3,000, nor in a heading such as "interval, cycles".
const parts = words => words.split(/\s+and\s+|&&?|;/i).flatMap(part => part.split(/,(?!\d{3}(?!\d))/).reduce((found, piece) =>
  found.length && !/[<>=≤≥≠]|\bis\b/i.test(found.at(-1)) ? [...found.slice(0, -1), `${found.at(-1)},${piece}`] : [...found, piece], []))
  .filter(part => part.trim());

// The whole filter -> a test of trials; what it cannot read is an error with the remedy.
const parsed = words => {
  const conditions = parts(words).map(condition);
  return trial => conditions.every(fits => fits(trial));
};

let passes = () => true;
const passing = trials => trials.filter(trial => passes(trial));

// Replace the conditions on a key in the filter by others; brushing an axis does so.
const refine = (key, low, high) => {
  const metric = METRIC[key], name = metric.title;
  const others = parts(state.filter).filter(part => {
    const left = /^\s*(.+?)\s*(<=|>=|!=|==|≤|≥|≠|<|>|=|\bis\b)/i.exec(part);
    try { return !(left && keyOf(left[1]) === key); } catch { return true; }
  });
  const plain = value => String(Number(value.toPrecision(4)));
  const own = low === null ? [] : [`${name} >= ${plain(low)}`, `${name} <= ${plain(high)}`];
  choose({ filter: [...others, ...own].map(part => part.trim()).join(" and ") });
};

const filterField = document.getElementById("filter");
watch(["filter"], () => {
  const told = document.getElementById("filtered");
  if (filterField.value !== state.filter) filterField.value = state.filter;
  try {
    passes = parsed(state.filter);
    told.textContent = state.filter.trim() ? `${passing(TRIALS).length} of ${TRIALS.length} trials` : "";
    filterField.setAttribute("aria-invalid", "false");
  } catch (error) {
    passes = () => true;
    told.textContent = error.message;
    filterField.setAttribute("aria-invalid", "true");
  }
});
filterField.addEventListener("input", () => choose({ filter: filterField.value }));
