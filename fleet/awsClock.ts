type Watched = { middlewareStack: { add(middleware: never, options: never): void } }
type Next = (args: unknown) => Promise<{ response?: { headers?: Record<string, string> } }>

/**
 * AWS's clock, whatever this machine's one shows: what the Date header of the first answer says that a client gets from now on, in
 * ISO 8601. Until there is one, and of a service that sends none, it is this machine's clock.
 */
export function watchClock(client: Watched): () => string {
  let first: string | undefined
  const watch = (next: Next) => async (args: unknown) => {
    const result = await next(args)
    const date = new Date(result.response?.headers?.date ?? '')
    if (!Number.isNaN(date.getTime())) first ??= date.toISOString()
    return result
  }
  const place = { step: 'deserialize', priority: 'low', name: 'watchClock', override: true }
  client.middlewareStack.add(watch as never, place as never)
  return () => first ?? new Date().toISOString()
}
