"""Start Debian's Chromium by Playwright, open a page from disk without a network, and read what it shows."""

import os
import shutil
from contextlib import contextmanager

import pytest

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


@contextmanager
def chromium():
    """Start the browser; skip where there is none, which in CI is a failure."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed: pip install playwright")
    if not program:
        _missing("there is no chromium on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def _missing(reason):
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class Reader:
    """One open page, with what it complained about and what it tried to fetch."""

    def __init__(self, context, path, address="", width=1280, height=800):
        self.complaints = []
        self.fetched = []
        self.page = context.new_page()
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.set_default_timeout(20_000)  # a machine may be busy with other tests
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.fetched.append(request.url))
        self.page.goto(path.as_uri() + address)

    def press(self, key, times=1):
        for _ in range(times):
            self.page.keyboard.press(key)

    def click(self, selector):
        self.page.click(selector)

    def go(self, step):
        self.page.evaluate(f"location.hash = 'step={step}'")
        self.page.wait_for_selector(f"#count:text-matches('^{step} / ')")

    def steps(self):
        """Tell which step is shown, and which is the last."""
        return tuple(map(int, self.page.inner_text("#count").split(" / ")))

    def walk(self):
        """Go to the last step and back, and give what the page shows at each step, both ways."""
        return self.page.evaluate(
            """() => {
              const parts = ".card [aria-live], #table, #count, .frame:not([hidden]) .node";
              const shown = () => [...document.querySelectorAll(parts)].map((part) => part.textContent).join("|");
              const walk = (button) => {
                const seen = [shown()];
                while (!button.disabled) {
                  button.click();
                  seen.push(shown());
                }
                return seen;
              };
              return ["#next", "#back"].map((id) => walk(document.querySelector(id)));
            }"""
        )

    def card(self):
        return self.page.inner_text(".card [aria-live]")

    def table(self):
        """Read the table: label -> texts of value and gradient."""
        return self.page.evaluate(
            "Object.fromEntries([...document.querySelectorAll('#table tr')].map((row) =>"
            " [row.dataset.quantity, [...row.cells].slice(1).map((cell) => cell.textContent)]))"
        )

    def column(self, index):
        """Read a column of the table as floats, without what is empty or still waits; old gradients too."""
        texts = {label: cells[index] for label, cells in self.table().items()}
        return {
            label: float(text.strip("()").replace("−", "-"))
            for label, text in texts.items()
            if text and "…" not in text
        }

    def all_digits(self):
        self.page.select_option("#digits", "all")

    def edit(self, node, number):
        self.click("#tab-edit")
        self.page.fill(f"#leaf-{node}", str(number))
        self.page.keyboard.press("Tab")

    def ask(self, answer):
        """Answer the question of the quiz and give back what the page says."""
        self.page.fill("#answer", answer)
        self.page.keyboard.press("Enter")
        return self.page.inner_text("#verdict")
