-- Clients whose first contacts with so many hosts fall within so many seconds; not at services that everybody asks.
WITH public AS (
    SELECT server, proto, port
    FROM first_contacts
    WHERE proto IN (6, 17)
    GROUP BY ALL
    HAVING count(DISTINCT client) >= $public_clients
),
contacts AS (
    SELECT *
    FROM first_contacts
    ANTI JOIN public USING (server, proto, port)
    WHERE proto = ANY($protocols)
),
wide AS (
    SELECT
        *,
        count(*) OVER (
            PARTITION BY client, way, proto, port
            ORDER BY first_us RANGE BETWEEN CURRENT ROW AND $width_us FOLLOWING
        ) AS within
    FROM contacts
),
best AS (
    SELECT client, way, proto, port, max(within) AS most, arg_max(first_us, within) AS begin_us
    FROM wide
    GROUP BY ALL
    HAVING most >= $least
)
SELECT
    client, way, proto, port, most,
    begin_us AS first_us,
    max(contacts.last_us) AS last_us,
    median(minutes) AS minutes,
    avg(CAST(answered AS DOUBLE)) AS answered,
    min(server) AS low,
    max(server) AS high,
    max(contacts.first_us) AS end_us,
    any_value(far_country) AS far_country,
    any_value(far_as) AS far_as,
    max(far_class) AS far_class
FROM best
JOIN contacts USING (client, way, proto, port)
WHERE contacts.first_us BETWEEN begin_us AND begin_us + $width_us
GROUP BY client, way, proto, port, most, begin_us
ORDER BY most DESC
LIMIT $listed
