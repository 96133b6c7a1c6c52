// The page: holds what is shown now, and lets every part of the page follow when it changes.

import { toolsOf, writeCard } from "./card.js";
import { drawCurve } from "./curve.js";
import { makeEditor } from "./editor.js";
import { forward } from "./engine.js";
import { idea } from "./ideas.js";
import { makeLayers, nearest } from "./layers.js";
import { drawLegend } from "./legend.js";
import { mistakenGradients } from "./mistakes.js";
import { written } from "./numbers.js";
import { reasonOf, sentence, showOptions } from "./options.js";
import { makePhases } from "./phases.js";
import { makePicture } from "./picture.js";
import { sameStep } from "./places.js";
import { listenToSwipes, makePlayer } from "./player.js";
import { judge, question } from "./quiz.js";
import { makeSaver } from "./saving.js";
import { readState, writtenState } from "./state.js";
import { PHASES, known, round } from "./steps.js";
import { makeTable } from "./table.js";
import { makeTabs } from "./tabs.js";
import { unpacked } from "./unpacking.js";
import { showWhy } from "./why.js";
import { makeWrong } from "./wrong.js";
import { Refusal, language, load, speak, text, translate } from "./words.js";

const $ = (id) => document.getElementById(id);
const LAYERS = "layers";
const VIEWS = ["quantities", "operations", LAYERS];
const save = makeSaver();
const data = JSON.parse($("data").textContent);

// The graph, and the parts of the page that show it.
let graph, root, recorded;
let pictures = {};
let layers = null; // of a graph that has some
let layoutOf = null;
let showTable, showEditor;

// What is shown. `numbers` are the values and local derivatives at hand: the recorded ones until something is changed.
const now = {
  view: data.view,
  step: 0,
  digits: data.digits,
  rate: data.learningRate,
  numbers: null,
  round: null,
  losses: [],
  quiz: false,
  locals: false,
  error: null,
};
const score = { asked: 0, right: 0 };
const answered = new Map(); // for this round: step -> "right" or "shown"
let tried = false;
let hinted = false;
const ruledOut = new Set(); // of the present question: the options that were found wrong
let came = null; // from where the present step was reached by a change of view

let typed = null; // the tab of the formula, on the page that has one

/** Shows another graph from its first step on; its layouts come with it, or `makeLayout(view)` gives them. */
function use(newGraph, makeLayout = (view) => newGraph.layouts[view]) {
  for (const picture of Object.values(pictures)) picture.stop();
  layoutOf = makeLayout;
  graph = newGraph;
  root = graph.nodes.length - 1;
  recorded = graph.recorded;
  pictures = {};
  layers = graph.layers ? makeLayers(graph) : null;
  showTable = makeTable($("table"), graph, goToNode);
  showEditor = makeEditor($("editor"), graph, edit);
  restart(recorded);
  now.losses = [recorded.values[root]];
  now.step = 0;
  came = null;
  if (!VIEWS.includes(now.view)) now.view = graph.nodes.some(({ role }) => role === "quantity") ? VIEWS[0] : VIEWS[1];
  showView();
}

/** Gives the picture of the present view, which is made when it is first asked for. */
function picture() {
  if (!pictures[now.view] && inLayers()) pictures[LAYERS] = layers.picture($(`picture-${LAYERS}`), $("ends"), goToNode);
  if (!pictures[now.view]) {
    pictures[now.view] = makePicture($(`picture-${now.view}`), $("ends"), graph, now.view, layoutOf(now.view), goToNode);
  }
  return pictures[now.view];
}

const showPhases = makePhases($("phases"), (phase) => go(steps().findIndex((step) => step.phase === phase)));
const showWrong = makeWrong($("panel-wrong"), render);
const position = () => ({ step: now.step, last: steps().length - 1 });
const showPlayer = makePlayer($("player"), go, position, () => Boolean(asked()));

const inLayers = () => now.view === LAYERS;
const scalarView = () => (inLayers() ? VIEWS[0] : now.view); // whose words and edges single quantities have
const steps = () => (inLayers() ? layers.stepsOf(now.round) : now.round.views[now.view].steps);

const asksIdeas = () => $("kind").value === "ideas";
const tools = () => toolsOf(graph, scalarView(), now.round, now.digits);

