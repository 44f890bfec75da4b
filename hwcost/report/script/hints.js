// Regions that scroll sideways say so, until they are at their end.
const hints = () => {
  for (const region of document.querySelectorAll(".scroll"))
    region.classList.toggle("hidden-right", region.scrollWidth - region.clientWidth - region.scrollLeft > 4);
};
document.addEventListener("scroll", hints, true);
addEventListener("resize", hints);
requestAnimationFrame(hints);
