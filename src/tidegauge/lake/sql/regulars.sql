-- Pairs with at least `$least` calls; `crowded` those of a service that many others call as often.
WITH often AS (
    SELECT
        pair_key(client, server, port, proto) AS key,
        hash(server, port, proto) AS service,
        any_value(way) AS way,
        count(*) AS n
    FROM named
    WHERE fwd AND way <> 'transit'
    GROUP BY key, service
    HAVING n >= $least
),
services AS (SELECT service, count(*) AS fellows FROM often GROUP BY service),
most AS (SELECT greatest($crowd, $crowd_share * coalesce(max(fellows), 0)) AS crowd FROM services)
SELECT key, n, way = 'out' AND fellows > crowd AS crowded
FROM often
JOIN services USING (service)
CROSS JOIN most
