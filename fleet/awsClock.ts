type AwsClient = { middlewareStack: { add(middleware: never, options: never): void } }
type Handler = (args: unknown) => Promise<{ response?: { headers?: Record<string, string> } }>

/**
 * Reads the time from AWS instead of from this machine's clock, which may be wrong. The time is the Date header of the first
 * answer that `client` gets after this call.
 * @returns a function that gives that time in ISO 8601, or this machine's time as long as no answer had such a header
 */
export function watchClock(client: AwsClient): () => string {
  let firstDate: string | undefined
  const watch = (next: Handler) => async (args: unknown) => {
    const result = await next(args)
    const date = new Date(result.response?.headers?.date ?? '')
    if (!Number.isNaN(date.getTime())) firstDate ??= date.toISOString()
    return result
  }
  const options = { step: 'deserialize', priority: 'low', name: 'watchClock', override: true }
  client.middlewareStack.add(watch as never, options as never)
  return () => firstDate ?? new Date().toISOString()
}
