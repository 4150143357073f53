// The page is whole without this script. It adds a crosshair that reads values, with the pointer,
// by touch and with the arrow keys; buttons that copy; and the place in the table of contents.
"use strict";

const CANVAS = 10000;

function make(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** The JSON beside a drawing, with what its group shares. */
function readData(plot) {
  const parse = (node) => (node ? JSON.parse(node.textContent) : {});
  const own = plot.querySelector(":scope > script[type='application/json']");
  const group = plot.closest("[data-linked]");
  const shared = group && group.querySelector(":scope > script[type='application/json']");
  return own ? { ...parse(shared), ...parse(own), group } : null;
}

/** The index of the place nearest to x in an increasing list that may hold null. */
function nearest(places, x) {
  let best = -1;
  for (let i = 0; i < places.length; i++) {
    if (places[i] === null) continue;
    if (best < 0 || Math.abs(places[i] - x) < Math.abs(places[best] - x)) best = i;
  }
  return best;
}

class Reader {
  constructor(plot, data) {
    this.plot = plot;
    this.data = data;
    this.at = -1;
    this.row = -1;
    this.cells = data.heat && Uint8Array.from(atob(data.heat.cells), (c) => c.charCodeAt(0));
    this.cover = plot.appendChild(make("div", "reader"));
    this.hair = this.cover.appendChild(make("div", "hair"));
    this.beads = data.s.map((series) => this.cover.appendChild(make("i", `bead ${series.c}`)));
    this.tip = this.cover.appendChild(make("div", "tip"));
    Object.assign(this.cover, { tabIndex: 0 });
    const facts = { role: "slider", "aria-label": `Read values: ${plot.dataset.name}`,
      "aria-valuemin": 0, "aria-valuemax": data.x.length - 1, "aria-valuenow": 0, "aria-valuetext": "" };
    for (const [key, value] of Object.entries(facts)) this.cover.setAttribute(key, value);
    this.leave();
    this.listen();
  }

  listen() {
    const move = (event) => {
      const box = this.cover.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * CANVAS;
      if (this.cells) {
        const rows = this.data.heat.rows;
        const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
        this.row = Math.min(rows - 1, Math.max(0, row));
      }
      this.show(nearest(this.data.x, x));
    };
    this.cover.addEventListener("pointermove", move);
    this.cover.addEventListener("pointerdown", move);
    this.cover.addEventListener("pointerleave", () => this.leave());
    this.cover.addEventListener("blur", () => this.leave());
    this.cover.addEventListener("keydown", (event) => this.press(event));
  }

  press(event) {
    const last = this.data.x.length - 1;
    const jump = event.shiftKey ? 10 : 1;
    const steps = { ArrowLeft: this.at - jump, ArrowRight: this.at + jump, Home: 0, End: last };
    if (event.key === "Escape") this.leave();
    else if (this.cells && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      const row = this.row + (event.key === "ArrowDown" ? 1 : -1);
      this.row = Math.min(this.data.heat.rows - 1, Math.max(0, row));
      this.show(Math.max(0, this.at));
    } else if (event.key in steps) {
      let to = Math.min(last, Math.max(0, steps[event.key]));
      const onward = to < this.at ? -1 : 1; // past places that cannot be drawn
      while (this.data.x[to] === null && to + onward >= 0 && to + onward <= last) to += onward;
      this.show(to);
    } else return;
    event.preventDefault();
  }

  /** Stand at one place, and draw the hair in every linked drawing. */
  show(index) {
    if (index < 0 || this.data.x[index] === null) return;
    this.mark(index);
    for (const other of this.linked()) other.mark(index, true);
    const words = this.words(index);
    this.fill(words);
    this.cover.setAttribute("aria-valuenow", index);
    const spoken = words.rows.map(({ name, value }) => `${name} ${value}`);
    this.cover.setAttribute("aria-valuetext", [words.head, ...spoken].join(", "));
  }

  linked() {
    return this.data.group ? readers.filter((r) => r !== this && r.data.group === this.data.group) : [];
  }

  mark(index, quiet = false) {
    this.at = index;
    const left = `${this.data.x[index] / (CANVAS / 100)}%`;
    this.hair.hidden = false;
    this.hair.style.left = left;
    this.beads.forEach((bead, k) => {
      const y = this.data.s[k].y[index] ?? null;
      bead.hidden = y === null || y < 0 || y > CANVAS;
      if (!bead.hidden) Object.assign(bead.style, { left, top: `${y / (CANVAS / 100)}%` });
    });
    if (quiet) this.tip.hidden = true;
  }

  words(index) {
    const rows = this.data.s
      .filter((series) => series.v[index] !== "–")
      .map((series) => ({ name: series.n, value: series.v[index], swatch: series.c, style: series.i }));
    if (this.cells) {
      const { rows: count, low, high, clipped } = this.data.heat;
      const row = Math.max(0, this.row);
      const shade = this.cells[row * (this.cells.length / count) + index];
      const beyond = clipped ? { 0: "≤ ", 254: "≥ " }[shade] || "" : "";
      const value = shade === 255 ? "–" : beyond + (low + (shade / 254) * (high - low)).toFixed(2);
      rows.push({ name: this.data.u[row], value: value.replace("-", "−"), swatch: "none" });
    }
    return { head: this.data.t[index], rows };
  }

  fill({ head, rows }) {
    const lines = rows.map(({ name, value, swatch, style }) => {
      const line = make("div");
      line.append(make("i", `swatch ${swatch}`), make("span", "", name), make("b", "", value));
      if (style) line.firstChild.style.cssText = style;
      return line;
    });
    this.tip.replaceChildren(make("p", "", head), ...lines);
    this.tip.hidden = false;
    const box = this.cover.getBoundingClientRect();
    const width = this.tip.offsetWidth;
    const at = (this.data.x[this.at] / CANVAS) * box.width;
    const wanted = at + 14 + width > box.width ? at - width - 14 : at + 14;
    const least = 4 - box.left; // never over the edge of the window
    const most = document.documentElement.clientWidth - 4 - width - box.left;
    this.tip.style.left = `${Math.max(least, Math.min(most, wanted))}px`;
  }

  leave() {
    for (const reader of [this, ...this.linked()]) {
      reader.hair.hidden = reader.tip.hidden = true;
      reader.beads.forEach((bead) => { bead.hidden = true; });
    }
  }
}

const readers = [];
for (const plot of document.querySelectorAll(".plot")) {
  const data = readData(plot);
  if (data && data.x && data.x.length) readers.push(new Reader(plot, data));
}

function copyText(source, button) {
  const said = (words) => {
    button.textContent = words;
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  };
  const select = () => { // where the browser refuses: select it, so that one key copies
    getSelection().selectAllChildren(source);
    said(document.execCommand("copy") ? "Copied" : "Selected");
  };
  if (navigator.clipboard) navigator.clipboard.writeText(source.textContent).then(() => said("Copied"), select);
  else select();
}

for (const source of document.querySelectorAll("[data-copy]")) {
  const holder = make("div", "copyable");
  const button = make("button", "copy", "Copy");
  button.type = "button";
  button.setAttribute("aria-live", "polite");
  source.replaceWith(holder);
  holder.append(source, button);
  button.addEventListener("click", () => copyText(source, button));
}

const links = new Map();
for (const link of document.querySelectorAll(".contents a")) links.set(link.hash.slice(1), link);
const seen = new Set();
const watch = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) seen.add(target.id);
    else seen.delete(target.id);
  }
  const current = [...links.keys()].find((id) => seen.has(id));
  for (const [id, link] of links) {
    if (id === current) link.setAttribute("aria-current", "true");
    else if (current) link.removeAttribute("aria-current");
  }
}, { rootMargin: "-10% 0px -55% 0px" });
for (const id of links.keys()) watch.observe(document.getElementById(id));
