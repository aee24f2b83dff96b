-- Scanners, and what they tried in vain.
WITH hosts AS (
    SELECT client, way, sum(f) AS failed, sum(s) AS succeeded, max(ratio) AS ratio, list(lump) AS lumps
    FROM judged
    WHERE ratio >= $threshold
    GROUP BY client, way
),
meant AS (
    SELECT hosts.failed AS host_failed, hosts.succeeded, hosts.ratio, contacts.*
    FROM hosts
    JOIN contacts ON
        contacts.client = hosts.client AND contacts.way = hosts.way AND contacts.failed
        AND (list_contains(hosts.lumps, contacts.port) OR list_contains(hosts.lumps, -1))
)
SELECT
    client, way,
    any_value(host_failed) AS failed,
    any_value(succeeded) AS succeeded,
    any_value(ratio) AS ratio,
    count(DISTINCT server) AS servers,
    count(DISTINCT port) AS ports,
    mode(port) AS port,
    mode(proto) AS proto,
    mode(server) AS server,
    sum(calls) AS calls,
    min(first_us) AS first_us,
    max(last_us) AS last_us,
    any_value(far_country) AS far_country,
    any_value(far_as) AS far_as,
    max(far_class) AS far_class
FROM meant
GROUP BY client, way
ORDER BY failed DESC
LIMIT $listed
