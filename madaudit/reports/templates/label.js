"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const items = data.items;
  const store = "madaudit-label-" + data.draw;
  const keys = { s: "synthetic", c: "composite", r: "real", u: "undecided" };
  const part = (id) => document.getElementById(id);
  let state = { answers: {}, order: [], at: 0 };

  const warn = (text) => { part("warning").textContent = text; part("warning").hidden = false; };

  const load = () => {
    try {
      const kept = JSON.parse(localStorage.getItem(store));
      if (kept && kept.answers && Array.isArray(kept.order)) state = kept;
    } catch (error) {
      warn("This browser keeps nothing for this page: do not close it before you have exported.");
    }
    state.at = Math.min(Math.max(state.at | 0, 0), items.length - 1);
  };

  const keep = () => {
    try { localStorage.setItem(store, JSON.stringify(state)); }
    catch (error) { warn("Your answers could not be kept: export them before you close this page."); }
  };

  const done = () => items.filter((item) => item.name in state.answers).length;

  const show = () => {
    const item = items[state.at];
    part("picture").src = item.image;
    part("picture").alt = "Sample " + (state.at + 1) + " of " + items.length;
    part("caption").textContent = item.caption;
    const answer = state.answers[item.name];
    document.querySelectorAll("[data-label]").forEach((button) => {
      button.setAttribute("aria-pressed", String(button.dataset.label === answer));
    });
    const n = done();
    part("progress").textContent =
      "Sample " + (state.at + 1) + " of " + items.length + ", " + n + " labelled" +
      (n === items.length ? ". All done: press E to export." : "");
    part("bar").max = items.length;
    part("bar").value = n;
    part("undo").disabled = state.order.length === 0;
    part("back").disabled = state.at === 0;
    part("next").disabled = state.at === items.length - 1;
  };

  const go = (to) => {
    state.at = Math.min(Math.max(to, 0), items.length - 1);
    part("frame").classList.remove("full");
    keep();
    show();
  };

  const answer = (label) => {
    const name = items[state.at].name;
    state.order.push([name, state.answers[name] || null]);
    state.answers[name] = label;
    go(state.at + 1);
  };

  const undo = () => {
    const last = state.order.pop();
    if (!last) return;
    if (last[1] === null) delete state.answers[last[0]];
    else state.answers[last[0]] = last[1];
    go(items.findIndex((item) => item.name === last[0]));
  };

  const exported = () => JSON.stringify({
    kind: "madaudit labels", version: 1, draw: data.draw,
    exported: new Date().toISOString(), answers: state.answers,
  }, null, 1);

  const save = () => {
    const link = document.createElement("a");
    const url = URL.createObjectURL(new Blob([exported()], { type: "application/json" }));
    link.href = url;
    link.download = "labels-" + data.draw + ".json";
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };

  const zoom = () => part("frame").classList.toggle("full");

  const commands = {
    z: undo, backspace: undo, arrowleft: () => go(state.at - 1), arrowright: () => go(state.at + 1),
    e: save, " ": zoom,
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const key = event.key.toLowerCase();
    const isControl = event.target.closest && event.target.closest("button, summary");
    if (key === " " && isControl) return;
    if (key in keys) answer(keys[key]);
    else if (key in commands) commands[key]();
    else return;
    event.preventDefault();
  });
  document.querySelectorAll("[data-label]").forEach((button) => {
    button.addEventListener("click", () => answer(button.dataset.label));
  });
  part("undo").addEventListener("click", undo);
  part("back").addEventListener("click", () => go(state.at - 1));
  part("next").addEventListener("click", () => go(state.at + 1));
  part("export").addEventListener("click", save);
  part("frame").addEventListener("click", zoom);

  load();
  show();
})();
