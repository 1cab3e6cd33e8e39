// The order form's box to find a service by typing: a combobox (ARIA 1.2) over the options that the server finds.
(() => {
  "use strict";

  const box = document.getElementById("id_find");
  const chosen = document.getElementById("id_service");
  const popup = document.getElementById("service-popup");
  const count = document.getElementById("service-count");
  if (!box || !chosen) return;

  const WAIT = 120;
  let label = chosen.value ? box.value : "";
  let active = null;
  let waiting = 0; // The timer of the next search.
  let looking = null; // Aborts the search in progress.
  let picksFirst = false; // Enter was pressed before the options arrived.

  for (const [name, value] of Object.entries({
    role: "combobox",
    "aria-expanded": "false",
    "aria-controls": "service-options",
    "aria-autocomplete": "list",
    "aria-haspopup": "listbox",
  })) box.setAttribute(name, value);

  const options = () => [...popup.querySelectorAll("[role=option]")];

  const activate = (option) => {
    active?.setAttribute("aria-selected", "false");
    active = option ?? null;
    if (!active) return box.removeAttribute("aria-activedescendant");
    active.setAttribute("aria-selected", "true");
    box.setAttribute("aria-activedescendant", active.id);
    active.scrollIntoView({ block: "nearest" });
  };

  const stop = () => {
    clearTimeout(waiting);
    looking?.abort();
    waiting = 0;
    looking = null;
  };

  const close = () => {
    stop();
    picksFirst = false;
    activate(null);
    popup.hidden = true;
    box.setAttribute("aria-expanded", "false");
    count.textContent = "";
  };

  const restore = () => {
    close();
    if (label) box.value = label;
  };

  const pick = (option) => {
    label = option.dataset.label;
    box.value = label;
    chosen.value = option.dataset.service;
    close();
    chosen.dispatchEvent(new Event("change", { bubbles: true }));
    document.getElementById("id_link").focus();
  };

  const show = (html, query) => {
    popup.innerHTML = html;
    popup.hidden = false;
    box.setAttribute("aria-expanded", "true");
    const found = Number(popup.querySelector("[data-count]").dataset.count);
    count.textContent = found === 1 ? "1 service" : `${found} services`;
    activate(query ? options()[0] : null);
    if (picksFirst && active) pick(active);
    picksFirst = false;
  };

  const look = async (query) => {
    stop();
    const mine = new AbortController();
    looking = mine;
    try {
      const response = await fetch(`${box.dataset.options}?${new URLSearchParams({ q: query })}`, { signal: mine.signal });
      if (response.redirected) return document.dispatchEvent(new CustomEvent("order:signed-out"));
      const html = await response.text();
      if (response.ok && looking === mine) show(html, query);
    } catch (error) {
      if (error.name !== "AbortError") count.textContent = "The services could not be looked up. Check your connection.";
    } finally {
      if (looking === mine) looking = null;
    }
  };

  const open = () => {
    if (popup.hidden && !looking) look(box.value === label ? "" : box.value.trim());
  };

  const step = (by) => {
    if (popup.hidden) return open();
    const all = options();
    if (all.length) activate(all[(all.indexOf(active) + by + all.length + (active || by > 0 ? 0 : 1)) % all.length]);
  };

  const KEYS = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Enter: () => {
      if (active) pick(active);
      else if (waiting || looking) {
        picksFirst = true;
        if (!looking) look(box.value.trim());
      } else open();
    },
    Escape: restore,
  };
  const KEYS_WHEN_OPEN = { Home: () => activate(options()[0]), End: () => activate(options().at(-1)) };

  box.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const act = KEYS[event.key] ?? (active && KEYS_WHEN_OPEN[event.key]);
    if (!act) return;
    event.preventDefault(); // Enter here must never send the order.
    act();
  });

  box.addEventListener("input", () => {
    activate(null);
    clearTimeout(waiting);
    waiting = setTimeout(() => look(box.value.trim()), WAIT);
  });

  box.addEventListener("click", () => { box.select(); open(); });
  box.addEventListener("blur", restore);
  popup.addEventListener("pointerdown", (event) => event.preventDefault()); // The box keeps the focus.
  popup.addEventListener("mousedown", (event) => event.preventDefault());
  popup.addEventListener("click", ({ target }) => {
    const option = target.closest("[role=option]");
    if (option) pick(option);
  });
})();
