-- Amounts of the flows that lie within one bin (of all by the bin of their start, with `$whole`), by key.
SELECT key, epoch_us(time_start) // $width_us AS bin, CAST(sum(amount) AS DOUBLE) AS amount
FROM chosen
WHERE
    time_start >= make_timestamptz($since_us)
    AND (
        $whole
        OR epoch_us(time_start) // $width_us = greatest(epoch_us(time_end) - 1, epoch_us(time_start)) // $width_us
    )
GROUP BY key, bin
