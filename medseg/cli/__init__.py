"""The command line: one file a verb, each of them parse, one library call, print."""