/** Gives the open question of the present step; null where there is none. */
function asked() {
  if (!now.quiz || inLayers() || answered.has(now.step)) return null;
  if (asksIdeas()) return idea(graph, now.view, now.round, now.step, data.live);
  const { nodes, parameters, slips } = graph;
  const { gradients } = now.round;
  const mistaken = mistakenGradients(graph, now.round);
  const known = { tables: data.slips, slips, view: now.view, mistaken };
  return question(steps()[now.step], { values: now.numbers.values, nodes, gradients, parameters }, known);
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
  now.error = null;
  try {
    change();
  } catch (error) {
    now.error = error;
  }
  render();
}

function edit(node, number) {
  attempt(() => {
    if (Number.isNaN(number)) throw new Refusal("error.number");
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
    if (!Number.isFinite(rate)) throw new Refusal("error.number");
    if (rate < 0) throw new Refusal("error.rate");
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
  came = null;
  tried = hinted = false;
  ruledOut.clear();
  $("verdict").textContent = "";
  $("answer").value = "";
  render();
  const field = asked()?.options ? $("options").firstChild : $("answer");
  if (asked() && !document.activeElement.closest(".node, [role=tab]")) field.focus({ preventScroll: true });
}

/** Goes to the step at which a node gets its value or, in the backward pass, its gradient. */
function goToNode(node) {
  const all = steps();
  const late = PHASES.indexOf(all[now.step].phase) >= PHASES.indexOf("backward");
  const about = (step) => step.nodes?.includes(node) || (step.kind === "backward" ? late && step.parent === node : step.node === node);
  const found = late ? all.findLastIndex((step) => step.phase === "backward" && about(step)) : all.findIndex(about);
  if (found >= 0) go(found);
}

/** Shows the other view at the same place; going back without a step in between leads to where one came from. */
function setView(view) {
  if (view === now.view) return;
  const origin = { view: now.view, step: now.step };
  const before = steps();
  now.view = view;
  answered.clear();
  showView();
  const near = [view, origin.view].includes(LAYERS)
    ? nearest(before[origin.step], steps())
    : sameStep(before, origin.step, steps(), graph.views.quantities.regions);
  go(came?.view === view ? came.step : near);
  came = origin;
}

// --- the quiz

function setQuiz(on) {
  now.quiz = on;
  answered.clear();
  $("quiz").setAttribute("aria-pressed", String(on));
  $("kind").hidden = !on;
  go(now.step);
}

function answer(event) {
  event.preventDefault();
  const open = asked();
  const { verdict, slips } = judge($("answer").value, open);
  if (verdict === "right") {
    score.asked += 1;
    score.right += tried || hinted ? 0 : 1;
    answered.set(now.step, "right");
  } else if (verdict !== "short" && verdict !== "unread") {
    tried = true;
  }
  render();
  const told = slips.map((key) => `slip.${key}`);
  say(told.length ? told : [`quiz.${verdict}`], verdict === "right" ? "good" : "bad", open.answer);
  if (verdict === "right") $("next").focus();
  else $("answer").select();
}

function choose(option) {
  if (option.right) {
    score.asked += 1;
    score.right += tried ? 0 : 1;
    answered.set(now.step, "right");
  } else {
    tried = true;
    ruledOut.add(option.id);
  }
  render();
  tell(reasonOf(option, tools()), option.right ? "good" : "bad");
  if (option.right) $("next").focus();
}

function giveUp() {
  const open = asked();
  score.asked += 1;
  answered.set(now.step, "shown");
  render();
  if (open.options) tell(reasonOf(open.options.find(({ right }) => right), tools(), true), "");
  else say(["quiz.shown"], "", open.answer);
  $("next").focus();
}

function tell(parts, mood) {
  $("verdict").className = mood;
  $("verdict").replaceChildren(...parts);
}

function say(keys, mood, number) {
  tell([keys.map((key) => text(key, { answer: written(number, now.digits) })).join("\n")], mood);
}

// --- showing

function render() {
  const all = steps();
  const step = all[now.step];
  const open = asked();
  const hidden = open?.what && { node: open.node, what: open.what };
  const state = inLayers() ? layers.known(now.round, now.step) : known(graph, now.round, all, now.step);
  picture().show(state, now.digits, hidden);
  picture().light(inLayers() ? step : lightOf(step, open));
  picture().showLocals(now.locals && revealed(open) === "all" && step.kind !== "next" ? localOf : null);
  showTable(state, now.digits, hidden, subjectOf(step), {
    numbers: now.numbers,
    differences: $("differences").checked && data.live,
  });
  const card = document.querySelector(".card");
  if (step.nodes) layers.write(card, step, now.round, now.digits);
  else writeCard(card, graph, scalarView(), now.round, step, now.digits, revealed(open));
  showReason();
  requestAnimationFrame(reachByKeys); // which measures, and so would make the browser lay out twice
  showQuestion(open);
  showEditor(now.numbers.values, data.live);
  typed?.show(now.numbers.values);
  showWrong(graph, now.round, now.digits);
  showTraining(open?.node === root);
  showPlayer({ step: now.step, last: all.length - 1 });
  $("phase").textContent = text(`phase.${step.phase}`);
  showPhases(all, step.phase);
  $("go-on").hidden = step.kind !== "next" || Boolean(step.after.error);
  $("error").hidden = !now.error;
  $("error").textContent = now.error?.message ?? "";
  writeAddress();
}

/** Says why the local derivative of the present step is what it is, but not while a question is open. */
function showReason() {
  const step = steps()[now.step];
  showWhy($("why"), graph, scalarView(), now.round, asked() ? null : step, data.live);
}

const SMALLEST_SHARE = 0.6; // of its size, down to which a formula shrinks before it has to be scrolled

/** Lets a formula that is wider than its place shrink, and the keyboard scroll what is still too wide. */
function reachByKeys() {
  const share = (part) => part.clientWidth / part.scrollWidth;
  const lines = [...document.querySelectorAll(".card .line")].map((line) => [line, share(line)]);
  for (const [line, room] of lines) if (room < 1) line.style.fontSize = `${Math.max(room * 0.99, SMALLEST_SHARE)}em`;
  for (const part of document.querySelectorAll(".card .line, .card .heading, .card .note")) {
    if (share(part) < 1) part.tabIndex = 0;
    else part.removeAttribute("tabindex");
  }
}

const revealed = (open) => (!open ? "all" : (open.reveal ?? (hinted ? "formula" : "nothing")));
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
    const tagText = revealed(open) === "all" ? `×${written(step.local, 3)}` : "";
    const edgeOf = (visit) => `${visit.node}_${visit.edge}`;
    const cameIds = step.contributions.slice(0, step.arrived - 1).map(edgeOf);
    return { now: [step.parent], from: [step.node], edgeIds: [edgeOf(step)], cameIds, backwards: true, tagText };
  }
  return step.kind === "start" ? {} : { now: [step.node] };
}

