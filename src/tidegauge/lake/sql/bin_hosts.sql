-- How many far ends have flows that begin in each bin, by key.
SELECT key, epoch_us(time_start) // $width_us AS bin, CAST(count(DISTINCT amount) AS DOUBLE) AS amount
FROM chosen
WHERE time_start >= make_timestamptz($since_us)
GROUP BY key, bin
