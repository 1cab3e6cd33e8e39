// Many orders at once: numbers beside the lines, corrected lines written back to the box, and lines that a reload keeps.
// Without scripts the box and the fields of wrong lines do the same on the server.
(() => {
  "use strict";

  const form = document.getElementById("mass-form");
  if (!form) return;
  const box = form.querySelector("textarea");
  const numbers = form.querySelector(".mass-numbers");
  const wrong = () => [...document.querySelectorAll(".mass-wrong input[name^='line-']")];
  const numberOf = (field) => Number(field.name.slice("line-".length));

  // -- numbers --

  let shown = "";

  const draw = () => {
    const lines = box.value.split("\n");
    const marked = new Set(wrong().filter((field) => lines[numberOf(field) - 1]?.trim() === field.value).map(numberOf));
    const now = `${lines.length} ${[...marked]}`;
    if (now !== shown) {
      shown = now;
      const parts = [];
      let plain = [];
      lines.forEach((_, index) => {
        if (marked.has(index + 1)) {
          parts.push(plain.join(""), Object.assign(document.createElement("b"), { textContent: `${index + 1}\n` }));
          plain = [];
        } else {
          plain.push(`${index + 1}\n`);
        }
      });
      numbers.replaceChildren(...parts, plain.join(""));
    }
    numbers.scrollTop = box.scrollTop;
  };

  box.addEventListener("scroll", () => { numbers.scrollTop = box.scrollTop; }, { passive: true });

  // -- a line that is corrected below is corrected in the box too, where it was not changed there --

  for (const field of wrong()) {
    let last = field.value;
    field.addEventListener("input", () => {
      const lines = box.value.split("\n");
      const place = numberOf(field) - 1;
      if (lines[place]?.trim() === last) {
        lines[place] = field.value;
        box.value = lines.join("\n");
        last = field.value.trim();
        keep();
      }
    });
  }

  // -- what was typed outlives a reload in this tab, for the same customer --

  const name = `mass-order-${form.dataset.customer}`;
  const keep = () => {
    try {
      if (box.value.trim()) sessionStorage.setItem(name, box.value);
      else sessionStorage.removeItem(name);
    } catch { /* Too much, or not allowed: the lines are in the box. */ }
  };
  const forget = () => {
    try { sessionStorage.removeItem(name); } catch { /* Not allowed: nothing was kept. */ }
  };

  document.getElementById("mass-over")?.addEventListener("click", forget);
  if (form.dataset.made !== undefined) forget();
  try {
    if (!box.value) box.value = sessionStorage.getItem(name) || "";
  } catch { /* Not allowed: the box stays empty. */ }
  if (box.value) keep();

  box.addEventListener("input", () => { draw(); keep(); });
  addEventListener("pageshow", draw);
  draw();
})();
