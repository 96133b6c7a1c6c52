"""What all tests share: one browser for the whole run, started when the first test asks for it."""

import pytest
from page_support.browser import chromium


@pytest.fixture(scope="session")
def browser():
    with chromium() as started:
        yield started
