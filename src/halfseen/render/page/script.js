"use strict";
// Tables can be read without this; with it they can be sorted and searched.
for (const box of document.querySelectorAll(".table[data-long]")) {
  const table = box.querySelector("table"), body = table.tBodies[0], rows = [...body.rows];
  const count = box.querySelector(".count"), total = rows.length;
  const key = (row, place) => {
    const cell = row.cells[place], value = cell.dataset.v;
    return value === undefined ? cell.textContent : value === "" ? NaN : Number(value);
  };
  const compare = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;
  table.querySelectorAll("thead th").forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const isText = !rows.some((row) => row.cells[place].dataset.v !== undefined);
      const now = head.getAttribute("aria-sort");
      const rises = now ? now === "descending" : isText || head.dataset.first === "up";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rises ? "ascending" : "descending");
      const keyed = rows.map((row) => [key(row, place), row]);
      keyed.sort(([a], [b]) => {
        if (typeof a === "string") return (rises ? 1 : -1) * compare(a, b);
        if (a !== a || b !== b) return (a !== a) - (b !== b); // what is not known comes last
        return (rises ? 1 : -1) * (a - b);
      });
      body.append(...keyed.map(([, row]) => row));
    });
  });
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "Search";
  input.setAttribute("aria-label", "Search in " + box.querySelector(".what").textContent);
  const none = document.createElement("p");
  none.className = "none";
  none.textContent = "Nothing found.";
  none.hidden = true;
  box.querySelector(".scroll").append(none);
  const texts = rows.map((row) => row.cells[0].textContent.toLowerCase() + " " + [...row.querySelectorAll("td.text")].map((cell) => cell.textContent.toLowerCase()).join(" "));
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    rows.forEach((row, place) => {
      row.hidden = !words.every((word) => texts[place].includes(word));
      found += !row.hidden;
    });
    none.hidden = found > 0;
    count.textContent = words.length ? found + " of " + total + " lines" : count.dataset.all;
  });
  box.querySelector(".bar").insertBefore(input, count);
}
