"""The command line: arguments in, text and exit codes out. Only here is anything printed."""
