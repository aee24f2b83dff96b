-- Flows that came in or went out, with our end and the other.
SELECT
    *,
    CASE direction WHEN 'in' THEN dst ELSE src END AS home,
    CASE direction WHEN 'in' THEN src ELSE dst END AS far
FROM chosen_flows
WHERE direction IN ('in', 'out')
