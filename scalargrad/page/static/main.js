// The page: holds what is shown now, and lets every part of the page follow when it changes.

import { writeCard } from "./card.js";
import { drawCurve } from "./curve.js";
import { makeEditor } from "./editor.js";
import { forward } from "./engine.js";
import { drawLegend } from "./legend.js";
import * as m from "./mathml.js";
import { written } from "./numbers.js";
import { makePhases } from "./phases.js";
import { makePicture } from "./picture.js";
import { makePlayer, readAddress, writeAddress } from "./player.js";
import { judge, question } from "./quiz.js";
import { PHASES, known, round } from "./steps.js";
import { makeTable } from "./table.js";
import { makeTabs } from "./tabs.js";
import { language, load, phrase, speak, text, translate } from "./words.js";

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const graph = data.graph;
const root = graph.nodes.length - 1;
const recorded = graph.recorded;

// What is shown. `numbers` are the values and local derivatives at hand: the recorded ones until something is changed.
const now = {
  view: data.view,
  step: 0,
  digits: data.digits,
  rate: data.learningRate,
  numbers: recorded,
  round: null,
  losses: [],
  quiz: false,
};
const score = { asked: 0, right: 0 };
const answered = new Map(); // for this round: step -> "right" or "shown"
let tried = false;
let hinted = false;

const pictures = Object.fromEntries(
  ["quantities", "operations"].map((view) => [view, makePicture($(`picture-${view}`), graph, view)]),
);
const showTable = makeTable($("table"), graph, goToNode);
const showEditor = makeEditor($("editor"), graph, edit);
const showPhases = makePhases($("phases"), (phase) => go(steps().findIndex((step) => step.phase === phase)));
const position = () => ({ step: now.step, last: steps().length - 1 });
const showPlayer = makePlayer($("player"), go, position, () => Boolean(asked()));

const steps = () => now.round.views[now.view].steps;

function asked() {
  if (!now.quiz || answered.has(now.step)) return null;
  return question(steps()[now.step], now.numbers, graph.nodes);
}

// --- what changes the numbers

/** Takes other numbers or another learning rate, once everything that follows from them could be computed. */
function restart(numbers, rate = now.rate) {
  const recordedAfter = !data.live || (numbers === recorded && rate === data.learningRate) ? graph.after : null;
  now.round = round(graph, numbers, rate, recordedAfter);
  now.numbers = numbers;
  now.rate = rate;
  answered.clear();
}

function attempt(change) {
  $("error").hidden = true;
  try {
    change();
  } catch (error) {
    $("error").textContent = error.message;
    $("error").hidden = false;
  }
  render();
}

function edit(node, number) {
  attempt(() => {
    if (Number.isNaN(number)) throw new Error(text("error.number"));
    const leaves = [...now.numbers.values];
    leaves[node] = number;
    restart(forward(graph.nodes, leaves));
    now.losses = [now.numbers.values[root]];
  });
}

function train(count) {
  attempt(() => {
    for (let i = 0; i < count; i++) {
      if (now.round.after.error) throw now.round.after.error;
      restart(now.round.after);
      now.losses.push(now.numbers.values[root]);
    }
  });
}

function setDigits(digits) {
  now.digits = digits;
  $("digits").value = String(digits);
  $("table").closest("table").classList.toggle("all-digits", digits === "all");
}

function setRate(rate) {
  attempt(() => {
    if (!Number.isFinite(rate)) throw new Error(text("error.number"));
    if (rate < 0) throw new Error(text("error.rate"));
    restart(now.numbers, rate);
  });
}

function reset() {
  attempt(() => {
    restart(recorded, data.learningRate);
    now.losses = [recorded.values[root]];
  });
}

// --- what changes the step

function go(step) {
  now.step = Math.min(Math.max(step, 0), steps().length - 1);
  tried = hinted = false;
  $("verdict").textContent = "";
  render();
}

