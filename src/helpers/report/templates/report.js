"use strict";
// Tables sort by a column and show the rows that hold some words; what a link points at is unfolded, and all for print.
const text = cell => cell.textContent.trim();
const number = cell => /^-?[\d.,]+/.test(text(cell)) ? parseFloat(text(cell).replace(/,/g, "")) : NaN;

function sort(table, column, button) {
  const header = button.closest("th"), descending = header.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const body = table.tBodies[0], rows = [...body.rows];
  const numeric = rows.some(row => !isNaN(number(row.cells[column]))) &&
    rows.every(row => !text(row.cells[column]) || !isNaN(number(row.cells[column])));
  rows.sort((a, b) => {
    const [first, second] = [a, b].map(row => row.cells[column]);
    if (!text(first) || !text(second)) return !text(first) - !text(second);
    const order = numeric ? number(first) - number(second) : text(first).localeCompare(text(second));
    return descending ? -order : order;
  });
  body.append(...rows);
}

document.querySelectorAll("table.sorted").forEach((table, which) => {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    if (header.textContent.startsWith("picture")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(table, column, button));
    header.append(button);
  });
  const label = document.createElement("label"), field = document.createElement("input");
  const count = document.createElement("output");
  field.type = "search";
  field.id = `filter-${which}`;
  label.htmlFor = field.id;
  label.textContent = "Show rows with ";
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean), rows = [...table.tBodies[0].rows];
    for (const row of rows) row.hidden = !words.every(word => text(row).toLowerCase().includes(word));
    count.textContent = words.length ? ` ${rows.filter(row => !row.hidden).length} of ${rows.length} rows` : "";
  });
  const filter = document.createElement("p");
  filter.className = "filter";
  filter.append(label, field, count);
  table.closest(".wide").before(filter);
});

function unfold() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", unfold);
unfold();

let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("#answers details:not([open]), #verdicts details:not([open])")];
  for (const details of folded) details.open = true;
});
addEventListener("afterprint", () => folded.forEach(details => details.open = false));
addEventListener("keydown", event => { if (event.key === "Escape") document.activeElement?.blur(); });
