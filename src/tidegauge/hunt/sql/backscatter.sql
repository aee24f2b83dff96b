-- Hosts of ours that get answers (SYN and ACK) to calls that none of them made.
SELECT
    client,
    count(DISTINCT server) AS servers,
    sum(answers) AS answers,
    min(first_us) AS first_us,
    max(last_us) AS last_us
FROM pairs
WHERE
    way = 'out' AND proto = 6 AND down_flags & 18 = 18 AND held = 0
    AND coalesce(up_flags, 0) & 2 = 0 AND (up_flags & 4 <> 0 OR coalesce(up_packets, 0) = 0)
    AND sampling = 1
GROUP BY client
HAVING servers >= $least_targets
ORDER BY servers DESC
LIMIT $listed
