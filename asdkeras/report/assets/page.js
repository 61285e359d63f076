// Sorts tables by a click on a heading, switches between light and dark, and opens what is folded
// before a page is printed. The page reads well without it; nothing is fetched.
(function () {
  "use strict";

  // Tables: every heading becomes a button; empty cells stay last, rows of the foot stay below.
  const isFigure = /^[+-]?\d/;
  function textOf(row, column) { return row.cells[column].textContent.trim(); }
  function compareBy(column, areFigures, sign) {
    return function (one, other) {
      const a = textOf(one, column), b = textOf(other, column);
      if (a === "" || b === "") return (a === "") - (b === "");
      if (areFigures) return sign * (parseFloat(a) - parseFloat(b));
      return sign * a.localeCompare(b, undefined, { numeric: true });
    };
  }
  function sortBy(table, heading) {
    const column = heading.cellIndex, body = table.tBodies[0], rows = Array.from(body.rows);
    const texts = rows.map(function (row) { return textOf(row, column); }).filter(Boolean);
    const areFigures = texts.every(function (text) { return isFigure.test(text); });
    const isName = heading.classList.contains("name");
    const before = heading.getAttribute("aria-sort");
    const first = isName ? "ascending" : "descending";
    const opposite = { ascending: "descending", descending: "ascending" };
    const order = before ? opposite[before] : first;
    rows.sort(compareBy(column, areFigures, order === "ascending" ? 1 : -1));
    body.append.apply(body, rows);
    table.querySelectorAll("th[aria-sort]").forEach(function (each) {
      each.removeAttribute("aria-sort");
    });
    heading.setAttribute("aria-sort", order);
  }
  document.querySelectorAll("table.sortable").forEach(function (table) {
    if (table.tBodies[0].rows.length < 2) return;
    table.querySelectorAll("thead th").forEach(function (heading) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append.apply(button, Array.from(heading.childNodes));
      button.addEventListener("click", function () { sortBy(table, heading); });
      heading.append(button);
    });
  });

  // Light, dark, or as the system has it; where nothing can be stored, for this visit.
  const root = document.documentElement, key = "asdkeras theme " + location.pathname;
  const themes = ["auto", "light", "dark"];
  const toggle = document.createElement("button");
  toggle.type = "button";
  toggle.className = "theme";
  function show(theme) {
    if (theme === "auto") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", theme);
    toggle.textContent = "Colors: " + theme;
  }
  function stored() {
    try { return localStorage.getItem(key); } catch (error) { return null; }
  }
  let theme = themes.includes(stored()) ? stored() : "auto";
  toggle.addEventListener("click", function () {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    show(theme);
    try { localStorage.setItem(key, theme); } catch (error) { return; }
  });
  show(theme);
  document.querySelector("body > header").append(toggle);

  // Paper has nothing to click on.
  let folded = [];
  addEventListener("beforeprint", function () {
    folded = Array.from(document.querySelectorAll("details:not([open])"));
    folded.forEach(function (each) { each.open = true; });
  });
  addEventListener("afterprint", function () {
    folded.forEach(function (each) { each.open = false; });
  });
})();
