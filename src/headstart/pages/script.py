"""The page's only script: it shows the record under the pointer on the map."""

#: It reads the marks of the map and writes text, never markup; without it, the browser's own
#: tooltips show the same.
SCRIPT = """
"use strict";
for (const map of document.querySelectorAll("figure.map")) {
  const drawing = map.querySelector("svg.spots"), card = map.querySelector(".card");
  const dots = [...drawing.querySelectorAll(".dot")].map(mark => {
    const title = mark.querySelector("title");
    const [heading, ...rest] = title.textContent.split("\\n");
    title.remove();
    return {mark, heading, text: rest.join("\\n"), image: mark.dataset.image,
            x: +mark.getAttribute("x"), y: +mark.getAttribute("y")};
  });
  let chosen = -1, group = null;
  const visible = dot => group === null || dot.mark.dataset.group === group;
  const show = index => {
    if (index < 0 || index === chosen) return;
    if (chosen >= 0) dots[chosen].mark.classList.remove("chosen");
    chosen = index;
    const dot = dots[index];
    dot.mark.classList.add("chosen");
    card.replaceChildren();
    if (dot.image) {
      const image = document.createElement("img");
      image.src = dot.image;
      image.alt = dot.text;
      card.append(image);
    }
    for (const [element, text] of [["strong", dot.heading], ["p", dot.text]]) {
      const part = document.createElement(element);
      part.textContent = text;
      card.append(part);
    }
  };
  const nearest = event => {
    const point = new DOMPoint(event.clientX, event.clientY)
      .matrixTransform(drawing.getScreenCTM().inverse());
    let best = -1, least = 30 ** 2;
    dots.forEach((dot, index) => {
      const far = (dot.x - point.x) ** 2 + (dot.y - point.y) ** 2;
      if (far < least && visible(dot)) { least = far; best = index; }
    });
    return best;
  };
  drawing.addEventListener("pointermove", event => show(nearest(event)));
  drawing.addEventListener("pointerdown", event => show(nearest(event)));
  drawing.addEventListener("keydown", event => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!step || !dots.some(visible)) return;
    event.preventDefault();
    let index = chosen;
    do index = (index + step + dots.length) % dots.length; while (!visible(dots[index]));
    show(index);
  });
  const keys = [...map.querySelectorAll("button.key")];
  for (const key of keys) key.addEventListener("click", () => {
    group = group === key.dataset.group ? null : key.dataset.group;
    for (const other of keys) other.setAttribute("aria-pressed", other.dataset.group === group);
    for (const dot of dots) dot.mark.classList.toggle("dim", !visible(dot));
  });
}
"""
