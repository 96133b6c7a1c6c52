// The page in which formulas are typed: the graph is recorded, laid out and explained here, without Python.

import { makeFormula } from "./formula.js";
import { start } from "./page.js";

start(makeFormula);
