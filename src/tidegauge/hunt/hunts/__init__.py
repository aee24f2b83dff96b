"""One hunt a file, each a function `find(context)` that gives findings; what runs is listed in `hunt.run`."""
