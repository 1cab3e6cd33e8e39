// Single keys of a list: tells the page's own script which one was pressed, shows them all by "?", and lets people who
// speak or bump into keys turn them off. Off while something is typed.
(() => {
  "use strict";

  const dialog = document.getElementById("keys");
  if (!dialog) return;
  const isOn = document.getElementById("keys-on");
  const { stored } = dialog.dataset;

  try {
    isOn.checked = localStorage.getItem(stored) !== "off";
  } catch {
    // Without storage the choice lasts as long as the page.
  }
  isOn.addEventListener("change", () => {
    try {
      localStorage.setItem(stored, isOn.checked ? "on" : "off");
    } catch {
      // As above.
    }
  });

  // On keyboards of other scripts the letter is where it would be on a Latin one.
  const letterOf = ({ key, code }) => (/^[!-~]$/.test(key) ? key : code.replace(/^Key/, "").toLowerCase());
  const isTyping = (element) => element.closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog");

  document.addEventListener("keydown", (event) => {
    if (!isOn.checked || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.defaultPrevented || isTyping(event.target)) return;
    const letter = letterOf(event);
    if (letter === "?") dialog.showModal();
    // Whoever acts on it prevents its default.
    else if (document.dispatchEvent(new CustomEvent("panel-key", { cancelable: true, detail: letter }))) return;
    event.preventDefault();
  });

  document.addEventListener("click", ({ target }) => {
    if (target.closest("[data-keys]")) dialog.showModal();
  });
})();
