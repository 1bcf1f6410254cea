"""The script of the page ``/``: it asks for the runs, sends a record, and shows the answers.

It writes what others wrote as text alone. Only the markup of an explanation, which the server makes
with everything in it escaped, is set as such, and the policy of the page runs no script in it.
"""

SCRIPT = r"""
"use strict";
const part = id => document.getElementById(id);
const make = (name, text, kind) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
};
let models = [], file = null, stop = null;
const chosen = () => models.find(each => each.id === part("model").value);
const say = (text, isFault) => {
  part("status").textContent = text;
  part("status").classList.toggle("fault", Boolean(isFault));
};
const ask = async (route, body, signal) => {
  const answer = await fetch(route, {method: "POST", signal,
    headers: {"content-type": "application/json"}, body: JSON.stringify(body)});
  if (!answer.ok) {
    const told = await answer.json().catch(() => null);
    throw new Error(told && told.error ? told.error.message : `status ${answer.status}`);
  }
  return answer;
};
const base64 = blob => new Promise((done, failed) => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
  reader.onerror = () => failed(new Error("the file cannot be read"));
  reader.readAsDataURL(blob);
});
const record = async () => {
  if (chosen().as === "typed") {
    if (!part("typed").value.trim()) throw new Error("Type a record first.");
    return part("typed").value;
  }
  if (!file) throw new Error("Choose a file first.");
  return base64(file);
};

const shares = scores => {
  const grid = make("div", undefined, "shares");
  const best = Object.entries(scores).sort((a, b) => b[1] - a[1]).slice(0, 12);
  for (const [label, share] of best) {
    const bar = make("span", undefined, "bar"), filled = make("span");
    filled.style.width = `${100 * share}%`;
    bar.append(filled);
    grid.append(make("span", label), bar, make("span", `${(100 * share).toFixed(1)} %`, "figure"));
  }
  return grid;
};
const near = rows => {
  const list = make("ol", undefined, "near");
  for (const row of rows) {
    const item = make("li");
    const score = row.similarity ?? row.score;
    item.append(make("span", score.toFixed(3), "figure"));
    item.append(make("span", row.preview ?? row.title ?? row.item ?? row.id));
    const about = row.reasons ? `because of ${row.reasons.join(", ")}` : row.id ?? row.item;
    if (about !== undefined) item.append(make("small", about));
    list.append(item);
  }
  return list;
};
const plain = value => {
  const shown = make("pre"), code = make("code", JSON.stringify(value, null, 2).slice(0, 20000));
  shown.append(code);
  return shown;
};

const actions = {
  predict: ["Predict", async model => {
    const found = await (await ask("/predict", {model, input: await record()})).json();
    const row = found.predictions[0];
    return row.scores ? [shares(row.scores)] : [plain(row)];
  }],
  explain: ["Explain", async model => {
    const body = {model, input: await record(), html: true};
    const found = await (await ask("/explain", body)).json();
    const shown = make("div");
    shown.innerHTML = found.html;
    const what = `${found.explained} against ${found.against}, log-odds ` +
      `${found.log_odds.toFixed(1)}, by ${found.method}`;
    return [make("p", what), shown, ...found.notes.map(note => make("p", note, "small"))];
  }],
  search: ["Nearest", async model => {
    const found = await (await ask("/search", {model, query: await record(), count: 8})).json();
    return [near(found.results[0].neighbours)];
  }],
  recommend: ["Recommend", async model => {
    const history = (await record()).split(",").map(item => item.trim()).filter(Boolean);
    const found = await (await ask("/recommend", {model, history, reasons: true})).json();
    return [near(found.recommendations), ...found.notes.map(note => make("p", note, "small"))];
  }],
  generate: ["Write on", async model => {
    stop = new AbortController();
    const shown = make("p", part("typed").value, "written");
    part("answer").replaceChildren(shown);
    const body = {model, prompt: part("typed").value};
    const answer = await ask("/generate", body, stop.signal);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const {done, value} = await reader.read();
      if (done) break;
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) {
        const data = event.slice(6);
        if (data === "[DONE]") continue;
        const told = JSON.parse(data);
        if (told.error) throw new Error(told.error.message);
        shown.textContent += told.continuation;
      }
    }
    return [shown];
  }],
  embed: ["Embed", async model => {
    const found = await (await ask("/v1/embeddings", {model, input: await record()})).json();
    const vector = found.data[0].embedding;
    const first = vector.slice(0, 24).map(value => value.toFixed(4)).join("  ");
    const more = vector.length > 24 ? " …" : "";
    const read = found.usage.total_tokens ? `, from ${found.usage.total_tokens} positions` : "";
    return [make("p", `${vector.length} numbers${read}`),
            make("p", first + more, "vector")];
  }],
};

const run = async (button, work) => {
  const buttons = [...part("actions").children], model = chosen().id;
  buttons.forEach(each => { each.disabled = !each.dataset.stops; });
  say("At work …");
  const start = performance.now();
  try {
    const shown = await work(model);
    part("answer").replaceChildren(...shown);
    say(`${button.textContent}: ${(performance.now() - start).toFixed(0)} ms`);
  } catch (error) {
    if (error.name === "AbortError") say("Stopped.");
    else { part("answer").replaceChildren(); say(error.message, true); }
  } finally {
    stop = null;
    buttons.forEach(each => { each.disabled = false; });
  }
};
const offer = () => {
  const model = chosen();
  if (!model) return;
  const isText = model.as === "typed";
  part("typed").hidden = !isText;
  part("drop").hidden = isText;
  part("record").hidden = !isText;
  part("record").textContent = `What it reads: ${model.reads}`;
  const classes = model.labels.length ? `, ${model.labels.length} classes` : "";
  part("facts").textContent = `reads ${model.reads}, ${model.width} numbers a vector${classes}`;
  const buttons = [];
  for (const [name, [title, work]] of Object.entries(actions)) {
    if (!model.abilities.includes(name)) continue;
    const button = make("button", title);
    button.addEventListener("click", () => run(button, work));
    buttons.push(button);
    if (name === "generate") {
      const stopping = make("button", "Stop");
      stopping.dataset.stops = "yes";
      stopping.addEventListener("click", () => stop && stop.abort());
      buttons.push(stopping);
    }
  }
  part("actions").replaceChildren(...buttons);
  part("answer").replaceChildren();
  say("Choose what the run shall do.");
};
const take = given => {
  if (!given) return;
  file = given;
  part("named").textContent = given.name;
  const shown = part("shown");
  URL.revokeObjectURL(shown.src);
  shown.src = URL.createObjectURL(given);
  shown.hidden = false;
};
part("shown").addEventListener("error", () => { part("shown").hidden = true; });
part("file").addEventListener("change", event => take(event.target.files[0]));
for (const name of ["dragover", "dragleave", "drop"])
  part("drop").addEventListener(name, event => {
    event.preventDefault();
    part("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") take(event.dataTransfer.files[0]);
  });
part("model").addEventListener("change", offer);
part("typed").addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey))
    part("actions").querySelector("button")?.click();
});
fetch("/v1/models").then(answer => answer.json()).then(found => {
  models = found.data;
  part("model").replaceChildren(...models.map(model => {
    const option = make("option", model.id);
    option.value = model.id;
    return option;
  }));
  offer();
}).catch(() => say("The server does not answer; load the page again.", true));
"""
