// Menus are <details class="popup">, which open without scripts. Scripts close them and keep them in view.
(() => {
  "use strict";

  const sheets = matchMedia("(max-width: 767.98px)");
  const opened = () => document.querySelector(".popup[open]");
  const itemsOf = (menu) => [...menu.querySelectorAll("summary, .popup-item")].filter((one) => one.offsetParent);

  const closeQuestion = (menu) => menu.querySelector(".popup-ask")?.replaceChildren();

  // The event does not bubble.
  document.addEventListener("toggle", ({ target: menu }) => {
    if (!menu.matches(".popup")) return;
    menu.classList.remove("is-up");
    if (!menu.open) return closeQuestion(menu);
    const box = menu.querySelector(".popup-panel").getBoundingClientRect();
    const hasRoomAbove = menu.getBoundingClientRect().top > box.height + 64;
    menu.classList.toggle("is-up", !sheets.matches && hasRoomAbove && box.bottom > innerHeight);
  }, true);

  document.addEventListener("click", (event) => {
    const menu = opened();
    if (!menu || menu.contains(event.target)) return;
    menu.open = false;
    // Beside a sheet there is only its shadow: the tap closes the sheet and does nothing else.
    if (sheets.matches) {
      event.preventDefault();
      event.stopPropagation();
    }
  }, true);

  document.addEventListener("click", ({ target }) => {
    const menu = target.closest("[data-keep]")?.closest(".popup");
    if (!menu) return;
    closeQuestion(menu);
    (menu.querySelector("[data-key=c]") ?? menu.querySelector("summary")).focus();
  });

  document.addEventListener("keydown", (event) => {
    const menu = opened();
    if (!menu) return;
    if (event.key === "Escape") {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (["ArrowDown", "ArrowUp"].includes(event.key) && event.target.matches("summary, .popup-item")) {
      const items = itemsOf(menu);
      const place = items.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1);
      items[(place + items.length) % items.length].focus();
      event.preventDefault();
    }
  });

  // Nothing changes under a finger: an open menu keeps what it offers, and the server answers what is too late.
  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    if (event.detail.target.closest(".popup[open]")) event.detail.shouldSwap = false;
  });
})();
