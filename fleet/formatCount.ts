/** A number with commas between its thousands, such as `1,234`. */
export const formatNumber = (count: number): string => count.toLocaleString('en-US')

/** A number and what is counted, such as `1 secret` and `1,234 secrets`. */
export const formatCount = (count: number, one: string, many = `${one}s`): string =>
  `${formatNumber(count)} ${count === 1 ? one : many}`
