// Copy buttons: copy what `data-copy` selects, or the code below the button; `data-text` is what is copied of it.
// Without scripts they stay hidden.
(() => {
  "use strict";

  const SHOWN = 2_000;
  const said = Object.assign(document.createElement("p"), { className: "visually-hidden", role: "status" });

  const show = () => {
    if (!said.isConnected) document.body.append(said);
    for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
  };

  const sourceOf = (button) =>
    button.dataset.copy ? document.querySelector(button.dataset.copy) : button.closest(".code").querySelector("pre");

  // Browsers allow the clipboard on https only; elsewhere the text is selected, ready to copy.
  const copySelected = (source) => {
    const selection = getSelection();
    selection.selectAllChildren(source);
    const isDone = document.execCommand("copy");
    selection.removeAllRanges();
    return isDone;
  };

  const copy = async (source, text) => {
    try {
      await navigator.clipboard.writeText(text ?? source.textContent.trim());
      return true;
    } catch {
      return copySelected(source);
    }
  };

  const tell = (button, words) => {
    said.textContent = "";
    requestAnimationFrame(() => { said.textContent = words; });
    button.dataset.label ??= button.textContent;
    button.textContent = words;
    clearTimeout(button.restoring);
    button.restoring = setTimeout(() => { button.textContent = button.dataset.label; }, SHOWN);
  };

  document.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-copy]");
    if (button) tell(button, (await copy(sourceOf(button), button.dataset.text)) ? "Copied" : "Select it and copy");
  });

  document.addEventListener("htmx:afterSettle", show);
  show();
})();
