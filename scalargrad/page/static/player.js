// Moves through the steps: buttons, slider, keyboard, play, and the step in the address.

const KEYS = {
  ArrowRight: "next",
  ArrowLeft: "back",
  PageDown: "next", // the keys of a presenter's remote
  PageUp: "back",
  Home: "first",
  End: "last",
  " ": "play",
};

/** Makes the player; `go(step)` shows a step, `position()` tells {step, last}, `asks()` whether a question is open. */
export function makePlayer(root, go, position, asks) {
  let timer = 0;
  const speed = root.querySelector("#speed");
  const slider = root.querySelector("#slider");
  const play = root.querySelector("#play");

  const moves = {
    first: () => go(0),
    back: () => go(position().step - 1),
    next: () => go(position().step + 1),
    last: () => go(position().last),
    play: () => (timer ? stop() : start()),
  };

  function start() {
    if (position().step === position().last) go(0);
    timer = setInterval(tick, 1000 / Number(speed.value));
    play.setAttribute("aria-pressed", "true");
  }

  function tick() {
    if (asks() || position().step === position().last) stop();
    else go(position().step + 1);
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    play.setAttribute("aria-pressed", "false");
  }

  function move(name) {
    if (name !== "play") stop();
    moves[name]();
  }

  for (const name of Object.keys(moves)) root.querySelector(`#${name}`).addEventListener("click", () => move(name));
  slider.addEventListener("input", () => {
    stop();
    go(slider.valueAsNumber);
  });
  speed.addEventListener("change", () => {
    if (!timer) return;
    stop();
    start();
  });
  document.addEventListener("keydown", (event) => {
    const name = KEYS[event.key];
    if (!name || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest("input, select, textarea, [role=tablist]")) return;
    if (event.key === " " && event.target.closest("button, a, summary")) return;
    event.preventDefault();
    move(name);
  });

  return function show({ step, last }) {
    slider.max = last;
    slider.value = step;
    for (const name of ["first", "back"]) root.querySelector(`#${name}`).disabled = step === 0;
    for (const name of ["next", "last"]) root.querySelector(`#${name}`).disabled = step === last;
    root.querySelector("#count").textContent = `${step} / ${last}`;
  };
}

/** Reads `#step=12&view=operations`; what the address does not say is undefined. */
export function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  const step = said.get("step");
  return { step: /^\d+$/.test(step) ? Number(step) : undefined, view: said.get("view") ?? undefined };
}

let later = 0;

/** Writes the step into the address, once nothing has moved for a moment: browsers take only so many such changes. */
export function writeAddress(step, view) {
  clearTimeout(later);
  later = setTimeout(() => {
    try {
      history.replaceState(null, "", `#step=${step}${view ? `&view=${view}` : ""}`);
    } catch {
      // A frame inside a notebook has no address of its own.
    }
  }, 100);
}
