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
    if (event.target.closest("select, textarea, [role=tablist]")) return;
    if (event.target.closest("input") && !leavesField(event)) return;
    if (event.key === " " && event.target.closest("button, a, summary")) return;
    event.preventDefault();
    move(name);
  });

  /** A presenter's remote moves on from wherever the focus is; the arrows do while the answer is still empty. */
  function leavesField({ key, target }) {
    return target.type === "text" && (key.startsWith("Page") || (key.startsWith("Arrow") && target.value === ""));
  }

  return function show({ step, last }) {
    slider.max = last;
    slider.value = step;
    for (const name of ["first", "back"]) root.querySelector(`#${name}`).disabled = step === 0;
    for (const name of ["next", "last"]) root.querySelector(`#${name}`).disabled = step === last;
    root.querySelector("#count").textContent = `${step} / ${last}`;
  };
}

const FARTHEST_SIDEWAYS = 0.6; // of the way across: more is meant to scroll
const SHORTEST = 50; // pixels

/** Lets a finger go through the steps: `move(1)` for a swipe to the left, `move(-1)` for one to the right. */
export function listenToSwipes(area, move) {
  let from = null;
  area.addEventListener("touchstart", (event) => {
    const touch = event.touches[0];
    from = event.touches.length === 1 && !scrollsSideways(event.target) ? [touch.clientX, touch.clientY] : null;
  }, { passive: true });
  area.addEventListener("touchend", (event) => {
    if (!from) return;
    const touch = event.changedTouches[0];
    const [across, down] = [touch.clientX - from[0], touch.clientY - from[1]];
    if (Math.abs(across) >= SHORTEST && Math.abs(down) < FARTHEST_SIDEWAYS * Math.abs(across)) move(across < 0 ? 1 : -1);
  });
}

/** Tells whether a finger moves something else here: a slider, or a part that is wider than its place. */
function scrollsSideways(element) {
  for (let part = element; part; part = part.parentElement) {
    if (part.matches("input, select, textarea") || part.scrollWidth > part.clientWidth + 1) {
      if (part !== document.body && part !== document.documentElement) return true;
    }
  }
  return false;
}
