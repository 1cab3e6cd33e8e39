// What was sent as the list of orders was left: says so if the server did not get it. The server answers each with a
// cookie.
(() => {
  "use strict";

  const NAME = "late-wishes";
  const FOR_THE_ANSWER = 5_000;
  const STEP = 250;

  const read = () => {
    try {
      return JSON.parse(sessionStorage.getItem(NAME)) ?? [];
    } catch {
      return [];
    }
  };

  const isAnswered = ({ id }) => {
    const name = `order_wish_${id}`;
    if (!`; ${document.cookie}`.includes(`; ${name}=`)) return false;
    document.cookie = `${name}=; path=/; max-age=0; samesite=lax`;
    return true;
  };

  const tell = (wishes) => {
    const notice = document.importNode(document.getElementById("not-sent").content, true);
    const numbers = wishes.flatMap(({ orders }) => orders).join(" ");
    notice.querySelector("a").search = new URLSearchParams({ q: `#${numbers}` });
    document.getElementById("main").prepend(notice);
  };

  let left = read();
  if (!left.length) return;
  const until = Date.now() + FOR_THE_ANSWER;

  const look = () => {
    left = left.filter((wish) => !isAnswered(wish));
    const isOver = Date.now() >= until;
    if (left.length && isOver) tell(left);
    if (!left.length || isOver) sessionStorage.removeItem(NAME);
    else setTimeout(look, STEP);
  };
  look();
})();
