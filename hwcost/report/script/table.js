// The table of all trials: front first, sorted by a heading, filtered, what is selected always in it.

const COLUMNS = METRICS.filter(metric => metric.table);
const FIRST = ["front", "state"];

const order = () => {
  const [, way, key] = /^([-+])(.*)$/.exec(state.sort) || [], rank = { complete: 0, running: 1, pruned: 2, interrupted: 3, failed: 4 };
  const usual = (a, b) => b.front - a.front || rank[a.state] - rank[b.state] || (DATA.cost && (a[DATA.cost] - b[DATA.cost])) || a.number - b.number;
  if (!key) return usual;
  const value = trial => { const own = trial[key]; return typeof own === "boolean" ? Number(own) : own; };
  return (a, b) => {
    const [left, right] = [value(a), value(b)], none = one => one === null || one === undefined;
    if (none(left) || none(right)) return none(left) - none(right) || usual(a, b);
    return (way === "+" ? 1 : -1) * (left < right ? -1 : left > right ? 1 : 0) || usual(a, b);
  };
};

const cell = (metric, trial) => {
  const value = trial[metric.key], words = metric.key === "within_budget" ? value === null ? "–" : value ? "met" : "missed" : written(metric, value);
  const over = DATA.budgets[metric.key] && value > DATA.budgets[metric.key];
  const more = metric.key === "test_accuracy" && known(trial.repeat_mean) ? ` <span class="share">${scoreNumber(trial.repeat_mean)} ± ${scoreNumber(trial.repeat_sd)}</span>`
    : DATA.budgets[metric.key] && value > 0 ? ` <span class="share${over ? " over" : ""}">${count(100 * value / DATA.budgets[metric.key], 1)} %</span>` : "";
  const bad = metric.key === "fits" && value === false || metric.key === "within_budget" && value === false;
  return `<td${bad ? ' class="over"' : ""}>${escaped(words)}${more}</td>`;
};

const drawTable = () => {
  const within = TRIALS.filter(trial => passes(trial) || isSelected(trial)).sort(order());
  const most = Number(state.rows), rows = within.filter((trial, at) => at < most || isSelected(trial));
  $("rows").innerHTML = rows.map(trial => {
    const outside = !passes(trial), mark = MARK.get(trial.number);
    return `<tr id="row-${trial.number}" data-trial="${trial.number}" class="${isSelected(trial) ? `chosen s${slot(trial)}` : ""}${outside ? " outside" : ""}"><th scope="row" class="stick">${pick(trial)}</th><td class="words">${
      escaped(standing(trial))}${mark ? ` <span class="share">${escaped(mark.short)}</span>` : ""}${outside ? ' <span class="share">outside the filter</span>' : ""}</td>${
      COLUMNS.map(metric => cell(metric, trial)).join("")}</tr>`;
  }).join("");
  const left = within.length - rows.length;
  $("more-rows").hidden = !left;
  $("more-rows").textContent = `Show ${Math.min(left, 500)} more of ${count(within.length)} trials`;
  for (const head of $("heads").cells) {
    const key = head.dataset.key;
    if (state.sort.slice(1) === key) head.setAttribute("aria-sort", state.sort[0] === "+" ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  }
};

if ($("points")) {
  $("heads").innerHTML = [["number", "trial", "stick"], ["front", "", "words"], ...COLUMNS.map(metric => [metric.key, heading(metric), ""])].map(([key, title, kind]) =>
    `<th scope="col" class="${kind}" data-key="${escaped(key)}"><button type="button">${escaped(title || "standing")}</button></th>`).join("");
  $("heads").addEventListener("click", event => {
    const key = event.target.closest("th")?.dataset.key;
    if (key) choose({ sort: state.sort === `+${key}` ? `-${key}` : `+${key}` });
  });
  $("more-rows").addEventListener("click", () => choose({ rows: String(Number(state.rows) + 500) }));
  $("rows").addEventListener("pointerover", event => { const row = event.target.closest("tr"); glow(row ? Number(row.dataset.trial) : null); });
  $("rows").addEventListener("pointerleave", () => glow(null));
  watch(["filter", "sort", "rows", "selected"], drawTable);
}
