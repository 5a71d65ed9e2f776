/** Such as `1,234`. */
export const grouped = (count: number): string => count.toLocaleString('en-US')

/** Such as `1 secret` and `1,234 secrets`. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${grouped(count)} ${count === 1 ? one : many}`
