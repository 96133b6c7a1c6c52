"""What all tests share: one browser for the whole run, started when the first test asks for it."""

import pytest
from page_support.browser import Reader, chromium


@pytest.fixture(scope="session")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def read(browser):
    """Open pages; at the end of the test none of them may have complained or fetched anything but itself."""
    contexts, readers = [], []

    def open_page(path, address="", context=(), **size):
        contexts.append(browser.new_context(offline=True, reduced_motion="reduce", **dict(context)))
        readers.append(Reader(contexts[-1], path, address, **size))
        return readers[-1]

    yield open_page
    for reader in readers:
        assert not reader.complaints
        assert all(url.startswith("file:") for url in reader.fetched)
    for context in contexts:
        context.close()
