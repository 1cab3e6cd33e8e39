// Filters: empty fields are left out of the address.
(() => {
  "use strict";

  document.addEventListener("submit", ({ target }) => {
    if (target.method !== "get") return;
    for (const field of target.elements) field.disabled = field.matches("input, select") && !field.value;
  });

  // Enable the fields again when the browser returns to a page from its cache.
  addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll("form[method=get] :disabled")) field.disabled = false;
  });
})();
