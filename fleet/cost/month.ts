/** Hours of a month, as AWS's own calculator has it, and its days. */
export const MONTH = 730
export const DAYS = MONTH / 24
