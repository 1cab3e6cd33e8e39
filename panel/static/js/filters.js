// Filters: empty fields are left out of the address; pasted lines stay apart.
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

  // A field of one line would join the lines to one number.
  document.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text") ?? "";
    if (!event.target.matches("input[type=search]") || !/[\r\n]/.test(text.trim())) return;
    event.preventDefault();
    event.target.setRangeText(text.trim().split(/\s*[\r\n]+\s*/).join(", "), event.target.selectionStart, event.target.selectionEnd, "end");
    event.target.dispatchEvent(new Event("input", { bubbles: true }));
  });
})();
