// Keys of what needs somebody: j and k move, Ctrl Enter confirms the open item, s puts it off. Nothing that decides has
// a single key.
(() => {
  "use strict";

  const rows = () => [...document.querySelectorAll(".need-row a")];
  const isTyping = (element) => element.closest("input, textarea, select, [contenteditable], dialog");
  let isSent = false;

  const move = (step) => {
    const all = rows();
    if (!all.length) return;
    const place = all.indexOf(document.activeElement);
    all[Math.max(0, Math.min(place + step, all.length - 1))].focus();
  };

  // Of the form that somebody types in, or of the open item.
  const confirmed = () => {
    const form = document.activeElement.closest(".need-choice");
    return form ?? document.querySelector(".need-choice.is-primary");
  };

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.altKey) return;
    if (event.ctrlKey || event.metaKey) {
      if (event.key !== "Enter") return;
      event.preventDefault();
      if (event.repeat) return; // Held down, it would confirm the next one unseen.
      confirmed()?.requestSubmit();
      return;
    }
    if (isTyping(event.target)) return;
    const letter = event.key.toLowerCase();
    if (letter === "j") move(1);
    else if (letter === "k") move(-1);
    else if (letter === "s") document.querySelector("[data-later]")?.click();
    else return;
    event.preventDefault();
  });

  // A second click on the same button would only be told that it was decided already.
  document.addEventListener("submit", (event) => {
    if (!event.target.closest(".need-open")) return;
    if (isSent) event.preventDefault();
    isSent = true;
  });
  addEventListener("pageshow", () => { isSent = false; });
})();
