// The panel beside the figures: what is selected, compared line by line, with the commands that continue from it.

const SHOWN = 8; // trials side by side
const LAYER_VIEWS = { bits: "bits of weights / output", LUT: "LUT", FF: "FF", DSP: "DSP", BRAM18: "BRAM18", URAM: "URAM", LUTRAM: "LUTRAM", cycles: "cycles", fold: "PE × SIMD" };

const layerValue = (layer, view) => {
  if (!layer) return "–";
  const one = key => known(layer[key]) ? String(Number(layer[key].toFixed(1))) : "–";
  if (view === "bits") return known(layer.weight_bits) || known(layer.activation_bits) ? `${one("weight_bits")} / ${one("activation_bits")}` : "–";
  if (view === "fold") return known(layer.pe) ? `${one("pe")} × ${one("simd")}` : "–";
  return count(layer[view]);
};

// Rows that all trials share say so: what differs is in ink, what does not is muted.
const compared = (title, cells) => {
  const same = cells.length > 1 && cells.every(words => words === cells[0]);
  return `<tr${same ? ' class="same"' : ""}><th scope="row" class="words stick">${escaped(title)}</th>${cells.map(words => `<td>${words}</td>`).join("")}</tr>`;
};

const commandsOf = trial => Object.entries(DATA.commands).map(([name, template]) => [name, template.replaceAll("{number}", trial.number)]);

