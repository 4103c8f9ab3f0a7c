"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const key = "finexl-study-" + data.page;
  const screens = ["intro", "trial", "end"];
  let rankings = data.trials.map(() => []);
  let at = -1;

  function remembered() {
    try {
      const kept = JSON.parse(localStorage.getItem(key));
      const right = Array.isArray(kept.rankings) && kept.rankings.length === rankings.length &&
        kept.rankings.every((one, n) => Array.isArray(one) && new Set(one).size === one.length &&
          one.every((p) => Number.isInteger(p) && p >= 0 && p < data.trials[n].pictures.length));
      if (right) {
        rankings = kept.rankings;
        at = Number.isInteger(kept.at) ? Math.max(-1, Math.min(kept.at, rankings.length)) : -1;
      }
    } catch (error) { /* nothing kept, or a browser that keeps nothing */ }
  }

  function remember() {
    try { localStorage.setItem(key, JSON.stringify({ rankings, at })); } catch (error) { /* goes on without */ }
  }

  function ordinal(n) { return n + (["th", "st", "nd", "rd"][n] || "th"); }

  function drawTrial() {
    const trial = data.trials[at];
    find("where").textContent = "Group " + (at + 1) + " of " + data.trials.length;
    find("bar").value = at;
    find("prompt").textContent = trial.prompt;
    const grid = find("pictures");
    grid.replaceChildren(...trial.pictures.map((picture, place) => {
      const button = document.createElement("button");
      button.type = "button";
      const image = document.createElement("img");
      image.src = "data:image/jpeg;base64," + data.pictures[picture];
      image.alt = "";
      const number = document.createElement("span");
      number.className = "number";
      number.textContent = String(place + 1);
      const rank = document.createElement("span");
      rank.className = "rank";
      button.append(image, number, rank);
      button.addEventListener("click", () => toggle(place));
      return button;
    }));
    mark("");
  }

  function mark(said) {
    const ranking = rankings[at];
    Array.from(find("pictures").children).forEach((button, place) => {
      const rank = ranking.indexOf(place);
      button.setAttribute("aria-pressed", String(rank >= 0));
      button.setAttribute("aria-label", "Picture " + (place + 1) + (rank >= 0 ? ", " + ordinal(rank + 1) + " place" : ", no place"));
      const badge = button.querySelector(".rank");
      badge.textContent = rank >= 0 ? String(rank + 1) : "";
      badge.hidden = rank < 0;
    });
    find("said").textContent = said || (ranking.length ? ranking.length + " chosen" : "None chosen");
    find("next").textContent = ranking.length ? "Next" : "None of these";
    find("clear").disabled = !ranking.length;
  }

  function toggle(place) {
    const ranking = rankings[at];
    const rank = ranking.indexOf(place);
    if (rank >= 0) { ranking.splice(rank, 1); } else { ranking.push(place); }
    remember();
    mark(rank >= 0 ? "Picture " + (place + 1) + " taken back" : "Picture " + (place + 1) + " is in " + ordinal(ranking.length) + " place");
  }

  function answers() {
    return JSON.stringify({ schema: "finexl.answers/1", study: data.study, page: data.page, rankings });
  }

  function show(place, focus) {
    at = place;
    remember();
    const screen = at < 0 ? "intro" : at < data.trials.length ? "trial" : "end";
    screens.forEach((one) => { find(one).hidden = one !== screen; });
    if (screen === "trial") { drawTrial(); }
    if (screen === "end") {
      const ranked = rankings.filter((one) => one.length).length;
      find("summary").textContent = "You chose pictures in " + ranked + " of " + rankings.length + " groups.";
      find("text").value = answers();
    }
    window.scrollTo(0, 0);
    if (focus) { find({ intro: "title", trial: "prompt", end: "done" }[screen]).focus({ preventScroll: true }); }
  }

  find("begin").addEventListener("click", () => show(0, true));
  find("next").addEventListener("click", () => show(at + 1, true));
  find("back").addEventListener("click", () => show(at - 1, true));
  find("again").addEventListener("click", () => show(at - 1, true));
  find("clear").addEventListener("click", () => { rankings[at] = []; remember(); mark("All taken back"); });
  find("text").addEventListener("focus", () => find("text").select());
  // a number counts only while a picture has the focus: no key does anything elsewhere
  find("pictures").addEventListener("keydown", (event) => {
    const place = event.key.length === 1 ? "123456789".indexOf(event.key) : -1;
    if (place < 0 || event.ctrlKey || event.metaKey || event.altKey) { return; }
    if (place < data.trials[at].pictures.length) {
      event.preventDefault();
      toggle(place);
      find("pictures").children[place].focus();
    }
  });
  find("save").addEventListener("click", () => {
    const link = document.createElement("a");
    const url = URL.createObjectURL(new Blob([answers()], { type: "application/json" }));
    link.href = url;
    link.download = data.file;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  });
  remembered();
  show(at, false);
})();
