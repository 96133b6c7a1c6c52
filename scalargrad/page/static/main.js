// The page of one graph: the one that Python recorded.

import { start } from "./page.js";

start();
