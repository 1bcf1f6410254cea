"""The page's only script: it shows the record that one points at on the map."""

#: It reads what stands in the page and writes text, never markup; without it, the browser's own
#: titles tell the same.
SCRIPT = """
"use strict";
for (const map of document.querySelectorAll("figure.map")) {
  const drawing = map.querySelector("svg.spots"), card = map.querySelector(".card");
  const dots = [...drawing.querySelectorAll(".dot")].map(mark => {
    const title = mark.querySelector("title");
    const [heading, ...rest] = title.textContent.split("\\n");
    title.remove();
    return {mark, heading, text: rest.join("\\n"), picture: mark.dataset.picture,
            x: +mark.getAttribute("x"), y: +mark.getAttribute("y")};
  });
  let chosen = -1, group = null;
  const shown = dot => group === null || dot.mark.dataset.group === group;
  const show = place => {
    if (place < 0 || place === chosen) return;
    if (chosen >= 0) dots[chosen].mark.classList.remove("chosen");
    chosen = place;
    const dot = dots[place];
    dot.mark.classList.add("chosen");
    card.replaceChildren();
    if (dot.picture) {
      const picture = document.createElement("img");
      picture.src = dot.picture;
      picture.alt = dot.text;
      card.append(picture);
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
    dots.forEach((dot, place) => {
      const far = (dot.x - point.x) ** 2 + (dot.y - point.y) ** 2;
      if (far < least && shown(dot)) { least = far; best = place; }
    });
    return best;
  };
  drawing.addEventListener("pointermove", event => show(nearest(event)));
  drawing.addEventListener("pointerdown", event => show(nearest(event)));
  drawing.addEventListener("keydown", event => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!step || !dots.some(shown)) return;
    event.preventDefault();
    let place = chosen;
    do place = (place + step + dots.length) % dots.length; while (!shown(dots[place]));
    show(place);
  });
  const keys = [...map.querySelectorAll("button.key")];
  for (const key of keys) key.addEventListener("click", () => {
    group = group === key.dataset.group ? null : key.dataset.group;
    for (const other of keys) other.setAttribute("aria-pressed", other.dataset.group === group);
    for (const dot of dots) dot.mark.classList.toggle("dim", !shown(dot));
  });
}
"""
