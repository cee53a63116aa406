"""What the tests of every kind share: running programs, the oracle, pictures of folders."""
