// The numbers of the order form: quantities to tap, and "1,000" in the box once it is left. The server reads them.
(() => {
  "use strict";

  const form = document.getElementById("order-form");
  if (!form) return;

  // What the server read in the box; null while its answer is about other text.
  const reading = (box) => {
    const note = document.getElementById(`${box.id}_helptext`)?.firstElementChild;
    return note?.dataset.typed === box.value.trim() && note.dataset.shown ? note.dataset.shown : null;
  };

  const tidy = () => {
    for (const box of form.querySelectorAll("input[data-counted]")) {
      const shown = reading(box);
      if (shown === null || box === document.activeElement || box.value === shown) continue;
      box.value = shown;
      document.getElementById(`${box.id}_helptext`).firstElementChild.dataset.typed = shown;
    }
  };

  const press = () => {
    for (const chip of form.querySelectorAll(".chip[data-count]")) {
      const typed = document.getElementById(chip.dataset.for).value.trim();
      chip.setAttribute("aria-pressed", String(typed === chip.textContent || typed === chip.dataset.count));
    }
  };

  form.addEventListener("click", ({ target }) => {
    const chip = target.closest(".chip[data-count]");
    if (!chip) return;
    const box = document.getElementById(chip.dataset.for);
    box.value = chip.textContent;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  });

  form.addEventListener("input", press);
  form.addEventListener("focusout", () => setTimeout(() => { tidy(); press(); })); // After the focus has moved on.
  document.addEventListener("htmx:afterSettle", () => { tidy(); press(); });
})();
