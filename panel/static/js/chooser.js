// The order form's box to find a service: a combobox (ARIA 1.2) over the options that the server finds, and the row of
// platforms above it. Nothing typed: the customer's own services, or the categories of the chosen platform.
(() => {
  "use strict";

  const box = document.getElementById("id_find");
  const chosen = document.getElementById("id_service");
  const popup = document.getElementById("service-popup");
  const count = document.getElementById("service-count");
  if (!box || !chosen) return;

  const WAIT = 120;
  const WAIT_FOR_SPINNER = 150;
  const chooser = document.getElementById("chooser");
  const picture = document.getElementById("box-icon");
  const magnifier = document.getElementById("search-icon").content;
  const failed = document.getElementById("search-failed").content;
  const tabs = [...document.querySelectorAll("#platforms [data-platform]")];

  let label = chosen.value ? box.value : "";
  let mark = chosen.value ? picture.firstElementChild : null; // Of the chosen service's platform.
  let platform = "";
  let category = "";
  let active = null;
  let waiting = 0; // The timer of the next search.
  let looking = null; // Aborts the search in progress.
  let spinning = 0; // The timer of the spinner.
  let picksFirst = false; // Enter was pressed before the options arrived.
  let staysClosed = false; // The box gets the focus back, and nobody asked for the list.

  for (const [name, value] of Object.entries({
    role: "combobox",
    "aria-expanded": "false",
    "aria-controls": "service-options",
    "aria-autocomplete": "list",
    "aria-haspopup": "listbox",
  })) box.setAttribute(name, value);

  const options = () => [...popup.querySelectorAll("[role=option]")];
  const typed = () => (box.value === label ? "" : box.value.trim());

  const activate = (option) => {
    active?.setAttribute("aria-selected", "false");
    active = option ?? null;
    if (!active) return box.removeAttribute("aria-activedescendant");
    active.setAttribute("aria-selected", "true");
    box.setAttribute("aria-activedescendant", active.id);
    active.scrollIntoView({ block: "nearest" });
  };

  // The picture in the box: the chosen platform's mark, or a magnifier while something is looked for.
  const draw = () => picture.replaceChildren(mark && box.value === label ? mark : magnifier.cloneNode(true));

  const settle = () => {
    clearTimeout(spinning);
    looking = null;
    chooser.classList.remove("is-working");
  };

  const stop = () => {
    clearTimeout(waiting);
    looking?.abort();
    waiting = 0;
    settle();
  };

  const close = () => {
    stop();
    picksFirst = false;
    category = "";
    activate(null);
    popup.hidden = true;
    document.body.classList.remove("is-open");
    box.setAttribute("aria-expanded", "false");
    count.textContent = "";
  };

  const restore = () => {
    close();
    if (label) box.value = label;
    draw();
  };

  const press = () => {
    for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab.dataset.platform === platform));
  };

  // -- choosing --------------------------------------------------------------------------------------

  const pick = (option) => {
    const { service, query } = option.dataset;
    if (!service) activate(null); // Enter again chooses the first of what comes.
    if (query !== undefined) {
      box.value = query;
      return look(query);
    }
    if ("platform" in option.dataset) {
      platform = "";
      press();
      return look(typed());
    }
    if ("category" in option.dataset) {
      category = option.dataset.category;
      return look("");
    }
    const link = popup.querySelector("[role=listbox]").dataset.link;
    const field = document.getElementById("id_link");
    label = option.dataset.label;
    box.value = label;
    mark = option.querySelector(".pf").cloneNode(true);
    chosen.value = service;
    if (link) field.value = link;
    close();
    draw();
    chosen.dispatchEvent(new Event("change", { bubbles: true }));
    field.focus();
    if (link) field.select();
  };

  const star = async (option) => {
    if (document.body.classList.contains("is-viewing")) return; // Staff see the customer's page.
    const isOn = option.classList.toggle("is-starred");
    const token = document.querySelector("#order-form [name=csrfmiddlewaretoken]").value;
    const body = new URLSearchParams({ on: isOn ? "1" : "0", csrfmiddlewaretoken: token });
    const asked = fetch(option.dataset.star, { method: "POST", body, headers: { "HX-Request": "true" } });
    const answer = await asked.catch(() => null); // No connection.
    if (!answer?.ok || answer.redirected) option.classList.toggle("is-starred");
  };

  // -- looking ---------------------------------------------------------------------------------------

  const unfold = () => {
    popup.hidden = false;
    document.body.classList.add("is-open");
    box.setAttribute("aria-expanded", "true");
  };

  const fail = () => {
    activate(null);
    picksFirst = false;
    popup.replaceChildren(failed.cloneNode(true));
    unfold();
    count.textContent = popup.querySelector(".option-note").textContent;
  };

  const show = (html, query) => {
    popup.innerHTML = html;
    unfold();
    const found = Number(popup.querySelector("[data-count]").dataset.count);
    const said = found === 1 ? "1 service" : `${found} services`;
    count.textContent = found ? said : popup.querySelector(".option-note, .option")?.textContent ?? "";
    activate(query || category ? options().find((one) => one.id !== "option-back") : null);
    if (picksFirst && active) pick(active);
    picksFirst = false;
  };

  const look = async (query) => {
    stop();
    const mine = new AbortController();
    looking = mine;
    spinning = setTimeout(() => chooser.classList.add("is-working"), WAIT_FOR_SPINNER);
    const asked = new URLSearchParams({ q: query, platform, category: query ? "" : category });
    try {
      const response = await fetch(`${box.dataset.options}?${asked}`, { signal: mine.signal });
      if (response.redirected) return document.dispatchEvent(new CustomEvent("order:signed-out"));
      const html = await response.text();
      if (looking !== mine) return;
      if (response.ok) show(html, query);
      else fail();
    } catch {
      if (looking === mine) fail(); // Else a newer search took its place.
    } finally {
      if (looking === mine) settle();
    }
  };

  const open = () => {
    if (popup.hidden && !looking) look(typed());
  };

  // -- keys ------------------------------------------------------------------------------------------

  const step = (by) => {
    if (popup.hidden) return open();
    const all = options();
    if (all.length) activate(all[(all.indexOf(active) + by + all.length + (active || by > 0 ? 0 : 1)) % all.length]);
  };

  const back = () => {
    if (!category || popup.hidden) return restore();
    category = "";
    look("");
  };

  const KEYS = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Enter: () => {
      if (waiting) {
        picksFirst = true;
        look(typed()); // What is shown is for older text.
      } else if (active) pick(active);
      else if (looking) picksFirst = true;
      else look(typed());
    },
    Escape: back,
  };
  const KEYS_WHEN_OPEN = {
    Home: () => activate(options()[0]),
    End: () => activate(options().at(-1)),
    "*": () => star(active),
  };

  box.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey) return;
    if (event.shiftKey && event.key !== "*") return;
    const act = KEYS[event.key] ?? (active && KEYS_WHEN_OPEN[event.key]);
    if (!act || (event.key === "*" && !active.dataset.star)) return;
    event.preventDefault(); // Enter here must never send the order.
    act();
  });

  box.addEventListener("input", () => {
    stop(); // What is looked for is older text.
    activate(null);
    picksFirst = false;
    category = "";
    draw();
    waiting = setTimeout(() => look(box.value.trim()), WAIT);
  });

  // -- opening and closing ---------------------------------------------------------------------------

  box.addEventListener("focus", () => {
    if (staysClosed) return;
    box.select();
    open();
  });
  box.addEventListener("click", () => {
    if (box.value === label) box.select();
    open();
  });
  box.addEventListener("blur", ({ relatedTarget }) => {
    if (!popup.contains(relatedTarget)) restore();
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (!popup.hidden && !chooser.contains(target) && !target.closest("#platforms")) restore();
  });
  popup.addEventListener("pointerdown", (event) => event.preventDefault()); // The box keeps the focus.
  popup.addEventListener("mousedown", (event) => event.preventDefault());
  popup.addEventListener("click", ({ target }) => {
    const option = target.closest("[role=option]");
    if (option) pick(option);
  });

  // -- the platforms ---------------------------------------------------------------------------------

  const narrow = (name, { byTouch = false } = {}) => {
    platform = name;
    category = "";
    press();
    tabs.find((tab) => tab.dataset.platform === name)?.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (!byTouch && document.activeElement !== box) {
      staysClosed = true; // Opened below, for the platform.
      box.focus();
      box.select();
      staysClosed = false;
    }
    look(typed()); // By touch without the focus: the keyboard would cover what is to be tapped.
  };

  const row = document.getElementById("platforms");
  // The box keeps the focus: its list would close, and what is below the pointer would move away.
  row?.addEventListener("mousedown", (event) => event.preventDefault());
  row?.addEventListener("click", (event) => {
    const more = event.target.closest(".pf-more");
    if (more) {
      const hidden = tabs.filter((tab) => tab.hidden);
      for (const tab of hidden) tab.hidden = false;
      more.remove();
      return hidden[0].focus();
    }
    const tab = event.target.closest("[data-platform]");
    if (tab) narrow(tab.dataset.platform, { byTouch: event.pointerType === "touch" });
  });

  // -- the question about a link that is for another platform ------------------------------------------

  document.getElementById("order-form").addEventListener("click", ({ target, detail }) => {
    const button = target.closest("[data-find-platform]");
    if (button) {
      box.value = label;
      narrow(button.dataset.findPlatform);
    }
    if (!target.closest("[data-link-is-right]")) return;
    const link = document.getElementById("id_link");
    document.getElementById("id_link_is_right").value = link.value;
    if (!detail) link.focus(); // By key: the button goes.
    link.dispatchEvent(new Event("input", { bubbles: true })); // The summary follows.
  });
})();
