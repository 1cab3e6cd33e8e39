// Staff view a customer's pages: what would send something is switched off. The server refuses it in any case.
(() => {
  "use strict";

  const HINT = "You only view this page.";
  // Not `form.method`, which is a field of this name in the form to add funds.
  const isInert = (form) => form.matches("form[method=post]:not([data-leave])");

  const switchOff = () => {
    for (const form of document.forms) {
      if (!isInert(form)) continue;
      for (const part of form.elements) {
        if (part.type === "hidden" || part.disabled) continue;
        part.disabled = true;
        part.title = HINT;
      }
    }
  };

  document.addEventListener("submit", (event) => {
    if (!isInert(event.target)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.requestConfig.verb !== "get") event.preventDefault();
  });

  // By a key in the list of orders: it would be sent by a script, and told on the staff's own pages.
  document.addEventListener("order-wish", (event) => event.stopImmediatePropagation(), true);

  document.addEventListener("htmx:afterSettle", switchOff);
  document.addEventListener("DOMContentLoaded", switchOff);
})();
