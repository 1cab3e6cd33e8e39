// Keys of the admin: "g" and a letter open a page, and in any list rows are reached, selected and opened. Those that act
// on a row need the focus in it, where j and k put it. None changes anything before its page has asked.
(() => {
  "use strict";

  const GOING = 1_500;
  const dialog = document.getElementById("keys");
  if (!dialog) return;

  const rows = () => [...document.querySelectorAll("#result_list tbody tr")].filter((row) => row.offsetParent);
  const here = () => document.activeElement.closest("#result_list tbody tr");
  const boxOf = (row) => row.querySelector(".action-select");
  let last = null;
  let from = null;
  let isGoing = false;

  for (const part of dialog.querySelectorAll("[data-of-lists]")) part.hidden = !rows().length;

  const move = (step) => {
    const all = rows();
    const place = all.indexOf(here() ?? last);
    last = all[Math.max(0, Math.min(place + step, all.length - 1))];
    last?.querySelector("th a, td a")?.focus();
    last?.scrollIntoView({ block: "nearest" });
  };
  const select = (row) => {
    boxOf(row)?.click();
    from = row;
  };
  const selectRange = (row) => {
    const all = rows();
    const [first, end] = [all.indexOf(from ?? row), all.indexOf(row)].sort((a, b) => a - b);
    for (const one of all.slice(Math.max(first, 0), end + 1)) if (boxOf(one)?.checked === false) boxOf(one).click();
    from = row;
  };
  // Opens the page that says what would be asked; the row alone, or what is selected.
  const ask = (row) => {
    const form = document.getElementById("changelist-form");
    const choice = form.querySelector("select[name=action]");
    if (!boxOf(row) || ![...(choice?.options ?? [])].some(({ value }) => value === "ask_many")) return;
    if (!form.querySelector(".action-select:checked")) boxOf(row).click();
    choice.value = "ask_many";
    form.requestSubmit(form.querySelector("[name=index]"));
  };
  const go = (letter) => {
    isGoing = false;
    const place = dialog.querySelector(`[data-go="${CSS.escape(letter)}"]`);
    if (place) location.assign(place.href);
    return Boolean(place);
  };

  const EVERYWHERE = {
    "g": () => {
      isGoing = true;
      setTimeout(() => { isGoing = false; }, GOING);
    },
    "j": () => move(1),
    "k": () => move(-1),
    "/": () => document.querySelector("#searchbar, #changelist-search input[name=q]")?.select(),
  };
  const ON_A_ROW = {
    "a": ask,
    "c": (row) => row.querySelector(".copy-link")?.click(),
    "x": select,
    "X": selectRange,
  };

  document.addEventListener("panel-key", (event) => {
    const letter = event.detail;
    const row = here();
    if (isGoing) {
      if (!go(letter)) return;
    } else if (letter in EVERYWHERE) EVERYWHERE[letter]();
    else if (row && letter in ON_A_ROW) ON_A_ROW[letter](row);
    else return;
    event.preventDefault();
  });
})();
