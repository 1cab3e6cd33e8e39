// A question in place is <details class="ask">, which opens without scripts. "Keep it" closes it, and a live update
// leaves it open.
(() => {
  "use strict";

  const close = (ask) => {
    ask.open = false;
    ask.querySelector("summary").focus();
  };

  document.addEventListener("click", (event) => {
    const keep = event.target.closest("[data-keep]");
    if (!keep?.closest(".ask")) return;
    event.preventDefault();
    close(keep.closest(".ask"));
  });

  document.addEventListener("keydown", ({ key, target }) => {
    const ask = target.closest(".ask[open]");
    if (key === "Escape" && ask) close(ask);
  });

  let asked = [];
  document.addEventListener("htmx:beforeSwap", () => {
    asked = [...document.querySelectorAll(".ask[open]")].map((ask) => ask.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of asked) document.getElementById(id)?.setAttribute("open", "");
    asked = [];
  });
})();
