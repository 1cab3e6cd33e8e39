// The staff's list of orders: copies a link, suggests services, and closes the filters.
(() => {
  "use strict";

  const SHOWN = 2_000;
  const TYPING = 150;
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

  // The services that have what is typed in their names.
  const suggest = async (field) => {
    const answer = await fetch(`${field.dataset.suggest}?q=${encodeURIComponent(field.value)}`).catch(() => null);
    if (!answer?.ok) return;
    const { services } = await answer.json();
    field.list.replaceChildren(...services.map(({ number, name }) => new Option(`${name} · ${number}`, number)));
  };
  let waiting;
  document.addEventListener("input", ({ target, inputType }) => {
    if (!target.matches("[data-suggest]") || !inputType || inputType === "insertReplacementText") return;
    clearTimeout(waiting);
    waiting = setTimeout(suggest, TYPING, target);
  });

  document.addEventListener("keydown", ({ key }) => {
    const open = document.querySelector(".orders-filter[open]");
    if (key !== "Escape" || !open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });
})();
