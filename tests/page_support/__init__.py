"""A real browser for the tests of the page, and a hand to turn its pages with."""
