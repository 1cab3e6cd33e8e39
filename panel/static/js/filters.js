// Filters: what was left empty does not stand in the address.
(() => {
  "use strict";

  document.addEventListener("submit", ({ target }) => {
    if (target.method !== "get") return;
    for (const field of target.elements) field.disabled = field.matches("input, select") && !field.value;
  });

  // What the browser kept of the page that it comes back to.
  addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll("form[method=get] :disabled")) field.disabled = false;
  });
})();
