-- Flows of a sample, the bytes of those between home prefixes, and how many of these are for local use.
SELECT
    count(*) AS flows,
    coalesce(sum(bytes) FILTER (WHERE direction = 'internal'), 0) AS internal,
    coalesce(sum(bytes) FILTER (WHERE direction = 'internal' AND (is_local(src) OR is_local(dst))), 0) AS local
FROM flows
