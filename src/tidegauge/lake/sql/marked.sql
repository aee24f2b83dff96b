-- Which flows go on with a question to everybody, and which answer one.
SELECT
    *,
    proto = 17 AND (src, src_port) IN (SELECT (asker, asker_port) FROM asked_all WHERE NOT same_port) AS asked,
    proto = 17 AND (
        (dst, dst_port) IN (SELECT (asker, asker_port) FROM asked_all WHERE NOT same_port)
        OR src_port = dst_port AND (dst, dst_port) IN (SELECT (asker, asker_port) FROM asked_all WHERE same_port)
    ) AS answer
FROM chosen_flows
