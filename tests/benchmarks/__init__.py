"""What `make bench` measures. Nothing here is part of the test suite."""
