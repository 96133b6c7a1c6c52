"""Keeps pytest from collecting micrograd's test file, which imports PyTorch and cannot say that it needs it."""

collect_ignore = ["test_engine.py"]  # test_micrograd.py runs it
