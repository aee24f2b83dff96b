-- Outside services, and when each of our hosts first called them.
WITH begun AS (
    SELECT
        server, port, proto, client,
        min(first_us) AS first_us,
        sum(calls) AS calls,
        any_value(far_country) AS far_country,
        any_value(far_as) AS far_as,
        max(far_class) AS far_class
    FROM pairs
    WHERE way = 'out' AND proto IN (6, 17) AND port NOT IN (53, 123)
    GROUP BY server, port, proto, client
)
SELECT
    server, port, proto,
    list(first_us ORDER BY first_us) AS times,
    list(client ORDER BY first_us) AS clients,
    sum(calls) AS calls,
    any_value(far_country) AS far_country,
    any_value(far_as) AS far_as,
    max(far_class) AS far_class
FROM begun
GROUP BY server, port, proto
HAVING count(*) BETWEEN $least AND 2000
