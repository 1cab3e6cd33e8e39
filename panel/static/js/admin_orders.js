// The staff's list of orders: suggests services, sums what is selected, selects by lines on a phone, and closes what is
// open.
(() => {
  "use strict";

  const TYPING = 150;
  const list = document.getElementById("changelist");

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

  // What is selected, in money: of this page from its lines, of all that match from the server.
  const sums = list.querySelector(".orders-sums");
  const money = (micros) => {
    const size = Math.abs(micros) / 1e6;
    const places = size && size < 0.01 ? 4 : 2;
    const digits = size.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: places });
    const { symbol, code } = sums.dataset;
    return `${micros < 0 ? "−" : ""}${symbol}${digits}${symbol ? "" : ` ${code}`}`;
  };
  const total = (boxes, name) => boxes.reduce((sum, box) => sum + Number(box.dataset[name]), 0);
  let asked = 0;
  const sumUp = async () => {
    const boxes = [...list.querySelectorAll(".action-select:checked")];
    const isAll = list.querySelector(".select-across").value === "1";
    const turn = ++asked;
    const earning = boxes.filter((box) => box.dataset.profit);
    const earned = earning.length ? `, about ${money(total(earning, "profit"))} profit` : "";
    if (!isAll) {
      sums.textContent = boxes.length ? `${money(total(boxes, "charge"))} charged${earned}` : "";
      return;
    }
    sums.textContent = "…";
    const answer = await fetch(sums.dataset.all).catch(() => null);
    const { words } = answer?.ok ? await answer.json() : { words: "their sums did not arrive" };
    if (turn === asked) sums.textContent = words;
  };
  if (sums) {
    // Django's own script sets the boxes and “all” by the same clicks.
    list.addEventListener("click", ({ target }) => {
      if (target.closest(".action-select, .action-toggle, .question, .clear, tr")) setTimeout(sumUp);
    });
    sumUp();
  }

  // On a phone the boxes come with the word “Select”, and then a tap anywhere in a line selects it.
  const choose = list.querySelector(".orders-choose");
  if (choose && list.querySelector(".action-select")) {
    choose.hidden = false;
    list.classList.add("has-choose");
    const turn = (isOn) => {
      list.classList.toggle("is-choosing", isOn);
      choose.setAttribute("aria-pressed", isOn);
    };
    choose.addEventListener("click", () => {
      const isOn = !list.classList.contains("is-choosing");
      turn(isOn);
      if (!isOn) for (const box of list.querySelectorAll(".action-select:checked")) box.click();
    });
    list.addEventListener("click", (event) => {
      const box = event.target.closest("#result_list tbody tr")?.querySelector(".action-select");
      if (!box || event.target === box || !list.classList.contains("is-choosing")) return;
      event.preventDefault();
      box.click();
    });
  }

  // Filters, columns and menus close one at a time, by Escape or by a click elsewhere.
  const OPEN = ".orders-filter[open], .orders-menu[open]";
  document.addEventListener("keydown", (event) => {
    const open = document.querySelector(OPEN);
    if (event.key !== "Escape" || !open) return;
    open.open = false;
    open.querySelector("summary").focus();
    event.preventDefault();
  });
  document.addEventListener("click", ({ target }) => {
    for (const open of document.querySelectorAll(OPEN)) if (!open.contains(target)) open.open = false;
  });
})();
