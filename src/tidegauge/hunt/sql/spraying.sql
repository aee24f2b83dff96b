-- Clients that have a few short conversations each with many servers of one service that asks for passwords.
SELECT
    client, proto, port, way,
    count(*) AS servers,
    CAST(sum(held) AS BIGINT) AS held,
    CAST(sum(calls) AS BIGINT) AS calls,
    sum(up_bytes) AS up_bytes,
    sum(down_bytes) AS down_bytes,
    list(server ORDER BY first_us) AS asked,
    min(first_us) AS first_us,
    max(last_us) AS last_us,
    any_value(far_country) AS far_country,
    any_value(far_as) AS far_as,
    max(far_class) AS far_class
FROM pairs
WHERE
    proto = 6 AND port = ANY($guessed) AND held BETWEEN 2 AND $guesses - 1 AND held >= 0.8 * calls
    AND up_bytes < $most_up * calls AND down_bytes BETWEEN 1 AND $most_down * calls
    AND up_packets < $most_packets * calls
    AND (sampling > 1 OR up_packets >= $least_packets * calls)
GROUP BY client, proto, port, way
HAVING servers >= $sprayed_at AND sum(held) >= $sprayed
ORDER BY held DESC, client
LIMIT $listed
