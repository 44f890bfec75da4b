// What the reader chose. It all lies in the address behind #, so that a link opens it, Back undoes it and a reload keeps it.

const DEFAULTS = { x: DATA.cost || "", xscale: "auto", yscale: "auto", color: "BRAM18", noise: "1", test: "1", filter: "",
  sort: "", bars: DATA.bars, share: "", widths: "", axes: "", layer: "bits", rows: "100" };
const state = { ...DEFAULTS, selected: [] };
const CHOICES = {}; // key -> the values that its <select> offers
const watchers = [];

// Call `draw` now, and again whenever one of these changes.
const watch = (keys, draw) => { watchers.push([keys, draw]); };

const readAddress = () => {
  const parts = decodeURIComponent(location.hash.slice(1)).split("&"), found = { ...DEFAULTS, selected: [] };
  for (const part of parts) {
    const trials = /^trial-([\d,]+)$/.exec(part), [, key, value] = /^(\w+)=(.*)$/s.exec(part) || [];
    if (trials) found.selected = [...new Set(trials[1].split(",").map(Number))].filter(number => TRIAL.has(number));
    else if (key in DEFAULTS && !(CHOICES[key] && !CHOICES[key].includes(value))) found[key] = value.replaceAll("\u0001", "&");
  }
  return found;
};

const address = () => {
  const parts = state.selected.length ? [`trial-${state.selected.join(",")}`] : [];
  for (const key of Object.keys(DEFAULTS))
    if (state[key] !== DEFAULTS[key]) parts.push(`${key}=${encodeURIComponent(state[key].replaceAll("&", "\u0001"))}`);
  return parts.length ? `#${parts.join("&")}` : location.pathname + location.search;
};

const apply = changes => {
  const changed = Object.keys(changes).filter(key => String(changes[key]) !== String(state[key]));
  Object.assign(state, changes);
  for (const [keys, draw] of watchers) if (keys.some(key => changed.includes(key))) draw();
  return changed;
};

// Change something; a new selection is a step of its own for Back.
const choose = changes => {
  if (!apply(changes).length) return;
  history["selected" in changes ? "pushState" : "replaceState"](null, "", address());
};

const isSelected = trial => state.selected.includes(trial.number);
const select = (numbers, adding) => {
  const found = numbers.filter(number => TRIAL.has(number));
  if (!adding) return choose({ selected: found });
  const all = found.every(number => state.selected.includes(number));
  choose({ selected: all ? state.selected.filter(number => !found.includes(number))
    : [...new Set([...state.selected, ...found])] });
};
const clicked = (trial, event) =>
  select([trial.number], event.shiftKey || event.ctrlKey || event.metaKey || document.getElementById("adding").checked);
const slot = trial => state.selected.indexOf(trial.number) % DATA.series;

addEventListener("popstate", () => apply(readAddress()));
document.addEventListener("click", event => {
  const link = event.target.closest('a[href^="#trial-"]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  select([Number(link.hash.slice(7))], document.getElementById("adding").checked);
});
