// Adding funds: a usual amount goes into the field at once. Without scripts it is a button that sends the form for it.
(() => {
  "use strict";

  const field = document.getElementById("id_amount");

  const mark = () => {
    for (const chip of document.querySelectorAll("#funds-chips .chip")) {
      chip.setAttribute("aria-pressed", String(chip.value === field.value.trim()));
    }
  };

  document.addEventListener("click", (event) => {
    const chip = event.target.closest("#funds-chips .chip");
    if (!chip) return;
    event.preventDefault();
    field.value = chip.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });

  document.addEventListener("htmx:afterSettle", mark);
  field?.addEventListener("input", mark);
  if (field) mark();
})();
