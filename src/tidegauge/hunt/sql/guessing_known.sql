-- Pairs that held many conversations at a port of a service that asks for passwords.
SELECT *
FROM pairs
WHERE proto = 6 AND port = ANY($guessed) AND held >= $guesses
ORDER BY held DESC
LIMIT 2000
