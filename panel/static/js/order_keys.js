// Keys of the list of orders. Those that act on an order need the focus on it, where j and k put it.
(() => {
  "use strict";

  if (!document.getElementById("keys")) return;

  const rows = () => [...document.querySelectorAll("#orders-table tbody tr")];
  const here = () => document.activeElement.closest("#orders-table tbody tr");
  let last = null;

  const move = (step) => {
    const all = rows();
    const place = all.indexOf(here() ?? last);
    last = all[Math.max(0, Math.min(place + step, all.length - 1))];
    last.querySelector(".what a").focus();
    last.scrollIntoView({ block: "nearest" });
  };

  const numberOf = (row) => row.querySelector("input[name=order]").value;
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
  const press = (row, key) => row.querySelector(`[data-key=${key}]`)?.click();
  const ask = (row, key, wish, words) => {
    const order = numberOf(row);
    row.querySelector(".popup").open = false;
    if (row.querySelector(`[data-key=${key}]`)) tell("order-wish", { wish, orders: [order] });
    else tell("order-told", { words, order });
  };

  const EVERYWHERE = {
    "j": () => move(1),
    "k": () => move(-1),
    "/": () => document.querySelector("#filters input[type=search]").select(),
    "u": () => { for (const button of document.querySelectorAll("[data-undo]:not([hidden])")) button.click(); },
  };
  const ON_A_ROW = {
    "a": (row) => press(row, "a"),
    "c": (row) => ask(row, "c", "cancel", "noCancel"),
    "h": (row) => press(row, "h"),
    "l": (row) => press(row, "l"),
    "r": (row) => ask(row, "r", "refill", "noRefill"),
    "x": (row) => row.querySelector("input[name=order]").click(),
  };

  document.addEventListener("panel-key", (event) => {
    const letter = event.detail;
    const row = here();
    if (letter in EVERYWHERE) EVERYWHERE[letter]();
    else if (row && letter in ON_A_ROW) ON_A_ROW[letter](row);
    else return;
    event.preventDefault();
  });
})();
