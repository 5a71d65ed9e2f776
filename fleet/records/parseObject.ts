/** The object of a JSON text of a history; {} if it is no JSON, or no object: anybody may start an execution with any input. */
export function parseObject(json = ''): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : {}
  } catch {
    return {}
  }
}
