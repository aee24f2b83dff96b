-- Hosts that call an outside service that few call, many times within `$within_s` seconds. Tries from one port are one
-- call, unless each was opened (SYN) and gone on with (ACK); queries by DNS may all come from one port.
WITH likely AS (
    SELECT client, server, port, proto
    FROM pairs
    SEMI JOIN callers USING (server, port, proto)
    WHERE
        way = 'out' AND proto IN (6, 17) AND NOT to_all(server)
        AND (calls >= $many OR proto = 17 AND port = $dns_port AND up_packets >= $many)
),
forward AS (
    SELECT
        src AS client, dst AS server, dst_port AS port, src_port AS cport, proto, packets, bytes, sampling, tcp_flags,
        epoch_us(time_start) AS start_us, epoch_us(time_end) AS end_us
    FROM chosen_flows
    WHERE direction = 'out'
),
minutes AS (
    SELECT
        client, server, port, proto,
        start_us // 60000000 AS minute,
        CAST(
            CASE
                WHEN proto = 17 AND port = $dns_port
                THEN sum(packets / sampling * least(1, $within_s * 1e6 / greatest(end_us - start_us, 1)))
                ELSE greatest(count(DISTINCT cport), count(*) FILTER (WHERE tcp_flags & 18 = 18))
            END AS DOUBLE
        ) AS n,
        count(*) FILTER (WHERE went_on(tcp_flags, packets, bytes, sampling)) AS held_n,
        min(start_us) AS begin_us,
        max(end_us) AS end_us
    FROM forward
    SEMI JOIN likely USING (client, server, port, proto)
    GROUP BY client, server, port, proto, minute
),
wide AS (
    SELECT
        client, server, port, proto, begin_us,
        sum(n) OVER following AS within,
        sum(held_n) OVER following AS held_then,
        max(end_us) OVER following AS until_us
    FROM minutes
    WINDOW following AS (
        PARTITION BY client, server, port, proto
        ORDER BY minute RANGE BETWEEN CURRENT ROW AND $within_s // 60 FOLLOWING
    )
),
best AS (
    SELECT
        client, server, port, proto,
        max(within) AS most,
        arg_max(begin_us, within) AS begin_us,
        CAST(arg_max(held_then, within) AS BIGINT) AS held_then,
        arg_max(until_us, within) AS until_us
    FROM wide
    GROUP BY ALL
    HAVING most >= $many
)
SELECT
    pairs.*, most, begin_us, held_then, until_us, callers,
    pair_key(best.client, coalesce(aliases.same, best.server), best.port, best.proto) AS key
FROM best
JOIN pairs USING (client, server, port, proto)
JOIN callers USING (server, port, proto)
LEFT JOIN aliases ON best.server = aliases.server
WHERE way = 'out'
ORDER BY most DESC, best.server, best.client
LIMIT $listed
