"""Real servers for the tests, and proxies and canned answers for what no real server does."""
