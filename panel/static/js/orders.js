// Selecting orders in the list: all of the page at once, and their number. Without scripts only the boxes work.
(() => {
  "use strict";

  const form = document.getElementById("bulk");
  if (!form) return;
  const all = document.getElementById("choose-all");
  const words = document.getElementById("chosen-count");
  const nothing = words.textContent;
  const boxes = () => [...document.querySelectorAll("input[name=order][form=bulk]")];

  const show = () => {
    const every = boxes();
    const chosen = every.filter((box) => box.checked).length;
    all.checked = chosen > 0 && chosen === every.length;
    all.indeterminate = chosen > 0 && chosen < every.length;
    form.classList.toggle("has-chosen", chosen > 0);
    words.textContent = chosen ? `${chosen} chosen` : nothing;
  };

  all.addEventListener("change", () => {
    for (const box of boxes()) box.checked = all.checked;
    show();
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("input[name=order][form=bulk]")) show();
  });
  // Update the number when the browser returns to a page from its cache.
  addEventListener("pageshow", show);
})();
