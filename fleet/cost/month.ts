/** Hours of a month, as AWS's own calculator has it, and its days. */
export const MONTH_HOURS = 730
export const MONTH_DAYS = MONTH_HOURS / 24