const drawPanel = () => {
  const trials = state.selected.slice(0, SHOWN).map(number => TRIAL.get(number)), panel = $("panel");
  panel.classList.toggle("empty", !trials.length);
  document.body.classList.toggle("comparing", trials.length > 0);
  $("panel-title").textContent = trials.length ? trials.length > 1 ? `${state.selected.length} trials compared` : `Trial ${trials[0].number}` : "Nothing selected";
  $("panel-hint").hidden = trials.length > 0;
  $("panel-clear").hidden = !trials.length;
  if (!trials.length) { $("panel-body").innerHTML = ""; return; }
  const details = trials.map(detail), rows = [];
  const add = (metric, write) => {
    if (trials.every(trial => trial[metric.key] === null || trial[metric.key] === undefined)) return;
    rows.push(compared(heading(metric), trials.map(trial => write ? write(trial) : escaped(written(metric, trial[metric.key])))));
  };
  rows.push(compared("standing", trials.map(trial => escaped(MARK.get(trial.number)?.short ?? standing(trial)))));
  for (const metric of METRICS) {
    if (metric.kind === "state") continue;
    add(metric, metric.key === "accuracy" ? trial => { const noise = validationInterval(trial); return `${scoreNumber(trial.accuracy)}${noise ? `<div class="share">${scoreNumber(noise[0])} – ${scoreNumber(noise[1])}</div>` : ""}`; }
      : metric.key === "test_accuracy" ? trial => `${scoreNumber(trial.test_accuracy)}${known(trial.repeat_mean) ? `<div class="share">${scoreNumber(trial.repeat_mean)} ± ${scoreNumber(trial.repeat_sd)}</div>` : ""}`
        : DATA.budgets[metric.key] ? trial => `${count(trial[metric.key])}${trial[metric.key] > 0 ? `<div class="share${trial[metric.key] > DATA.budgets[metric.key] ? " over" : ""}">${count(100 * trial[metric.key] / DATA.budgets[metric.key], 1)} %</div>` : ""}` : null);
  }
  if (trials.some(trial => trial.fits !== null)) rows.push(compared("fits", trials.map(trial => trial.fits === null ? "–" : trial.fits ? "yes" : `<span class="over">no</span>${excess(trial).length ? `<div class="share">${excess(trial).join(", ")}</div>` : ""}`)));
  if (trials.some(trial => trial.within_budget !== null)) rows.push(compared("budget", trials.map(trial => trial.within_budget === null ? "–" : trial.within_budget ? "met" : '<span class="over">missed</span>')));
  const heads = trials.map(trial => `<th scope="col"><button type="button" class="chip s${slot(trial)}" data-drop="${trial.number}" aria-label="remove trial ${trial.number} from the comparison">${trial.number} ×</button></th>`).join("");
  const layers = new Map();
  for (const one of details) for (const layer of one?.layers || []) if (!layers.has(layer.layer)) layers.set(layer.layer, layerTitle(layer));
  const views = Object.keys(LAYER_VIEWS).filter(view => details.some(one => one?.layers.some(layer => !["–", "0"].includes(layerValue(layer, view)))));
  const view = views.includes(state.layer) ? state.layer : views[0];
  let body = `<div class="scroll" tabindex="0" role="region" aria-label="Selected trials, side by side"><table><thead><tr><th class="words stick" scope="col">trial</th>${heads}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
  if (state.selected.length > SHOWN) body += `<p class="note">The first ${SHOWN} of ${state.selected.length} selected trials are shown.</p>`;
  if (layers.size && views.length) body += `<h3><label for="layer-view">By layer</label> <select id="layer-view">${options(views.map(one => [one, LAYER_VIEWS[one]]), view)}</select></h3><div class="scroll" tabindex="0" role="region" aria-label="Layers of the selected trials"><table><thead><tr><th class="words stick" scope="col">layer</th>${trials.map(trial => `<th scope="col">${trial.number}</th>`).join("")}</tr></thead><tbody>${
    [...layers].map(([name, title]) => compared(title, details.map(one => escaped(layerValue(one?.layers.find(layer => layer.layer === name), view))))).join("")}</tbody></table></div>`;
  const missing = trials.filter((trial, at) => trial.state === "complete" && !details[at]);
  if (missing.length) body += `<p class="note">Layers and epochs of trial ${missing.map(trial => trial.number).join(", ")} are not in this page, to keep it small; trials.json has them.</p>`;
  body += '<div id="curves"></div>';
  for (const trial of trials) if (trial.error) body += `<p class="note">Trial ${trial.number}: ${escaped(trial.error)}</p>`;
  const usable = trials.filter(trial => trial.state === "complete");
  if (usable.length) body += "<h3>Continue</h3>";
  for (const trial of usable) body += `<div class="commands">${usable.length > 1 ? `<h4>trial ${trial.number}</h4>` : ""}${commandsOf(trial).map(([name, words]) =>
    `<div class="command"><span>${escaped(name)}</span><code>${escaped(words)}</code><button type="button" data-copy="${escaped(words)}" aria-label="copy the command ${escaped(name)} of trial ${trial.number}">copy</button></div>`).join("")}</div>`;
  if (usable.length && !DATA.again) body += '<p class="note">This is the command of the whole study; it makes the trial again.</p>';
  $("panel-body").innerHTML = body;
  const curves = trials.map((trial, at) => ({ trial, one: details[at] })).filter(({ one }) => one?.scores?.length > 1);
  if (curves.length) {
    const longest = curves.reduce((a, b) => b.one.epochs.length > a.one.epochs.length ? b : a).one.epochs;
    $("curves").innerHTML = `<h3>Training: validation ${escaped(SCORE.name)}</h3><div></div>`;
    lineChart($("curves").lastElementChild, Math.max($("curves").clientWidth, 240), curves.map(({ trial, one }) => ({ name: `trial ${trial.number}`, values: one.scores, slot: slot(trial) })), longest,
      { x: "epoch", text: value => `${scoreNumber(value)} ${SCORE.unit}`, label: `Validation ${SCORE.name} while training, of trial ${curves.map(({ trial }) => trial.number).join(", ")}` });
  }
};

// Text to the clipboard; where the browser refuses, the command is selected, ready for Ctrl-C.
const copied = async button => {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "copied";
  } catch {
    const range = document.createRange();
    range.selectNodeContents(button.previousElementSibling);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    button.textContent = "press Ctrl-C";
  }
  setTimeout(() => { button.textContent = "copy"; }, 2000);
};

$("panel").addEventListener("click", event => {
  const drop = event.target.closest("[data-drop]"), copy = event.target.closest("[data-copy]");
  if (drop) choose({ selected: state.selected.filter(number => number !== Number(drop.dataset.drop)) });
  if (copy) copied(copy);
});
$("panel").addEventListener("change", event => { if (event.target.id === "layer-view") choose({ layer: event.target.value }); });
$("panel-clear").addEventListener("click", () => choose({ selected: [] }));
watch(["selected", "layer"], () => {
  const focused = document.activeElement?.id;
  drawPanel();
  if (focused === "layer-view") $(focused)?.focus();
});
