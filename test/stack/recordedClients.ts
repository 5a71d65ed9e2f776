import { Clients } from '../../cli/clients.ts'

/** Played answers by the name of the call. */
type Answers = Record<string, (input: never) => object>

type Next = (args: { input: never }) => Promise<unknown>
type Marked = {
  config: { signingName?: string; defaultSigningName?: string }
  middlewareStack: { add(middleware: never, options: never): void }
}

/** The prefix of a service's IAM actions, where the name in its signature differs. */
const iamPrefixes: Record<string, string> = { tagging: 'tag', monitoring: 'cloudwatch' }

/**
 * @returns clients of AWS that add each call to `calls` as an IAM action, such as `ssm:DescribeParameters`. A call that `answers`
 * has is not sent.
 */
export function recordedClients(region: string, calls: Set<string>, answers: Answers): Clients {
  const watched = new WeakSet<object>()
  const watch = (client: Marked) => {
    if (watched.has(client)) return client
    watched.add(client)
    const { signingName, defaultSigningName } = client.config
    const service = signingName ?? defaultSigningName ?? ''
    const record = (next: Next, { commandName = '' }) => {
      const action = commandName.replace(/Command$/, '')
      return async (args: { input: never }) => {
        calls.add(`${iamPrefixes[service] ?? service}:${action}`)
        const answer = answers[action]?.(args.input)
        return answer ? { output: { $metadata: {}, ...answer } } : next(args)
      }
    }
    client.middlewareStack.add(record as never, { step: 'initialize', name: 'record' } as never)
    return client
  }
  const recording = (clients: Clients): Clients =>
    new Proxy(clients, {
      get(target, name) {
        if (name === 'forRegion') return (elsewhere: string) => recording(target.forRegion(elsewhere))
        const make = target[name as 'secrets']
        return async () => watch((await make()) as never)
      },
    })
  return recording(new Clients({ region }))
}
