-- Pairs of which nothing came: who insists is one among these, not among all that call.
SELECT count(*)
FROM pairs
WHERE way <> 'in' AND proto = 6 AND sampling = 1 AND calls >= $least AND held <= $never * calls
