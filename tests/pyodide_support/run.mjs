// Load Pyodide from the folder of the npm package, unpack wheels into it, run a Python file, and print what it answers.
// Usage: node run.mjs PYODIDE_FOLDER PYTHON_FILE WHEEL...
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, program, ...wheels] = process.argv.slice(2);
const seconds = (milliseconds) => Math.round(milliseconds / 10) / 100;
try {
  const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`));
  const began = performance.now();
  const python = await loadPyodide({ indexURL: folder });
  for (const wheel of wheels) python.unpackArchive(new Uint8Array(readFileSync(wheel)), "wheel");
  const loaded = performance.now();
  const answer = JSON.parse(python.runPython(readFileSync(program, "utf8")));
  answer.seconds = { load: seconds(loaded - began), run: seconds(performance.now() - loaded) };
  answer.pyodide = python.version;
  console.log(JSON.stringify(answer));
} catch (error) {
  console.error(`${error.name}: ${error.message}`); // not thrown on: Node would print the whole line of Pyodide's source
  process.exitCode = 1;
}
