// The list of orders: choosing several, and copying links. Without scripts the boxes and the form of the chosen work.
(() => {
  "use strict";

  const form = document.getElementById("bulk");
  if (!form) return;
  const every = () => [...document.querySelectorAll("input[name=order][form=bulk]")];
  const chosen = () => every().filter((box) => box.checked);
  const [refill, cancel] = form.querySelectorAll("button[name=wish]");
  const count = document.getElementById("chosen-count");
  const csv = form.querySelector(".bulk-export");
  const fill = (element, number) => { element.textContent = element.dataset.words.replace("{count}", number); };
  const offers = (box, key) => box.closest("tr").querySelector(`[data-key=${key}]`) !== null;

  const show = () => {
    const boxes = chosen();
    for (const all of document.querySelectorAll("[data-choose-all]")) {
      all.checked = boxes.length > 0 && boxes.length === every().length;
      all.indeterminate = boxes.length > 0 && !all.checked;
    }
    fill(count, boxes.length);
    fill(cancel.querySelector("span"), boxes.length);
    refill.disabled = !boxes.some((box) => offers(box, "r"));
    cancel.disabled = !boxes.some((box) => offers(box, "c"));
    csv.search = new URLSearchParams({ q: `#${boxes.map((box) => box.value).join(" ")}` });
  };

  document.addEventListener("change", ({ target }) => {
    if (target.matches("[data-choose-all]")) for (const box of every()) box.checked = target.checked;
    if (target.matches("[data-choose-all], input[name=order][form=bulk]")) show();
  });
  // After the reset, which follows its event.
  form.addEventListener("reset", () => setTimeout(show));
  // The browser may return to a page with boxes checked.
  addEventListener("pageshow", show);

  form.addEventListener("submit", (event) => {
    if (event.submitter !== cancel) return;
    event.preventDefault();
    const orders = chosen().map((box) => box.value);
    form.reset();
    document.dispatchEvent(new CustomEvent("order-wish", { detail: { wish: "cancel", orders } }));
  });

  // -- links --

  const copySelected = (text) => {
    const field = Object.assign(document.createElement("textarea"), { value: text, className: "visually-hidden" });
    document.body.append(field);
    field.select();
    const isDone = document.execCommand("copy");
    field.remove();
    return isDone;
  };

  // Browsers allow the clipboard on https only.
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copySelected(text);
    }
  };

  document.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-copy-link]");
    if (!button) return;
    const link = button.closest("tr").querySelector(".link-text").title;
    const words = (await copy(link)) ? "copied" : "notCopied";
    const menu = button.closest(".popup");
    if (menu.open) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
    document.dispatchEvent(new CustomEvent("order-told", { detail: { words } }));
  });
})();
