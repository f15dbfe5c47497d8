"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = Array.from(table.tHead.rows[0].cells);
  const key = (row, index) => {
    const cell = row.cells[index];
    return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.firstChild ? cell.firstChild.textContent.trim() : "";
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b
    : typeof a === typeof b ? a.localeCompare(b, undefined, { numeric: true })
    : typeof a === "number" ? -1 : 1;
  heads.forEach((head, index) => head.querySelector("button").addEventListener("click", () => {
    const numbers = head.classList.contains("number");
    const now = head.getAttribute("aria-sort");
    const descending = now ? now === "ascending" : numbers;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    rows.sort((a, b) => (descending ? -1 : 1) * compare(key(a, index), key(b, index)));
    body.append(...rows);
  }));
}