/** Gives the text of the derivative along the edge with an id such as 12_0. */
function localOf(id) {
  const [node, edge] = id.split("_").map(Number);
  return written(now.round.views[now.view].edgesOf(node)[edge].local, 3);
}

function showQuestion(open) {
  $("question").hidden = !open;
  $("score").hidden = !score.asked;
  $("score").textContent = text("quiz.score", score);
  if (!open) return;
  for (const id of ["answer", "check", "hint"]) $(id).hidden = Boolean(open.options);
  $("options").hidden = !open.options;
  $("ask").replaceChildren(...sentence(open.ask, open.fill ?? { node: ["node", open.node] }, tools()));
  showOptions($("options"), open.options ?? [], ruledOut, tools(), choose);
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
  for (const view of VIEWS) {
    $(`picture-${view}`).hidden = view !== now.view;
    $(`view-${view}`).setAttribute("aria-pressed", String(view === now.view));
  }
  $(`view-${LAYERS}`).hidden = !layers;
  picture().resize();
  drawLegend($("legend"), graph, scalarView());
}

function showLanguage() {
  document.documentElement.lang = language() === "zh" ? "zh-CN" : "en";
  if (!data.title) $("title").textContent = document.title = text("title");
  $("language").lang = language() === "zh" ? "en" : "zh-CN";
  translate();
  drawLegend($("legend"), graph, scalarView());
  $("verdict").textContent = "";
}

// --- wiring

