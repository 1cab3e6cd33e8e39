// The button that prints a statement or a receipt. Without scripts it stays hidden: browsers print by themselves.
(() => {
  "use strict";

  document.addEventListener("click", ({ target }) => {
    if (target.closest("[data-print]")) window.print();
  });
})();
