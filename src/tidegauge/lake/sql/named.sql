-- The same with one address for all to which a name pointed.
SELECT oriented.* REPLACE (coalesce(aliases.same, oriented.server) AS server)
FROM oriented
LEFT JOIN aliases ON oriented.server = aliases.server
