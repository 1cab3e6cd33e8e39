// The order form: finds a service among thousands, and keeps what is typed while the fields change.
(() => {
  "use strict";

  const select = document.getElementById("id_service");
  const finder = document.getElementById("service-finder");
  const note = document.getElementById("finder-note");
  const form = document.getElementById("order-form");
  if (!select || !finder) return;

  // -- finding a service --

  const placeholder = [...select.children].filter((child) => child.tagName === "OPTION");
  const groups = [...select.querySelectorAll("optgroup")].map((element) => ({
    element,
    options: [...element.children].map((option) => ({
      option,
      text: `${element.label} ${option.text}`.toLowerCase(),
    })),
  }));
  const matches = () => groups.flatMap(({ element }) => (element.isConnected ? [...element.children] : []));

  const tell = (count) => {
    if (!count) return "No service matches";
    return `${count.toLocaleString("en")} ${count === 1 ? "service" : "services"} found, choose below`;
  };

  const find = () => {
    const words = finder.value.toLowerCase().split(/\s+/);
    const chosen = select.selectedOptions[0];
    const isFound = ({ text }) => words.every((word) => text.includes(word));
    let count = 0;
    for (const { element, options } of groups) {
      count += options.filter(isFound).length;
      const kept = options.filter((entry) => entry.option === chosen || isFound(entry));
      element.replaceChildren(...kept.map(({ option }) => option));
    }
    select.replaceChildren(
      ...placeholder,
      ...groups.map(({ element }) => element).filter((element) => element.firstChild),
    );
    chosen.selected = true;
    note.textContent = finder.value.trim() ? tell(count) : "";
  };

  const chooseFirst = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // it must never send the order
    const first = matches().find((option) => !option.selected);
    if (!finder.value.trim() || !first) return;
    first.selected = true;
    finder.value = "";
    find();
    select.dispatchEvent(new Event("change", { bubbles: true }));
    select.focus();
  };

  select.before(finder, note);
  finder.hidden = select.options.length <= 15;
  finder.addEventListener("input", find);
  finder.addEventListener("keydown", chooseFirst);

  // -- what is wrong: found at once, and no longer told once it is being corrected --

  form.querySelector("[aria-invalid=true]")?.focus();
  form.addEventListener("input", ({ target }) => {
    if (target.getAttribute("aria-invalid") !== "true") return;
    const error = document.getElementById(`${target.id}_error`);
    const named = (target.getAttribute("aria-describedby") || "").split(" ").filter((id) => id && id !== error?.id);
    error?.remove();
    target.classList.remove("is-invalid");
    target.removeAttribute("aria-invalid");
    if (named.length) target.setAttribute("aria-describedby", named.join(" "));
    else target.removeAttribute("aria-describedby");
  });

  // -- what was typed while the fields of another service were on their way --

  let typed = [];

  document.addEventListener("htmx:beforeSwap", ({ detail: { target, requestConfig } }) => {
    if (target.id !== "order-fields") return;
    typed = [...target.querySelectorAll("input, textarea")].filter(
      (field) => field.value !== (requestConfig.formData.get(field.name) ?? ""),
    );
  });

  document.addEventListener("htmx:afterSwap", () => {
    for (const { id, value } of typed) {
      const field = document.getElementById(id);
      if (field) field.value = value;
    }
    typed = [];
  });
})();
