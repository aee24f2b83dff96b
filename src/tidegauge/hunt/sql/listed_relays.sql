-- Hosts of ours that a list of that time names, as any of `$classes`.
SELECT home, bit_or(CASE direction WHEN 'in' THEN dst_class ELSE src_class END) AS classes
FROM crossing
GROUP BY home
HAVING classes & $classes <> 0
