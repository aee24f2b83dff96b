-- Addresses of everybody: multicast (RFC 5771, RFC 4291) and broadcast. Which address is the broadcast of a subnet is
-- not known: one that ends with 255 is taken for it.
CREATE OR REPLACE TEMP MACRO to_all(address) AS (
    address BETWEEN unhex('00000000000000000000ffffe0000000') AND unhex('00000000000000000000ffffefffffff')
    OR address >= unhex('ff000000000000000000000000000000')
    OR address[1:12] = unhex('00000000000000000000ffff') AND address[16:16] = unhex('ff')
);

-- How likely a port is a server's, 0 the most.
CREATE OR REPLACE TEMP MACRO service_rank(port) AS (
    CASE
        WHEN port = 0 THEN 4
        WHEN port < 1024 THEN 0
        WHEN port IN (
            1080, 1194, 1433, 1521, 1883, 3128, 3306, 3389, 5060, 5222, 5223, 5228, 5432, 5900, 6379, 6443, 6667, 8000,
            8008, 8080, 8081, 8083, 8088, 8443, 8883, 8888, 9001, 9030, 9050, 9200, 27017, 51820
        ) THEN 1
        WHEN port < 32768 THEN 2
        ELSE 3
    END
);

-- The number of a pair.
CREATE OR REPLACE TEMP MACRO pair_key(client, server, port, proto) AS (hash(client, server, port, proto));

-- Whether who called went on after its first packet: it acknowledged; where flags are not told it sent more than two
-- packets, or more than headers hold.
CREATE OR REPLACE TEMP MACRO went_on(tcp_flags, packets, bytes, sampling) AS (
    tcp_flags & 16 <> 0 OR tcp_flags = 0 AND (packets > 2 * sampling OR bytes > 100 * packets)
);

-- Calls summed by pair. `held`: calls in which the client went on. `far_*`: what the far end displays.
CREATE OR REPLACE TEMP MACRO pairs_of(calls) AS TABLE
SELECT
    client, server, port, proto, way,
    count(*) FILTER (WHERE fwd) AS calls,
    count(*) FILTER (WHERE NOT fwd) AS answers,
    CAST(sum(packets) FILTER (WHERE fwd) AS DOUBLE) AS up_packets,
    CAST(sum(bytes) FILTER (WHERE fwd) AS DOUBLE) AS up_bytes,
    CAST(coalesce(sum(packets) FILTER (WHERE NOT fwd), 0) AS DOUBLE) AS down_packets,
    CAST(coalesce(sum(bytes) FILTER (WHERE NOT fwd), 0) AS DOUBLE) AS down_bytes,
    bit_or(tcp_flags) FILTER (WHERE fwd) AS up_flags,
    bit_or(tcp_flags) FILTER (WHERE NOT fwd) AS down_flags,
    count(*) FILTER (WHERE fwd AND went_on(tcp_flags, packets, bytes, sampling)) AS held,
    min(epoch_us(time_start)) AS first_us,
    max(epoch_us(time_end)) AS last_us,
    max(sampling) AS sampling,
    max(far_class) AS far_class,
    any_value(far_country) AS far_country,
    any_value(far_as) AS far_as
FROM query_table(calls)
WHERE way <> 'transit'
GROUP BY client, server, port, proto, way;
