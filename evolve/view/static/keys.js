// The keys that the foot of every page names. No key is taken while something is typed. And a tree is shown from its end, where
// the best programs are.
"use strict";

(() => {
  let at = -1;

  const rows = () => [...document.querySelectorAll("table.rows tbody tr")].filter((row) => row.querySelector("a"));

  function go(step) {
    const all = rows();
    if (!all.length) return;
    all.forEach((row) => row.classList.remove("at"));
    at = Math.min(Math.max(at + step, 0), all.length - 1);
    all[at].classList.add("at");
    all[at].querySelector("a").focus();
    all[at].scrollIntoView({ block: "nearest" });
  }

  const acts = {
    "/": () => document.querySelector("input[type=search]")?.focus(),
    j: () => go(1),
    k: () => go(-1),
    u: () => { location.href = location.pathname.split("/").slice(0, -1).join("/").replace(/\/(runs|programs\/[0-9a-f]+\/diff)$/, "") || "/"; },
    "?": () => document.querySelector("footer")?.scrollIntoView(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const act = acts[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });

  document.addEventListener("htmx:afterSwap", () => { at = -1; });

  for (const tree of document.querySelectorAll(".treebox")) tree.scrollLeft = tree.scrollWidth;
})();