const on = (id, event, act) => $(id).addEventListener(event, act);
for (const view of VIEWS) on(`view-${view}`, "click", () => setView(view));
on("why", "toggle", showReason);
on("quiz", "click", () => setQuiz(!now.quiz));
on("kind", "change", () => setQuiz(true));
on("question", "submit", answer);
on("hint", "click", () => {
  hinted = true;
  render();
  $("answer").focus();
});
on("give-up", "click", giveUp);
on("locals", "click", () => {
  now.locals = !now.locals;
  $("locals").setAttribute("aria-pressed", String(now.locals));
  render();
});
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
on("save", "click", () => save(present(), "scalargrad.html"));
for (const id of ["large", "dark"]) {
  on(id, "click", () => {
    const pressed = document.documentElement.classList.toggle(id);
    $(id).setAttribute("aria-pressed", String(pressed));
    picture().resize();
    render();
  });
}
on("zoom-in", "click", () => picture().zoomBy(1.25));
on("zoom-out", "click", () => picture().zoomBy(0.8));
on("zoom-fit", "click", () => picture().toggleFit());
on("rate", "change", () => setRate($("rate").valueAsNumber));
for (const count of [1, 10, 100]) on(`train-${count}`, "click", () => train(count));
on("go-on", "click", () => {
  train(1);
  go(0);
});
for (const button of document.querySelectorAll(".reset")) button.addEventListener("click", reset);
// By what the event says: the address itself may have been written anew before it is read.
addEventListener("hashchange", ({ newURL }) => take(readState(new URL(newURL).hash, allowed())));
listenToSwipes(document.querySelector("main"), (by) => go(now.step + by));

// --- the state, in the address and in a saved file

const allowed = () => ({
  views: VIEWS.filter((view) => view !== LAYERS || layers),
  digits: [...$("digits").options].map((option) => option.value),
  formulas: Boolean(typed),
});

/** Gives what differs from the page as it was written, so that a link says no more than it has to. */
function present() {
  const changed = graph.nodes
    .map((node, i) => [i, now.numbers.values[i]])
    .filter(([i, value]) => !graph.nodes[i].parents.length && value !== recorded.values[i]);
  return {
    step: now.step,
    view: now.view === data.view ? undefined : now.view,
    ...(typed ? typed.said(now.numbers.values) : { numbers: changed.length ? changed : undefined }),
    lang: language() === data.lang ? undefined : language(),
    digits: now.digits === data.digits ? undefined : now.digits,
    rate: now.rate === data.learningRate ? undefined : now.rate,
  };
}

let later = 0;

/** Writes the state into the address, once nothing has moved for a moment: browsers take only so many changes. */
function writeAddress() {
  clearTimeout(later);
  later = setTimeout(() => {
    try {
      history.replaceState(null, "", writtenState(present()));
    } catch {
      // A frame inside a notebook has no address of its own.
    }
  }, 100);
}

/** Takes a state over: what it does not say stays, and what cannot be is said in a sentence. */
function take(state) {
  const problems = [...(state.problems ?? [])];
  if (state.digits !== undefined) setDigits(state.digits);
  if (state.lang && state.lang !== language()) {
    speak(state.lang);
    showLanguage();
  }
  const tryTo = (change) => {
    try {
      change();
    } catch (error) {
      problems.push(error);
    }
  };
  const { formula, numbers = [] } = state;
  if (formula !== undefined) tryTo(() => typed.load(formula, numbers));
  tryTo(() => takeNumbers(formula === undefined ? numbers : [], state.rate));
  if (state.view) now.view = state.view;
  now.error = problems[0] ?? null;
  showView();
  go(state.step ?? now.step);
}

function takeNumbers(pairs, rate = now.rate) {
  const leaves = [...recorded.values];
  for (const [name, number] of pairs) {
    const node = graph.nodes[name];
    if (!data.live || !node || node.parents.length || node.number) throw new Refusal("link.numbers", { name });
    leaves[name] = number;
  }
  if (!pairs.length && rate === now.rate) return;
  restart(pairs.length ? forward(graph.nodes, leaves) : now.numbers, rate);
  now.losses = [now.numbers.values[root]];
}

/** Starts the page; with `makeFormula` it has the tab in which a formula is typed. */
export function start(makeFormula = null) {
  load(data.messages);
  speak(data.lang);
  setDigits(data.digits);
  if (matchMedia("(prefers-color-scheme: dark)").matches) document.documentElement.classList.add("dark");
  $("dark").setAttribute("aria-pressed", String(document.documentElement.classList.contains("dark")));
  $("tab-formula").hidden = !makeFormula;
  makeTabs(document.querySelector("[role=tablist]"), () => now.round && render());
  if (makeFormula) {
    typed = makeFormula($("panel-formula"), data.shelf, { use, attempt });
    typed.load(data.formula, data.numbers);
  } else {
    use(unpacked(data.graph));
  }
  showLanguage();
  take(location.hash ? readState(location.hash, allowed()) : (data.state ?? {}));
}
