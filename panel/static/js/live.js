// Keeps polled parts calm: no polling from a hidden tab, no swap of what did not change, no sign-in page in a list.
(() => {
  "use strict";

  const shown = new Map();
  const isPoll = (element) => (element.getAttribute("hx-trigger") || "").startsWith("every");

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && isPoll(event.detail.elt)) event.preventDefault();
  });

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr, pathInfo, serverResponse, requestConfig } = event.detail;
    const asked = new URL(pathInfo.requestPath, location.href).pathname;
    if (xhr.responseURL && new URL(xhr.responseURL).pathname !== asked) {
      // Another page answered: the session ended. Loading this page again leads to the sign-in.
      event.detail.shouldSwap = false;
      location.reload();
    } else if (isPoll(requestConfig.elt) && xhr.status === 200) {
      // A swap for nothing would lose the focus, or a click that had just begun.
      if (shown.get(target.id) === serverResponse) event.detail.shouldSwap = false;
      shown.set(target.id, serverResponse);
    }
  });
})();
