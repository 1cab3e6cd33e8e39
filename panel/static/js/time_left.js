// Time left, in minutes and seconds during the last hour. Without scripts the page says until when.
(() => {
  "use strict";

  const HOUR = 3_600_000;
  const behind = Date.now() - 1_000 * document.documentElement.dataset.now;
  const two = (number) => String(number).padStart(2, "0");

  const tick = () => {
    for (const element of document.querySelectorAll("[data-left]")) {
      const left = Date.parse(element.dataset.left) - (Date.now() - behind);
      element.hidden = left <= 0 || left >= HOUR;
      const seconds = Math.max(0, Math.floor(left / 1_000));
      element.textContent = `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
    }
  };

  setInterval(() => { if (!document.hidden) tick(); }, 1_000);
  document.addEventListener("htmx:afterSettle", tick);
  tick();
})();