/** Goes to the step at which a node gets its value or, in the backward pass, its gradient. */
function goToNode(node) {
  const all = steps();
  const late = PHASES.indexOf(all[now.step].phase) >= PHASES.indexOf("backward");
  const about = (step) => (step.kind === "backward" ? late && step.parent === node : step.node === node);
  const found = late ? all.findLastIndex((step) => step.phase === "backward" && about(step)) : all.findIndex(about);
  if (found >= 0) go(found);
}

/** Shows the other view at the step that is closest to the present one. */
function setView(view) {
  const before = steps()[now.step];
  now.view = view;
  answered.clear();
  showView();
  const all = steps();
  const same = all.findIndex(
    (step) => step.kind === before.kind && step.node === before.node && step.parent === before.parent,
  );
  go(same >= 0 ? same : all.findIndex((step) => step.phase === before.phase));
}

// --- the quiz

function setQuiz(on) {
  now.quiz = on;
  answered.clear();
  $("quiz").setAttribute("aria-pressed", String(on));
  go(now.step);
}

function answer(event) {
  event.preventDefault();
  const open = asked();
  const verdict = judge($("answer").value, open);
  if (verdict === "right") {
    score.asked += 1;
    score.right += tried || hinted ? 0 : 1;
    answered.set(now.step, "right");
  } else if (verdict !== "short" && verdict !== "unread") {
    tried = true;
  }
  render();
  say(`quiz.${verdict}`, verdict === "right" ? "good" : "bad", open.answer);
  if (verdict === "right") $("next").focus();
  else $("answer").select();
}

function giveUp() {
  const open = asked();
  score.asked += 1;
  answered.set(now.step, "shown");
  render();
  say("quiz.shown", "", open.answer);
  $("next").focus();
}

function say(key, mood, number) {
  $("verdict").className = mood;
  $("verdict").textContent = text(key, { answer: written(number, now.digits) });
}

// --- showing

function render() {
  const all = steps();
  const step = all[now.step];
  const open = asked();
  const hidden = open && { node: open.node, what: open.what };
  const state = known(graph, now.round, all, now.step);
  const picture = pictures[now.view];
  picture.show(state, now.digits, hidden);
  picture.light(lightOf(step, open));
  showTable(state, now.digits, hidden, subjectOf(step), {
    numbers: now.numbers,
    differences: $("differences").checked && data.live,
  });
  writeCard(document.querySelector(".card"), graph, graph.views[now.view], now.round, step, now.digits, revealed(open));
  showQuestion(open);
  showEditor(now.numbers.values, data.live);
  showTraining(open?.node === root);
  showPlayer({ step: now.step, last: all.length - 1 });
  $("phase").textContent = text(`phase.${step.phase}`);
  showPhases(all, step.phase);
  $("go-on").hidden = step.kind !== "next" || Boolean(step.after.error);
  writeAddress(now.step, now.view === data.view ? "" : now.view);
}

const revealed = (open) => (!open ? "all" : hinted ? "formula" : "nothing");
const subjectOf = (step) => step.parent ?? step.node;

function lightOf(step, open) {
  const edgesOf = now.round.views[now.view].edgesOf;
  if (step.kind === "forward") {
    const edges = edgesOf(step.node);
    return {
      now: [step.node],
      from: edges.map((edge) => edge.parent),
      edgeIds: edges.map((_, k) => `${step.node}_${k}`),
    };
  }
  if (step.kind === "backward") {
    const tagText = open ? "" : `×${written(step.local, 3)}`;
    return { now: [step.parent], from: [step.node], edgeIds: [`${step.node}_${step.edge}`], backwards: true, tagText };
  }
  return step.kind === "start" ? {} : { now: [step.node] };
}

function showQuestion(open) {
  $("question").hidden = !open;
  $("score").hidden = !score.asked;
  $("score").textContent = text("quiz.score", score);
  if (!open) return;
  $("ask").replaceChildren(...phrase(open.ask, { node: m.math(m.name(graph.nodes[open.node].name)) }));
  $("hint").disabled = hinted;
}

