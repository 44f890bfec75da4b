// Figures by layer: the map of bit-widths and where a resource goes.

// Front points that the page holds the layers of, cheapest first; of many, evenly spread ones with the marked among them.
const chosen = most => {
  const usable = FRONT.filter(trial => DATA.details[trial.number]?.layers);
  if (usable.length <= most) return usable;
  const kept = new Set(usable.filter(trial => MARK.has(trial.number)).slice(0, most));
  for (let at = 0; at < most && kept.size < most; at++) kept.add(usable[Math.round(at * (usable.length - 1) / (most - 1))]);
  for (const trial of usable) if (kept.size < most) kept.add(trial);
  return usable.filter(trial => kept.has(trial));
};

// A trial's number as a button that selects it.
const pick = (trial, words = trial.number) =>
  `<button type="button" class="pick${isSelected(trial) ? ` chosen s${slot(trial)}` : ""}" data-pick="${trial.number}" data-trial="${trial.number}" aria-pressed="${isSelected(trial)}" aria-label="trial ${trial.number}${isSelected(trial) ? ", selected" : ""}">${escaped(words)}</button>`;
document.addEventListener("click", event => {
  const found = event.target.closest("[data-pick]");
  if (found) clicked(TRIAL.get(Number(found.dataset.pick)), event);
});

const layerWords = layer => [["weight_bits", "weight bits"], ["input_bits", "input bits"], ["activation_bits", "output bits"], ["pe", "PE"], ["simd", "SIMD"],
  ["LUT", "LUT"], ["FF", "FF"], ["DSP", "DSP"], ["BRAM18", "BRAM18"], ["cycles", "cycles"]]
  .filter(([key]) => known(layer[key])).map(([key, words]) => `${words} ${count(layer[key])}`).join(", ");

const drawBits = () => {
  const columns = chosen(24), details = columns.map(detail), host = $("bits-map");
  const groups = [["weights", "weight_bits"], ["activations", "activation_bits"]].map(([title, key]) => {
    const rows = new Map();
    for (const one of details) for (const layer of one.layers) if (known(layer[key]) && !rows.has(layer.layer)) rows.set(layer.layer, layerTitle(layer));
    return { title, key, rows };
  }).filter(group => group.rows.size);
  const every = details.flatMap(one => one.layers.flatMap(layer => groups.map(group => layer[group.key]))), [low, high] = extent(every);
  $("bits").closest("section").hidden = !groups.length;
  if (!groups.length) return;
  const head = `<thead><tr><th scope="col" class="words">trial</th>${columns.map(trial => `<th scope="col">${pick(trial)}</th>`).join("")}</tr></thead>`;
  const about = [DATA.cost, "accuracy"].filter(key => METRIC[key]).map(key => `<tr class="about"><th scope="row" class="words">${escaped(heading(METRIC[key]))}</th>${
    columns.map(trial => `<td>${key === "accuracy" ? scoreNumber(trial[key]) : short(trial[key])}</td>`).join("")}</tr>`).join("");
  const rows = groups.map(group => `<tr class="group"><th scope="rowgroup" class="words" colspan="1">bits of ${group.title}</th><td colspan="${columns.length}"></td></tr>${
    [...group.rows].map(([name, title]) => `<tr><th scope="row" class="words">${escaped(title)}</th>${columns.map((trial, at) => {
      const layer = details[at].layers.find(one => one.layer === name), value = layer?.[group.key];
      return known(value) ? `<td class="cell r${level(value, low, high)}" data-trial="${trial.number}" data-tip="${escaped(`trial ${trial.number}, ${title}: ${value} bits of ${group.title}\n${layerWords(layer)}`)}">${Number(value.toFixed(1))}</td>` : "<td></td>";
    }).join("")}</tr>`).join("")}`).join("");
  host.innerHTML = `<table class="map">${head}<tbody>${about}${rows}</tbody></table>`;
};
watch(["selected"], drawBits);

// Front points and what is selected: bars of a resource, layer by layer.
const drawBars = () => {
  const key = state.bars, share = state.share === "1", host = $("bars");
  const some = new Set([...chosen(8), ...state.selected.slice(0, 8).map(number => TRIAL.get(number)).filter(trial => DATA.details[trial.number]?.layers)]);
  const trials = [...some].sort((a, b) => a[DATA.cost] - b[DATA.cost]);
  const tables = trials.map(trial => detail(trial).layers);
  const most = new Map();
  for (const layers of tables) for (const layer of layers) if (layer[key] > 0) most.set(layer.layer, Math.max(most.get(layer.layer) || 0, layer[key]));
  const titles = new Map(tables.flat().map(layer => [layer.layer, layerTitle(layer)]));
  const named = new Set([...most].sort((a, b) => b[1] - a[1]).slice(0, DATA.series - 1).map(([name]) => name));
  const order = [...titles.keys()].filter(name => named.has(name)), rest = most.size > named.size;
  const total = layers => layers.reduce((sum, layer) => sum + (layer[key] || 0), 0), widest = Math.max(...tables.map(total), 1e-9);
  $("bar-names").innerHTML = [...order.map((name, at) => `<span><i class="f${at}"></i> ${escaped(titles.get(name))}</span>`), ...rest ? [`<span><i class="f${DATA.series - 1}"></i> all other layers</span>`] : []].join("");
  host.innerHTML = trials.map((trial, row) => {
    const whole = total(tables[row]), parts = order.map((name, at) => [titles.get(name), tables[row].find(layer => layer.layer === name)?.[key] || 0, at]);
    const others = whole - parts.reduce((sum, [, value]) => sum + value, 0);
    if (others > 1e-9 * widest) parts.push(["all other layers", others, DATA.series - 1]);
    const pieces = parts.filter(([, value]) => value > 0).map(([title, value, at]) => {
      const portion = 100 * value / (share ? whole : widest);
      return `<i class="f${at}" style="width:${portion.toFixed(2)}%" data-tip="${escaped(`trial ${trial.number}, ${title}\n${count(value)} ${METRIC[key]?.title || key}, ${count(100 * value / whole, 1)} % of ${count(whole)}`)}"></i>`;
    }).join("");
    const mark = MARK.has(trial.number) ? ` · ${MARK.get(trial.number).short}` : "";
    const words = parts.filter(([, value]) => value > 0).map(([title, value]) => `${title} ${count(value)}`).join(", ");
    return `<div class="bar"><div class="words">${pick(trial, `trial ${trial.number}`)} <span class="share">${scoreNumber(trial.accuracy)} ${SCORE.unit}${escaped(mark)}</span></div><div class="stack" role="img" aria-label="${escaped(words)}">${pieces}</div><div class="total">${count(whole)}</div></div>`;
  }).join("");
};
if ($("bars")) {
  const keys = ["LUT", "FF", "DSP", "BRAM18", "URAM", "LUTRAM", "cycles"].filter(key => chosen(8).some(trial => detail(trial).layers.some(layer => layer[key] > 0)));
  $("bars-of").innerHTML = options(keys.map(key => [key, METRIC[key]?.title || key]), state.bars);
  $("bars").closest("section").hidden = !keys.length;
  if (keys.length) {
    bound("bars-of", "bars");
    bound("share", "share", "checked");
    watch(["bars", "share", "selected"], drawBars);
  }
}

