-- Flows that reach over bins: to be spread.
SELECT key, epoch_us(time_start) AS s, epoch_us(time_end) AS e, CAST(amount AS DOUBLE) AS v
FROM chosen
WHERE
    time_end > make_timestamptz($since_us)
    AND epoch_us(time_start) // $width_us < greatest(epoch_us(time_end) - 1, epoch_us(time_start)) // $width_us
