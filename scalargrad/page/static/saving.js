// Saves the page as a file that opens in the present state.

/** Keeps the page as it was before anything ran in it; gives `save(state, name)`, which offers the file. */
export function makeSaver() {
  const whole = document.documentElement.outerHTML;
  const mark = 'id="data">';
  const start = whole.indexOf(mark) + mark.length;
  const end = whole.indexOf("<\/script>", start);
  const data = JSON.parse(whole.slice(start, end));

  return function save(state, name) {
    // A `<` in the data could end the element that holds it.
    const filled = JSON.stringify({ ...data, state }).replace(/[<>&\u2028\u2029]/g, escaped);
    const source = `<!DOCTYPE html>\n${whole.slice(0, start)}${filled}${whole.slice(end)}`;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([source], { type: "text/html" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
}

const escaped = (sign) => `\\u${sign.codePointAt(0).toString(16).padStart(4, "0")}`;
