// The shop: what is chosen is in view in lines that scroll, and "/" begins a search.
(() => {
  "use strict";

  // The end of a line fades while there is more of it.
  const fade = (line) => {
    line.classList.toggle("is-long", line.scrollWidth - line.clientWidth - Math.abs(line.scrollLeft) > 8);
  };

  const seen = new WeakSet();
  const arrange = () => {
    for (const line of document.querySelectorAll(".shop-line")) {
      if (!seen.has(line)) {
        seen.add(line);
        const chosen = line.querySelector("[aria-current]");
        if (chosen) {
          const distance = chosen.getBoundingClientRect().left - line.getBoundingClientRect().left;
          line.scrollLeft += distance - (line.clientWidth - chosen.offsetWidth) / 2;
        }
        line.addEventListener("scroll", () => fade(line), { passive: true });
      }
      fade(line);
    }
  };

  arrange();
  document.addEventListener("htmx:afterSettle", arrange);
  addEventListener("resize", arrange);

  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    const search = document.getElementById("search");
    if (!search) return;
    event.preventDefault();
    search.select();
  });
})();
