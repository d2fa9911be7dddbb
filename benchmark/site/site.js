"use strict";

// Sorting: numbers as numbers, empty cells last whichever way, ties as they stood.
for (const table of document.querySelectorAll("table.board")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, place) => {
    head.querySelector("[data-sort]").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const numeric = head.classList.contains("num");
      const key = (row) => row.cells[place].dataset.v;
      const rows = [...body.rows].sort((a, b) => {
        const x = key(a), y = key(b);
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = numeric ? Number(x) - Number(y) : x.localeCompare(y, "en");
        return down ? -order : order;
      });
      body.append(...rows);
    });
  });
}

// Wide tables start with their main columns; without this script all columns show.
for (const button of document.querySelectorAll("[data-unfold]")) {
  const table = document.getElementById(button.dataset.unfold);
  const all = button.textContent;
  const fold = (folded) => {
    table.classList.toggle("folded", folded);
    button.setAttribute("aria-expanded", String(!folded));
    button.textContent = folded ? all : "Main metrics";
  };
  button.hidden = false;
  button.addEventListener("click", () => fold(!table.classList.contains("folded")));
  fold(true);
}

// Comparing: only names that the page lists are ever loaded.
for (const part of document.querySelectorAll("[data-compare]")) {
  const [a, b] = part.querySelectorAll("select");
  const swap = part.querySelector("[data-swap]");
  const show = () => {
    for (const select of [a, b]) {
      for (const image of part.querySelectorAll(`[data-of="${select.dataset.side}"]`)) {
        image.src = `samples/${encodeURIComponent(select.value)}/${image.dataset.name}.webp`;
      }
    }
    const name = (select) => select.selectedOptions[0].textContent;
    part.querySelector("[data-said]").textContent = `${name(a)} beside ${name(b)}`;
  };
  a.addEventListener("change", show);
  b.addEventListener("change", show);
  swap.hidden = false;
  swap.addEventListener("click", () => {
    [a.value, b.value] = [b.value, a.value];
    show();
  });
  const wanted = new URLSearchParams(location.hash.slice(1)).get("a");
  const found = [...a.options].find((option) => option.value === wanted);
  if (found) {
    const other = [...b.options].find((option) => option.value !== wanted);
    a.value = found.value;
    if (b.value === wanted && other) b.value = other.value;
    show();
    part.scrollIntoView();
  }
}

// A link to a protocol opens it.
const open = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
};
addEventListener("hashchange", open);
open();
