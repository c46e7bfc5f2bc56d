// Zoom and calipers over an ECG page. All positions are in millimetres on the page.

const ZOOMS = [0.5, 0.75, 1, 1.5, 2, 3, 4, 6];
const HINT = "Calipers: drag from one point to another, or click both.";
const SVG = "http://www.w3.org/2000/svg";
const views = new WeakMap();

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".paper");
  if (!views.has(root)) views.set(root, new PaperView(root));
  views.get(root).show(data);
}

class PaperView {
  constructor(root) {
    this.zoom = 1;
    this.clear();
    this.bar = root.appendChild(element("div", { class: "bar", role: "toolbar", "aria-label": "ECG page" }));
    this.out = this.button("−", "Zoom out", () => this.step(-1));
    this.zoomLevel = this.bar.appendChild(element("output", { class: "zoom" }));
    this.in = this.button("+", "Zoom in", () => this.step(1));
    this.one = this.button("100 %", "Zoom to 100 %", () => this.zoomTo(1));
    this.reading = this.bar.appendChild(element("span", { class: "reading", role: "status" }));
    this.off = this.button("Clear", "Clear calipers", () => this.drop());
    const keys = "Arrow keys move a point by 1 mm, with Shift by 0.1 mm; Enter sets it; Escape clears.";
    this.view = root.appendChild(
      element("div", { class: "view", tabindex: "0", role: "group", "aria-label": `ECG page with calipers. ${keys}` })
    );
    this.view.addEventListener("pointerdown", (event) => this.press(event));
    this.view.addEventListener("pointermove", (event) => this.move(event));
    this.view.addEventListener("pointerup", (event) => this.release(event));
    this.view.addEventListener("keydown", (event) => this.key(event));
  }

  show(data) {
    if (data.svg === this.data?.svg) return;
    this.data = data;
    const page = new DOMParser().parseFromString(data.svg, "image/svg+xml").documentElement;
    page.querySelector("title")?.remove(); // a browser would show it beside the pointer
    page.setAttribute("aria-label", data.alt);
    this.page = document.importNode(page, true);
    this.marks = this.page.appendChild(document.createElementNS(SVG, "g"));
    this.marks.setAttribute("class", "calipers");
    this.view.replaceChildren(this.page);
    this.view.style.height = `${Math.round(data.height_mm * data.px_per_mm)}px`;
    this.clear();
    this.zoomTo(this.zoom);
    this.draw();
  }

  button(text, name, act) {
    const button = element("button", { type: "button", "aria-label": name, title: name });
    button.textContent = text;
    button.addEventListener("click", act);
    return this.bar.appendChild(button);
  }

  // Zoom ---------------------------------------------------------------------------------------

  step(by) {
    const at = ZOOMS.indexOf(this.zoom) + by;
    this.zoomTo(ZOOMS[Math.min(Math.max(at, 0), ZOOMS.length - 1)]);
  }

  zoomTo(zoom) {
    const { view, page, data } = this;
    const middle = [
      (view.scrollLeft + view.clientWidth / 2) / this.zoom,
      (view.scrollTop + view.clientHeight / 2) / this.zoom,
    ];
    this.zoom = zoom;
    page.setAttribute("width", data.width_mm * data.px_per_mm * zoom);
    page.setAttribute("height", data.height_mm * data.px_per_mm * zoom);
    view.style.overflow = zoom > 1 ? "scroll" : "auto hidden";
    view.scrollTo(middle[0] * zoom - view.clientWidth / 2, middle[1] * zoom - view.clientHeight / 2);
    this.zoomLevel.textContent = `${Math.round(100 * zoom)} %`;
    this.out.disabled = zoom === ZOOMS[0];
    this.in.disabled = zoom === ZOOMS[ZOOMS.length - 1];
    this.one.disabled = zoom === 1;
  }

  // Calipers -----------------------------------------------------------------------------------

  clear() {
    this.from = this.to = null;
    this.open = this.dragging = false; // open: the second point is not set yet
  }

  drop() {
    this.clear();
    this.draw();
  }

  position(event) {
    const box = this.page.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) / box.width) * this.data.width_mm,
      y: ((event.clientY - box.top) / box.height) * this.data.height_mm,
    };
  }

  press(event) {
    if (event.button !== 0 || !this.page.contains(event.target)) return; // not on a scroll bar
    this.view.setPointerCapture(event.pointerId);
    this.dragging = !this.open;
    if (this.dragging) this.from = this.position(event);
    this.to = this.position(event);
    this.pressed = [event.clientX, event.clientY];
    this.draw();
  }

  move(event) {
    if (!this.dragging && !this.open) return;
    this.to = this.position(event);
    this.draw();
  }

  release(event) {
    if (!this.pressed) return;
    const [x, y] = this.pressed;
    const clicked = Math.hypot(event.clientX - x, event.clientY - y) < 4;
    this.open = this.dragging && clicked;
    this.dragging = false;
    this.pressed = null;
    this.draw();
  }

  key(event) {
    const far = event.shiftKey ? 0.1 : 1;
    const moves = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (moves[event.key]) this.shift(...moves[event.key]);
    else if (event.key === "Enter" || event.key === " ") this.set();
    else if (event.key === "Escape") this.drop();
    else if (event.key === "+") this.step(1);
    else if (event.key === "-") this.step(-1);
    else return;
    event.preventDefault();
    event.stopPropagation(); // the page's own keys: previous and next record
  }

  shift(right, down) {
    if (!this.to) this.to = { x: Math.round(this.data.width_mm / 2), y: Math.round(this.data.height_mm / 2) };
    this.to = { x: this.to.x + right, y: this.to.y + down };
    if (!this.open) this.from = { ...this.to };
    this.draw();
  }

  set() {
    if (!this.to) this.shift(0, 0);
    if (!this.open) this.from = { ...this.to };
    this.open = !this.open;
    this.draw();
  }

  draw() {
    const { from, to } = this;
    this.off.disabled = !from;
    this.reading.classList.toggle("measured", Boolean(from));
    if (!from) {
      this.marks.replaceChildren();
      this.reading.textContent = HINT;
      return;
    }
    const words = this.words();
    this.reading.textContent = words;
    const left = Math.min(from.x, to.x), right = Math.max(from.x, to.x);
    const top = Math.min(from.y, to.y), bottom = Math.max(from.y, to.y);
    const text = shape("text", { x: Math.min(right + 1, this.data.width_mm - 40), y: Math.max(top - 1.5, 3.5) });
    text.textContent = words;
    this.marks.replaceChildren(
      shape("rect", { x: left, y: top, width: right - left, height: bottom - top }),
      ...[left, right].map((x) => shape("line", { x1: x, x2: x, y1: top - 4, y2: bottom + 4 })),
      ...[top, bottom].map((y) => shape("line", { x1: left - 2, x2: right + 2, y1: y, y2: y })),
      text
    );
  }

  words() {
    const ms = Math.abs(this.to.x - this.from.x) * this.data.ms_per_mm;
    const mv = (this.from.y - this.to.y) * this.data.mv_per_mm;
    const rate = ms >= 1 ? ` · ${Math.round(60000 / ms)}/min` : "";
    return `${Math.round(ms)} ms · ${mv.toFixed(2).replace("-", "−")} mV${rate}`;
  }
}

function element(name, attributes) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function shape(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}
