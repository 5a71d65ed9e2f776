/** How many hours a month has in AWS's Pricing Calculator, https://calculator.aws. */
export const MONTH_HOURS = 730
/** The same in days. */
export const MONTH_DAYS = MONTH_HOURS / 24
