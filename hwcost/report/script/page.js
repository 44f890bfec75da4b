// Everything is in place: show what the address asks for, and keep it when the page of a running study loads itself again.

if ($("course") && DATA.course.length > 1) {
  drawn($("course"), [], width => lineChart($("course"), Math.min(width, 720), [{ name: "hypervolume", values: DATA.course, slot: 0 }],
    DATA.course.map((_, at) => at + 1), { x: "finished trials", y: "hypervolume", ends: true, zero: true, steps: true, height: 220, text: value => value.toFixed(3),
      label: `Hypervolume of the front over ${DATA.course.length} finished trials, up to ${DATA.course.at(-1).toFixed(3)}` }));
}

Object.assign(state, readAddress());
for (const [, draw] of watchers) draw();
watch(Object.keys(state), () => requestAnimationFrame(hints));

if (DATA.reload) setInterval(() => {
  const busy = document.hidden || ["INPUT", "SELECT"].includes(document.activeElement?.tagName) || String(getSelection());
  if (!busy) location.reload();
}, 1000 * DATA.reload);
