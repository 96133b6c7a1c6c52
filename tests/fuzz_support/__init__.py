"""What the fuzzer and the tests over random graphs share."""