// The widths of one trial while it trained: a row for each tensor, a box for each width it kept, and the score above.
const drawWidths = width => {
  const trained = TRIALS.filter(trial => DATA.details[trial.number]?.scores?.length > 1), host = $("widths-map");
  $("widths-map").closest("section").hidden = !trained.length;
  if (!trained.length) return;
  const newest = state.selected.filter(number => trained.some(trial => trial.number === number)).at(-1);
  const number = Number(state.widths || (newest ?? DATA.trained)), trial = TRIAL.get(number) || trained[0], one = detail(trial);
  const offered = new Set([trial, ...state.selected.map(own => TRIAL.get(own)), ...trained.filter(own => own.front)].filter(own => trained.includes(own)));
  $("widths").innerHTML = options([["", `as selected (${trial.number})`], ...[...offered].sort((a, b) => a.number - b.number).map(own =>
    [String(own.number), `trial ${own.number}${MARK.has(own.number) ? `, ${MARK.get(own.number).short}` : ""}`])], state.widths);
  const names = Object.keys(one.widths), longest = Math.min(Math.max(...names.map(name => name.length), 6) * 6.4 + 8, 0.42 * width);
  const right = width - 10, tall = 20, cell = (right - longest) / one.epochs.length;
  lineChart($("widths-score"), width, [{ name: `validation ${SCORE.name}`, values: one.scores, slot: 0 }], one.epochs,
    { x: "epoch", y: heading({ ...METRIC.accuracy, title: `validation ${SCORE.name}` }), text: value => `${scoreNumber(value)} ${SCORE.unit}`, height: 150, left: longest, inset: cell / 2, bare: names.length > 0,
      label: `Validation ${SCORE.name} of trial ${trial.number} over ${one.epochs.length} epochs` });
  const [low, high] = extent(names.flatMap(name => one.widths[name].map(([, bits]) => bits)));
  let body = "";
  names.forEach((name, row) => {
    const most = Math.floor(longest / 6.4), cut = name.length > most ? `…${name.slice(1 - most)}` : name;
    body += label(longest - 8, row * tall + 14, cut, { class: "ink", "text-anchor": "end" });
    one.widths[name].forEach(([from, bits], at) => {
      const until = one.widths[name][at + 1]?.[0] ?? one.epochs.length, words = known(bits) ? String(Number(bits.toFixed(1))) : "";
      if (!known(bits)) return;
      const told = `${name}\n${words} bits in epochs ${one.epochs[from]} to ${one.epochs[until - 1]}`;
      const x = longest + from * cell, wide = (until - from) * cell;
      body += tag("rect", { class: `cell r${level(bits, low, high)}`, x, y: row * tall + 1, width: Math.max(wide - 1, 0.5), height: tall - 2, "data-tip": told });
      if (wide > 7 * words.length + 6) body += label(x + wide / 2, row * tall + 14, words, { class: `on r${level(bits, low, high)}`, "text-anchor": "middle" });
    });
  });
  for (const tick of niceTicks(0, one.epochs.length, width / 90).filter(at => Number.isInteger(at) && at > 0 && at <= one.epochs.length)) body += label(longest + (tick - 0.5) * cell, names.length * tall + 16, String(one.epochs[tick - 1]), { "text-anchor": "middle" });
  body += label(longest - 8, names.length * tall + 16, "epoch", { "text-anchor": "end" });
  const moved = names.filter(name => one.widths[name].length > 1).map(name => `${name} from ${one.widths[name][0][1]} to ${one.widths[name].at(-1)[1]}`);
  $("widths-words").textContent = names.length ? `Trial ${trial.number}: ${moved.length ? `${moved.length} of ${names.length} widths moved` : "no width moved"}. A box is a width, as long as it stayed; the numbers are bits.` : "No widths were recorded.";
  host.innerHTML = names.length ? svg(width, names.length * tall + 22, body, `role="img" aria-label="${escaped(`Widths of trial ${trial.number} while it trained, in bits: ${moved.join(", ") || "none moved"}`)}"`) : "";
};
if ($("widths-map")) {
  $("widths").addEventListener("change", event => choose({ widths: event.target.value }));
  drawn($("widths-map"), ["widths", "selected"], drawWidths);
}
