// Copies the link or id beside a button, and says so.
(() => {
  "use strict";

  const SHOWN = 2_000;
  const said = Object.assign(document.createElement("p"), { className: "visually-hidden", role: "status" });
  document.body.append(said);

  const copy = async (button) => {
    const icon = button.querySelector(".material-symbols-outlined");
    let isDone = true;
    try {
      await navigator.clipboard.writeText(button.dataset.link);
    } catch {
      isDone = false;
    }
    icon.textContent = isDone ? "check" : "error";
    said.textContent = isDone ? "Copied" : "The browser did not allow to copy";
    setTimeout(() => { icon.textContent = "content_copy"; }, SHOWN);
  };

  document.addEventListener("click", ({ target }) => {
    const button = target.closest(".copy-link");
    if (button) copy(button);
  });
})();