/** Shows the loss and its curve, but not while a quiz asks for that loss. */
function showTraining(asksForLoss) {
  const none = !graph.parameters.length;
  for (const id of ["train-1", "train-10", "train-100", "rate"]) $(id).disabled = none || !data.live;
  if ($("rate").value !== String(now.rate)) $("rate").value = String(now.rate);
  const count = now.losses.length - 1;
  const loss = asksForLoss ? "?" : written(now.losses.at(-1), now.digits);
  $("loss").textContent = none ? text("train.none") : text("train.loss", { count, loss });
  $("curve").toggleAttribute("hidden", none || asksForLoss); // an element of SVG has no property for it
  if (!none && !asksForLoss) drawCurve($("curve"), now.losses);
  $("round").textContent = count ? text("round", { count }) : now.numbers === recorded ? "" : text("edited");
  $("edit-help").textContent = text(data.live ? "edit.help" : "edit.dead");
}

function showView() {
  for (const view of Object.keys(pictures)) {
    $(`picture-${view}`).hidden = view !== now.view;
    $(`view-${view}`).setAttribute("aria-pressed", String(view === now.view));
  }
  pictures[now.view].resize();
  drawLegend($("legend"), graph, now.view);
}

function showLanguage() {
  document.documentElement.lang = language() === "zh" ? "zh-CN" : "en";
  if (!data.title) $("title").textContent = document.title = text("title");
  $("language").lang = language() === "zh" ? "en" : "zh-CN";
  translate();
  drawLegend($("legend"), graph, now.view);
  $("verdict").textContent = "";
}

// --- wiring

const on = (id, event, act) => $(id).addEventListener(event, act);
for (const view of Object.keys(pictures)) {
  on(`view-${view}`, "click", () => setView(view));
  on(`picture-${view}`, "click", (event) => {
    const group = event.target.closest(".node");
    if (group) goToNode(Number(group.id.split("_")[1]));
  });
}
on("quiz", "click", () => setQuiz(!now.quiz));
on("question", "submit", answer);
on("hint", "click", () => {
  hinted = true;
  render();
  $("answer").focus();
});
on("give-up", "click", giveUp);
on("digits", "change", () => {
  setDigits($("digits").value === "all" ? "all" : Number($("digits").value));
  render();
});
on("differences", "change", () => {
  $("table").closest("table").classList.toggle("with-differences", $("differences").checked);
  render();
});
on("language", "click", () => {
  speak(language() === "zh" ? "en" : "zh");
  showLanguage();
  render();
});
for (const [id, className] of [["large", "large"], ["dark", "dark"]]) {
  on(id, "click", () => {
    const pressed = document.documentElement.classList.toggle(className);
    $(id).setAttribute("aria-pressed", String(pressed));
    pictures[now.view].resize();
  });
}
on("zoom-in", "click", () => pictures[now.view].zoomBy(1.25));
on("zoom-out", "click", () => pictures[now.view].zoomBy(0.8));
on("zoom-fit", "click", () => pictures[now.view].toggleFit());
on("rate", "change", () => setRate($("rate").valueAsNumber));
for (const count of [1, 10, 100]) on(`train-${count}`, "click", () => train(count));
on("go-on", "click", () => {
  train(1);
  go(0);
});
for (const button of document.querySelectorAll(".reset")) button.addEventListener("click", reset);
addEventListener("hashchange", readHash);

function readHash() {
  const { step, view } = readAddress();
  if (Object.hasOwn(pictures, view)) now.view = view;
  showView();
  go(step ?? now.step);
}

load(data.messages);
speak(data.lang);
setDigits(data.digits);
if (matchMedia("(prefers-color-scheme: dark)").matches) $("dark").click();
restart(recorded);
now.losses = [recorded.values[root]];
makeTabs(document.querySelector("[role=tablist]"));
showLanguage();
readHash();
