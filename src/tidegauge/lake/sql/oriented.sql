-- Flows from client to server (`fwd`) or back: by a question to everybody that a flow answers or goes on with, as the
-- exporter says (RFC 5103), by a lone SYN or its answer, else by the ports, else ours is the client. A question of DHCP
-- came from an address of nobody (RFC 2131, RFC 8415). `way`: `out` where the client is ours, `in` where the server is.
WITH told AS (
    SELECT
        *,
        CASE
            WHEN asked THEN true
            WHEN answer THEN false
            WHEN proto = 17 AND (src_port = 67 AND dst_port = 68 OR src_port = 547 AND dst_port = 546) THEN false
            WHEN biflow_direction = 1 THEN true
            WHEN biflow_direction = 2 THEN false
            WHEN proto = 1 THEN dst_port <> 0
            WHEN proto = 58 THEN dst_port <> 33024
            WHEN proto = 6 AND tcp_flags & 23 = 2 THEN true
            WHEN proto = 6 AND tcp_flags & 23 IN (18, 20, 4) AND tcp_flags & 8 = 0 THEN false
            WHEN service_rank(dst_port) <> service_rank(src_port) THEN service_rank(dst_port) < service_rank(src_port)
            WHEN src_port <> dst_port THEN dst_port < src_port
            ELSE direction = 'out'
        END AS fwd
    FROM marked
),
called AS (
    SELECT
        *,
        CASE
            WHEN direction IN ('in', 'out') THEN CASE WHEN fwd = (direction = 'out') THEN 'out' ELSE 'in' END
            ELSE direction
        END AS way
    FROM told
)
SELECT
    *,
    CASE WHEN fwd THEN src ELSE dst END AS client,
    CASE WHEN fwd THEN dst ELSE src END AS server,
    CASE WHEN proto IN (1, 58) THEN 0 WHEN fwd THEN dst_port ELSE src_port END AS port,
    CASE WHEN proto IN (1, 58) THEN 0 WHEN fwd THEN src_port ELSE dst_port END AS cport,
    CASE WHEN fwd = (way = 'out') THEN dst_class ELSE src_class END AS far_class,
    CASE WHEN fwd = (way = 'out') THEN dst_country ELSE src_country END AS far_country,
    CASE WHEN fwd = (way = 'out') THEN dst_as ELSE src_as END AS far_as
FROM called
