// The groups of the side navigation open and close by keys too, and say which they are.
(() => {
  "use strict";

  for (const head of document.querySelectorAll("#nav-sidebar-apps h2.cursor-pointer")) {
    const list = head.nextElementSibling;
    const tell = () => head.setAttribute("aria-expanded", String(list.offsetParent !== null));
    head.tabIndex = 0;
    head.setAttribute("role", "button");
    head.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      head.click();
    });
    new MutationObserver(tell).observe(list, { attributes: true, attributeFilter: ["style"] });
    tell();
  }
})();
