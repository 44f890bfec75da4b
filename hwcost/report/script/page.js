// Everything is in place: show what the address asks for, and keep it when the page of a running study loads itself again.

if ($("course") && DATA.course.length > 1) {
  drawn($("course"), [], width => lineChart($("course"), Math.min(width, 720), [{ name: "hypervolume", values: DATA.course, slot: 0 }],
    DATA.course.map((_, at) => at + 1), { x: "finished trials", zero: true, steps: true, height: 220, text: value => value.toFixed(3),
      label: `Hypervolume of the front over ${DATA.course.length} finished trials, up to ${DATA.course.at(-1).toFixed(3)}` }));
}

// Regions that scroll sideways say so, until they are at their end.
const hints = () => {
  for (const region of document.querySelectorAll(".scroll"))
    region.classList.toggle("hidden-right", region.scrollWidth - region.clientWidth - region.scrollLeft > 4);
};
document.addEventListener("scroll", hints, true);
addEventListener("resize", hints);

Object.assign(state, readAddress());
for (const [, draw] of watchers) draw();
requestAnimationFrame(hints);
watch(Object.keys(state), () => requestAnimationFrame(hints));

if (DATA.reload) setInterval(() => {
  const busy = document.hidden || ["INPUT", "SELECT"].includes(document.activeElement?.tagName) || String(getSelection());
  if (!busy) location.reload();
}, 1000 * DATA.reload);
