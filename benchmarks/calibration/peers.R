# Usage: Rscript peers.R IN.csv OUT.csv
# IN: a row a series, hourly counts of five weeks. OUT: method, then 0 or 1 for each series: an alarm in the fifth week.
suppressMessages(library(surveillance))
arguments <- commandArgs(trailingOnly = TRUE)
counts <- as.matrix(read.csv(arguments[1], header = FALSE))
asked <- (4 * 168 + 1):(5 * 168)
ears <- function(method) apply(counts, 1, function(x) {
  result <- try(earsC(sts(x), control = list(range = asked, method = method)), silent = TRUE)
  if (inherits(result, "try-error")) NA else as.integer(any(alarms(result) > 0, na.rm = TRUE))
})
flexible <- apply(counts, 1, function(x) {
  control <- list(range = asked, b = 3, w = 2, noPeriods = 1, reweight = TRUE, trend = FALSE, pastWeeksNotIncluded = 0,
                  thresholdMethod = "nbPlugin", alpha = 0.05 / 168)
  result <- try(suppressWarnings(farringtonFlexible(sts(x, frequency = 168, start = c(1, 1)), control = control)),
                silent = TRUE)
  if (inherits(result, "try-error")) NA else as.integer(any(alarms(result) > 0, na.rm = TRUE))
})
result <- rbind(C1 = ears("C1"), C2 = ears("C2"), C3 = ears("C3"), farringtonFlexible = flexible)
write.table(result, arguments[2], sep = ",", col.names = FALSE)
